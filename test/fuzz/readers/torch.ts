// torch.ts: archives of torch.save: pickles of dicts, lists and tuples with tensors in them, whole and lying, and the memory of the tensors beside.
import { join } from 'node:path';
import type { TensorData } from '../../../lib/io/file/file.ts';
import { readTorch } from '../../../lib/io/torch/torch.ts';
import type { Random } from '../../torture/random.ts';
import { damaged } from '../make/damaged.ts';
import { data, joined, le, type Part, text } from '../make/parts.ts';
import { plainTensor } from '../make/tensors.ts';
import { anyText, word } from '../make/text.ts';
import { type Entry, entry, lying, zip } from '../make/zip.ts';
import type { Drawn, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

/** Kinds of memory: bytes of an element, dtype here, and a value of it. */
const KINDS: Readonly<
  Record<string, { width: number; dtype: 'f32' | 'f64' | 'i32' | 'u8'; one: (r: Random) => [Uint8Array, number] }>
> = {
  FloatStorage: { width: 4, dtype: 'f32', one: (r) => number(Float32Array, r.between(-100, 100) / 8) },
  DoubleStorage: { width: 8, dtype: 'f64', one: (r) => number(Float64Array, r.between(-100, 100) / 3) },
  IntStorage: { width: 4, dtype: 'i32', one: (r) => number(Int32Array, r.between(-1e9, 1e9)) },
  ByteStorage: { width: 1, dtype: 'u8', one: (r) => number(Uint8Array, r.between(0, 255)) },
};

function number(
  kind: Float32ArrayConstructor | Float64ArrayConstructor | Int32ArrayConstructor | Uint8ArrayConstructor,
  value: number,
): [Uint8Array, number] {
  const array = kind.of(value);
  return [new Uint8Array(array.buffer), array[0]!];
}

const op = (code: number): Part => le(code, 1);
const string = (value: string): Part[] => [op(0x58), le(Buffer.byteLength(value), 4), text(value)];
const whole = (value: number): Part[] => (value >= 0 && value < 256 ? [op(0x4b), le(value, 1)] : [op(0x4a), le(value, 4)]);
const global = (module: string, name: string): Part[] => [op(0x63), text(module), text('\n'), text(name), text('\n')];
const tuple = (...items: readonly Part[][]): Part[] => [op(0x28), ...items.flat(), op(0x74)];

interface Made {
  readonly pickle: Part[];
  readonly tensors: readonly (readonly [string, TensorData])[];
}

interface Memory {
  readonly entries: Entry[];
}

function tensor(r: Random, memory: Memory): { readonly pickle: Part[]; readonly value: TensorData } {
  const name = r.pick(Object.keys(KINDS));
  const { dtype, one } = KINDS[name]!;
  const shape = Array.from({ length: r.between(0, 3) }, () => r.between(r.chance(0.1) ? 0 : 1, 4));
  const size = shape.reduce((a, b) => a * b, 1);
  const offset = r.between(0, 3);
  const values = Array.from({ length: offset + size }, () => one(r));
  const key = String(memory.entries.length);
  memory.entries.push(entry(r, `archive/data/${key}`, Buffer.concat(values.map(([bytes]) => bytes))));
  const numbers = values.slice(offset).map(([, value]) => value);
  const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1));
  const dims = (of: readonly number[]): Part[] => tuple(...of.map(whole));
  const id = tuple(string('storage'), global('torch', name), string(key), string('cpu'), whole(values.length));
  const args = tuple(
    [...id, op(0x51)],
    whole(offset),
    dims(shape),
    dims(strides),
    [op(0x89)],
    [...global('collections', 'OrderedDict'), op(0x29), op(0x52)],
  );
  const arrays = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array };
  const pickle = [...global('torch._utils', '_rebuild_tensor_v2'), ...args, op(0x52)];
  return { pickle, value: { dtype, shape, data: arrays[dtype].from(numbers) } };
}

