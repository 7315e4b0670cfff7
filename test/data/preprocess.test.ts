// preprocess.test.ts: transforms against sums done by hand, on arrays and in a graph alike; in a trainer, saved with it and restored.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fromJSON, minMax, oneHot, pipeline, standardize, type Transform } from '../../lib/data/preprocess.ts';
import { CheckpointError, DataError, IndexError, OptionError, ShapeError } from '../../lib/errors.ts';
import { writeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { Linear, Module } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { type Batch, dtypeOf, type NdArray } from '../../lib/train/feed/source.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { between } from '../kit.ts';
import { runGraph } from '../run-graph.ts';

const rows = (shape: number[], ...values: number[]): NdArray => ({ data: Float32Array.from(values), shape });
const close = (got: NdArray, want: readonly number[], digits = 6): void => {
  expect(got.data.length).toBe(want.length);
  for (const [i, v] of want.entries()) expect(got.data[i], `value ${i}`).toBeCloseTo(v, digits);
};

/** What a transform's part of a graph computes. */
function inGraph(x: NdArray, transform: Transform, which: 'build' | 'buildInverse' = 'build'): Data {
  const graph = new Graph('train');
  const t = graph.input('x', { dtype: dtypeOf(x.data), shape: x.shape }, 'feed');
  graph.output('y', transform[which](t));
  return runGraph(graph, { inputs: { x: x.data } }).get('y')!;
}

/** Three columns of 4 rows: the second is constant. */
const table = rows([4, 3], 1, 7, -2, 2, 7, 0, 3, 7, 2, 6, 7, 4);

describe('standardize', () => {
  it('gives each column mean 0 and deviation 1, and a constant one zeros', () => {
    // Column 0: mean 3, variance (4 + 1 + 0 + 9) / 4; column 2: mean 1, variance (9 + 1 + 1 + 9) / 4.
    const [a, b] = [Math.sqrt(3.5), Math.sqrt(5)];
    const scale = standardize().fit(table);
    close(scale.transform(table), [-2 / a, 0, -3 / b, -1 / a, 0, -1 / b, 0, 0, 1 / b, 3 / a, 0, 3 / b]);
    close(scale.inverse(scale.transform(table)), [...table.data]);
  });

  it('takes statistics in f64: a column far from 0 keeps its digits', () => {
    const x = rows([4, 1], 16777212, 16777214, 16777214, 16777216);
    close(standardize().fit(x).transform(x), [-Math.SQRT2, 0, 0, Math.SQRT2]);
    const same = { data: new Float32Array(1000).fill(0.1), shape: [1000, 1] };
    expect([...standardize().fit(same).transform(same).data]).toEqual(new Array(1000).fill(0));
  });

  it('per channel, of all, of some columns', () => {
    const images = rows([2, 2, 1, 2], 0, 2, 10, 10, 4, 6, 10, 30);
    const c1 = Math.sqrt(75);
    close(standardize({ per: 'channel' }).fit(images).transform(images), [
      ...[-3 / Math.sqrt(5), -1 / Math.sqrt(5), -5 / c1, -5 / c1],
      ...[1 / Math.sqrt(5), 3 / Math.sqrt(5), -5 / c1, 15 / c1],
    ]);
    const bytes = { data: Uint8Array.of(0, 2, 4, 6), shape: [4] };
    close(
      standardize({ per: 'all' }).fit(bytes).transform(bytes),
      [-3, -1, 1, 3].map((v) => v / Math.sqrt(5)),
    );
  });
});

describe('minMax', () => {
  it('maps the ends exactly, a constant column to the lower one', () => {
    const got = minMax().fit(table).transform(table);
    close(got, [0, 0, 0, 0.2, 0, 1 / 3, 0.4, 0, 2 / 3, 1, 0, 1]);
    expect([got.data[9], got.data[11], got.data[1]]).toEqual([1, 1, 0]);
    close(
      minMax({ to: [-1, 1], columns: [0] })
        .fit(table)
        .transform(table),
      [-1, 7, -2, -0.6, 7, 0, -0.2, 7, 2, 1, 7, 4],
    );
  });

  it('takes known bounds', () => {
    const bytes = { data: Uint8Array.of(0, 51, 255), shape: [3, 1] };
    const scale = minMax({ per: 'all', from: [0, 255] }).fit(bytes);
    close(scale.transform({ data: Uint8Array.of(102, 128), shape: [2, 1] }), [0.4, 128 / 255]);
  });
});

describe('oneHot', () => {
  const x = rows([3, 3], 5, 0.5, 2, -1, 1.5, 2, 5, 2.5, 3);
  it('has a column for each category, where the column was', () => {
    const hot = oneHot({ columns: [0, 2] }).fit(x);
    const want = [0, 1, 0.5, 1, 0, 1, 0, 1.5, 1, 0, 0, 1, 2.5, 0, 1];
    close(hot.transform(x), want);
    expect(hot.transform(x).shape).toEqual([3, 5]);
    close(hot.inverse(hot.transform(x)), [...x.data]);
    expect([...inGraph(x, hot)]).toEqual(want);
  });

  it('a value that was not there is an error, or zeros', () => {
    const labels = { data: Int32Array.of(3, 9, 3), shape: [3] };
    const other = { data: Int32Array.of(9, 4), shape: [2] };
    expect(() => oneHot().fit(labels).transform(other)).toThrow('oneHot: row 1, column 0: expected one of 3, 9, got 4');
    expect(() => inGraph(other, oneHot().fit(labels))).toThrow('oneHot: expected an index from 0 to 1 at position 1, got 2');
    const lenient = oneHot({ unknown: 'zeros' }).fit(labels);
    close(lenient.transform(other), [0, 1, 0, 0]);
    expect([...inGraph(other, lenient)]).toEqual([0, 1, 0, 0]);
    expect([...lenient.inverse(lenient.transform(other)).data]).toEqual([9, Number.NaN]);
  });
});

const transforms = (x: NdArray): Transform[] => [
  standardize().fit(x),
  standardize({ per: 'all' }).fit(x),
  standardize({ per: 'channel' }).fit(x),
  minMax({ to: [-3, 5] }).fit(x),
  pipeline(standardize({ columns: [0] }), oneHot({ columns: [1] })).fit(x),
];

it('arrays and graphs get the same bits, through JSON too; inverse gives back what was there', () => {
  const value = fc.oneof(fc.integer({ min: -5, max: 5 }), between(-1000, 1000).map(Math.fround));
  fc.assert(
    fc.property(fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 9 }), (pairs) => {
      const x = rows([pairs.length, 2], ...pairs.flat());
      for (const t of transforms(x)) {
        const want = t.transform(x).data;
        const again = fromJSON(JSON.parse(JSON.stringify(t)));
        expect([...again.transform(x).data].map((v) => v + 0)).toEqual([...want].map((v) => v + 0));
        expect([...inGraph(x, again)].map((v) => v + 0)).toEqual([...want].map((v) => v + 0));
        const spread = Math.max(1, ...x.data.map(Math.abs));
        for (const [i, v] of t.inverse(t.transform(x)).data.entries())
          expect(Math.abs(v - x.data[i]!)).toBeLessThan(3e-6 * spread);
      }
    }),
    { numRuns: 60 },
  );
});

