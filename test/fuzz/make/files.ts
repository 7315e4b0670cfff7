// files.ts: the files that a configuration names, right, as parts.
import { crc32 } from 'node:zlib';
import type { DataType } from './configs.ts';
import { LABELS, ROWS } from './configs.ts';
import { be, data, joined, le, type Part, text } from './parts.ts';

const floats = (numbers: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(numbers).buffer);

function npy(descr: string, dims: string, body: Uint8Array): Part[] {
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${dims}, }`.padEnd(117);
  return [data(Buffer.from('\x93NUMPY\x01\x00', 'latin1')), le(118, 2), text(`${dict}\n`), data(body)];
}

/** Stored, with sizes of 32 bits. */
function zip(files: Readonly<Record<string, Uint8Array>>): Part[] {
  const parts: Part[] = [];
  const list: Part[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const common = [
      le(20, 2),
      le(0, 2),
      le(0, 2),
      le(0, 4),
      le(crc32(content), 4),
      le(content.length, 4),
      le(content.length, 4),
      le(name.length, 2),
      le(0, 2),
    ];
    parts.push(le(0x04034b50, 4), ...common, text(name), data(content));
    list.push(le(0x02014b50, 4), le(20, 2), ...common, le(0, 2), le(0, 2), le(0, 2), le(0, 4), le(at, 4), text(name));
    at += 30 + name.length + content.length;
  }
  const [count, length] = [Object.keys(files).length, joined(list).length];
  return [...parts, ...list, le(0x06054b50, 4), le(0, 4), le(count, 2), le(count, 2), le(length, 4), le(at, 4), le(0, 2)];
}

const idx = (shape: readonly number[], body: readonly number[]): Part[] => [
  ...[be(0, 2), be(8, 1), be(shape.length, 1), ...shape.map((d) => be(d, 4))],
  data(Uint8Array.from(body)),
];

/** Parts of the files of each kind of data, by their names. */
export const FILES: Readonly<Record<DataType, Readonly<Record<string, readonly Part[]>>>> = {
  csv: { 'a.csv': ROWS.map((row, i) => text(`${[...row, LABELS[i]].join(',')}\n`)) },
  table: {
    'a.csv': [
      text('a,b,c,l\n'),
      ...ROWS.map(([a, b], i) => text(`${a},${b},${i % 3 === 0 ? 'u' : 'v'},${LABELS[i] === 0 ? 'p' : 'q'}\n`)),
    ],
  },
  npz: {
    'a.npz': zip({
      'x.npy': joined(npy('<f4', '(8, 4)', floats(ROWS.flat()))),
      'y.npy': joined(npy('|u1', '(8,)', Uint8Array.from(LABELS))),
    }),
  },
  idx: { 'a.idx': idx([8, 4], ROWS.flat()), 'b.idx': idx([8], LABELS) },
  text: { 'a.txt': [text('the quick brown fox jumps over the lazy dog\n'.repeat(2)), text('äöü 日本\n')] },
};
