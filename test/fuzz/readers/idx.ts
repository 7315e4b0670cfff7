// idx.ts: files as MNIST has them, of all dtypes, plain and gzip.
import { join } from 'node:path';
import { parseIdx, readIdx } from '../../../lib/io/arrays/idx.ts';
import type { Random } from '../../torture/random.ts';
import { damaged, perhapsGzipped } from '../make/damaged.ts';
import { bomb } from '../make/gzip.ts';
import { be, data, EDGES, joined, type Part } from '../make/parts.ts';
import { plainTensor, STORED, type Stored, type StoredName, shape, sizeOf, swapped, values } from '../make/tensors.ts';
import type { Drawn, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

const CODES: readonly (readonly [number, StoredName])[] = [
  [8, 'u8'],
  [9, 'i8'],
  [11, 'i16'],
  [12, 'i32'],
  [13, 'f32'],
  [14, 'f64'],
];

export function idxParts(r: Random, of: readonly number[] = shape(r, 8)): { readonly parts: Part[]; readonly expects: unknown } {
  const [code, name] = r.pick(CODES);
  const stored: Stored = STORED[name];
  const { bytes, numbers } = values(r, stored, of);
  const body = stored.bytes === 1 ? bytes : swapped(bytes, stored.bytes);
  return { parts: [...head(code, of), data(body)], expects: { dtype: stored.dtype, shape: of, numbers } };
}

const head = (code: number, of: readonly (number | bigint)[]): Part[] => [
  be(0, 2),
  be(code, 1),
  be(of.length, 1),
  ...of.map((d) => be(d, 4)),
];

/** Ranks and sizes at their edges. */
function odd(r: Random): Part[] {
  const of = Array.from({ length: r.pick([0, 1, 2, 3, 64, 65, 255]) }, () =>
    r.chance(0.1) ? r.pick(EDGES) : BigInt(r.between(0, 2)),
  );
  return [...head(r.chance(0.9) ? r.pick(CODES)[0] : r.between(0, 255), of), data(new Uint8Array(r.pick([0, 1, 4, 8, 64])))];
}

function draw(r: Random): Drawn {
  const kind = r.unit();
  if (kind < 0.001) {
    const size = r.pick([1 << 20, 1 << 24, 40 << 20]);
    const { bytes, unpacked } = bomb(r, joined(head(8, [size])), '\0');
    return { files: { 'a.idx': bytes }, options: {}, unpacked };
  }
  if (kind < 0.003) {
    const of = [r.between(300, 900), r.between(300, 900)];
    return {
      files: { 'a.idx': perhapsGzipped(r, joined([...head(8, of), data(new Uint8Array(sizeOf(of)))]), false) },
      options: {},
      unpacked: sizeOf(of),
    };
  }
  const { parts, expects } = idxParts(r);
  if (kind < 0.25) return { files: { 'a.idx': perhapsGzipped(r, joined(parts), false) }, options: {}, expects };
  if (kind < 0.45) return { files: { 'a.idx': perhapsGzipped(r, joined(odd(r)), true) }, options: {} };
  return { files: { 'a.idx': perhapsGzipped(r, damaged(r, parts), true) }, options: {} };
}

export const IDX: Reader = {
  covers: ['io.readIdx', 'io.parseIdx'],
  reaches: ['io/arrays/idx.ts', 'io/file/file.ts'],
  draw,
  ways({ files, options }, folder) {
    const limit = limitOf(options);
    const file = join(folder, 'a.idx');
    const bytes = files['a.idx']!;
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return [
      {
        name: 'parseIdx',
        alike: packed ? 'idx from memory' : 'idx',
        sync: true,
        partial: packed,
        plain: plainTensor,
        run: () => parseIdx(bytes, file),
      },
      { name: 'readIdx', alike: 'idx', plain: plainTensor, run: () => readIdx(file, limit) },
    ];
  },
};