describe('one clear error', () => {
  const fitted = standardize().fit(table);
  it.each<[string, () => unknown, new (...args: never[]) => Error, RegExp]>([
    ['another row', () => fitted.transform(rows([1, 2], 1, 2)), ShapeError, /standardize: expected rows \[3\].*got \[2\]/],
    ['NaN', () => standardize().fit(rows([2, 2], 1, 2, 3, Number.NaN)), DataError, /standardize: row 1, column 1: .*finite.*NaN/],
    ['no row', () => minMax().fit(rows([0, 3])), DataError, /minMax: expected at least one row/],
    ['an option', () => standardize({ pre: 'all' } as never), OptionError, /unknown option pre; did you mean per\?/],
    [
      'columns',
      () => standardize({ columns: [3] }).fit(table),
      OptionError,
      /columns: expected distinct whole numbers below 3, got \[3\]/,
    ],
    ['bounds', () => minMax({ to: [1, 0] }), OptionError, /option to: expected the smaller number first, got 1, 0/],
    [
      'channels',
      () => standardize({ per: 'channel' }).fit(rows([3], 1, 2, 3)),
      ShapeError,
      /\[rows, channels, \.\.\.\], got \[3\]/,
    ],
    ['JSON', () => fromJSON({ type: 'standard' }), DataError, /standard: expected one of standardize, minMax/],
    ['its numbers', () => fromJSON({ ...fitted.toJSON(), scale: [1, 0, 1] }), DataError, /scale without 0/],
    [
      'not fitted',
      () => new Trainer({ ...task(), preprocess: { x: standardize() as never } }),
      OptionError,
      /x: standardize was not fitted/,
    ],
    [
      'no such array',
      () => new Trainer({ ...task(), preprocess: { z: fitted } }).fitSync(points(), { steps: 1 }),
      OptionError,
      /no array has the name z; the batch has x, y/,
    ],
    [
      'the name of what every object has',
      () => new Trainer({ ...task(), preprocess: { constructor: fitted } }).fitSync(points(), { steps: 1 }),
      OptionError,
      /no array has the name constructor; the batch has x, y/,
    ],
  ])('%s', (_, run, kind, message) => {
    expect(run).toThrow(kind);
    expect(run).toThrow(message);
  });
});

