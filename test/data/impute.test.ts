// impute.test.ts: missing values against what scikit-learn puts in their place (golden/data); on arrays and in a graph alike; errors.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fromJSON,
  type ImputeStrategy,
  impute,
  pipeline,
  schema,
  standardize,
  type Transform,
} from '../../lib/data/preprocess.ts';
import type { TableColumns } from '../../lib/data/table/cells.ts';
import { DataError, OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { dtypeOf, type NdArray } from '../../lib/train/feed/source.ts';
import { between } from '../kit.ts';
import { runGraph } from '../run-graph.ts';

interface Golden {
  readonly impute: readonly {
    readonly strategy: ImputeStrategy;
    readonly flag: boolean;
    readonly train: readonly (number | null)[];
    readonly other: readonly (number | null)[];
    readonly width: number;
    readonly out: readonly number[];
  }[];
  readonly whole: {
    readonly columns: TableColumns;
    readonly train: number;
    readonly names: readonly string[];
    readonly out: readonly number[];
  };
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/data/tables.json'), 'utf8')) as Golden;

const rows = (width: number, values: readonly (number | null)[]): NdArray => ({
  data: Float32Array.from(values, (v) => v ?? Number.NaN),
  shape: [values.length / width, width],
});

function inGraph(x: NdArray, transform: Transform, which: 'build' | 'buildInverse' = 'build'): Data {
  const graph = new Graph('train');
  graph.output('y', transform[which](graph.input('x', { dtype: dtypeOf(x.data), shape: x.shape }, 'feed')));
  return runGraph(graph, { inputs: { x: x.data } }).get('y')!;
}

describe('as scikit-learn', () => {
  it.each(golden.impute)('$strategy, flag $flag', ({ strategy, flag, train, other, width, out }) => {
    const made = impute({ strategy, flag, ...(strategy === 'constant' && { value: -7.5 }) }).fit(rows(width, train));
    const got = made.transform(rows(width, other));
    expect(got.shape).toEqual([other.length / width, out.length / (other.length / width)]);
    expect([...got.data]).toEqual(out.map(Math.fround));
    expect([...inGraph(rows(width, other), made)]).toEqual([...got.data]);
  });

  it('a whole table: gaps filled, numbers scaled, categories columns of 0 and 1', () => {
    const { columns, train, names, out } = golden.whole;
    const part = (from: number, to?: number): TableColumns =>
      Object.fromEntries(Object.entries(columns).map(([name, cells]) => [name, Array.from(cells).slice(from, to)]));
    const made = schema(part(0, train), {
      unknown: 'ignore',
      columns: {
        age: { type: 'number', flag: false },
        income: { type: 'number', flag: false },
        score: { type: 'number', scale: 'minMax' },
      },
    });
    const theirs = names.map((name) =>
      name
        .replace(/^\w+__/, '')
        .replace(/_None$|_nan$/, ' missing')
        .replace(/_(?=[^_]+$)/, '='),
    );
    expect(made.outputs).toEqual(theirs);
    const { x, unknown } = made.encode(part(train));
    expect(unknown).toEqual([{ column: 'town', count: 1, values: ['Rom'] }]);
    const got = made.transform(x).data;
    expect(got.length).toBe(out.length);
    for (const [i, want] of out.entries())
      expect(Math.abs(got[i]! - want), `value ${i}`).toBeLessThan(2e-6 * Math.max(1, Math.abs(want)));
  });
});

it('arrays and graphs get the same bits, through JSON too; inverse takes away what stood in where a flag tells', () => {
  const value = fc.oneof(fc.constant(Number.NaN), fc.integer({ min: -5, max: 5 }), between(-1000, 1000).map(Math.fround));
  const strategy = fc.constantFrom<ImputeStrategy>('mean', 'median', 'mostFrequent', 'constant');
  fc.assert(
    fc.property(fc.array(fc.tuple(value, value), { maxLength: 9 }), strategy, fc.boolean(), (pairs, strategy, flag) => {
      const x = rows(2, [...pairs.flat(), 1, 2]);
      const made = impute({ strategy, flag }).fit(x);
      const want = made.transform(x);
      expect(want.data.some(Number.isNaN)).toBe(false);
      const again = fromJSON(JSON.parse(JSON.stringify(made)));
      expect([...again.transform(x).data].map((v) => v + 0)).toEqual([...want.data].map((v) => v + 0));
      expect([...inGraph(x, again)].map((v) => v + 0)).toEqual([...want.data].map((v) => v + 0));
      if (flag) expect([...made.inverse(want).data]).toEqual([...x.data]);
      else expect([...inGraph(want, made, 'buildInverse')]).toEqual([...made.inverse(want).data]);
    }),
    { numRuns: 60 },
  );
});

it('some columns, one value a row, and before another transform', () => {
  const x = rows(2, [1, null, null, 4, 3, 6]);
  expect([
    ...impute({ columns: [1] })
      .fit(x)
      .transform(x).data,
  ]).toEqual([1, 5, Number.NaN, 4, 3, 6]);
  const single = { data: Float32Array.of(1, Number.NaN, 4), shape: [3] };
  expect(impute({ strategy: 'median', flag: true }).fit(single).transform(single)).toEqual({
    data: Float32Array.of(1, 0, 2.5, 1, 4, 0),
    shape: [3, 2],
  });
  const both = pipeline(impute(), standardize()).fit(x);
  expect([...both.transform(x).data].some(Number.isNaN)).toBe(false);
});

describe('one clear error', () => {
  it.each<[string, () => unknown, new (...args: never[]) => Error, RegExp]>([
    [
      'no value',
      () => impute().fit(rows(2, [1, null, 2, null])),
      DataError,
      /impute: column 1: expected a value that is not missing, .* mean/,
    ],
    ['infinity', () => impute().fit(rows(1, [1, Number.POSITIVE_INFINITY])), DataError, /row 1, column 0: .*got Infinity/],
    ['a value for another', () => impute({ value: 3 }), OptionError, /option value: goes with strategy 'constant'/],
    ['a strategy', () => impute({ strategy: 'medium' as never }), OptionError, /did you mean median\?/],
    [
      'another row',
      () =>
        impute()
          .fit(rows(2, [1, 2]))
          .transform(rows(3, [1, 2, 3])),
      ShapeError,
      /expected rows \[2\]/,
    ],
    [
      'images',
      () => impute().fit({ data: new Float32Array(8), shape: [2, 2, 2] }),
      ShapeError,
      /rows of one value or of columns/,
    ],
    [
      'flags of a graph',
      () => inGraph(rows(2, [1, 2]), impute({ flag: true }).fit(rows(1, [1, null])), 'buildInverse'),
      OptionError,
      /no inverse/,
    ],
    ['of JSON', () => fromJSON({ type: 'impute', row: [2], fill: [1], flags: [] }), DataError, /fill, a value for each column/],
    ['of JSON', () => fromJSON({ type: 'impute', row: [1], fill: ['x'], flags: [] }), DataError, /fill to be a list of numbers/],
    ['of JSON', () => fromJSON({ type: 'impute', row: [1], fill: [1], flags: [1] }), DataError, /flags to be columns, in order/],
  ])('%s', (_, act, Kind, message) => {
    expect(act).toThrow(Kind);
    expect(act).toThrow(message);
  });
});
