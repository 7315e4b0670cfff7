// npy.ts: numpy's arrays, of all kinds, orders and versions.
import { join } from 'node:path';
import { parseNpy, readNpy } from '../../../lib/io/arrays/npy.ts';
import type { Random } from '../../torture/random.ts';
import { damaged } from '../make/damaged.ts';
import { data, joined, le, type Part, text } from '../make/parts.ts';
import { plainTensor, STORED, type Stored, type StoredName, shape, sizeOf, swapped, values } from '../make/tensors.ts';
import { NUMBERS } from '../make/text.ts';
import type { Drawn, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

/** What follows the order of bytes in `descr`. */
const CODES: Readonly<Record<string, StoredName>> = {
  ...{ f2: 'f16', f4: 'f32', f8: 'f64', b1: 'bool', u1: 'u8', i1: 'i8', u2: 'u16', i2: 'i16' },
  ...{ u4: 'u32', i4: 'i32', u8: 'u64', i8: 'i64' },
};
const OTHER_CODES = ['c8', 'c16', 'O', 'U5', 'S3', 'M8[ns]', 'V4', 'f16', 'g', '', '<f4', '|O8'];

/** The parts of a file, and what is read of it. */
export function npyParts(r: Random): { readonly parts: Part[]; readonly expects: unknown } {
  const code = r.pick(Object.keys(CODES));
  const stored: Stored = STORED[CODES[code]!];
  const of = shape(r);
  const { bytes, numbers } = values(r, stored, of);
  const order = stored.bytes === 1 ? '|' : r.pick(['<', '>', '=']);
  const fortran = r.chance(0.3);
  const laid = fortran ? columnMajor(bytes, of, stored.bytes) : bytes;
  const body = order === '>' ? swapped(laid, stored.bytes) : laid;
  const parts = [...head(r, `'${order}${code}'`, fortran, written(of)), data(body)];
  return { parts, expects: { dtype: stored.dtype, shape: of, numbers } };
}

const written = (of: readonly number[]): string => (of.length === 1 ? `(${of[0]},)` : `(${of.join(', ')})`);

/** Magic, version, length of the header, header. */
function head(r: Random, descr: string, fortran: boolean, dims: string): Part[] {
  const version = r.pick([1, 1, 2, 3]);
  const keys = [`'descr': ${descr}`, `'fortran_order': ${fortran ? 'True' : 'False'}`, `'shape': ${dims}`];
  const dict = `{${(r.chance(0.8) ? keys : keys.reverse()).join(', ')}, }`;
  const before = version === 1 ? 10 : 12;
  const padded = `${dict.padEnd(Math.ceil((dict.length + before + 1) / 64) * 64 - before - 1)}\n`;
  return [
    data(Buffer.from('\x93NUMPY', 'latin1')),
    le(version, 1),
    le(0, 1),
    le(padded.length, version === 1 ? 2 : 4),
    text(padded),
  ];
}

/** The same elements with the first index running fastest. */
function columnMajor(bytes: Uint8Array, of: readonly number[], width: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  const count = sizeOf(of);
  for (let i = 0; i < count; i++) {
    let [rest, to, stride] = [i, 0, count];
    for (let k = of.length - 1; k >= 0; k--) {
      stride /= of[k]!;
      to += (rest % of[k]!) * stride;
      rest = Math.floor(rest / of[k]!);
    }
    out.set(bytes.subarray(i * width, (i + 1) * width), to * width);
  }
  return out;
}

/** Lengths agree, and what the header says makes no sense, or is much. */
function odd(r: Random): Part[] {
  const rank = r.pick([1, 2, 33, 64, 65, 500, 5000]);
  const size = r.pick([...NUMBERS, '1', '0', '2L', '']);
  const dims = Array.from({ length: rank }, (_, i) => (r.chance(2 / rank) ? size : i === 0 ? r.pick(['0', '2']) : '1'));
  const code = r.chance(0.7) ? r.pick(Object.keys(CODES)) : r.pick(OTHER_CODES);
  const bytes = r.pick([0, 1, 8, 16, 64]);
  return [
    ...head(r, `'${r.pick(['<', '>', '|', '=', '', '!'])}${code}'`, r.chance(0.5), `(${dims.join(', ')},)`),
    data(new Uint8Array(bytes)),
  ];
}

/** More than fits a piece of a file that is read. */
function large(r: Random): Part[] {
  const of = [r.between(200, 700), r.between(100, 500)];
  return [...head(r, "'<f4'", r.chance(0.5), written(of)), data(new Uint8Array(4 * sizeOf(of)))];
}

function draw(r: Random): Drawn {
  const { parts, expects } = npyParts(r);
  if (r.chance(0.25)) return { files: { 'a.npy': joined(parts) }, options: {}, expects };
  if (r.chance(0.002)) return { files: { 'a.npy': joined(large(r)) }, options: {} };
  if (r.chance(0.05)) {
    // Numbers that need not fit what they are read as.
    const any = Uint8Array.from(parts.at(-1)!.bytes, () => r.word());
    return { files: { 'a.npy': joined([...parts.slice(0, -1), data(any)]) }, options: {} };
  }
  const now = r.chance(0.25) ? odd(r) : parts;
  return { files: { 'a.npy': r.chance(0.5) && now !== parts ? joined(now) : damaged(r, now) }, options: {} };
}

export const NPY: Reader = {
  covers: ['io.readNpy', 'io.parseNpy'],
  reaches: ['io/arrays/npy.ts'],
  draw,
  ways({ files, options }, folder) {
    const limit = limitOf(options);
    const file = join(folder, 'a.npy');
    return [
      {
        name: 'parseNpy',
        alike: 'npy',
        sync: true,
        plain: plainTensor,
        run: () => parseNpy(files['a.npy']!, file),
      },
      { name: 'readNpy', alike: 'npy', plain: plainTensor, run: () => readNpy(file, limit) },
    ];
  },
};
