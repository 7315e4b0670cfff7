// onnx.ts: weights of models in ONNX: in all ways that the format has for values, in files beside the model too, and damaged ones.
import { join } from 'node:path';
import type { Safetensors } from '../../../lib/io/arrays/safetensors.ts';
import { parseOnnx, readOnnx } from '../../../lib/io/onnx/onnx.ts';
import { ProtoWriter } from '../../../lib/io/protobuf.ts';
import type { Random } from '../../torture/random.ts';
import { havoc } from '../make/bytes.ts';
import { damaged } from '../make/damaged.ts';
import { data, joined, type Part } from '../make/parts.ts';
import { plainTensor, STORED, type StoredName, shape, values } from '../make/tensors.ts';
import { anyText, word } from '../make/text.ts';
import type { Drawn, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

const TYPES: Readonly<Record<StoredName, number>> = {
  ...{ f32: 1, u8: 2, i8: 3, u16: 4, i16: 5, i32: 6, i64: 7, bool: 9, f16: 10, f64: 11, u32: 12, u64: 13, bf16: 16 },
};
/** The list that values of a type may be in: its field. */
const LISTS: Readonly<Record<StoredName, number>> = {
  ...{ f32: 4, f64: 10, i64: 7, u32: 11, u64: 11 },
  ...{ u8: 5, i8: 5, u16: 5, i16: 5, i32: 5, bool: 5, f16: 5, bf16: 5 },
};
const NAMES = ['weight', 'bias', 'fc.weight', 'ü', '', '__proto__', 'a\nb'];
const DATA = 'a.data';

interface Tensor {
  readonly write: (w: ProtoWriter) => void;
  readonly expects: unknown;
}

/** Numbers of whole types as they lie in memory, one by one. */
function wholes(bytes: Uint8Array, width: number, signed: boolean): bigint[] {
  return Array.from({ length: bytes.length / width }, (_, i) => {
    const value = bytes.subarray(i * width, (i + 1) * width).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
    return signed ? BigInt.asIntN(8 * width, value) : value;
  });
}

/** @param beside what lies in the other file */
function tensor(r: Random, name: string, beside: Uint8Array[]): Tensor {
  const stored = r.pick(Object.keys(TYPES)) as StoredName;
  const { bytes: width, dtype } = STORED[stored];
  const { shape: of, bytes, numbers } = values(r, STORED[stored], shape(r));
  const way = r.unit();
  const offset = beside.reduce((sum, { length }) => sum + length, 0);
  if (way < 0.2) beside.push(bytes);
  return {
    expects: [name, { dtype, shape: of, numbers }],
    write(w) {
      if (r.chance(0.5)) w.packedInts(1, of);
      else for (const d of of) w.int(1, d);
      w.int(2, TYPES[stored]).string(8, name);
      if (way < 0.2) {
        const pairs = { location: DATA, offset: String(offset), ...(r.chance(0.7) && { length: String(bytes.length) }) };
        for (const [key, value] of Object.entries(pairs)) w.message(13, (p) => p.string(1, key).string(2, value));
        w.int(14, 1);
      } else if (way < 0.6) w.bytes(9, bytes);
      // A list of floats lies as raw bytes do.
      else if (stored === 'f32' || stored === 'f64') w.bytes(LISTS[stored], bytes);
      else if (stored.startsWith('i')) w.packedInts(LISTS[stored], wholes(bytes, width, true));
      else w.packedUints(LISTS[stored], wholes(bytes, width, false));
    },
  };
}

/** What no reader can make a tensor of, or should. */
function odd(r: Random): (w: ProtoWriter) => void {
  const pair = (key: string, value: string) => (p: ProtoWriter) => p.string(1, key).string(2, value);
  return r.pick<(w: ProtoWriter) => void>([
    (w) =>
      w
        .int(2, r.between(-1, 30))
        .string(8, anyText(r, 12))
        .bytes(9, new Uint8Array(r.between(0, 9))),
    (w) =>
      w
        .packedInts(1, [2 ** r.between(0, 52), 2 ** r.between(0, 52)])
        .int(2, 1)
        .bytes(9, new Uint8Array(4)),
    (w) =>
      w
        .packedInts(1, [2 ** r.between(0, 40)])
        .int(2, 7)
        .packedInts(7, [1, 2]),
    (w) => w.message(3, (s) => s.int(1, 0).int(2, 1)),
    (w) => {
      const where = r.pick(['../a.data', '/etc/passwd', '..', '', 'x/../../y', 'none', DATA, anyText(r, 9)]);
      w.packedInts(1, [r.between(0, 5)])
        .int(2, 1)
        .message(13, pair('location', where))
        .int(14, 1);
      w.message(13, pair(r.pick(['offset', 'length', word(r)]), r.pick(['-1', '4', '1e3', '99999999999999999', anyText(r, 5)])));
    },
  ]);
}

interface Model {
  readonly parts: Part[];
  /** What lies in the other file. */
  readonly beside: readonly Uint8Array[];
  readonly names: readonly string[];
  /** Not there where nobody knows. */
  readonly expects?: unknown;
}

/** The parts of a file: each field of the model is one. */
function drawn(r: Random): Model {
  const names = [...new Set(Array.from({ length: r.between(0, 4) }, () => r.pick(NAMES)))];
  const beside: Uint8Array[] = [];
  const tensors = names.map((name) => tensor(r, name, beside));
  const strange = r.chance(0.15) ? odd(r) : null;
  const graph = new ProtoWriter();
  graph.message(1, (n) => n.string(4, 'Relu'));
  for (const { write } of tensors) graph.message(5, write);
  if (strange) graph.message(r.chance(0.2) ? 15 : 5, strange);
  const metadata: Record<string, string> = r.chance(0.3) ? { author: r.pick(NAMES) } : {};
  const field = (write: (w: ProtoWriter) => unknown): Part => {
    const w = new ProtoWriter();
    write(w);
    return data(w.finish());
  };
  const parts = [
    field((w) => w.int(1, 8).string(2, 'a')),
    field((w) => w.bytes(7, graph.finish())),
    field((w) => w.message(8, (o) => o.int(2, 17))),
    ...Object.entries(metadata).map(([key, value]) => field((w) => w.message(14, (p) => p.string(1, key).string(2, value)))),
  ];
  return { parts, beside, names, ...(!strange && { expects: { tensors: tensors.map((t) => t.expects), metadata } }) };
}

function draw(r: Random): Drawn {
  const { parts, beside, names, ...known } = drawn(r);
  const files = (model: Uint8Array): Record<string, Uint8Array> => ({
    'a.onnx': model,
    ...(beside.length > 0 && { [DATA]: Buffer.concat(beside) }),
  });
  if (r.chance(0.4)) return { files: files(joined(parts)), options: {}, ...known };
  if (r.chance(0.1)) return { files: files(joined(parts)), options: { tensors: [...names, word(r)].slice(r.between(0, 1), 2) } };
  return { files: files(r.chance(0.7) ? havoc(r, joined(parts)) : damaged(r, parts)), options: {} };
}

const plain = ({ tensors, metadata }: Safetensors): unknown => ({
  tensors: [...tensors].map(([name, t]) => [name, plainTensor(t)]),
  metadata: { ...metadata },
});

export const ONNX: Reader = {
  covers: ['io.readOnnx', 'io.parseOnnx'],
  reaches: ['io/onnx/entries.ts', 'io/onnx/onnx.ts', 'io/protobuf-read.ts'],
  draw,
  ways({ files, options }, folder) {
    const file = join(folder, 'a.onnx');
    const tensors = options.tensors === undefined ? {} : { tensors: options.tensors as string[] };
    const read = { name: 'readOnnx', alike: 'onnx', plain, run: () => readOnnx(file, { ...limitOf(options), ...tensors }) };
    // Memory has nothing beside it.
    if (DATA in files || Buffer.from(files['a.onnx']!).includes('location')) return [read];
    return [read, { name: 'parseOnnx', alike: 'onnx', sync: true, plain, run: () => parseOnnx(files['a.onnx']!, file, tensors) }];
  },
};
