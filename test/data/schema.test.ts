// schema.test.ts: a schema against plain loops: what its cells become, in arrays and in a graph; in a trainer, saved with it; by name in and out.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fromJSON, schema } from '../../lib/data/preprocess.ts';
import type { TableColumns } from '../../lib/data/table/cells.ts';
import { parseDate, partOf } from '../../lib/data/table/dates.ts';
import type { Schema } from '../../lib/data/table/schema.ts';
import { writtenAs } from '../../lib/data/table/written.ts';
import { DataError, OptionError } from '../../lib/errors.ts';
import { parseTable } from '../../lib/io/csv/table.ts';
import { Graph } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { Linear, type Module, ReLU, Sequential } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { softmax } from '../../lib/ops/reduce/softmax.ts';
import * as optim from '../../lib/optim/index.ts';
import type { NdArray } from '../../lib/train/feed/source.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { runGraph } from '../run-graph.ts';

const PEOPLE = {
  age: [41, 19, null, 33],
  town: ['Bonn', 'Köln', 'Bonn', ''],
  joined: ['2024-02-29', '2023-12-31', null, '2024-03-01T13:45:00+02:00'],
  income: ['high', 'low', 'low', 'high'],
} as const;

function inGraph(x: NdArray, made: Schema): Data {
  const graph = new Graph('train');
  graph.output('y', made.build(graph.input('x', { dtype: 'f32', shape: x.shape }, 'feed')));
  return runGraph(graph, { inputs: { x: x.data } }).get('y')!;
}

const numbers = (data: Data): number[] => Array.from(data, (v) => v + 0);

describe('what cells become', () => {
  it('numbers are filled and scaled, categories columns of 0 and 1, dates their parts; a column tells what was missing', () => {
    const made = schema(PEOPLE, { label: 'income' });
    expect(made.columns.map(({ name, type }) => [name, type])).toEqual([
      ['age', 'number'],
      ['town', 'category'],
      ['joined', 'date'],
    ]);
    expect(made.inputs).toEqual(['age', 'town', 'joined.year', 'joined.month', 'joined.day', 'joined.weekday']);
    expect(made.outputs).toEqual([
      ...['age', 'town=Bonn', 'town=Köln', 'town missing'],
      ...['joined.year', 'joined.month', 'joined.day', 'joined.weekday', 'age missing', 'joined missing'],
    ]);
    const { x, y } = made.arrays(PEOPLE);
    expect([...y.data]).toEqual([0, 1, 1, 0]);
    // 2024-02-29 was a Thursday, 2023-12-31 a Sunday, 2024-03-01 a Friday.
    const nan = Number.NaN;
    expect([...x.data]).toEqual([
      ...[41, 0, 2024, 2, 29, 3],
      ...[19, 1, 2023, 12, 31, 6],
      ...[nan, 0, nan, nan, nan, nan],
      ...[33, 2, 2024, 3, 1, 4],
    ]);
    const { data, shape } = made.transform(x);
    expect(shape).toEqual([4, 10]);
    // Ages with their median: 41, 19, 33, 33: mean 31.5.
    const ages = [41, 19, 33, 33];
    const deviation = Math.sqrt(ages.reduce((s, a) => s + (a - 31.5) ** 2, 0) / 4);
    for (const [i, age] of ages.entries()) expect(data[10 * i]).toBeCloseTo((age - 31.5) / deviation, 6);
    const rest = [0, 1, 2, 3].map((i) => [...data.subarray(10 * i + 1, 10 * i + 4), ...data.subarray(10 * i + 8, 10 * i + 10)]);
    expect(rest).toEqual([
      [1, 0, 0, 0, 0],
      [0, 1, 0, 0, 0],
      [1, 0, 0, 1, 1],
      [0, 0, 1, 0, 0],
    ]);
  });

  it('by row and by column alike, typed arrays too; in numbers for a source of columns', () => {
    const made = schema({ a: Int16Array.of(1, 2, 3), b: Float64Array.of(0.5, 1, 1.5) }, { label: 'b', labelType: 'number' });
    const rows = [
      { b: 7, a: 1, more: 'x' },
      { a: '2', b: 8 },
    ];
    expect([...made.encode(rows).x.data]).toEqual([...made.encode({ a: [1n, true] }).x.data].map((v, i) => v + i));
    expect(made.numbers(rows)).toEqual({ a: Float32Array.of(1, 2), b: Float32Array.of(7, 8) });
    expect(Object.keys(made.numbers({ a: [1] }))).toEqual(['a']);
  });

  it('an index for an embedding: what is missing comes after the categories, what is not known after that', () => {
    const of = (columns: object): Schema =>
      schema({ c: ['b', 'a', null, 'b'] }, { columns: { c: { type: 'category', encode: 'index', ...columns } } });
    expect([...of({ unknown: 'ignore' }).encode({ c: ['a', 'b', '', 'z'] }).x.data]).toEqual([0, 1, 2, 3]);
    expect([...of({ missing: 'mostFrequent' }).encode({ c: ['a', null] }).x.data]).toEqual([0, 1]);
    // Of several as frequent the first.
    const tied = schema(
      { c: ['b', 'a', null] },
      { columns: { c: { type: 'category', encode: 'index', missing: 'mostFrequent' } } },
    );
    expect([...tied.encode({ c: [null, 'b'] }).x.data]).toEqual([0, 1]);
    expect([of({}), of({ unknown: 'ignore' }), of({ missing: 'mostFrequent' })].map((made) => made.size('c'))).toEqual([3, 4, 2]);
    expect(() => of({}).size('d')).toThrow(/expected a column of categories, got "d"/);
    expect(of({}).outputs).toEqual(['c']);
    expect([...of({}).transform(of({}).encode({ c: ['b', null] }).x).data]).toEqual([1, 2]);
  });

  it('what is not known is an error, or zeros and counted', () => {
    const lenient = schema({ c: ['a', 'b', 'a'], n: [1, 2, 3] }, { unknown: 'ignore' });
    const { x, unknown } = lenient.encode({ c: ['z', 'a', null, 'z'], n: [1, 2, 3, 4] });
    expect(unknown).toEqual([{ column: 'c', count: 3, values: ['z', ''] }]);
    expect([...lenient.transform(x).data].filter((_, i) => i % 3 < 2)).toEqual([0, 0, 1, 0, 0, 0, 0, 0]);
    const strict = schema({ c: ['Bonn', 'Berlin'] });
    expect(() => strict.encode([{ c: 'Bonn' }, { c: 'Bon' }])).toThrow(
      'schema.encode: row 1, column c: expected one of Berlin, Bonn, got "Bon"; did you mean Bonn?',
    );
    expect(() => strict.encode({ c: [null] })).toThrow('row 0, column c: expected one of Berlin, Bonn, got nothing');
  });

  it('scales as it is told', () => {
    const of = (scale: 'minMax' | 'none'): number[] => {
      const made = schema({ a: [2, 4, 6] }, { columns: { a: { type: 'number', scale, missing: 5 } } });
      return [...made.transform(made.encode({ a: [2, null, 6] }).x).data];
    };
    expect(of('minMax')).toEqual([0, 0.75, 1]);
    expect(of('none')).toEqual([2, 5, 6]);
  });
});

