// tables.test.ts: tables as they come: delimiters, line ends, quotes, encodings, decimal commas; limits, and what is no table.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DataError, OptionError } from '../../lib/errors.ts';
import { LineCutter } from '../../lib/io/csv/lines.ts';
import { CSVParser } from '../../lib/io/csv/parser.ts';
import { atOnce } from '../../lib/io/file/pace.ts';
import { type CSVOptions, parseCsv, readCsv } from '../../lib/io/index.ts';
import { MAX_COLUMNS, MAX_LINE } from '../../lib/io/limits.ts';
import { steppedClock, turnsDuring } from './kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-tables-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function save(name: string, bytes: Uint8Array | string): string {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

interface Want {
  readonly columns?: readonly string[] | null;
  readonly rows?: readonly (readonly number[])[];
  readonly labels?: readonly number[];
  readonly classes?: readonly string[];
  /** Begin of the error, after the name of the file. */
  readonly refused?: RegExp;
}

/** A table of what people have, as it was written, and what it is. */
const AWKWARD: readonly (readonly [string, string | Uint8Array, CSVOptions, Want])[] = [
  // What stands between cells.
  [
    'semicolons',
    'a;b\n1;2\n3;4\n',
    {},
    {
      columns: ['a', 'b'],
      rows: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  ['tabs', 'a\tb\n1\t2\n', {}, { columns: ['a', 'b'], rows: [[1, 2]] }],
  ['bars', 'a|b\n1|2\n', {}, { columns: ['a', 'b'], rows: [[1, 2]] }],
  ['a bar in a name', 'p(a|b),c\n1,2\n', {}, { columns: ['p(a|b)', 'c'], rows: [[1, 2]] }],
  ['a semicolon in a name', 'a;b,c;d,e\n1,2,3\n', {}, { columns: ['a;b', 'c;d', 'e'], rows: [[1, 2, 3]] }],
  ['a tab in a name', 'a\tb,c\n1,2\n', {}, { columns: ['a\tb', 'c'], rows: [[1, 2]] }],
  ['a comma in quotes', '"a,b";c\n1;2\n', {}, { columns: ['a,b', 'c'], rows: [[1, 2]] }],
  ['a header alone', 'a;b', {}, { refused: /^:2: column 1: no rows after the header/ }],
  ['a title above', 'Measurements of May\na,b\n1,2\n', {}, { refused: /^:2: column 2: expected 1 cells, got 2/ }],
  [
    'blanks between cells',
    '1 2\n3 4\n',
    { header: false },
    { refused: /^:1: column 1: expected a number, got "1 2"; option delimiter/ },
  ],
  [
    'blanks, told',
    '1 2\n3 4\n',
    { delimiter: ' ' },
    {
      rows: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  ['one column', 'a\n1\n2\n', {}, { columns: ['a'], rows: [[1], [2]] }],
  // Numbers.
  [
    'decimal commas',
    'a;b\n1,5;2\n-0,25;3\n',
    { decimal: ',' },
    {
      columns: ['a', 'b'],
      rows: [
        [1.5, 2],
        [-0.25, 3],
      ],
    },
  ],
  [
    'decimal commas, no header',
    '1,5;2,5\n3,5;4\n',
    { decimal: ',' },
    {
      columns: null,
      rows: [
        [1.5, 2.5],
        [3.5, 4],
      ],
    },
  ],
  ['decimal commas in one column', 'a\n1,5\n', { decimal: ',' }, { columns: ['a'], rows: [[1.5]] }],
  ['many digits and a comma', 'a;b\n0,1000000000000000055511151231257827;1\n', { decimal: ',' }, { rows: [[0.1, 1]] }],
  [
    'decimal commas, not told',
    'a;b\n1,5;2\n',
    {},
    { refused: /^:2: column 1 \(a\): expected a number, got "1,5"; option decimal ','/ },
  ],
  [
    'a dot where commas are told',
    'a;b\n1.5;2\n',
    { decimal: ',' },
    { refused: /^:2: column 1 \(a\): expected a number, got "1\.5"/ },
  ],
  ['thousands', 'a;b\n"1,234,567";2\n', {}, { refused: /^:2: column 1 \(a\): expected a number, got "1,234,567"/ }],
  [
    'commas in labels that are values',
    'a;y\n1,5;2,25\n',
    { decimal: ',', label: 'y', labelType: 'f32' },
    { rows: [[1.5]], labels: [2.25] },
  ],
  ['units', 'a,b\n5 kg,2\n', {}, { refused: /^:2: column 1 \(a\): expected a number, got "5 kg"/ }],
  ['dates', 'a,b\n2024-05-01,2\n', {}, { refused: /^:2: column 1 \(a\): expected a number, got "2024-05-01"/ }],
  // Headers.
  [
    'a data frame without its index',
    '0,1,2\n0.5,1.5,1\n0.25,2.5,0\n',
    { label: -1 },
    {
      columns: ['0', '1'],
      rows: [
        [0.5, 1.5],
        [0.25, 2.5],
      ],
      labels: [1, 0],
    },
  ],
  ['a data frame of counts', '0,1,2\n5,6,1\n', { label: -1 }, { refused: /^:1: column 1: 0, 1, 2, .* option header says which/ }],
  [
    'a data frame of counts, told',
    '0,1,2\n5,6,1\n',
    { label: -1, header: true },
    { columns: ['0', '1'], rows: [[5, 6]], labels: [1] },
  ],
  ['a data frame with its index', ',a,b\n0,1.5,2\n', {}, { refused: /^:1: column 1: has no name, as the index of a data frame/ }],
  ['years as names', 'city,2019,2020\n1,2,3\n', {}, { columns: ['city', '2019', '2020'], rows: [[1, 2, 3]] }],
  [
    'a label out of range',
    'a,y\n1,0\n2,7\n',
    { label: 'y', classes: 3 },
    { refused: /^:3: column 2 \(y\): expected a label from 0 to 2, got "7"/ },
  ],
  // Ends of lines.
  ['\\r\\n', 'a,b\r\n1,2\r\n', {}, { columns: ['a', 'b'], rows: [[1, 2]] }],
  [
    '\\r',
    'a,b\r1,2\r3,4',
    {},
    {
      columns: ['a', 'b'],
      rows: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  [
    'mixed ends',
    'a,b\n1,2\r\n3,4\n',
    {},
    {
      rows: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  ['empty lines', '\n\na,b\n\n1,2\n\n', {}, { rows: [[1, 2]] }],
  ['no last end', 'a,b\n1,2', {}, { rows: [[1, 2]] }],
  // Quotes.
  ['quoted numbers', '"a","b"\n"1","2"\n', {}, { columns: ['a', 'b'], rows: [[1, 2]] }],
  ['quotes in quotes', '"a ""b""",c\n1,2\n', {}, { columns: ['a "b"', 'c'] }],
  ['lines within quotes', 'text,x\n"one\ntwo\n\nthree",1\n"four",2\n', { columns: ['x'] }, { rows: [[1], [2]] }],
  ['several of them in a row', 'a,x,b\n"1\n2",3,"4\n5"\n6,7,8\n', { columns: ['x'] }, { rows: [[3], [7]] }],
  [
    'lines and quotes within quotes',
    'x,kind\n1,"a ""\n"" b"\n2,c\n',
    { label: 'kind' },
    { labels: [0, 1], classes: ['a "\n" b', 'c'] },
  ],
  ['\\r\\n within quotes', 'x,kind\r\n1,"a\r\nb"\r\n', { label: 'kind' }, { classes: ['a\nb'] }],
  ['a name of two lines', '"a\nb",c\n1,2\n', {}, { columns: ['a\nb', 'c'], rows: [[1, 2]] }],
  [
    'line numbers after lines within quotes',
    'text,x\n"one\ntwo",1\nthree,?\n',
    { columns: ['x'] },
    { refused: /^:4: column 2 \(x\): .*got "\?"/ },
  ],
  [
    'a ragged row after them',
    'text,x\n"one\ntwo",1,9\n',
    { columns: ['x'] },
    { refused: /^:2: column 3: expected 2 cells, got 3/ },
  ],
  ['an inch', 'size,x\n5" disk,1\n', { columns: ['x'] }, { rows: [[1]] }],
  [
    'a quote that does not end',
    'a,b\n1,"2\n3,4\n',
    {},
    { refused: /^:2: column 2: a quoted cell that begins here does not end/ },
  ],
  [
    'a second quote that does not end',
    'a,b\n"1\n2","3\n4',
    { columns: [0] },
    { refused: /^:3: column 2: a quoted cell that begins here does not end/ },
  ],
  ['more after a quote', 'a,b\n"1"x,2\n', {}, { refused: /^:2: column 1 \(a\): a quoted cell goes on after its end/ }],
  ['more after a quote of two lines', 'a,b\n"1\n2"x,2\n', {}, { refused: /^:2: column 1: a quoted cell goes on after its end/ }],
  // Rows of other lengths.
  ['a short row', 'a,b,c\n1,2,3\n4,5\n', {}, { refused: /^:3: column 3 \(c\): expected 3 cells, got 2/ }],
  ['a long row', 'a,b\n1,2\n3,4,5\n', {}, { refused: /^:3: column 3: expected 2 cells, got 3/ }],
  ['a delimiter at the end of each row', 'a,b,\n1,2,\n', {}, { refused: /^:2: column 3: expected a number, got an empty cell/ }],
  // Encodings.
  ['a byte order mark', '\ufeffa,b\n1,2\n', {}, { columns: ['a', 'b'], rows: [[1, 2]] }],
  [
    'UTF-16, little end first',
    Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'),
    {},
    { refused: /^:1: column 1: expected a table in UTF-8, got text in UTF-16: iconv/ },
  ],
  ['UTF-16 without a mark', Buffer.from('a,b\n1,2\n', 'utf16le'), {}, { refused: /got text in UTF-16: iconv/ }],
  ['UTF-16, big end first', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le').swap16(), {}, { refused: /got text in UTF-16/ }],
  ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 97, 0, 0, 0]), {}, { refused: /got text in UTF-32/ }],
  [
    'a name in Latin-1',
    Buffer.from('gr\u00f6\u00dfe,b\n1,2\n', 'latin1'),
    {},
    { refused: /^:1: column 1: expected a name in UTF-8: iconv -f latin1/ },
  ],
  [
    'a column in Latin-1 that is not read',
    Buffer.from('gr\u00f6\u00dfe,b\n\u00fc,2\n', 'latin1'),
    { columns: ['b'] },
    { rows: [[2]] },
  ],
  [
    'a character that stands for another, as it is meant',
    'a\ufffd,y\n1,w\ufffd\n',
    { label: 'y' },
    { columns: ['a\ufffd'], classes: ['w\ufffd'] },
  ],
  [
    'a label in Latin-1',
    Buffer.from('a,y\n1,gr\u00fcn\n', 'latin1'),
    { label: 'y' },
    { refused: /^:2: column 2 \(y\): expected a label in UTF-8/ },
  ],
  // What is no table.
  ['nothing', '', {}, { refused: /^:1: column 1: the file is empty/ }],
  [
    'a Git LFS pointer',
    'version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 5\n',
    {},
    { refused: /got a Git LFS pointer: run git lfs pull/ },
  ],
  ['a web page', '<!DOCTYPE html>\n<html>', {}, { refused: /got a web page: download the file itself/ }],
  ['JSON', '[{"a": 1}]', {}, { refused: /got JSON: .*write them as CSV/ }],
  [
    'a spreadsheet',
    Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(26), Buffer.from('[Content_Types].xml')]),
    {},
    { refused: /got a spreadsheet.*save the sheet as CSV/ },
  ],
  [
    'a zip',
    Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(26), Buffer.from('t.csv'), deflateRawSync('1,2')]),
    {},
    { refused: /got a zip archive: .*of a table or a text: unpack it first/ },
  ],
  ['Parquet', Buffer.from('PAR1\x15\x04'), {}, { refused: /got a Parquet file: .*to_csv/ }],
  ['an image', Buffer.from('\x89PNG\r\n', 'latin1'), {}, { refused: /got an image/ }],
  ['an array of numpy', Buffer.from('\x93NUMPY\x01\0', 'latin1'), {}, { refused: /got a \.npy file: io\.readNpy reads it/ }],
];

it.each(AWKWARD)('%s', async (_, content, options, want) => {
  const bytes = Buffer.from(content);
  // From memory; from a file; packed, without a name that says so; and in the smallest chunks.
  const inChunks = (): unknown => {
    const parser = new CSVParser('f', options);
    // What a file is, its first chunk tells.
    parser.push(bytes.subarray(0, 300));
    for (let at = 300; at < bytes.length; at++) parser.push(bytes.subarray(at, at + 1));
    return atOnce(parser.finish());
  };
  const path = save('t.csv', bytes);
  const packed = save('t', gzipSync(bytes));
  const ways: readonly (readonly [string, () => unknown])[] = [
    ['<text>', () => parseCsv(bytes, options)],
    [path, () => readCsv(path, options)],
    [packed, () => readCsv(packed, options)],
    ['f', inChunks],
  ];
  for (const [name, run] of ways) {
    const got = await new Promise((resolve) => resolve(run())).catch((e: unknown) => e);
    if (want.refused) {
      expect(got).toBeInstanceOf(DataError);
      const { message, details } = got as DataError;
      expect(message.startsWith(name)).toBe(true);
      expect(message.slice(name.length)).toMatch(want.refused);
      expect(details).toMatchObject({ file: name, line: expect.any(Number), column: expect.any(Number) });
      continue;
    }
    if (got instanceof Error) throw got;
    const { columns, features, labels, classes } = got as Awaited<ReturnType<typeof readCsv>>;
    if (want.columns !== undefined) expect(columns).toEqual(want.columns);
    if (want.rows)
      expect([features.shape, [...features.data]]).toEqual([
        [want.rows.length, want.rows[0]!.length],
        want.rows.flat().map(Math.fround),
      ]);
    if (want.labels) expect([...labels!.data]).toEqual(want.labels);
    if (want.classes) expect(classes).toEqual(want.classes);
  }
});

it('a comma is not both', () => {
  expect(() => parseCsv('1', { decimal: ',', delimiter: ',' })).toThrow(OptionError);
});

it('what is written with quotes, delimiters and ends of lines in cells is read as it was', () => {
  const word = fc
    .string({ unit: fc.constantFrom('a', '"', ',', ';', '\n', ' ', '\u00e9'), minLength: 1, maxLength: 8 })
    .map((w) => `w${w}w`);
  const end = fc.constantFrom('\n', '\r\n');
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), end, fc.integer({ min: 1, max: 7 }), (words, end, size) => {
      const quoted = (w: string): string => `"${w.replaceAll('"', '""')}"`;
      const text = `x,kind,y${end}${words.map((w, i) => `${i},${quoted(w)},${-i}`).join(end)}`;
      const parser = new CSVParser('f', { label: 'kind', delimiter: ',' });
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
      const { features, labels, classes } = atOnce(parser.finish());
      expect([...features.data]).toEqual(words.flatMap((_, i) => [i, 0 - i]));
      expect([...labels!.data].map((k) => classes![k])).toEqual(words);
    }),
  );
});

