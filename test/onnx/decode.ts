// decode.ts: a file of ONNX read back, by the numbers of fields in onnx.proto: what was written is looked at, not what was meant.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Values = Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array;

export interface ReadTensor {
  readonly name: string;
  /** The number of its type of elements. */
  readonly type: number;
  readonly shape: readonly number[];
  readonly data: Values;
  /** Where in another file it lies; null: in the model. */
  readonly external: Readonly<Record<string, string>> | null;
}
export type ReadAttribute = number | string | readonly number[] | readonly string[] | ReadTensor;
export interface ReadNode {
  readonly name: string;
  readonly op: string;
  readonly ins: readonly string[];
  readonly outs: readonly string[];
  readonly attributes: Readonly<Record<string, ReadAttribute>>;
}
export interface ReadPort {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly (number | string)[];
}
export interface ReadModel {
  readonly format: number;
  readonly opset: number;
  readonly producer: readonly [name: string, version: string];
  readonly metadata: Readonly<Record<string, string>>;
  readonly name: string;
  readonly nodes: readonly ReadNode[];
  readonly tensors: ReadonlyMap<string, ReadTensor>;
  readonly inputs: readonly ReadPort[];
  readonly outputs: readonly ReadPort[];
}

/** A field: its number, and a varint, four or eight bytes, or bytes. */
type Field = readonly [number, bigint | Uint8Array];

/** The fields of a message. @throws for one that ends too early */
function fieldsOf(bytes: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw new Error('a varint does not end');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new Error('a field is longer than its message');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, wire] = [tag >> 3, tag & 7];
    if (field < 1) throw new Error(`there is no field ${field}`);
    if (wire === 0) found.push([field, varint()]);
    else if (wire === 1) found.push([field, take(8)]);
    else if (wire === 2) found.push([field, take(Number(varint()))]);
    else if (wire === 5) found.push([field, take(4)]);
    else throw new Error(`there is no wire type ${wire}`);
  }
  return found;
}

/** A message, by the numbers of its fields. */
class Message {
  readonly #fields: readonly Field[];
  constructor(bytes: Uint8Array) {
    this.#fields = fieldsOf(bytes);
  }
  has(field: number): boolean {
    return this.#fields.some(([f]) => f === field);
  }
  bytes(field: number): Uint8Array[] {
    return this.#fields.flatMap(([f, value]) => (f === field && value instanceof Uint8Array ? [value] : []));
  }
  messages(field: number): Message[] {
    return this.bytes(field).map((b) => new Message(b));
  }
  texts(field: number): string[] {
    return this.bytes(field).map((b) => new TextDecoder('utf-8', { fatal: true }).decode(b));
  }
  text(field: number): string {
    return this.texts(field)[0] ?? '';
  }
  ints(field: number): number[] {
    return this.#fields.flatMap(([f, value]) =>
      f === field && typeof value === 'bigint' ? [Number(BigInt.asIntN(64, value))] : [],
    );
  }
  int(field: number): number {
    return this.ints(field)[0] ?? 0;
  }
  float(field: number): number {
    const [bytes] = this.bytes(field);
    return bytes ? new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true) : 0;
  }
}

const ARRAYS: Readonly<Record<number, { new (buffer: ArrayBuffer): Values; readonly BYTES_PER_ELEMENT: number }>> = {
  1: Float32Array,
  2: Uint8Array,
  6: Int32Array,
  7: BigInt64Array,
  9: Uint8Array,
  11: Float64Array,
};

function tensorOf(m: Message, folder: string): ReadTensor {
  const [shape, type, name] = [m.ints(1), m.int(2), m.text(8)];
  const array = ARRAYS[type];
  if (!array) throw new Error(`tensor ${name} is of type ${type}`);
  let raw = m.bytes(9)[0];
  let external: Record<string, string> | null = null;
  if (m.int(14) === 1) {
    external = Object.fromEntries(m.messages(13).map((p) => [p.text(1), p.text(2)]));
    const { location, offset, length } = external as Record<'location' | 'offset' | 'length', string>;
    raw = readFileSync(join(folder, location)).subarray(Number(offset), Number(offset) + Number(length));
  }
  const data = new array(new Uint8Array(raw ?? []).slice().buffer);
  const size = shape.reduce((a, b) => a * b, 1);
  if (data.length !== size) throw new Error(`tensor ${name} has ${data.length} elements for [${shape}]`);
  return { name, type, shape, data, external };
}

function attributeOf(m: Message, folder: string): [string, ReadAttribute] {
  const name = m.text(1);
  switch (m.int(20)) {
    case 1:
      return [name, m.float(2)];
    case 2:
      return [name, m.int(3)];
    case 3:
      return [name, m.text(4)];
    case 4:
      return [name, tensorOf(m.messages(5)[0]!, folder)];
    case 7:
      return [name, m.ints(8)];
    case 8:
      return [name, m.texts(9)];
    default:
      throw new Error(`attribute ${name} is of type ${m.int(20)}`);
  }
}

function portOf(m: Message): ReadPort {
  const tensor = m.messages(2)[0]!.messages(1)[0]!;
  const dims = tensor.messages(2)[0]!.messages(1);
  return { name: m.text(1), type: tensor.int(1), shape: dims.map((d) => (d.has(2) ? d.text(2) : d.int(1))) };
}

/** @param folder of the file, for what lies beside it */
export function decode(bytes: Uint8Array, folder: string = '.'): ReadModel {
  const m = new Message(bytes);
  const [graph] = m.messages(7);
  if (!graph) throw new Error('there is no graph');
  return {
    format: m.int(1),
    opset: m.messages(8)[0]!.int(2),
    producer: [m.text(2), m.text(3)],
    metadata: Object.fromEntries(m.messages(14).map((p) => [p.text(1), p.text(2)])),
    name: graph.text(2),
    nodes: graph.messages(1).map((n) => ({
      ins: n.texts(1),
      outs: n.texts(2),
      name: n.text(3),
      op: n.text(4),
      attributes: Object.fromEntries(n.messages(5).map((a) => attributeOf(a, folder))),
    })),
    tensors: new Map(
      graph
        .messages(5)
        .map((t) => tensorOf(t, folder))
        .map((t) => [t.name, t]),
    ),
    inputs: graph.messages(11).map(portOf),
    outputs: graph.messages(12).map(portOf),
  };
}

export const decodeFile = (file: string): ReadModel => decode(readFileSync(file), dirname(file));
