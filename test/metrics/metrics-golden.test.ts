// metrics-golden.test.ts: every metric, as a function and over arrays, in batches of any sizes and arrays of any type, gives scikit-learn's value.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IndexError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type DType, sizeOf } from '../../lib/ir/op.ts';
import * as metrics from '../../lib/metrics/index.ts';
import { Gathering, measure, type TracedMetric } from '../../lib/train/step/measure.ts';
import { runGraph } from '../run-graph.ts';

type Numbers = readonly (number | string)[];
interface DataSet {
  readonly name: string;
  readonly x: Numbers;
  readonly shape: readonly number[];
  readonly y: Numbers;
  readonly yShape: readonly number[];
  readonly cases: readonly { metric: Name; options: Record<string, number | string>; value: number | string }[];
}
const FUNCTIONS = {
  accuracy: [metrics.accuracy, metrics.Accuracy],
  topK: [metrics.topK, metrics.TopK],
  precision: [metrics.precision, metrics.Precision],
  recall: [metrics.recall, metrics.Recall],
  f1: [metrics.f1, metrics.F1],
  rocAuc: [metrics.rocAuc, metrics.ROCAUC],
  averagePrecision: [metrics.averagePrecision, metrics.AveragePrecision],
  perplexity: [metrics.perplexity, metrics.Perplexity],
  mae: [metrics.mae, metrics.MAE],
  rmse: [metrics.rmse, metrics.RMSE],
  r2: [metrics.r2, metrics.R2],
} as const;
type Name = keyof typeof FUNCTIONS;

const golden = JSON.parse(readFileSync(new URL('../golden/metrics/metrics.json', import.meta.url), 'utf8')) as {
  sets: DataSet[];
};
const number = (v: number | string): number => (typeof v === 'number' ? v : Number(v.replace('inf', 'Infinity')));

/** What `evaluate` makes of a function of a graph, for rows in batches of `size`. */
function evaluated(
  build: (x: Tensor, y: Tensor) => Tensor | metrics.Aggregate,
  { x, shape, y, yShape }: { x: number[]; shape: readonly number[]; y: number[]; yShape: readonly number[] },
  [xType, yType]: readonly [DType, DType],
  size: number,
): number {
  const gathering = new Gathering();
  const [row, yRow] = [sizeOf(shape.slice(1)), sizeOf(yShape.slice(1))];
  for (let start = 0; start < shape[0]!; start += size) {
    const end = Math.min(shape[0]!, start + size);
    const graph = new Graph('eval');
    const input = (name: string, dtype: DType, of: readonly number[]): Tensor =>
      graph.input(name, { dtype, shape: [end - start, ...of.slice(1)] }, 'feed');
    const measured: TracedMetric = measure(graph, 'metric', build(input('x', xType, shape), input('y', yType, yShape)));
    const inputs = {
      x: Float64Array.from(x.slice(start * row, end * row)),
      y: Float64Array.from(y.slice(start * yRow, end * yRow)),
    };
    const report = runGraph(graph, { inputs });
    gathering.add([measured], end - start, (column) => report.get(column) as Float64Array);
  }
  return gathering.finish().metric!;
}