const cell = fc.oneof(fc.constant(null), fc.integer({ min: -50, max: 50 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }));
const word = fc.oneof(fc.constant(null), fc.constantFrom('a', 'b', 'ä', '😀', 'c d', '__proto__'));

it('arrays and graphs get the same bits, through JSON too', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, word, cell), { minLength: 1, maxLength: 9 }), (rows) => {
      // Each column has a cell that is there.
      const table: TableColumns = {
        n: [...rows.map(([n]) => n), 1],
        w: [...rows.map(([, w]) => w), 'a'],
        m: [...rows.map(([, , m]) => m), 2],
      };
      const made = schema(table, {
        columns: { n: { type: 'number', missing: 'mean' }, w: 'category', m: { type: 'number', scale: 'minMax', flag: true } },
      });
      const { x } = made.encode(table);
      const want = made.transform(x);
      expect(want.shape).toEqual([rows.length + 1, made.outputs.length]);
      expect(want.data.every(Number.isFinite)).toBe(true);
      const again = fromJSON(JSON.parse(JSON.stringify(made))) as Schema;
      expect(numbers(again.encode(table).x.data)).toEqual(numbers(x.data));
      expect(numbers(again.transform(x).data)).toEqual(numbers(want.data));
      expect(numbers(inGraph(x, again))).toEqual(numbers(want.data));
      expect(JSON.stringify(again)).toBe(JSON.stringify(made));
    }),
    { numRuns: 60 },
  );
});

