// entries.ts: the initializers of a model in ONNX as they stand in the file, in all ways that the format has for their values; and its metadata.
import type { DataError } from '../../errors.ts';
import { sizeOf } from '../../ir/op.ts';
import { STORED, type Stored } from '../arrays/decode.ts';
import { malformed } from '../arrays/safetensors-header.ts';
import { otherKind } from '../file/kinds.ts';
import type { Parts } from '../file/pace.ts';
import { MAX_METADATA, MAX_NAME, MAX_RANK, MAX_TENSORS } from '../limits.ts';
import { ProtoReader, wholesIn } from '../protobuf-read.ts';

// Numbers of fields, by message, as onnx.proto has them.
const MODEL = { graph: 7, metadata: 14 } as const;
const PAIR = { key: 1, value: 2 } as const;
const GRAPH = { tensor: 5, sparse: 15 } as const;
const SPARSE = { values: 1 } as const;
const TENSOR = { dims: 1, type: 2, segment: 3, name: 8, raw: 9, external: 13, location: 14 } as const;
/** Lists of numbers that a tensor may have in place of raw bytes: what a number takes, where that is fixed. */
const LISTS = { float: 4, int32: 5, int64: 7, double: 10, uint64: 11 } as const;
type List = keyof typeof LISTS;
const LIST_OF: ReadonlyMap<number, List> = new Map(Object.entries(LISTS).map(([name, field]) => [field, name as List]));
const WIDTH: Readonly<Record<List, 4 | 8 | null>> = { float: 4, double: 8, int32: null, int64: null, uint64: null };

/** A type of elements. */
export interface ElementType {
  /** As the format calls it. */
  readonly name: string;
  /** Null: it is not read here. */
  readonly stored: Stored | null;
  /** Which list its numbers stand in, where they are not raw bytes. */
  readonly list: List | null;
  /** Whether a list has numbers below 0. */
  readonly signed: boolean;
}

const type = (name: string, stored: Stored | null = null, list: List | null = null, signed = false): ElementType => ({
  name,
  stored,
  list,
  signed,
});
const UNDEFINED = type('UNDEFINED');
/** By their numbers. */
const TYPES: Readonly<Record<number, ElementType>> = {
  1: type('FLOAT', STORED.f32, 'float'),
  2: type('UINT8', STORED.u8, 'int32'),
  3: type('INT8', STORED.i8, 'int32', true),
  4: type('UINT16', STORED.u16, 'int32'),
  5: type('INT16', STORED.i16, 'int32', true),
  6: type('INT32', STORED.i32, 'int32', true),
  7: type('INT64', STORED.i64, 'int64', true),
  8: type('STRING'),
  9: type('BOOL', STORED.bool, 'int32'),
  10: type('FLOAT16', STORED.f16, 'int32'),
  11: type('DOUBLE', STORED.f64, 'double'),
  12: type('UINT32', STORED.u32, 'uint64'),
  13: type('UINT64', STORED.u64, 'uint64'),
  14: type('COMPLEX64'),
  15: type('COMPLEX128'),
  16: type('BFLOAT16', STORED.bf16, 'int32'),
  17: type('FLOAT8E4M3FN'),
  18: type('FLOAT8E4M3FNUZ'),
  19: type('FLOAT8E5M2'),
  20: type('FLOAT8E5M2FNUZ'),
  21: type('UINT4'),
  22: type('INT4'),
  23: type('FLOAT4E2M1'),
  24: type('FLOAT8E8M0'),
};
/** Names of those that are read. */
export const READ: readonly string[] = Object.values(TYPES).flatMap(({ name, stored }) => (stored ? [name] : []));

/** An initializer. */
export interface Entry {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Its values, as they lie in memory; null: elsewhere, or in a way that is not read. */
  readonly raw: Uint8Array | null;
  /** Where its values lie, if that is another file: what the format has for that. */
  readonly external: ReadonlyMap<string, string> | null;
  /** Few of its values are not 0, and those are what is there. */
  readonly sparse: boolean;
  /** Where in the file it stands. */
  readonly at: number;
}

