// io.test.ts: IDX, CSV and text files, plain and gzip: real data, exact values, and one clear error for every malformed input.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { DataError, OptionError } from '../../lib/errors.ts';
import { parseDecimal } from '../../lib/io/csv/decimal.ts';
import { LineCutter } from '../../lib/io/csv/lines.ts';
import { type CSVOptions, parseCsv, parseIdx, readCsv, readIdx, readText } from '../../lib/io/index.ts';
import { sharedData } from '../kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-io-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
function save(bytes: Uint8Array | string): string {
  const path = join(folder, `${made++}`);
  writeFileSync(path, bytes);
  return path;
}
async function failure(run: () => unknown): Promise<DataError> {
  const error = await new Promise((resolve) => resolve(run())).then(
    () => new Error('expected a DataError, nothing was thrown'),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

/** An IDX file: `code`, dimensions, then the bytes of the data. */
function idx(code: number, shape: number[], data: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = code;
  head[3] = shape.length;
  for (const [i, d] of shape.entries()) head.writeUInt32BE(d, 4 + 4 * i);
  return Buffer.concat([head, data]);
}

describe('IDX', () => {
  const data = Buffer.from([0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x3f, 0xc0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const each = <T>(bytes: number, get: (at: number) => T): T[] => Array.from({ length: 16 / bytes }, (_, i) => get(i * bytes));
  test.each([
    [8, 'u8', 1, Uint8Array.from(data)],
    [9, 'i32', 1, Int32Array.from(each(1, (at) => view.getInt8(at)))],
    [11, 'i32', 2, Int32Array.from(each(2, (at) => view.getInt16(at)))],
    [12, 'i32', 4, Int32Array.from(each(4, (at) => view.getInt32(at)))],
    [13, 'f32', 4, Float32Array.from(each(4, (at) => view.getFloat32(at)))],
    [14, 'f64', 8, Float64Array.from(each(8, (at) => view.getFloat64(at)))],
  ])('dtype code %i is %s', async (code, dtype, bytes, want) => {
    const file = idx(code, [2, 8 / bytes], data);
    expect(parseIdx(file)).toEqual({ dtype, shape: [2, 8 / bytes], data: want });
    expect(await readIdx(save(file))).toEqual(parseIdx(file));
    expect(await readIdx(save(gzipSync(file)))).toEqual(parseIdx(file));
  });

  test('MNIST', async ({ skip }) => {
    const images = sharedData('mnist-10k-images-idx3-ubyte.gz');
    const labels = sharedData('mnist-10k-labels-idx1-ubyte.gz');
    if (!images || !labels) return skip('no shared data');
    const x = await readIdx(images);
    const y = await readIdx(labels);
    expect([x.dtype, x.shape, x.data.length]).toEqual(['u8', [10000, 28, 28], 7840000]);
    expect([y.dtype, y.shape]).toEqual(['u8', [10000]]);
    expect([...y.data.slice(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]); // as every tutorial prints them
    const counts = Array.from({ length: 10 }, (_, k) => y.data.filter((v) => v === k).length);
    expect(counts).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  });

  const good = idx(8, [2, 3], Buffer.from([1, 2, 3, 4, 5, 6]));
  const swapped = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] = value;
    return bytes;
  };
  test.each<[string, Uint8Array, number, RegExp]>([
    ['nothing', Buffer.alloc(0), 0, /expected an IDX header, the file ends after 0 bytes/],
    ['half a header', good.subarray(0, 9), 9, /the file ends after 9 bytes/],
    ['not IDX', Buffer.from('hello'), 0, /two zero bytes first/],
    ['an unknown dtype', swapped(2, 10), 2, /dtype code 10/],
    [
      'one byte short',
      good.subarray(0, good.length - 1),
      4,
      /expected 18 bytes for \[2,3\] of 1 bytes each, the file has at most 17/,
    ],
    ['one byte more', Buffer.concat([good, Buffer.from([0])]), 18, /expected 18 bytes .* got more/],
    ['4 billion rows', swapped(4, 255), 4, /the file has at most 18/],
    ['sizes past all bounds', idx(14, Array(64).fill(0xffffffff), Buffer.alloc(0)), 4, /Infinity bytes/],
    ['too many dimensions', idx(8, Array(65).fill(1), Buffer.alloc(1)), 3, /at most 64 dimensions, got 65/],
  ])('%s', async (_, bytes, offset, message) => {
    const path = save(bytes);
    for (const error of [await failure(() => parseIdx(bytes, path)), await failure(() => readIdx(path))]) {
      expect(error.message).toMatch(message);
      expect(error.details).toEqual({ file: path, offset });
    }
  });

  test('in gzip: cut short, too long, or damaged', async () => {
    expect((await failure(() => readIdx(save(gzipSync(good.subarray(0, 15)))))).message).toMatch(
      /offset 15: expected 18 bytes .* got 15/,
    );
    expect((await failure(() => readIdx(save(gzipSync(Buffer.concat([good, good])))))).message).toMatch(/offset 18: .* got more/);
    const packed = gzipSync(good);
    const cut = await failure(() => readIdx(save(packed.subarray(0, packed.length - 9))));
    expect(cut.message).toMatch(/corrupt gzip data \(unexpected end of file\)/);
    expect(cut.cause).toMatchObject({ code: 'Z_BUF_ERROR' });
    const flipped = Buffer.from(packed);
    flipped[packed.length - 6]! ^= 1;
    expect((await failure(() => readIdx(save(flipped)))).message).toMatch(/corrupt gzip data \(incorrect data check\)/);
    expect((await failure(() => readIdx(save(Buffer.concat([packed, Buffer.from('x')]))))).message).toMatch(/corrupt gzip/);
    // The header claims 16 TB; 30 bytes of gzip cannot hold it, so nothing is allocated.
    expect((await failure(() => readIdx(save(gzipSync(swapped(4, 255)))))).message).toMatch(/the file has at most/);
  });

  test('a changed byte gives a tensor or a DataError, nothing else', async () => {
    const real = sharedData('mnist-10k-labels-idx1-ubyte.gz');
    const labels = real ? gunzipSync(readFileSync(real)) : good;
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(255), fc.boolean(), async (where, value, packed) => {
        const bytes = Buffer.from(packed ? gzipSync(good) : where % 2 ? good : labels);
        bytes[where % Math.min(bytes.length, 64)] = value;
        const result = await (packed ? readIdx(save(bytes)) : new Promise((r) => r(parseIdx(bytes)))).catch((e: unknown) => e);
        if (result instanceof Error && !(result instanceof DataError)) throw result;
      }),
      { numRuns: 300 },
    );
  });
});

describe('CSV', () => {
  const values = (text: string, options?: CSVOptions) => [...parseCsv(text, options).features.data];

  test('the digits', async ({ skip }) => {
    const path = sharedData('digits.csv.gz');
    if (!path) return skip('no shared data');
    const { features, labels, columns } = await readCsv(path, { label: -1 });
    expect([features.dtype, features.shape, labels!.dtype, labels!.shape, columns]).toEqual([
      'f32',
      [1797, 64],
      'i32',
      [1797],
      null,
    ]);
    const rows = gunzipSync(readFileSync(path))
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split(',').map(Number));
    expect([...features.data]).toEqual(rows.flatMap((r) => r.slice(0, 64)));
    expect([...labels!.data]).toEqual(rows.map((r) => r[64]));
  });

  test('header, names, labels', () => {
    const text = '"sepal, length",width,"the ""class"""\n5.1,3.5,0\r\n-4.9e0, 3.0 ,"2"\r\n';
    const table = parseCsv(text, { label: 'the "class"' });
    expect(table.columns).toEqual(['sepal, length', 'width']);
    expect(table.features).toEqual({ dtype: 'f32', shape: [2, 2], data: new Float32Array([5.1, 3.5, -4.9, 3]) });
    expect(table.labels).toEqual({ dtype: 'i32', shape: [2], data: new Int32Array([0, 2]) });
    expect(values(text, { columns: ['width'] })).toEqual([3.5, 3]);
    expect(values(text, { columns: [-1, 0] })).toEqual([0, Math.fround(5.1), 2, Math.fround(-4.9)]);
    expect(parseCsv('1,0.5\n2,1.5', { label: 1, labelType: 'f32' }).labels!.data).toEqual(new Float32Array([0.5, 1.5]));
  });

  test('a header is found where it is, and only there', () => {
    expect(parseCsv('a,b\n1,2').columns).toEqual(['a', 'b']);
    expect(parseCsv('1,2\n3,4').columns).toBeNull();
    expect(parseCsv('1,2\n3,4', { header: true }).features.data).toEqual(new Float32Array([3, 4]));
    expect(() => parseCsv('a,b\n1,2', { header: false })).toThrow('<text>:1: column 1: expected a number, got "a"');
    // Columns that are not read may hold anything, also in the first row.
    expect(parseCsv('x,1\ny,2', { columns: [1] })).toMatchObject({ columns: null, features: { shape: [2, 1] } });
  });

  test('a line 0, 1, 2, ... is a header where the rows below are told apart, and otherwise asked for', () => {
    // As a data frame is written without its index.
    const frame = parseCsv('0,1,2\n0.5,12,1\n2.0,3,0\n', { label: -1 });
    expect([frame.columns, [...frame.features.data], [...frame.labels!.data]]).toEqual([
      ['0', '1'],
      [0.5, 12, 2, 3],
      [1, 0],
    ]);
    expect(parseCsv('0,1,2,class\n5,6,7,1', { label: 'class' }).columns).toEqual(['0', '1', '2']);
    expect(parseCsv('0,1\n1e-3,4', {}).columns).toEqual(['0', '1']);
    const asked = '<text>:1: column 1: 0, 1, 2, ... may name the columns or be a row: option header says which, true or false';
    for (const rows of ['3,4,5\n6,7,8', '0.5,1,2\n1,3,4', '0,1,2', '']) {
      expect(() => parseCsv(`0,1,2\n${rows}`)).toThrow(rows === '' ? /no rows after the header/ : asked);
    }
    expect(values('0,1,2\n3,4,5', { header: true })).toEqual([3, 4, 5]);
    expect(values('0,1,2\n3,4,5', { header: false })).toEqual([0, 1, 2, 3, 4, 5]);
    // Numbers that count otherwise are rows.
    expect(values('0\n1.5')).toEqual([0, 1.5]);
    expect(values('1,2\n0.5,1.5')).toEqual([1, 2, 0.5, 1.5]);
    expect(values('0.0,1\n0.5,1.5')).toEqual([0, 1, 0.5, 1.5]);
  });

  test('what is missing in the first row is no name', () => {
    for (const missing of ['NA', '', 'nan', 'NULL', '?', 'N/A', '-']) {
      expect(() => parseCsv(`5,${missing},7\n1,2,3`), missing).toThrow(/<text>:1: column 2: expected a number/);
    }
    expect(() => parseCsv('1.5,x\n2,3')).toThrow(/<text>:1: column 1: names beside numbers may name the columns or be a row/);
    expect(() => parseCsv('-1,x\n2,3')).toThrow(/option header says which/);
    expect(values('1.5,x\n2,3', { header: true })).toEqual([2, 3]);
    expect(parseCsv('id,2019,2020\n1,2,3').columns).toEqual(['id', '2019', '2020']);
  });

  test('the index of a data frame is no column to learn from', () => {
    for (const names of ['a,b', '0,1']) {
      const text = `,${names}\n0,1.5,2.5\n1,3.5,4.5\n`;
      expect(() => parseCsv(text)).toThrow(/<text>:1: column 1: has no name, as the index of a data frame: name the columns/);
      expect(values(text, { columns: [1, 2] })).toEqual([1.5, 2.5, 3.5, 4.5]);
    }
  });

  test('labels are below the number of classes, where it is given', () => {
    const text = 'a,y\n1,0\n2,3\n3,-1\n';
    const read = (classes: number, rows = 4) => parseCsv(text.split('\n').slice(0, rows).join('\n'), { label: 'y', classes });
    expect([...read(4, 3).labels!.data]).toEqual([0, 3]);
    expect(() => read(3)).toThrow('<text>:3: column 2 (y): expected a label from 0 to 2, got "3"');
    expect(() => read(4)).toThrow('<text>:4: column 2 (y): expected a label from 0 to 3, got "-1"');
    // A whole number, however it is written.
    expect([...parseCsv('1,1.0\n2,2e0', { label: 1, classes: 3 }).labels!.data]).toEqual([1, 2]);
  });

  test('labels that are words are classes, in the order of their code points', async () => {
    const kinds = ['virginica', 'setosa', '\u{1f33c}', '\uff21', 'setosa', 'Versicolor', 'virginica'];
    const text = `width,kind\n${kinds.map((kind, i) => `${i},"${kind}"`).join('\n')}`;
    const { labels, classes, columns } = await readCsv(save(text), { label: 'kind' });
    // By UTF-16, as < has it, the flower would stand before the wide letter.
    expect(classes).toEqual(['Versicolor', 'setosa', 'virginica', '\uff21', '\u{1f33c}']);
    expect(labels).toEqual({ dtype: 'i32', shape: [7], data: Int32Array.of(2, 1, 4, 3, 1, 0, 2) });
    expect(columns).toEqual(['width']);
    // Another file has the numbers of this one.
    const other = parseCsv('width,kind\n1,virginica\n2,Versicolor', { label: 'kind', classes: classes! });
    expect([[...other.labels.data], other.classes]).toEqual([[2, 0], classes]);
    const listed = parseCsv('1,2\n3,NA', { label: 1, header: false, classes: ['NA', '2'] });
    expect([[...listed.labels.data], listed.classes]).toEqual([
      [1, 0],
      ['NA', '2'],
    ]);
    expect(parseCsv('1,7\n3,4', { label: 1 }).classes).toBeNull();
    expect(parseCsv('1,7\n3,4').classes).toBeNull();
    // As Fisher's table is handed on: no header.
    expect(parseCsv('5.1,b\n4.9,a', { label: -1, header: false }).classes).toEqual(['a', 'b']);
  });

  test('every cell has the class of its word, whatever the words', () => {
    const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }).map((text) => `w${text.replace(/[\s",]/gu, '')}`);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (words) => {
        const { labels, classes } = parseCsv(`a,b\n${words.map((w) => `1,${w}`).join('\n')}`, { label: 'b' });
        expect(Array.from(labels.data, (i) => classes![i])).toEqual(words);
        expect(classes).toHaveLength(new Set(words).size);
      }),
    );
  });

  test.each<[string, string, CSVOptions, RegExp]>([
    [
      'a word after numbers',
      'a,y\n1,0\n2,cat',
      {},
      /^<text>:3: column 2 \(y\): expected an integer as label, as those above .*got "cat"/,
    ],
    [
      'a number after words',
      'a,y\n1,cat\n2,0',
      {},
      /^<text>:3: column 2 \(y\): expected a word as label, as those above .*got "0"/,
    ],
    ['no label', 'a,y\n1,cat\n2,', {}, /:3: column 2 \(y\): expected a label .*got an empty cell/],
    ['a missing one', 'a,y\n1,cat\n2,NA', {}, /:3: column 2 \(y\): expected a label \(option classes lists .*got "NA"/],
    ['words for values', 'a,y\n1,cat', { labelType: 'f32' }, /:2: column 2 \(y\): expected a number as label, got "cat"/],
    [
      'too many words',
      'a,y\n1,cat\n2,dog\n3,cow',
      { classes: 2 },
      /:4: column 2 \(y\): expected at most 2 classes, cat, dog, got "cow"/,
    ],
    [
      'a word that is not listed',
      'a,y\n1,cow',
      { classes: ['cat', 'dog'] },
      /:2: .*expected one of the classes cat, dog as label, got "cow"/,
    ],
    ['a class twice', 'a,y\n1,cow', { classes: ['cat', 'cat'] }, /option classes: "cat" is there twice/],
    // Five and three centimeters, or columns 5 and 3?
    ['a first row that may be names', '5,3,cat\n4,2,dog', { label: -1 }, /numbers beside a word .* option header says which/],
    ['a first row with a fraction', '5.1,3,cat\n4,2,dog', { label: -1 }, /option header says which/],
  ])('labels refused: %s', (_, text, options, message) => {
    expect(() => parseCsv(text, { label: 'y', ...options })).toThrow(message);
  });

  test('line ends of any kind, whatever the chunks', async () => {
    const rows = 'a,b|1,2||3,4|5,6|';
    for (const end of ['\n', '\r\n', '\r']) {
      const text = rows.replaceAll('|', end);
      expect(parseCsv(text).columns).toEqual(['a', 'b']);
      expect(values(text)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(() => parseCsv(text.replace('4', 'x'))).toThrow('<text>:4: column 2');
      expect(values(text.slice(0, -end.length))).toEqual([1, 2, 3, 4, 5, 6]);
      expect(() => parseCsv(`a,b${end}`)).toThrow(/no rows after the header/);
      for (let size = 1; size < 6; size++) {
        const lines: string[] = [];
        const cutter = new LineCutter(
          'f',
          (bytes, from, to, line) => {
            lines.push(`${line}: ${Buffer.from(bytes.subarray(from, to))}`);
          },
          100,
        );
        const bytes = Buffer.from(text);
        for (let at = 0; at < bytes.length; at += size) cutter.push(bytes.subarray(at, at + size));
        cutter.finish();
        expect(lines, `${JSON.stringify(end)} in chunks of ${size}`).toEqual(['1: a,b', '2: 1,2', '3: ', '4: 3,4', '5: 5,6']);
      }
    }
  });

  test('a delimiter in quotes is none; one that is not known is asked for', () => {
    expect(parseCsv('"a;b","c|d"\n1,2').columns).toEqual(['a;b', 'c|d']);
    expect(() => parseCsv('1:2\n3:4', { header: false })).toThrow(/got "1:2"; option delimiter says what stands between cells/);
    expect(() => parseCsv('a b c\n1 2 3')).toThrow(/<text>:2: column 1 \(a b c\): .*option delimiter/);
  });

  test('UTF-16 is named', () => {
    for (const mark of [
      [0xff, 0xfe],
      [0xfe, 0xff],
    ]) {
      const bytes = Uint8Array.of(...mark, 49, 0, 10, 0);
      expect(() => parseCsv(bytes)).toThrow('<text>:1: column 1: expected a table in UTF-8, got text in UTF-16: iconv');
    }
  });

  test('delimiters, byte order mark, empty lines, no last line end', () => {
    expect(values('1;2\n3;4')).toEqual([1, 2, 3, 4]);
    expect(values('1\t2\n3\t4\n')).toEqual([1, 2, 3, 4]);
    expect(values('1|2\n3|4\n')).toEqual([1, 2, 3, 4]);
    expect(values('1 2\n3 4\n', { delimiter: ' ' })).toEqual([1, 2, 3, 4]);
    expect(values('\ufeff1,2\n\n\r\n3,4\n\n')).toEqual([1, 2, 3, 4]);
    expect(values('7')).toEqual([7]);
    const mark = new TextEncoder().encode('\ufeff\n\ufeff1');
    expect(() => parseCsv(mark, { header: false })).toThrow(DataError);
  });

  test.each<[string, string, CSVOptions, number, number, RegExp]>([
    ['nothing', '', {}, 1, 1, /the file is empty/],
    ['empty lines only', '\n\n', {}, 1, 1, /the file is empty/],
    ['a header only', 'a,b\n', {}, 2, 1, /no rows/],
    ['a short row', '1,2,3\n4,5\n', {}, 2, 3, /expected 3 cells, got 2/],
    ['a short last row', '1,2,3\n4', {}, 2, 2, /expected 3 cells, got 1/],
    ['a long row', '1,2\n\n3,4,5', {}, 3, 3, /expected 2 cells, got 3/],
    ['a word', '1,2\n3,abc', {}, 2, 2, /expected a number, got "abc"/],
    ['an empty cell', '1,2\n,4', {}, 2, 1, /got an empty cell/],
    ['an empty last cell', '1,2\n3,', {}, 2, 2, /got an empty cell/],
    ['NaN', '1\nNaN', {}, 2, 1, /expected a number, got "NaN"/],
    ['Infinity', '1\nInfinity', {}, 2, 1, /expected a number/],
    ['hexadecimal', '1\n0x10', {}, 2, 1, /expected a number/],
    ['two dots', '1\n1.2.3', {}, 2, 1, /expected a number/],
    ['too large for f32', '1\n1e39', {}, 2, 1, /expected a number within f32, got "1e39"/],
    ['too large for f64', '1\n1e999', {}, 2, 1, /within f32/],
    ['decimal comma', '1;2\n1,5;3', {}, 2, 1, /got "1,5"/],
    ['an open quote', '1,2\n3,"4\n5,6', {}, 2, 2, /a quoted cell that begins here does not end/],
    ['more after a quote', '1,2\n"3"4,5', {}, 2, 1, /goes on after its end/],
    ['a fraction as label', '1,2\n3,4.5', { label: -1 }, 2, 2, /expected an integer as label, got "4.5"/],
    ['a label past i32', '1,2\n3,2147483648', { label: -1 }, 2, 2, /expected an integer as label/],
    ['nothing but a label', '1\n2', { label: 0 }, 1, 1, /no column of features/],
    ['UTF-16', '\ufeff1,2\n3'.replace(/./gs, '$&\0'), { header: false }, 1, 1, /expected a number/],
  ])('refused: %s', async (_, text, options, line, column, message) => {
    const path = save(text);
    const error = await failure(() => readCsv(path, options));
    expect(error.message).toMatch(message);
    expect(error.message.startsWith(`${path}:${line}: column ${column}: `)).toBe(true);
    expect(error.details).toEqual({ file: path, line, column });
  });

  test('options that make no sense', async () => {
    const bad = (options: object) => readCsv(save('a,a,bee\n1,2,3'), options as CSVOptions);
    await expect(bad({ heder: true })).rejects.toThrow('readCsv: unknown option heder; did you mean header?');
    await expect(bad({ header: 'yes' })).rejects.toThrow(OptionError);
    for (const delimiter of ['', ',,', '"', '\n', '1', '.']) await expect(bad({ delimiter })).rejects.toThrow(/delimiter/);
    await expect(bad({ label: 'be' })).rejects.toThrow('readCsv: option label: no column "be"; did you mean bee?');
    await expect(bad({ label: 'a' })).rejects.toThrow(/two columns have the name "a"/);
    await expect(bad({ label: 3 })).rejects.toThrow('readCsv: option label: expected an index within 3 columns, got 3');
    await expect(bad({ columns: [0.5] })).rejects.toThrow(OptionError);
    await expect(bad({ columns: [] })).rejects.toThrow(OptionError);
    await expect(bad({ labelType: 'u8' })).rejects.toThrow(OptionError);
    await expect(bad({ classes: 3 })).rejects.toThrow(/option classes: is for labels that are classes/);
    await expect(bad({ label: 'bee', classes: 0 })).rejects.toThrow(/option classes: expected a whole number >= 1/);
    await expect(bad({ label: 'bee', header: false })).rejects.toThrow(/need a header/);
    await expect(readCsv(join(folder, 'absent.csv'))).rejects.toMatchObject({ code: 'ERR_DATA', cause: { code: 'ENOENT' } });
  });

  test('a file of many chunks, whatever the chunks', async () => {
    const row = (i: number): number[] => Array.from({ length: 9 }, (_, j) => Math.fround(((i * 9 + j) % 1000) / 8 - 50));
    const text = Array.from({ length: 20000 }, (_, i) => row(i).join(',')).join('\n');
    const want = Float32Array.from({ length: 180000 }, (_, k) => row(Math.floor(k / 9))[k % 9]!);
    for (const path of [save(gzipSync(text)), save(text)]) {
      const { features } = await readCsv(path);
      expect(features.shape).toEqual([20000, 9]);
      expect((features.data as Float32Array).findIndex((value, k) => value !== want[k])).toBe(-1);
    }
  });

  test('numbers are rounded as Number() does', () => {
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 25 });
    const sign = fc.constantFrom('', '-', '+');
    const number = fc.tuple(sign, digits, fc.option(digits), fc.option(fc.tuple(fc.constantFrom('e', 'E'), sign, digits)));
    fc.assert(
      fc.property(fc.oneof(number, fc.constantFrom('x')), (parts) => {
        const [s, whole, fraction, exponent] = parts as [string, string, string | null, string[] | null];
        const text = parts === 'x' ? 'x' : `${s}${whole}${fraction === null ? '' : `.${fraction}`}${exponent?.join('') ?? ''}`;
        const bytes = Buffer.from(`7${text}7`);
        const want = text === '' ? Number.NaN : Number(text);
        expect(parseDecimal(bytes, 1, bytes.length - 1)).toBe(want);
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (value) => {
        const bytes = Buffer.from(String(value));
        expect(parseDecimal(bytes, 0, bytes.length)).toBe(value === 0 ? Number(String(value)) : value);
      }),
    );
  });

  test('any text gives a table or a DataError, nothing else', () => {
    const text = fc.string({
      unit: fc.constantFrom('1', '2', '.', '-', 'e', ',', ';', '"', '\n', '\r', ' ', 'a', '\u00fc'),
      maxLength: 40,
    });
    fc.assert(
      fc.property(text, fc.option(fc.constantFrom(0, -1)), (csv, label) => {
        try {
          const { features, labels } = parseCsv(csv, label === null ? {} : { label });
          expect(features.data.length).toBe(features.shape[0]! * features.shape[1]!);
          expect(features.data.every(Number.isFinite)).toBe(true);
          expect(labels?.data.length ?? features.shape[0]).toBe(features.shape[0]);
        } catch (e) {
          if (!(e instanceof DataError || e instanceof OptionError)) throw e;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('text', () => {
  test('plain, gzip, byte order mark', async () => {
    expect(await readText(save('h\u00e9llo \ud83d\ude00\n'))).toBe('h\u00e9llo \ud83d\ude00\n');
    expect(await readText(save(gzipSync('h\u00e9llo')))).toBe('h\u00e9llo');
    expect(await readText(save('\ufeffx'))).toBe('x');
    expect(await readText(save(''))).toBe('');
  });

  test('bytes that are not UTF-8', async () => {
    const path = save(Buffer.concat([Buffer.from('\ufeffok \u00e9\ufffd'), Buffer.from([0xe9, 0x20])]));
    const error = await failure(() => readText(path));
    expect(error.message).toMatch(/: offset 11: expected UTF-8, got byte 233 \(iconv -f latin1 -t utf-8 converts/);
    expect(error.details).toEqual({ file: path, offset: 11 });
    expect((await failure(() => readText(save(Buffer.from([0x61, 0xe2, 0x82]))))).details).toMatchObject({ offset: 1 });
    expect((await failure(() => readText(join(folder, 'absent')))).cause).toMatchObject({ code: 'ENOENT' });
  });

  test('tinyshakespeare has 65 characters', async ({ skip }) => {
    const path = sharedData('tinyshakespeare.txt');
    if (!path) return skip('no shared data');
    const text = await readText(path);
    expect(text.length).toBe(1115394);
  });
});