class Line extends Module {
  readonly fc = new Linear(3, 1);
  forward(x: Tensor): Tensor {
    return this.fc.forward(x);
  }
}

const task = () => ({
  model: new Line(),
  loss: ({ x, y }: Batch, model: Line): Tensor => loss.mse(model.forward(x), y),
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
  batchSize: 16,
});

/** y = 1000 + 20 a - 3 b, in columns of very different size; the third says nothing. */
function points(): { x: NdArray; y: NdArray } {
  const at = (i: number): number[] => [((i * 37) % 64) / 64, 1e4 + ((i * 11) % 32) * 100, 5];
  const x = Array.from({ length: 64 }, (_, i) => at(i));
  const y = x.map(([a, b]) => 1000 + 20 * a! - 0.003 * b!);
  return { x: rows([64, 3], ...x.flat()), y: rows([64, 1], ...y) };
}

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-preprocess-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'm.safetensors');
}

describe('in a trainer', () => {
  const { x, y } = points();
  const preprocess = { x: standardize().fit(x), y: standardize().fit(y) };

  it('learns from raw values, predicts in the units of y; a fresh trainer that loads the file does the same', async () => {
    using trainer = new Trainer({ ...task(), preprocess });
    await trainer.fit({ x, y }, { epochs: 60 });
    const got = await trainer.predict(x);
    for (const [i, v] of got.data.entries()) expect(Math.abs(v - y.data[i]!)).toBeLessThan(0.05);
    // The loss is that of the transformed values: of a model that was fitted on them, the same.
    using plain = new Trainer(task());
    const before = { x: preprocess.x.transform(x), y: preprocess.y.transform(y) };
    await plain.fit(before, { epochs: 60 });
    expect(await plain.evaluate(before)).toEqual(await trainer.evaluate({ x, y }));

    for (const options of [{}, { weightsOnly: true }]) {
      const path = file();
      await trainer.save(path, options);
      using other = new Trainer(task());
      await other.predict(x);
      await other.load(path);
      expect(other.predictSync(x)).toEqual(got);
      expect(Object.keys(other.preprocess)).toEqual(['x', 'y']);
    }
  });

  it('a category that was not there when it was fitted names the row', async () => {
    const hot = oneHot().fit({ data: Int32Array.of(1, 2, 3), shape: [3] });
    using trainer = new Trainer({ ...task(), preprocess: { x: hot } });
    await expect(trainer.predict({ data: Int32Array.of(1, 9), shape: [2] })).rejects.toThrow(IndexError);
  });

  it('a file whose transforms cannot be read changes nothing', async () => {
    using trainer = new Trainer({ ...task(), preprocess });
    const path = file();
    await writeSafetensors(path, await trainer.readParameters(), { 'gradclip.preprocess': '{"x":{"type":"?"}}' });
    await expect(trainer.load(path)).rejects.toThrow(CheckpointError);
    expect(trainer.preprocess.x).toBe(preprocess.x);
  });
});