/** What a model has for somebody who wants its weights. */
export interface Entries {
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * @param wanted names; not given: all
 * @throws DataError for what is malformed
 */
export function* entriesOf(bytes: Uint8Array, file: string, wanted: ReadonlySet<string> | undefined): Parts<Entries> {
  // Nearly always another file that lies in its place: what it is says more than what is wrong with its first bytes.
  const other = otherKind(bytes, 'a model in ONNX');
  if (other !== null) throw malformed(file, 0, `expected a model in ONNX, got ${other}`);
  const fail = (why: string, at: number): DataError => malformed(file, at, why);
  const model = new ProtoReader(bytes, fail);
  const metadata = new Map<string, string>();
  let [graph, size] = [null as ProtoReader | null, 0];
  while (model.next()) {
    if (model.field === MODEL.metadata) {
      size += model.bytes().length;
      if (size > MAX_METADATA) throw fail(`expected at most ${MAX_METADATA} bytes of metadata, got more`, model.at);
      metadata.set(...pairOf(model.message(), MAX_METADATA));
    } else if (model.field === MODEL.graph) {
      if (graph) throw fail('expected one graph, got two', model.at);
      graph = model.message();
    }
  }
  if (!graph) throw fail('expected a model in ONNX, got a message without a graph', 0);
  const entries = new Map<string, Entry>();
  while (graph.next()) {
    const { field, at } = graph;
    if (field !== GRAPH.tensor && field !== GRAPH.sparse) continue;
    const message = field === GRAPH.tensor ? graph.message() : valuesOf(graph.message(), fail);
    const entry = yield* entryOf(message, file, at, field === GRAPH.sparse);
    if (entries.has(entry.name)) throw wrongIn(file, entry, 'there are two of the name');
    if (entries.size === MAX_TENSORS) throw fail(`expected at most ${MAX_TENSORS} tensors, got more`, at);
    entries.set(entry.name, entry);
    yield;
  }
  const all = [...entries.values()];
  return { entries: wanted ? all.filter(({ name }) => wanted.has(name)) : all, metadata: Object.fromEntries(metadata) };
}

/** Of a pair of texts, of at most so many bytes each. */
function pairOf(pair: ProtoReader, most: number): [string, string] {
  let [key, value] = ['', ''];
  while (pair.next()) {
    if (pair.field === PAIR.key) key = pair.text(most);
    if (pair.field === PAIR.value) value = pair.text(most);
  }
  return [key, value];
}

/** The tensor that a sparse one has its name of. */
function valuesOf(sparse: ProtoReader, fail: (why: string, at: number) => DataError): ProtoReader {
  while (sparse.next()) if (sparse.field === SPARSE.values) return sparse.message();
  throw fail('a sparse tensor has no values', sparse.at);
}

/** So many parts of a list at most: one is as long as may be. */
const MOST_PARTS = 1024;

function* entryOf(message: ProtoReader, file: string, at: number, sparse: boolean): Parts<Entry> {
  const shape: number[] = [];
  const external = new Map<string, string>();
  const lists = new Map<List, Uint8Array[]>();
  let [name, element, elsewhere] = ['', UNDEFINED, false];
  let raw: Uint8Array | null = null;
  const fail = (why: string): DataError => malformed(file, message.at, `tensor ${JSON.stringify(name)}: ${why}`, undefined, name);
  while (message.next()) {
    const { field } = message;
    const list = LIST_OF.get(field);
    if (field === TENSOR.name) name = message.text(MAX_NAME);
    else if (field === TENSOR.type) element = typeOf(message.whole());
    else if (field === TENSOR.location) elsewhere = message.whole() === 1;
    else if (field === TENSOR.raw) raw = message.bytes();
    else if (field === TENSOR.segment) throw fail('it is a part of a tensor: others are not put together');
    else if (field === TENSOR.external) external.set(...pairOf(message.message(), MAX_NAME));
    else if (field === TENSOR.dims) {
      for (const d of wholesIn(message.wholes(), fail)) {
        if (shape.length === MAX_RANK || d > BigInt(Number.MAX_SAFE_INTEGER)) {
          throw fail(`expected at most ${MAX_RANK} sizes, from 0 on`);
        }
        shape.push(Number(d));
      }
    } else if (list !== undefined) {
      const parts = lists.get(list) ?? [];
      if (parts.length === MOST_PARTS) throw fail('expected values in one list, got them one by one');
      const width = WIDTH[list];
      parts.push(width === null ? message.wholes() : message.fixed(width));
      lists.set(list, parts);
    }
  }
  const known = { name, type: element, shape, sparse, at };
  // What a list would be is not known of such a type, and of a sparse one it is not the values.
  if (sparse || elsewhere || !element.stored) return { ...known, raw: null, external: elsewhere ? external : null };
  if (raw && lists.size > 0) throw fail('its values are there twice, as bytes and as a list');
  if (!raw) raw = yield* listed(element, lists, sizeOf(shape), fail);
  return { ...known, raw, external: null };
}

const typeOf = (number: number): ElementType => TYPES[number] ?? { ...UNDEFINED, name: `number ${number}` };

/** Numbers of a list between two places where the event loop may have a turn. */
const PART = 1 << 13;

/** Values that stand in a list, as they would lie in memory. */
function* listed(
  { name, stored, list, signed }: ElementType,
  lists: ReadonlyMap<List, readonly Uint8Array[]>,
  count: number,
  fail: (why: string) => DataError,
): Parts<Uint8Array> {
  const width = stored!.bytes;
  const parts = lists.get(list!) ?? [];
  if (lists.size > (parts.length > 0 ? 1 : 0)) {
    throw fail(`expected values of ${name} as bytes or as a list of ${list}, got one of ${[...lists.keys()].join(' and ')}`);
  }
  if (WIDTH[list!] !== null) return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  // A number takes a byte at least.
  const most = parts.reduce((sum, { length }) => sum + length, 0);
  if (!(count <= most)) throw fail(`expected ${count} numbers, got at most ${most}`);
  const out = new DataView(new ArrayBuffer(count * width));
  const bits = BigInt(8 * width);
  // Of 32 bits and of 64, what readers of such messages take is the end of the number.
  const above = 1n << (signed && width < 4 ? bits - 1n : bits);
  const least = signed ? -(1n << (bits - 1n)) : 0n;
  let n = 0;
  for (const part of parts) {
    for (const whole of wholesIn(part, fail)) {
      const value = signed ? BigInt.asIntN(64, whole) : whole;
      if (value < least || value >= above) throw fail(`element ${n} is ${value}: it does not fit into ${name}`);
      if (n < count) put(out, n * width, width, value);
      if (++n % PART === 0) yield;
    }
  }
  if (n !== count) throw fail(`expected ${count} numbers, got ${n}`);
  return new Uint8Array(out.buffer);
}

function put(view: DataView, at: number, width: number, value: bigint): void {
  if (width === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true);
  else if (width === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  else if (width === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
  else view.setUint8(at, Number(BigInt.asUintN(8, value)));
}

/** What is wrong with an initializer. */
export const wrongIn = (file: string, { at, name }: Entry, why: string): DataError =>
  malformed(file, at, `tensor ${JSON.stringify(name)}: ${why}`, undefined, name);
