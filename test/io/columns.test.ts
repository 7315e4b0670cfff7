// columns.test.ts: tables of numbers and texts, column by column: what is a number, what is missing, and what is refused, with its place.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DataError, OptionError } from '../../lib/errors.ts';
import { parseTable, type ReadTableOptions, readTable } from '../../lib/io/index.ts';

const columns = (text: string, options: ReadTableOptions = {}): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(parseTable(text, options).columns).map(([name, cells]) => [name, Array.from<unknown>(cells)]),
  );

const nan = Number.NaN;

describe('what a column holds', () => {
  it('numbers where every cell that is not missing is one, else texts, as they were written', () => {
    const text = 'zip,age,town,empty\n01234,41,Bonn,\n99999,?,"Köln, Rhein",NA\nA1,1e3,"say ""no""",\n';
    expect(columns(text)).toEqual({
      zip: ['01234', '99999', 'A1'],
      age: [41, nan, 1000],
      town: ['Bonn', 'Köln, Rhein', 'say "no"'],
      empty: [nan, nan, nan],
    });
    expect(parseTable(text).rows).toBe(3);
    expect(parseTable(text).columns.age).toBeInstanceOf(Float64Array);
    expect(columns(text, { columns: ['age', 'zip'], types: { age: 'text' } })).toEqual({
      age: ['41', null, '1e3'],
      zip: ['01234', '99999', 'A1'],
    });
  });

  it('what stands for a missing cell can be said', () => {
    const text = 'a,b\n-,x\n1,NA\n';
    expect(columns(text, { missing: ['-'] })).toEqual({ a: [nan, 1], b: ['x', 'NA'] });
    expect(columns(text)).toEqual({ a: ['-', '1'], b: ['x', null] });
  });

  it('delimiters, decimal commas, cells over several lines, byte order marks, and gzip', async () => {
    expect(columns('\ufeffa;b\r\n1,5;"u\nv"\r\n;w', { decimal: ',' })).toEqual({ a: [1.5, nan], b: ['u\nv', 'w'] });
    const folder = mkdtempSync(join(tmpdir(), 'gradclip-columns-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'a.csv.gz');
    writeFileSync(file, gzipSync('a|b\n1|x\n2|y\n'));
    const { columns: read, rows } = await readTable(file);
    expect([rows, [...read.a!], [...read.b!]]).toEqual([2, [1, 2], ['x', 'y']]);
  });

  it('names of the language are names', () => {
    expect(Object.keys(parseTable('__proto__,constructor\n1,x\n').columns)).toEqual(['__proto__', 'constructor']);
  });

  it('many different numbers, of which the texts are not kept', () => {
    const lines = Array.from({ length: 70_000 }, (_, i) => `${i}.5`);
    const { columns: read } = parseTable(`a\n${lines.join('\n')}\n`);
    expect(read.a).toBeInstanceOf(Float64Array);
    expect([read.a!.length, read.a![69_999]]).toEqual([70_000, 69_999.5]);
    expect(() => parseTable(`a\n${lines.join('\n')}\nx\n`)).toThrow(
      /<text>:70002: column 1 \(a\): expected a number, as the 70000 rows above have, got "x"/,
    );
    const words = lines.map((line) => `w${line}`).join('\n');
    expect(() => parseTable(`a\n${words}\n`)).toThrow(
      /column a: expected categories, got more than 65536 different texts; option columns/,
    );
  });
});

it('gives back what was written', () => {
  const word = fc.oneof(
    fc.constantFrom('', 'a', 'ä "b"', 'x,y', '1\n2', '😀'),
    fc.string({ maxLength: 6 }).map((s) => `w${s.replace(/[\r\0]/g, '')}`),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), word), { minLength: 1, maxLength: 8 }),
      (rows) => {
        const text = rows.map(([n, w]) => `${n},"${w.replaceAll('"', '""')}"`).join('\n');
        const read = columns(`n,w\n${text}\n`, { types: { w: 'text' }, delimiter: ',' });
        expect((read.n as number[]).map((v) => v + 0)).toEqual(rows.map(([n]) => n + 0));
        expect(read.w).toEqual(rows.map(([, w]) => (w === '' ? null : w)));
      },
    ),
    { numRuns: 100 },
  );
});

describe('one clear error', () => {
  it.each<[string, string, ReadTableOptions, new (...args: never[]) => Error, RegExp]>([
    ['ragged', 'a,b\n1,2\n3\n', {}, DataError, /^<text>:3: column 2 \(b\): expected 2 cells, got 1/],
    [
      'no number',
      'a,b\n1,2\n3,x\n',
      { types: { b: 'number' } },
      DataError,
      /^<text>:3: column 2 \(b\): expected a number, got "x"/,
    ],
    ['infinity', 'a\n1\n1e999\n', { types: { a: 'number' } }, DataError, /expected a number, got "1e999"/],
    ['no header', '1,2\n3,4\n', {}, DataError, /expected names of columns, got numbers: readCsv/],
    ['no rows', 'a,b\n', {}, DataError, /no rows after the header/],
    ['nothing', '', {}, DataError, /the file is empty/],
    ['an index', ',a\n0,1\n', {}, DataError, /has no name, as the index of a data frame/],
    ['names twice', 'a,a\n0,1\n', {}, DataError, /<text>:1: column 2: two columns have the name "a"/],
    ['an open quote', 'a\n"x\n', {}, DataError, /a quoted cell that begins here does not end/],
    ['a column', 'age\n1\n', { columns: ['Age'] }, OptionError, /option columns: no column "Age"; did you mean age\?/],
    ['a type', 'age\n1\n', { types: { ag: 'text' } }, OptionError, /option types: no column "ag"; did you mean age\?/],
    ['a column twice', 'a\n1\n', { columns: ['a', 'a'] }, OptionError, /a name is there twice/],
    ['a comma twice', 'a\n1\n', { decimal: ',', delimiter: ',' }, OptionError, /readTable: option decimal: a comma cannot be/],
    ['an option', 'a\n1\n', { header: true } as never, OptionError, /unknown option header/],
    ['no text', 'a\n\xff\ufffd\n', { types: { a: 'text' }, columns: ['b'] }, OptionError, /no column "b"/],
  ])('%s', (_, text, options, Kind, message) => {
    expect(() => parseTable(text, options)).toThrow(Kind);
    expect(() => parseTable(text, options)).toThrow(message);
  });

  it('text that is not in UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('a\nx\n'), Buffer.from([0xfc]), Buffer.from('\n')]);
    expect(() => parseTable(bytes)).toThrow('<text>:3: column 1 (a): expected a text in UTF-8');
  });
});
