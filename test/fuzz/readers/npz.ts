// npz.ts: zip archives of numpy's arrays: stored and deflated, with sizes of 32 and 64 bits, in front of and behind what other tools add.
import { join } from 'node:path';
import { parseNpz, readNpz } from '../../../lib/io/arrays/npy.ts';
import type { TensorData } from '../../../lib/io/file/file.ts';
import type { Random } from '../../torture/random.ts';
import { damaged } from '../make/damaged.ts';
import { deflatedZeros } from '../make/gzip.ts';
import { joined, type Part } from '../make/parts.ts';
import { plainTensor } from '../make/tensors.ts';
import { word } from '../make/text.ts';
import { type Entry, entry, lying, zip } from '../make/zip.ts';
import type { Drawn, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';
import { npyParts } from './npy.ts';

/** Distinct names, and the arrays under them. */
function arrays(r: Random): { readonly entries: Entry[]; readonly expects: readonly unknown[] } {
  const names = new Set(Array.from({ length: r.between(0, 3) }, () => word(r)));
  const made = [...names].map((name) => ({ name, ...npyParts(r) }));
  const entries = made.map(({ name, parts }) => entry(r, `${name}.npy`, joined(parts)));
  return { entries, expects: made.map(({ name, expects }) => [name, expects]) };
}

/** Kilobytes that say that they are megabytes, and are: alone, or many entries on the same bytes. */
function bomb(r: Random): { readonly parts: Part[]; readonly unpacked: number } {
  const size = r.pick([1 << 20, 4 << 20, 17 << 20, 60 << 20]);
  const [packed, content] = [deflatedZeros(size), new Uint8Array(0)];
  const one: Entry = { name: 'a.npy', content, method: 8, packed, flags: 0, long: false, shared: false, size };
  const many = r.pick([1, 1, 2, 100]);
  const parts = zip(
    r,
    Array.from({ length: many }, (_, i) => ({ ...one, name: `${i}.npy`, shared: i > 0 })),
  );
  return { parts, unpacked: size * many };
}

function draw(r: Random): Drawn {
  if (r.chance(0.001)) {
    const { parts, unpacked } = bomb(r);
    return { files: { 'a.npz': joined(parts) }, options: {}, unpacked };
  }
  const { entries, expects } = arrays(r);
  if (r.chance(0.25)) return { files: { 'a.npz': joined(zip(r, entries)) }, options: {}, expects };
  if (r.chance(0.05)) {
    const names = entries.map(({ name }) => name.slice(0, -4));
    return { files: { 'a.npz': joined(zip(r, entries)) }, options: { arrays: [...names, word(r)].slice(r.between(0, 1), 2) } };
  }
  if (r.chance(0.4)) return { files: { 'a.npz': joined(zip(r, lying(r, entries, '.npy'))) }, options: {} };
  if (r.chance(0.2) && entries.length > 0) {
    const broken = { ...entry(r, entries[0]!.name, damaged(r, npyParts(r).parts)) };
    return { files: { 'a.npz': joined(zip(r, [broken, ...entries.slice(1)])) }, options: {} };
  }
  return { files: { 'a.npz': damaged(r, zip(r, entries)) }, options: {} };
}

const plain = (found: ReadonlyMap<string, TensorData>): unknown => [...found].map(([name, t]) => [name, plainTensor(t)]);

export const NPZ: Reader = {
  covers: ['io.readNpz', 'io.parseNpz'],
  reaches: ['io/arrays/npy.ts', 'io/arrays/zip.ts'],
  draw,
  ways({ files, options }, folder) {
    const limit = { ...limitOf(options), ...(options.arrays !== undefined && { arrays: options.arrays as string[] }) };
    const file = join(folder, 'a.npz');
    return [
      { name: 'parseNpz', alike: 'npz', sync: true, plain, run: () => parseNpz(files['a.npz']!, file, limit) },
      { name: 'readNpz', alike: 'npz', plain, run: () => readNpz(file, limit) },
    ];
  },
};