/** Anything but tensors. */
function other(r: Random): Part[] {
  return r.pick([
    [op(0x4e)],
    [op(0x88)],
    whole(r.between(-5, 300)),
    [op(0x47), data(Buffer.from([0x3f, 0xe0, 0, 0, 0, 0, 0, 0]))],
    [op(0x8a), le(3, 1), le(r.word(), 3)],
    string(anyText(r, 12)),
    tuple(),
    [...global('os', 'system'), ...tuple(string('exit 1')), op(0x52)],
    [...global('some.module', 'Class'), op(0x29), op(0x81), op(0x7d), op(0x62)],
  ]);
}

function value(r: Random, path: string, depth: number, memory: Memory): Made {
  const kind = depth > 3 ? r.between(0, 1) : r.between(0, 4);
  if (kind === 0) return { pickle: other(r), tensors: [] };
  if (kind <= 2) {
    const { pickle, value } = tensor(r, memory);
    return { pickle, tensors: [[path, value]] };
  }
  if (kind === 3) return dict(r, path, depth, memory);
  const items = Array.from({ length: r.between(0, 3) }, (_, i) => value(r, path ? `${path}.${i}` : String(i), depth + 1, memory));
  const pickle = [op(0x5d), op(0x28), ...items.flatMap((m) => m.pickle), op(0x65)];
  return { pickle, tensors: items.flatMap((m) => m.tensors) };
}

function dict(r: Random, path: string, depth: number, memory: Memory): Made {
  // Words have no dots: no two paths are one.
  const keys = [...new Set(Array.from({ length: r.between(0, 4) }, () => word(r).replaceAll('.', '')))].filter(Boolean);
  const items = keys.map((key) => [key, value(r, path ? `${path}.${key}` : key, depth + 1, memory)] as const);
  const start = r.chance(0.5) ? [op(0x7d)] : [...global('collections', 'OrderedDict'), op(0x29), op(0x52)];
  const pickle = [...start, op(0x28), ...items.flatMap(([key, m]) => [...string(key), ...m.pickle]), op(0x75)];
  return { pickle, tensors: items.flatMap(([, m]) => m.tensors) };
}

function draw(r: Random): Drawn {
  const memory: Memory = { entries: [] };
  const made = dict(r, '', 0, memory);
  const pickle = [op(0x80), le(2, 1), ...made.pickle, op(0x2e)];
  const kind = r.unit();
  const content = kind < 0.4 ? damaged(r, pickle) : joined(pickle);
  const order = r.chance(0.3) ? [entry(r, 'archive/byteorder', Buffer.from('little'))] : [];
  const entries = [entry(r, 'archive/data.pkl', content), ...order, ...memory.entries];
  if (kind < 0.4) return { files: { 'a.pt': joined(zip(r, entries)) }, options: {} };
  if (kind < 0.6) return { files: { 'a.pt': joined(zip(r, lying(r, entries, ''))) }, options: {} };
  if (kind < 0.7) return { files: { 'a.pt': damaged(r, zip(r, entries)) }, options: {} };
  const files = { 'a.pt': joined(zip(r, entries)) };
  if (kind < 0.75) {
    const names = made.tensors.map(([name]) => name);
    return { files, options: { tensors: [...names, word(r)].slice(r.between(0, 1), 2) } };
  }
  // None at all is refused.
  return made.tensors.length === 0
    ? { files, options: {} }
    : { files, options: {}, expects: made.tensors.map(([name, t]) => [name, plainTensor(t)]) };
}

const plain = (found: ReadonlyMap<string, TensorData>): unknown => [...found].map(([name, t]) => [name, plainTensor(t)]);

export const TORCH: Reader = {
  covers: ['io.readTorch'],
  reaches: ['io/torch/torch.ts', 'io/torch/pickle.ts'],
  draw,
  ways({ options }, folder) {
    const limit = { ...limitOf(options), ...(options.tensors !== undefined && { tensors: options.tensors as string[] }) };
    return [{ name: 'readTorch', plain, run: () => readTorch(join(folder, 'a.pt'), limit) }];
  },
};