describe('dates', () => {
  it('every day since 1600 as Date has it, in all three orders', () => {
    fc.assert(
      fc.property(fc.integer({ min: -135_000, max: 60_000 }), (day) => {
        const date = new Date(day * 86_400_000);
        const [y, m, d] = date.toISOString().slice(0, 10).split('-') as [string, string, string];
        expect(parseDate(`${y}-${m}-${d}`, 'ymd')).toBe(date.getTime());
        expect(parseDate(`${d}.${m}.${y}`, 'dmy')).toBe(date.getTime());
        expect(parseDate(`${Number(m)}/${Number(d)}/${y}`, 'mdy')).toBe(date.getTime());
        expect(partOf('days', date.getTime())).toBe(day);
        // 1970-01-01 was a Thursday.
        expect(partOf('weekday', date.getTime())).toBe((((day + 3) % 7) + 7) % 7);
        const first = Date.UTC(Number(y), 0, 1) / 86_400_000;
        expect(partOf('dayOfYear', date.getTime())).toBe(day - first + 1);
      }),
    );
  });

  it.each([
    ['2024-03-01T12:30:05.250Z', Date.UTC(2024, 2, 1, 12, 30, 5, 250)],
    ['2024-03-01 12:30', Date.UTC(2024, 2, 1, 12, 30)],
    ['2024-03-01T00:30:00+02:00', Date.UTC(2024, 1, 29, 22, 30)],
    ['2024-03-01T00:30:00-0530', Date.UTC(2024, 2, 1, 6, 0)],
    [' 2024/3/1 ', Date.UTC(2024, 2, 1)],
    ['2024-02-30', Number.NaN],
    ['2023-02-29', Number.NaN],
    ['2024-13-01', Number.NaN],
    ['2024-01-00', Number.NaN],
    ['2024-03/01', Number.NaN],
    ['24-03-01', Number.NaN],
    ['2024-03-01T24:00', Number.NaN],
    ['01.03.2024', Number.NaN],
    ['today', Number.NaN],
  ])('%s', (text, want) => {
    expect(parseDate(text, 'ymd')).toBe(want);
  });
});

const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-schema-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
};

describe('in a trainer', () => {
  const rows = Array.from({ length: 240 }, (_, i) => {
    const town = ['Bonn', 'Köln', null][i % 3]!;
    const age = i % 7 === 0 ? null : 20 + ((i * 13) % 40);
    return { age, town, income: town === 'Bonn' ? 'high' : 'low' };
  });
  const trainer = (made?: Schema): Trainer<Module, never, string, 'f32'> =>
    new Trainer({
      model: new Sequential(new Linear(5, 8), new ReLU(), new Linear(8, 2)),
      loss: ({ x, y }, net) => loss.crossEntropy((net as Sequential).forward(x!), y!),
      predict: ({ x }, net) => softmax((net as Sequential).forward(x!)),
      optimizer: optim.adamw({ lr: 0.05 }),
      seed: 3,
      ...(made && { preprocess: { x: made } }),
    }) as never;

  it('rows with names in, classes by name out; saved with the weights, restored by who has no schema; of a predictor too', async () => {
    const made = schema(rows, { label: 'income', unknown: 'ignore' });
    const first = trainer(made);
    await first.fit(made.arrays(rows), { epochs: 10 });
    const asked = [
      { town: 'Bonn', age: 41, id: 7 },
      { age: null, town: 'Köln' },
      { age: 30, town: 'Rom' },
    ];
    const told = await first.predict(asked);
    expect(told.map((row) => row.class).slice(0, 2)).toEqual(['high', 'low']);
    expect(told[2]!.unknown).toEqual(['town']);
    expect(told[0]).not.toHaveProperty('unknown');
    const plain = await first.predict(made.encode(asked).x);
    expect(told.map(({ scores }) => [scores!.high, scores!.low])).toEqual(
      [0, 1, 2].map((i) => [plain.data[2 * i], plain.data[2 * i + 1]]),
    );
    expect(told[0]!.scores!.high! + told[0]!.scores!.low!).toBeCloseTo(1, 6);
    expect(first.predictSync(asked)).toEqual(told);
    using predictor = first.predictor();
    expect(predictor.predictSync(asked)).toEqual(told);
    expect(await predictor.predict(asked)).toEqual(told);

    const file = join(folder(), 'm.safetensors');
    await first.save(file);
    const other = trainer();
    await expect(other.predict(asked)).rejects.toThrow(/rows with names are for a trainer with a schema/);
    await other.load(file);
    expect(await other.predict(asked)).toEqual(told);
    await expect(other.predict([{ Age: 3, town: 'Bonn' }])).rejects.toThrow('row 0: no cell named "age"; did you mean Age?');
  });

  it('numbers of classes, and values', () => {
    const made = schema(rows, { label: 'income' });
    expect(made.decode({ data: Int32Array.of(1, 0), shape: [2] })).toEqual([{ class: 'low' }, { class: 'high' }]);
    expect(made.decode({ data: Float32Array.of(0.5), shape: [1, 1] })).toEqual([{ value: 0.5 }]);
    expect(made.decode({ data: new Float32Array(0), shape: [0, 2] })).toEqual([]);
    expect(() => made.decode({ data: Int32Array.of(2), shape: [1] })).toThrow(/expected classes from 0 to 1, got 2/);
    expect(() => made.decode({ data: new Float32Array(3), shape: [1, 3] })).toThrow(
      /expected 2 numbers a row, one for each class, got rows of \[3\]/,
    );
    expect(() => made.decode({ a: 1 } as never)).toThrow(OptionError);
    const numbered = schema({ a: [1, 2, 3], y: ['10', '9', '9'] }, { label: 'y', labelType: 'class' });
    expect(numbered.label!.classes).toEqual(['9', '10']);
    expect(() => numbered.arrays({ a: [1], y: [null] })).toThrow('expected one of 9, 10 as label, got nothing');
  });
});

