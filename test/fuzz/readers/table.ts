// table.ts: tables of numbers and texts, read column by column, and the schemas that are learned of them.

import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { fromJSON, type Schema, schema } from '../../../lib/data/preprocess.ts';
import { type CellTable, parseTable, type ReadTableOptions, readTable } from '../../../lib/io/csv/table.ts';
import type { Random } from '../../torture/random.ts';
import { havoc, other } from '../make/bytes.ts';
import { perhapsGzipped } from '../make/damaged.ts';
import { anyText, disturbed, NUMBERS, word } from '../make/text.ts';
import { Broken, type Drawn, type Input, type Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

const KINDS = {
  number: (r: Random): string => (r.chance(0.2) ? r.pick(['', 'NA', '?', 'nan']) : `${r.between(-99, 99) / 4}`),
  category: (r: Random): string => (r.chance(0.1) ? '' : r.pick(['u', 'v', 'w x', 'ä'])),
  date: (r: Random): string => `20${r.between(10, 24)}-0${r.between(1, 9)}-${r.between(10, 28)}`,
} as const;

/** A table whose columns are of known kinds, and what they hold. */
function whole(r: Random): { readonly text: string; readonly expects: unknown } {
  const kinds = Array.from({ length: r.between(1, 4) }, () => r.pick(Object.keys(KINDS) as (keyof typeof KINDS)[]));
  const names = kinds.map((kind, i) => `${kind}_${i}`);
  const rows = Array.from({ length: r.between(1, 8) }, () => kinds.map((kind) => KINDS[kind](r)));
  const quoted = (cell: string): string => (r.chance(0.1) ? `"${cell}"` : cell);
  const lines = [names, ...rows].map((line) => line.map(quoted).join(','));
  const columns = kinds.map((_, j) => {
    const cells = rows.map((row) => row[j]!);
    const gap = (cell: string): boolean => ['', 'NA', '?', 'nan'].includes(cell);
    const numbers = cells.every((cell) => gap(cell) || Number.isFinite(Number(cell)));
    return [names[j]!, cells.map((cell) => (gap(cell) ? null : numbers ? Number(cell) : cell))];
  });
  // Of one column an empty line is none.
  return {
    text: `${lines.join(r.pick(['\n', '\r\n']))}\n`,
    expects: kinds.length === 1 ? undefined : Object.fromEntries(columns),
  };
}

function draw(r: Random): Drawn {
  const { text, expects } = whole(r);
  const kind = r.unit();
  const given = (bytes: Uint8Array, options: object = {}): Drawn => ({
    files: { 'a.csv': perhapsGzipped(r, bytes, kind >= 0.25) },
    options: { ...options },
  });
  if (kind < 0.25) return { ...given(Buffer.from(text), { delimiter: ',' }), ...(expects !== undefined && { expects }) };
  if (kind < 0.35) return given(r.chance(0.5) ? other(r) : Buffer.from(text, 'utf16le'));
  const odd = r.pick<() => object>([
    () => ({ columns: [anyText(r, 5)] }),
    () => ({ types: { number_0: r.pick(['number', 'text', 'date']) } }),
    () => ({ missing: [word(r), ''] }),
    () => ({ decimal: ',', delimiter: r.pick([';', ',']) }),
    () => ({ maxLine: r.pick([1, 10]), maxColumns: r.pick([1, 2]) }),
    () => ({}),
  ])();
  const cell = r.pick(NUMBERS);
  const bytes = Buffer.from(disturbed(r, Buffer.from(`${text}${cell},${cell}\n`).toString('latin1')), 'latin1');
  return given(r.chance(0.3) ? havoc(r, bytes) : bytes, odd);
}

/** A schema of what was read takes it, and is the same after JSON. */
function learned(table: CellTable): void {
  const made = schema(table.columns);
  const again = fromJSON(JSON.parse(JSON.stringify(made))) as Schema;
  if (!isDeepStrictEqual(again.toJSON(), made.toJSON())) throw new Broken('toJSON of what toJSON gave is another');
  const { shape } = again.transform(again.encode(table.columns).x);
  if (shape[0] !== table.rows || shape[1] !== made.outputs.length) throw new Broken('rows of another shape');
}

const plain = ({ columns }: CellTable): unknown =>
  Object.fromEntries(
    Object.entries(columns).map(([name, cells]) => [
      name,
      Array.from<string | number | null>(cells).map((cell) => (typeof cell === 'number' && Number.isNaN(cell) ? null : cell)),
    ]),
  );

function ways({ files, options }: Input, folder: string): ReturnType<Reader['ways']> {
  const file = join(folder, 'a.csv');
  const bytes = files['a.csv']!;
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const given = { ...options, ...limitOf(options) } as ReadTableOptions;
  return [
    {
      name: 'parseTable',
      alike: packed ? 'table from memory' : 'table',
      sync: true,
      partial: packed,
      plain,
      run: () => parseTable(bytes, given, file),
    },
    { name: 'readTable', alike: 'table', plain, run: () => readTable(file, given) },
    {
      name: 'schema',
      partial: true,
      async run() {
        learned(await readTable(file, given));
        return true;
      },
    },
  ];
}

export const TABLE: Reader = {
  covers: ['io.readTable', 'io.parseTable'],
  reaches: ['io/csv/table.ts'],
  draw,
  ways,
};
