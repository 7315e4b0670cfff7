// safetensors.ts: weights: every dtype there is, headers that lie.
import { join } from 'node:path';
import { inspectSafetensors, parseSafetensors, readSafetensors, type Safetensors } from '../../../lib/io/arrays/safetensors.ts';
import type { Random } from '../../torture/random.ts';
import { damaged } from '../make/damaged.ts';
import { changedJson, inOrder, type Json, written } from '../make/json.ts';
import { data, joined, le, type Part, text } from '../make/parts.ts';
import { plainTensor, STORED, type Stored, type StoredName, shape, values } from '../make/tensors.ts';
import { anyText, word } from '../make/text.ts';
import type { Drawn, Input, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

const DTYPES: Readonly<Record<string, StoredName>> = {
  ...{ F64: 'f64', F32: 'f32', F16: 'f16', BF16: 'bf16', I64: 'i64', I32: 'i32', U8: 'u8' },
  ...{ I8: 'i8', I16: 'i16', U16: 'u16', U32: 'u32', U64: 'u64', BOOL: 'bool' },
};
const OTHER_DTYPES = ['F8_E4M3', 'F8_E5M2', 'C64', 'F4', 'f32', '', '__proto__', 'toString'];

export interface Spec {
  readonly header: readonly (readonly [string, Json])[];
  readonly bytes: Uint8Array;
  readonly expects: unknown;
}

export function spec(r: Random): Spec {
  const names = new Set(
    Array.from({ length: r.between(0, 4) }, () => (r.chance(0.1) ? anyText(r, 12) : `${word(r)}.${word(r)}`)),
  );
  names.delete('__metadata__');
  const found: (readonly [string, unknown])[] = [];
  const header: (readonly [string, Json])[] = [];
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const name of names) {
    const dtype = r.pick(Object.keys(DTYPES));
    const stored: Stored = STORED[DTYPES[dtype]!];
    const { shape: of, bytes, numbers } = values(r, stored, shape(r));
    header.push([name, { dtype, shape: of, data_offsets: [at, at + bytes.length] }]);
    found.push([name, { dtype: stored.dtype, shape: of, numbers }]);
    pieces.push(bytes);
    at += bytes.length;
  }
  const metadata = Object.fromEntries(Array.from({ length: r.between(0, 3) }, () => [word(r), anyText(r, 20)]));
  if (Object.keys(metadata).length > 0) header.unshift(['__metadata__', metadata]);
  return { header, bytes: Buffer.concat(pieces), expects: { tensors: byName(found), metadata } };
}

function parts(r: Random, json: string, bytes: Uint8Array): Part[] {
  const padding = ' '.repeat(r.pick([0, (8 - (Buffer.byteLength(json) % 8)) % 8]));
  const length = Buffer.byteLength(json) + padding.length;
  return [le(length, 8), text(json + padding), data(bytes)];
}

/** A file as it is meant. */
export const partsOf = ({ header, bytes }: Spec): Uint8Array => {
  const json = written(inOrder(header));
  return joined([le(Buffer.byteLength(json), 8), text(json), data(bytes)]);
};

/** Many tensors, many of them empty, large headers, dtypes that are none of ours. */
function odd(r: Random): Part[] {
  const many = r.chance(0.003) ? 100_001 : r.pick([1, 2, 1000]);
  const dtype = r.pick([...Object.keys(DTYPES), ...OTHER_DTYPES]);
  // Not many of them with many dimensions: that would be a header of 600 MB.
  const long = many > 1000 ? [] : [new Array(65).fill(1), new Array(3000).fill(1)];
  const of = r.pick([[], [0], [0, 2 ** 53], [2 ** 32, 2 ** 32], [1], ...long]);
  const size = r.pick([0, 1, 8]);
  const entry = (i: number): Json => ({ dtype, shape: of, data_offsets: [r.chance(0.1) ? 0 : i * size, (i + 1) * size] });
  const json = written(inOrder(Array.from({ length: many }, (_, i) => [`${i}`, entry(i)])));
  return parts(r, json, new Uint8Array(r.chance(0.9) ? size * many : r.between(0, 9)));
}

function draw(r: Random): Drawn {
  const { header, bytes, expects } = spec(r);
  const name = 'a.safetensors';
  const kind = r.unit();
  const whole = joined(parts(r, written(inOrder(header)), bytes));
  if (kind < 0.25) return { files: { [name]: whole }, options: {}, expects };
  if (kind < 0.26)
    return { files: { [name]: whole }, options: { tensors: [...header.map(([key]) => key), word(r)].slice(0, 2) } };
  // Numbers that need not fit what they are read as.
  if (kind < 0.29) {
    const any = Uint8Array.from(bytes, () => r.word());
    return { files: { [name]: joined(parts(r, written(inOrder(header)), any)) }, options: {} };
  }
  if (kind < 0.35) return { files: { [name]: joined(odd(r)) }, options: {} };
  if (kind < 0.7) return { files: { [name]: joined(parts(r, written(changedJson(r, inOrder(header))), bytes)) }, options: {} };
  return { files: { [name]: damaged(r, parts(r, written(inOrder(header)), bytes)) }, options: {} };
}

const byName = <T>(pairs: readonly (readonly [string, T])[]): (readonly [string, T])[] =>
  [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));

export const plainSafetensors = ({ tensors, metadata }: Safetensors): unknown => ({
  tensors: byName([...tensors]).map(([name, t]) => [name, plainTensor(t)]),
  metadata: { ...metadata },
});

function ways({ files, options }: Input, folder: string): ReturnType<Reader['ways']> {
  const file = join(folder, 'a.safetensors');
  const own = options.tensors ? { tensors: options.tensors as string[] } : {};
  const parse = (): Safetensors => parseSafetensors(files['a.safetensors']!, file, own);
  const read = (): Promise<Safetensors> => readSafetensors(file, { ...own, ...limitOf(options) });
  const inspect = async (): Promise<unknown> => {
    const { entries, metadata } = await inspectSafetensors(file, limitOf(options));
    return { entries: entries.map(({ name, dtype, shape, begin, end }) => [name, dtype, shape, begin, end]), metadata };
  };
  return [
    { name: 'parseSafetensors', alike: 'safetensors', sync: true, plain: plainSafetensors, run: parse },
    { name: 'readSafetensors', alike: 'safetensors', plain: plainSafetensors, run: read },
    { name: 'inspectSafetensors', partial: true, run: inspect },
  ];
}

export const SAFETENSORS: Reader = {
  covers: ['io.readSafetensors', 'io.parseSafetensors', 'io.inspectSafetensors'],
  reaches: [
    'io/arrays/safetensors.ts',
    'io/arrays/safetensors-read.ts',
    'io/arrays/safetensors-header.ts',
    'io/json.ts',
    'io/json-cursor.ts',
  ],
  draw,
  ways,
};