describe('one clear error', () => {
  const known = schema({ age: [1, 2], town: ['a', 'b'], day: ['2024-01-01', '2024-01-02'], y: [1, 2] }, { label: 'y' });
  const row = { age: 1, town: 'a', day: '2024-01-01', y: 1 };
  it.each<[string, () => unknown, new (...args: never[]) => Error, RegExp]>([
    ['a column that is not there', () => known.encode({ town: ['a'], day: ['2024-01-01'] }), DataError, /no column "age"/],
    ['no number', () => known.encode([{ ...row, age: 'old' }]), DataError, /row 0, column age: expected a number, got "old"/],
    ['too large', () => known.encode([{ ...row, age: 1e39 }]), DataError, /expected a number within f32, got 1e\+39/],
    [
      'no date',
      () => known.encode([{ ...row, day: '1.1.2024' }]),
      DataError,
      /column day: expected a date such as 2024-12-31, got "1.1.2024"/,
    ],
    ['no label', () => known.arrays([{ ...row, y: null }]), DataError, /column y: expected a number as label, got nothing/],
    [
      'another length',
      () => known.encode({ ...row, age: [1, 2], town: ['a'] } as never),
      OptionError,
      /column day: expected a list of cells/,
    ],
    ['lengths', () => schema({ a: [1, 2], b: [1] }), DataError, /column b: expected 2 cells as a has, got 1/],
    ['no row', () => schema({ a: [] }), DataError, /expected at least one row/],
    ['no column', () => schema({}), OptionError, /at least one column/],
    ['nothing', () => schema(null as never), OptionError, /expected columns by name, or rows in a list, got null/],
    ['a number', () => schema([1, 2] as never), OptionError, /row 0: expected an object of cells by name, got 1/],
    ['no cell', () => schema({ a: [null, ''] }), DataError, /column a: expected a cell that is not missing, got none/],
    [
      'a label that is not there',
      () => schema({ a: [1] }, { label: 'A' }),
      OptionError,
      /option label: no column "A"; did you mean a\?/,
    ],
    [
      'a column that is not there',
      () => schema({ a: [1] }, { columns: { b: 'number' } }),
      OptionError,
      /option columns.b: no column "b"/,
    ],
    [
      'a type',
      () => schema({ a: [1] }, { columns: { a: 'numbr' as never } }),
      OptionError,
      /columns.a.type: .*did you mean number\?/,
    ],
    [
      'an option',
      () => schema({ a: [1] }, { columns: { a: { type: 'number', fill: 1 } as never } }),
      OptionError,
      /unknown option fill/,
    ],
    ['only a label', () => schema({ a: [1] }, { label: 'a' }), DataError, /expected a column beside the label/],
    [
      'too many texts',
      () => schema({ a: Array.from({ length: 300 }, (_, i) => `t${i}`) }),
      DataError,
      /column a: 300 different texts, .*'category'/,
    ],
    ['a class twice', () => schema({ a: [1], y: ['u'] }, { label: 'y', classes: ['u', 'u'] }), OptionError, /"u" is there twice/],
    ['inverse', () => known.inverse(), OptionError, /has no inverse/],
    [
      'of JSON',
      () => fromJSON({ ...known.toJSON(), outputs: ['a'] }),
      DataError,
      /schema: expected steps that make 1 numbers of/,
    ],
    [
      'of JSON',
      () => fromJSON({ type: 'schema', columns: [{ name: 'a', type: 'x' }], label: null, outputs: [], steps: [] }),
      DataError,
      /columns\[0\]/,
    ],
  ])('%s', (_, act, Kind, message) => {
    expect(act).toThrow(Kind);
    expect(act).toThrow(message);
  });
});