describe.each(golden.sets.map((set) => [set.name, set] as const))('%s', (name, { x, shape, y, yShape, cases }) => {
  const [xs, ys] = [x.map(number), y.map(number)];
  const [row, yRow, rows] = [sizeOf(shape.slice(1)), sizeOf(yShape.slice(1)), shape[0]!];
  const isWhole = xs.every((v) => Number.isInteger(v) && Math.abs(v) < 2 ** 31);

  test.each(cases.map((c) => [`${c.metric} ${JSON.stringify(c.options)}`, c] as const))('%s', (_, { metric, options, value }) => {
    const want = number(value);
    const given = Object.fromEntries(Object.entries(options).map(([k, v]) => [k, v === 'nan' ? Number.NaN : v])) as object;
    // What has none is given none.
    const told = Object.keys(given).length > 0 ? [given] : [];
    const near = (got: number, what: string, tolerance = 1e-9): void => {
      if (Number.isNaN(want)) expect(got, what).toBeNaN();
      else expect(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)), `${what}: ${got} for ${want}`).toBe(true);
    };
    const [make, Streaming] = FUNCTIONS[metric] as unknown as [
      (x: Tensor, y: Tensor, ...options: object[]) => metrics.Aggregate,
      new (options: object) => metrics.Metric,
    ];
    const classes = name.startsWith('class');
    // Ranks are of scores as the targets.
    const own = metric === 'rocAuc' || metric === 'averagePrecision' ? [rows] : shape;
    const labels = !['mae', 'rmse', 'r2'].includes(metric);
    for (const size of [rows, 16]) {
      const types = [classes ? 'i32' : 'f32', labels ? 'i32' : 'f32'] as const;
      const data = { x: xs, shape: own, y: ys, yShape };
      near(
        evaluated((x, y) => make(x, y, ...told), data, types, size),
        `function in batches of ${size}`,
        labels ? 1e-9 : 1e-6,
      );
    }
    const arrays: [string, (v: number[]) => ArrayLike<number>][] = [
      ['plain', (v) => v],
      ['Float64Array', (v) => Float64Array.from(v)],
    ];
    if (xs.every((v) => Object.is(Math.fround(v), v))) arrays.push(['Float32Array', (v) => Float32Array.from(v)]);
    if (isWhole) arrays.push(['Int32Array', (v) => Int32Array.from(v)]);
    for (const [type, of] of arrays) {
      const one = new Streaming(given);
      const at = (from: number, to: number, flat = false): [metrics.Values, metrics.Values] => [
        // Classes have no shape of their own, nor have rows of several scores.
        flat
          ? of(xs.slice(from * row, to * row))
          : { data: of(xs.slice(from * row, to * row)), shape: [to - from, ...shape.slice(1)] },
        yRow === 1 ? ys.slice(from, to) : { data: ys.slice(from * yRow, to * yRow), shape: [to - from, yRow] },
      ];
      near(one.update(...at(0, rows, classes || (row > 1 && yRow === 1))).result(), `${type}, one batch`);
      if (type !== 'plain') continue;
      const [many, merged] = [new Streaming(given), new Streaming(given)];
      for (let from = 0, size = 1; from < rows; from += size, size = (size % 7) + 2) {
        const to = Math.min(rows, from + size);
        many.update(...at(from, to));
        one.reset().update(...at(from, to));
        merged.merge(one);
      }
      near(many.result(), 'many batches');
      near(merged.result(), 'merged');
    }
  });
});

test('every metric has cases', () => {
  const tried = new Set(golden.sets.flatMap((set) => set.cases.map((c) => c.metric)));
  expect([...tried].sort()).toEqual(Object.keys(FUNCTIONS).sort());
  const exported = Object.keys(metrics).filter((name) => /^[a-z]/.test(name));
  expect(exported.sort()).toEqual(Object.keys(FUNCTIONS).sort());
});

test('functions and classes agree on anything', () => {
  const scores = fc.constantFrom(-2, -1, -0.5, 0, 0.25, 1, 3, 1e30, -1e30, Number.NaN);
  const table = fc.integer({ min: 1, max: 9 }).chain((n) =>
    fc.integer({ min: 1, max: 4 }).chain((k) =>
      fc.record({
        k: fc.constant(k),
        x: fc.array(scores, { minLength: n * k, maxLength: n * k }),
        y: fc.array(fc.integer({ min: 0, max: Math.max(1, k - 1) }), { minLength: n, maxLength: n }),
        size: fc.integer({ min: 1, max: n }),
        average: fc.constantFrom('micro', 'macro', 'weighted', undefined),
        zeroDivision: fc.constantFrom(0, 1, Number.NaN),
        ignoreIndex: fc.constantFrom(0, 1, -100, undefined),
      }),
    ),
  );
  fc.assert(
    fc.property(table, ({ k, x, y, size, average, zeroDivision, ignoreIndex }) => {
      const ignore = ignoreIndex === undefined ? {} : { ignoreIndex };
      const options = { zeroDivision, ...ignore, ...(average && { average }) } as metrics.ScoreOptions;
      const data = { x, shape: [y.length, k], y, yShape: [y.length] };
      const values: [(x: Tensor, y: Tensor) => metrics.Aggregate, metrics.Metric][] = [
        [(x, y) => metrics.accuracy(x, y, ignore), new metrics.Accuracy(ignore)],
        [(x, y) => metrics.f1(x, y, options), new metrics.F1(options)],
        [(x, y) => metrics.precision(x, y, options), new metrics.Precision(options)],
      ];
      if (k > 1) values.push([(x, y) => metrics.topK(x, y, { k: 2, ...ignore }), new metrics.TopK({ k: 2, ...ignore })]);
      if (k > 1) values.push([(x, y) => metrics.perplexity(x, y, ignore), new metrics.Perplexity(ignore)]);
      for (const [build, metric] of values) {
        const got = evaluated(build, data, ['f32', 'i32'], size);
        const x32 = Float32Array.from(x);
        const own = metric.update({ data: x32, shape: [y.length, k] }, y).result();
        if (!Object.is(own, got)) expect(own).toBeCloseTo(got, 9);
      }
    }),
    { numRuns: 40, seed: 4 },
  );
});