describe('limits', () => {
  it('a line', async () => {
    const long = `${'1'.repeat(MAX_LINE)},2\n`;
    for (const [text, line] of [
      [long, 1],
      [`a,b\n${long}`, 2],
      [long.trim(), 1],
    ] as const) {
      const path = save('long.csv', text);
      await expect(readCsv(path, { header: true })).rejects.toThrow(
        `${path}:${line}: expected a line of at most 1048576 bytes (option maxLine)`,
      );
      expect(() => parseCsv(text, { header: true })).toThrow(/:\d: expected a line of at most 1048576 bytes/);
    }
    expect(parseCsv('a,b\n1,2', { maxLine: 3 }).features.shape).toEqual([1, 2]);
    expect(() => parseCsv('a,b\n1,22', { maxLine: 3 })).toThrow('<text>:2: expected a line of at most 3 bytes (option maxLine)');
    expect(() => parseCsv('1', { maxLine: 0 })).toThrow(OptionError);
  });

  it('a quote that does not end, in a large file', () => {
    const text = `a,b\n1,2\n3,"4\n${'5,6\n'.repeat(400_000)}`;
    expect(() => parseCsv(text)).toThrow(
      '<text>:3: column 2: a quote that begins here does not end within 1048576 bytes (option maxLine)',
    );
    expect(parseCsv(`a,b\n1,2\n"3",4\n${'5,6\n'.repeat(400_000)}`).features.shape).toEqual([400_002, 2]);
  });

  it('columns', () => {
    const wide = (n: number): string => `${'1,'.repeat(n - 1)}1\n`;
    expect(parseCsv(wide(MAX_COLUMNS)).features.shape).toEqual([1, MAX_COLUMNS]);
    expect(() => parseCsv(wide(MAX_COLUMNS + 1))).toThrow(
      '<text>:1: column 65537: expected at most 65536 cells (option maxColumns), got more',
    );
    expect(parseCsv(wide(MAX_COLUMNS + 1), { maxColumns: Infinity }).features.shape).toEqual([1, MAX_COLUMNS + 1]);
  });

  it('bytes of a file, and of what is unpacked', async () => {
    const text = '1,2\n'.repeat(1000);
    for (const path of [save('a.csv', text), save('a.csv.gz', gzipSync(text))]) {
      expect((await readCsv(path, { maxBytes: 4000 })).features.shape).toEqual([1000, 2]);
      await expect(readCsv(path, { maxBytes: 3999 })).rejects.toThrow(/expected at most 3999 bytes \(option maxBytes\)/);
    }
  });

  it('words as classes', () => {
    const rows = (n: number): string => `a,y\n${Array.from({ length: n }, (_, i) => `1,w${i}`).join('\n')}`;
    expect(parseCsv(rows(65_536), { label: 'y' }).classes).toHaveLength(65_536);
    expect(() => parseCsv(rows(65_537), { label: 'y' })).toThrow(
      '<text>:65538: column 2 (y): expected at most 65536 classes, more by option classes, got "w65536"',
    );
    expect(parseCsv(rows(65_537), { label: 'y', classes: 70_000 }).classes).toHaveLength(65_537);
    expect(() => parseCsv(`a,y\n1,${'w'.repeat(1025)}`, { label: 'y' })).toThrow(
      /expected a label of at most 1024 characters, got "w{40}\.\.\."/,
    );
  });

  it('each byte is looked at once, whatever the chunks: parts of a line are joined when it ends', () => {
    const join = vi.spyOn(Buffer, 'concat');
    onTestFinished(() => join.mockRestore());
    const lengths: number[] = [];
    const cutter = new LineCutter('f', (_, from, to) => lengths.push(to - from), 1 << 20);
    const chunk = Buffer.alloc(10, 49);
    for (let i = 0; i < 100_000; i++) cutter.push(chunk);
    cutter.push(Buffer.from('\n'));
    expect(lengths).toEqual([1_000_000]);
    expect(join).toHaveBeenCalledTimes(1);
  });
});

describe('turns of the event loop', () => {
  it('come while a table is read and while it is put together', async () => {
    const rows = 200_000;
    const path = save('long.csv.gz', gzipSync('1,2,3\n'.repeat(rows)));
    steppedClock();
    const turns = await turnsDuring(async () => {
      const { features } = await readCsv(path, { label: 2 });
      expect(features.shape).toEqual([rows, 2]);
    });
    // At least one for every 2 pieces of 64 KiB (10,900 rows each), and for every 2 blocks of 65,536 values.
    expect(turns).toBeGreaterThanOrEqual(Math.floor((6 * rows) / 65_536 / 2) + Math.floor((3 * rows) / 65_536 / 2));
  });

  it('are offered every 65,536 values of what is put together', () => {
    const parser = new CSVParser('f', { label: 1, header: false });
    parser.push(Buffer.from('1,a\n2,b\n'.repeat(200_000)));
    let offered = 0;
    const parts = parser.finish();
    while (!parts.next().done) offered++;
    // Features, labels, and labels by their rank.
    expect(offered).toBeGreaterThanOrEqual(3 * Math.floor(400_000 / 65_536));
  });
});