describe('cells as they are written', () => {
  const { columns } = parseTable(
    'age,town,"day\nof birth"\n41,Bonn,2001-02-03\n\n19,"Kö\nln",2001-02-04\n33,Trier,soon\n',
    {},
    'p.csv',
  );

  it('errors about columns as io.readTable gave them name file, line and column', () => {
    const wrong = (make: () => unknown): DataError => {
      try {
        make();
      } catch (error) {
        return error as DataError;
      }
      throw new Error('nothing is wrong');
    };
    const known = schema({ age: [1], town: ['Bonn'] }, { columns: { town: { type: 'category', values: ['Bonn', 'Trier'] } } });
    const unheard = wrong(() => known.encode(columns));
    expect(unheard.message).toMatch(/^schema\.encode: p\.csv:5: column 2 \(town\): expected one of Bonn, Trier, got "Kö\\nln"/);
    expect(unheard.details).toEqual({ file: 'p.csv', line: 5, row: 1, column: 'town', value: 'Kö\nln' });
    const day = 'day\nof birth';
    const dated = wrong(() => schema(columns, { columns: { [day]: 'date' } }));
    expect(dated.message).toMatch(/^preprocess\.schema: p\.csv:7: column 3 .*: expected a date such as 2024-12-31, got "soon"$/s);
    expect(wrong(() => schema(columns, { label: 'age', classes: ['41', '33'] }).arrays(columns)).message).toMatch(
      /^schema\.arrays: p\.csv:5: column 1 \(age\): expected one of 41, 33 as label, got 19$/,
    );
    // Rows that somebody chose, or columns of his own, have their numbers.
    const some = { ...columns };
    expect(wrong(() => known.encode(some)).message).toMatch(/^schema\.encode: row 1, column town:/);
  });

  it.each([
    [['1,5', '2', '-3,25'], 'comma'],
    [['0,125', '2,500'], 'comma'],
    [['1,500', '12', '22,250'], 'commas'],
    [['1.234,5', '0,5', '12'], 'thousands'],
    [['1,234.5', '12.25'], 'thousands'],
    [["1'234", '12'], 'thousands'],
    [['1.4.1987', '12.9.2004'], 'dmy'],
    [['31/12/2004', '1/2/2004'], 'dmy'],
    [['12/31/2004', '1/2/2004'], 'mdy'],
    [['1/2/2004', '3/4/2004'], 'dates'],
    [['2004-01-02', '2005-01-02'], null],
    [['1', '2.5'], null],
    [['1.5', '2,5'], null],
    [['1,5', 'x'], null],
    [['a', 'b'], null],
    [['1,5,2', '3'], null],
    [[], null],
  ] as const)('%j: %s', (texts, written) => {
    expect(writtenAs(texts)).toBe(written);
  });

  it('what would be a category each is refused, unless somebody says that it is one', () => {
    expect(() => schema({ a: ['1,5', '2,5', null] })).toThrow(
      `preprocess.schema: column a: its texts are numbers with a decimal comma, such as "1,5": io.readTable reads them with decimal ','; 'category' in option columns takes them as texts`,
    );
    expect(schema({ a: ['1,5', '2,5'] }, { columns: { a: 'category' } }).outputs).toEqual(['a=1,5', 'a=2,5']);
    expect(() => schema({ a: [1, 2], b: ['1,5', '2,5'] }, { label: 'b' })).toThrow(
      /column b: .*; labelType 'class' takes them as texts/,
    );
    expect(schema({ a: [1, 2], b: ['1,5', '2,5'] }, { label: 'b', labelType: 'class' }).label!.classes).toEqual(['1,5', '2,5']);
    expect(() => schema({ d: ['31.12.2020', '1.1.2021'] })).toThrow(/dates with the day first, such as "31\.12\.2020"/);
    expect(() => schema({ d: ['1/2/2020', '1/3/2021'] })).toThrow(/dates of which nothing tells day from month/);
    // The schema knows numbers, and a row has one with a comma.
    expect(() => schema({ a: [1, 2] }).encode([{ a: '1,5' }])).toThrow(
      'row 0, column a: expected a number, got "1,5"; a number has a point before its fraction',
    );
    expect(() => schema({ d: ['2020-12-31'] }).encode([{ d: '31.12.2020' }])).toThrow(
      /it is one by order 'dmy', which option columns says/,
    );
  });
});