describe('labels are checked', () => {
  const both = (
    build: (x: Tensor, y: Tensor) => Tensor | metrics.Aggregate,
    metric: metrics.Metric<unknown>,
    x: number[],
    shape: number[],
    y: number[],
  ): string[] => {
    const data = { x, shape, y, yShape: [y.length] };
    const said = [() => evaluated(build, data, ['f32', 'f32'], 2), () => metric.update({ data: x, shape }, y)].map((f) => {
      try {
        f();
      } catch (error) {
        expect(error).toBeInstanceOf(IndexError);
        return (error as Error).message.replace(/^\w+: /, '');
      }
      return 'nothing';
    });
    expect(said[1]).toBe(said[0]);
    return said;
  };
  const x = [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0];
  test.each([
    ['accuracy', metrics.accuracy, metrics.Accuracy],
    ['topK', metrics.topK, metrics.TopK],
    ['f1', metrics.f1, metrics.F1],
    ['perplexity', metrics.perplexity, metrics.Perplexity],
  ] as const)('%s', (_, build, Streaming) => {
    const say = (y: number[]): string => both((x, y) => build(x, y), new Streaming(), x, [4, 3], y)[0]!;
    expect(say([0, 1, 2, 0])).toBe('nothing');
    expect(say([0, 1, 2, 3])).toBe('expected labels from 0 to 2, got 3 at position 3');
    expect(say([0, 1, -1, 0])).toBe('expected labels from 0 to 2, got -1 at position 2');
    expect(say([0, 0.5, 2, 7])).toBe('expected labels from 0 to 2, got 0.5 at position 1');
    expect(say([Number.NaN, 1, 2, 0])).toBe('expected labels from 0 to 2, got NaN at position 0');
  });
  test('ignored labels are labels', () => {
    const f1 = both(
      (x, y) => metrics.f1(x, y, { ignoreIndex: -1 }),
      new metrics.F1({ ignoreIndex: -1 }),
      x,
      [4, 3],
      [0, -1, 2, -2],
    );
    expect(f1[0]).toBe('expected labels from 0 to 2, or -1, which is ignored, got -2 at position 3');
    const fine = both(
      (x, y) => metrics.f1(x, y, { ignoreIndex: -1 }),
      new metrics.F1({ ignoreIndex: -1 }),
      x,
      [4, 3],
      [0, -1, 2, -1],
    );
    expect(fine[0]).toBe('nothing');
  });
  test('one score a row has labels 0 and 1', () => {
    const say = both((x, y) => metrics.precision(x, y), new metrics.Precision(), [1, -1, 1], [3, 1], [0, 1, 2]);
    expect(say[0]).toBe('expected labels from 0 to 1, got 2 at position 2');
    const auc = (y: number[]): void => void new metrics.ROCAUC().update([1, 2, 3], y);
    expect(() => auc([0, 1, -1])).toThrow(/ROCAUC: expected targets of 0 and 1, got -1 at position 2/);
    expect(() => new metrics.AveragePrecision().update([1, 2], [0.5, 1])).toThrow(/got 0.5 at position 0/);
    expect(() =>
      evaluated((x, y) => metrics.rocAuc(x, y), { x: [1, 2], shape: [2], y: [0, 2], yShape: [2] }, ['f32', 'i32'], 1),
    ).toThrow(/rocAuc: expected targets of 0 and 1, got 2 at position 1/);
  });
  test('a batch that is refused is not counted', () => {
    const metric = new metrics.Accuracy().update([[0, 1]], [1]);
    expect(() =>
      metric.update(
        [
          [1, 0],
          [1, 0],
        ],
        [1, 5],
      ),
    ).toThrow(IndexError);
    expect(metric.result()).toBe(1);
  });
});
