// csv.ts: tables as tools write them, plain and gzip, and what they never should.
import { join } from 'node:path';
import { parseCsv, readCsv, readFeatures } from '../../../lib/io/csv/csv.ts';
import type { CSVOptions, Table } from '../../../lib/io/csv/options.ts';
import type { Random } from '../../torture/random.ts';
import { havoc, other } from '../make/bytes.ts';
import { perhapsGzipped } from '../make/damaged.ts';
import { bomb } from '../make/gzip.ts';
import { plainTensor } from '../make/tensors.ts';
import { anyText, disturbed, NUMBERS, word } from '../make/text.ts';
import type { Drawn, Input, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

interface Made {
  readonly text: string;
  readonly options: CSVOptions;
  readonly expects: unknown;
}

const cell = (r: Random): string =>
  r.pick([
    () => `${r.between(-99, 99)}`,
    () => (r.unit() * 20 - 10).toFixed(r.between(0, 20)),
    () => (r.unit() * 10).toExponential(r.between(0, 18)),
  ])();

/** A table of numbers: how it looks is drawn, what it says is known. */
export function table(r: Random, most = 6): Made {
  const [columns, rows] = [r.between(1, 5), r.between(1, most)];
  const comma = r.chance(0.1);
  const delimiter = comma ? r.pick([';', '\t']) : r.pick([',', ',', ';', '\t', '|', ' ', ':']);
  // Blanks do not count around a cell, but where they are what stands between two.
  const blank = (): string => (delimiter !== ' ' && r.chance(0.05) ? ' ' : '');
  const quoted = (text: string): string => `${blank()}${r.chance(0.1) ? `"${text}"` : text}${blank()}`;
  const end = r.pick(['\n', '\n', '\r\n', '\r']);
  const names = r.chance(0.5)
    ? Array.from({ length: columns }, (_, i) => `${String.fromCharCode(97 + i)}_${word(r).replace(/[^a-z]/g, 'z')}`)
    : null;
  const cells = Array.from({ length: rows }, () => Array.from({ length: columns }, () => cell(r)));
  const label = columns > 1 && r.chance(0.5) ? r.between(0, columns - 1) : null;
  const kind = label === null ? null : r.pick(['i32', 'f32', 'words'] as const);
  if (label !== null && kind !== 'f32')
    for (const row of cells) row[label] = kind === 'i32' ? `${r.between(0, 9)}` : `w${r.between(0, 3)}`;
  const shown = comma ? cells.map((row) => row.map((text) => text.replace('.', ','))) : cells;
  const lines = [...(names ? [names] : []), ...shown].map((line) => line.map(quoted).join(delimiter));
  const gaps = r.chance(0.1) ? end : '';
  const text = `${r.chance(0.1) ? '\ufeff' : ''}${lines.join(end + gaps)}${r.chance(0.8) ? end : ''}`;
  const guessed = columns === 1 || [',', ';', '\t', '|'].includes(delimiter);
  const options: CSVOptions = {
    // A first line of numbers alone may count columns: then the option has to say.
    header: names !== null && kind !== 'words' && r.chance(0.5) ? 'auto' : names !== null,
    ...(comma && { decimal: ',' }),
    ...((!guessed || comma || r.chance(0.3)) && { delimiter }),
    ...(label !== null && { label: names && r.chance(0.5) ? names[label]! : r.chance(0.5) ? label : label - columns }),
    ...(kind === 'f32' && { labelType: kind }),
  };
  return { text, options, expects: expected(cells, names, label, kind) };
}

function expected(
  cells: readonly string[][],
  names: readonly string[] | null,
  label: number | null,
  kind: 'i32' | 'f32' | 'words' | null,
): unknown {
  const kept = cells[0]!.map((_, i) => i).filter((i) => i !== label);
  const words = kind === 'words' ? [...new Set(cells.map((row) => row[label!]!))].sort() : null;
  const labels =
    label === null
      ? null
      : cells.map((row) =>
          words ? words.indexOf(row[label]!) : kind === 'f32' ? Math.fround(Number(row[label])) : Number(row[label]),
        );
  return {
    columns: names && kept.map((i) => names[i]),
    features: {
      dtype: 'f32',
      shape: [cells.length, kept.length],
      numbers: cells.flatMap((row) => kept.map((i) => Math.fround(Number(row[i])))),
    },
    labels: labels && { dtype: kind === 'f32' ? 'f32' : 'i32', shape: [cells.length], numbers: labels },
    classes: words,
  };
}

/** Options that need not fit the table. */
function oddOptions(r: Random, given: CSVOptions): CSVOptions {
  const column = (): string | number => (r.chance(0.5) ? r.between(-3, 5) : r.chance(0.5) ? anyText(r, 5) : 'a');
  switch (r.between(0, 7)) {
    case 6:
      return { ...given, decimal: r.pick(['.', ','] as const) };
    case 7:
      return { ...given, ...r.pick([{ maxLine: r.pick([1, 10, 40]) }, { maxColumns: r.pick([1, 2]) }]) };
    case 0:
      return { ...given, header: r.pick([true, false, 'auto'] as const) };
    case 1:
      return { ...given, delimiter: r.pick([',', ';', '\t', '|', ' ', '"', 'a', '::', '\n', '']) };
    case 2:
      return { ...given, columns: Array.from({ length: r.pick([1, 2, 300]) }, column) };
    case 3:
      return { ...given, label: column() };
    case 4:
      return { ...given, labelType: r.pick(['i32', 'f32'] as const) };
    default:
      return { ...given, classes: r.pick([1, 3, 2 ** 31, ['w0', 'w1'], ['w0', 'w0'], [anyText(r, 5)]]) };
  }
}

/** Labels of several kinds, and options that may fit none of them. */
function oddLabels(r: Random): { readonly text: string; readonly options: CSVOptions } {
  const labels = ['w0', 'w1', 'NA', '', '3', '-1', '2.5', '1e39', 'x'.repeat(1500), 'w\ufffd', '"a, b"', '"a\nb"'];
  const rows = Array.from({ length: r.between(1, 4) }, (_, i) => `${i},1.5,${r.pick(labels)}`);
  const head = r.pick([[], ['a,b,kind'], ['a,a,kind'], ['0,1,2'], ['0,1,kind']]);
  const classes = [1, 3, 2 ** 31, ['w0', 'w1'], ['w0', 'NA', 'a, b']];
  const more = r.pick<() => CSVOptions>([
    () => ({}),
    () => ({ classes: r.pick(classes) }),
    () => ({ labelType: 'f32' }),
    () => ({ header: true }),
  ]);
  return { text: [...head, ...rows].join('\n'), options: { label: r.pick([-1, -1, 'kind', 'a']), ...more() } };
}

/** Long lines, wide lines, cells at the edges of numbers. */
function odd(r: Random): string {
  const line = (n: number, text: string): string => new Array(n).fill(text).join(',');
  switch (r.between(0, 6)) {
    case 6:
      // Quoted cells that go over lines.
      return `"a${r.pick(['\n', '\r\n', '\n\n'])}b",c${r.pick(['', ',"d\ne', ',"d\ne"f', '"'])}\n${line(r.pick([2, 3]), '"1"')}\n"${'x\n'.repeat(r.pick([0, 5, 3000]))}`;
    case 0:
      return `${line(3, r.pick(NUMBERS))}\n1,2,3\n`;
    case 1:
      return `${r.pick(['1', '"', '""', 'a', ' '])}`.repeat(r.pick([100, 10_000, 200_000]));
    case 2:
      return `${line(r.pick([10, 1000, 20_000]), '1')}\n`.repeat(r.between(1, 3));
    case 3:
      return `"${'x'.repeat(r.between(0, 3000))}${r.pick(['"', '""', '"y', ''])},1\n2,3\n`;
    case 4:
      return `${r.pick(['0,1,2', '0,1,2.5', 'a,1.5', ',0,1', 'id,', '-,NA', 'a,a,b', '1,2,kind'])}\n${line(3, r.pick(['1', '1.5', '', 'x', '3.5e38']))}\n`.repeat(
        r.between(1, 3),
      );
    default:
      return `1,2${r.pick(['\r', '\n', '\r\n', '\n\r', '\x00', '\x0b', '\u2028'])}3,4\r`;
  }
}

const bytesOf = (text: string): Uint8Array => Buffer.from(text);

function draw(r: Random): Drawn {
  const kind = r.unit();
  if (kind < 0.001) {
    const { bytes, unpacked } = bomb(r, bytesOf('a,b\n'), r.pick(['1,2\n', '1', '\n', '"a",', '1.5,2.5\n', '\0']));
    return { files: { 'a.csv': bytes }, options: {}, unpacked };
  }
  if (kind < 0.003) {
    // Longer than what is read at once, so that lines are cut where pieces end.
    const { text, options, expects } = table(r, 20_000);
    return {
      files: { 'a.csv': perhapsGzipped(r, bytesOf(text), false) },
      options: { ...options },
      expects,
      unpacked: text.length,
    };
  }
  const { text, options, expects } = table(r);
  if (kind < 0.25) return { files: { 'a.csv': perhapsGzipped(r, bytesOf(text), false) }, options: { ...options }, expects };
  const now = r.chance(0.3) ? oddOptions(r, options) : options;
  if (kind < 0.3) {
    const { text: odd, options: given } = oddLabels(r);
    return { files: { 'a.csv': perhapsGzipped(r, bytesOf(odd), true) }, options: { ...given } };
  }
  if (kind < 0.38)
    return { files: { 'a.csv': perhapsGzipped(r, bytesOf(odd(r)), true) }, options: r.chance(0.5) ? {} : { ...now } };
  if (kind < 0.43) return { files: { 'a.csv': r.chance(0.5) ? other(r) : Buffer.from(text, 'utf16le') }, options: { ...now } };
  if (kind < 0.55) return { files: { 'a.csv': bytesOf(text) }, options: { ...oddOptions(r, options) } };
  let bytes: Uint8Array = Buffer.from(text);
  if (r.chance(0.8)) bytes = Buffer.from(disturbed(r, Buffer.from(text).toString('latin1')), 'latin1');
  if (r.chance(0.3)) bytes = havoc(r, bytes);
  return { files: { 'a.csv': perhapsGzipped(r, bytes, true) }, options: { ...now } };
}

const plain = ({ columns, features, labels, classes }: Table): unknown => ({
  columns: columns && [...columns],
  features: plainTensor(features),
  labels: labels && plainTensor(labels),
  classes: classes && [...classes],
});

function ways({ files, options }: Input, folder: string): ReturnType<Reader['ways']> {
  const file = join(folder, 'a.csv');
  const bytes = files['a.csv']!;
  const text = Buffer.from(bytes).toString();
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const given = { ...options, ...limitOf(options) } as CSVOptions;
  const alike = packed ? 'csv from memory' : 'csv';
  return [
    { name: 'parseCsv', alike, sync: true, partial: packed, plain, run: () => parseCsv(bytes, given, file) },
    {
      name: 'parseCsv of text',
      alike: `${alike} as text`,
      sync: true,
      partial: packed,
      plain,
      run: () => parseCsv(text, given, file),
    },
    { name: 'readCsv', alike: 'csv', plain, run: () => readCsv(file, given) },
    { name: 'readFeatures', partial: true, plain, run: () => readFeatures(file, given) },
  ];
}

export const CSV: Reader = {
  covers: ['io.readCsv', 'io.parseCsv'],
  reaches: ['io/csv/csv.ts', 'io/file/file.ts', 'io/csv/lines.ts'],
  draw,
  ways,
};
