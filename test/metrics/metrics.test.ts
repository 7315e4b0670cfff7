// metrics.test.ts: metrics against their definitions in plain loops: streaming in batches and merged, and measured by a trainer in batches that do
// not divide the rows.
import { describe, expect, test } from 'vitest';
import { IndexError, OptionError, ShapeError } from '../../lib/errors.ts';
import { metrics, nn, optim, Trainer } from '../../lib/index.ts';
import type { Tensor, TensorLike } from '../../lib/ir/graph.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { drawsFor } from '../../lib/nn/module/draws.ts';
import { add, mul, reshape } from '../../lib/ops/index.ts';

const uniform = drawsFor(5n, 'metrics');
const draws = new Float32Array(4000);
for (let i = 0; i < draws.length; i++) draws[i] = uniform.uniform(i);
let used = 0;
const next = (): number => draws[used++ % draws.length]!;

/** 0, 1 and further classes of which 3 is never predicted, and 4 neither is nor is predicted. */
const CLASSES = 5;
const ROWS = 103;
const labels = Int32Array.from({ length: ROWS }, () => Math.floor(4 * next()));
const logits = new Float32Array(ROWS * CLASSES);
for (let r = 0; r < ROWS; r++) {
  for (let c = 0; c < 3; c++) logits[r * CLASSES + c] = Math.round(8 * next()) / 4 + (c === labels[r] ? 1 : 0);
  logits[r * CLASSES + 3] = logits[r * CLASSES + 4] = -9;
}
const targets = Float32Array.from(labels, (v) => Number(v >= 2));
// In quarters, so that there are ties.
const scores = Float32Array.from(targets, (t) => Math.round(8 * (next() + 0.4 * t)) / 8 - 0.75);

const predicted = Array.from({ length: ROWS }, (_, r) => {
  const row = [...logits.subarray(r * CLASSES, (r + 1) * CLASSES)];
  return row.indexOf(Math.max(...row));
});
const count = (test: (r: number) => boolean): number => Array.from({ length: ROWS }, (_, r) => r).filter(test).length;

/** Precision, recall and F1 of class c. */
function scoresOf(is: readonly number[], said: readonly number[], c: number): { precision: number; recall: number; f1: number } {
  const tp = is.filter((v, r) => v === c && said[r] === c).length;
  const fp = is.filter((v, r) => v !== c && said[r] === c).length;
  const fn = is.filter((v, r) => v === c && said[r] !== c).length;
  const precision = tp + fp === 0 ? 0 : tp / (tp + fp);
  const recall = tp + fn === 0 ? 0 : tp / (tp + fn);
  return { precision, recall, f1: tp === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}

function auc(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let [wins, pairs] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < x.length; j++) {
      if (y[i] !== 1 || y[j] === 1) continue;
      wins += x[i]! > x[j]! ? 1 : x[i] === x[j] ? 0.5 : 0;
      pairs++;
    }
  }
  return wins / pairs;
}

function averagePrecision(x: Float32Array, y: Float32Array): number {
  const all = y.reduce((a, b) => a + b, 0);
  let [area, recall] = [0, 0];
  for (const at of [...new Set(x)].sort((a, b) => b - a)) {
    const taken = y.filter((_, r) => x[r]! >= at);
    const found = taken.reduce((a, b) => a + b, 0);
    area += (found / all - recall) * (found / taken.length);
    recall = found / all;
  }
  return area;
}

const numbers = Float32Array.from({ length: ROWS * 2 }, () => 1000 + 3 * next());
const guesses = numbers.map((v, i) => v + next() - 0.5 * (i % 2));
function r2Of(x: ArrayLike<number>, y: ArrayLike<number>, outputs: number): number {
  let total = 0;
  for (let d = 0; d < outputs; d++) {
    const rows = Array.from({ length: y.length / outputs }, (_, r) => r * outputs + d);
    const mean = rows.reduce((s, i) => s + y[i]!, 0) / rows.length;
    const squares = rows.reduce((s, i) => s + (y[i]! - mean) ** 2, 0);
    total += 1 - rows.reduce((s, i) => s + (x[i]! - y[i]!) ** 2, 0) / squares;
  }
  return total / outputs;
}

const nats = (r: number): number => {
  const row = [...logits.subarray(r * CLASSES, (r + 1) * CLASSES)];
  return Math.log(row.reduce((s, v) => s + Math.exp(v), 0)) - row[labels[r]!]!;
};
const meanOver = (rows: number[], f: (r: number) => number): number => rows.reduce((s, r) => s + f(r), 0) / rows.length;
const every = Array.from({ length: ROWS }, (_, r) => r);
const kept = every.filter((r) => labels[r] !== 1);
const inTop = (r: number, k: number): boolean => {
  const row = every.slice(0, CLASSES).map((c) => ({ c, v: logits[r * CLASSES + c]! }));
  row.sort((a, b) => b.v - a.v || a.c - b.c);
  return row.slice(0, k).some(({ c }) => c === labels[r]);
};

const is = [...labels];
const occurs = [0, 1, 2, 3];
const macro = (kind: 'precision' | 'recall' | 'f1'): number => meanOver(occurs, (c) => scoresOf(is, predicted, c)[kind]);
const weighted = (kind: 'precision' | 'recall' | 'f1'): number =>
  occurs.reduce((s, c) => s + count((r) => labels[r] === c) * scoresOf(is, predicted, c)[kind], 0) / ROWS;
const said = [...scores].map((s) => Number(s > 0));
const saidHalf = [...scores].map((s) => Number(s > 0.25));
const binary = [...targets];

interface Case {
  readonly name: string;
  readonly truth: number;
  /** Which predictions and targets. */
  readonly on: 'classes' | 'scores' | 'numbers' | 'pairs';
  readonly make: () => metrics.Metric;
  readonly graph: (x: TensorLike, y: TensorLike) => Tensor | metrics.Aggregate;
}
const right = (r: number): number => Number(predicted[r] === labels[r]);
const cases: Case[] = [
  {
    name: 'accuracy',
    truth: meanOver(every, right),
    on: 'classes',
    make: () => new metrics.Accuracy(),
    graph: (x, y) => metrics.accuracy(x, y),
  },
  {
    name: 'accuracy without label 1',
    truth: meanOver(kept, right),
    on: 'classes',
    make: () => new metrics.Accuracy({ ignoreIndex: 1 }),
    graph: (x, y) => metrics.accuracy(x, y, { ignoreIndex: 1 }),
  },
  ...[1, 2, 3].map(
    (k): Case => ({
      name: `top ${k}`,
      truth: meanOver(every, (r) => Number(inTop(r, k))),
      on: 'classes',
      make: () => new metrics.TopK({ k }),
      graph: (x, y) => metrics.topK(x, y, { k }),
    }),
  ),
  {
    name: 'top 2 without label 1',
    truth: meanOver(kept, (r) => Number(inTop(r, 2))),
    on: 'classes',
    make: () => new metrics.TopK({ k: 2, ignoreIndex: 1 }),
    graph: (x, y) => metrics.topK(x, y, { k: 2, ignoreIndex: 1 }),
  },
  ...(['precision', 'recall', 'f1'] as const).flatMap((kind): Case[] => {
    const Streaming = { precision: metrics.Precision, recall: metrics.Recall, f1: metrics.F1 }[kind];
    const of = (average: 'micro' | 'macro' | 'weighted' | undefined, truth: number): Case => ({
      name: `${kind} ${average ?? 'by default'}`,
      truth,
      on: 'classes',
      make: () => new Streaming(average ? { average } : {}),
      graph: (x, y) => metrics[kind](x, y, average ? { average } : {}),
    });
    const one = (options: metrics.ScoreOptions, truth: number): Case => ({
      name: `${kind} ${JSON.stringify(options)}`,
      truth,
      on: 'scores',
      make: () => new Streaming(options),
      graph: (x, y) => metrics[kind](x, y, options),
    });
    const bothSides = [0, 1].map((c) => scoresOf(binary, said, c)[kind]);
    return [
      of('micro', meanOver(every, right)),
      of('macro', macro(kind)),
      of('weighted', weighted(kind)),
      of(undefined, macro(kind)),
      one({}, bothSides[1]!),
      one({ threshold: 0.25 }, scoresOf(binary, saidHalf, 1)[kind]),
      one({ average: 'macro' }, (bothSides[0]! + bothSides[1]!) / 2),
    ];
  }),
  {
    name: 'f1 without label 1',
    truth: meanOver(
      [0, 1, 2, 3],
      (c) =>
        scoresOf(
          kept.map((r) => is[r]!),
          kept.map((r) => predicted[r]!),
          c,
        ).f1,
    ),
    on: 'classes',
    make: () => new metrics.F1({ ignoreIndex: 1 }),
    graph: (x, y) => metrics.f1(x, y, { ignoreIndex: 1 }),
  },
  {
    name: 'AUC',
    truth: auc(scores, targets),
    on: 'scores',
    make: () => new metrics.ROCAUC(),
    graph: (x, y) => metrics.rocAuc(x, y),
  },
  {
    name: 'AUC in bins',
    // Of 3 bins, the scores outside the range in the first and last.
    truth: auc(
      scores.map((s) => Math.max(0, Math.min(2, Math.floor(((s + 0.5) / 1) * 3)))),
      targets,
    ),
    on: 'scores',
    make: () => new metrics.ROCAUC({ bins: 3, range: [-0.5, 0.5] }),
    graph: (x, y) => metrics.rocAuc(x, y, { bins: 3, range: [-0.5, 0.5] }),
  },
  {
    name: 'average precision',
    truth: averagePrecision(scores, targets),
    on: 'scores',
    make: () => new metrics.AveragePrecision(),
    graph: (x, y) => metrics.averagePrecision(x, y),
  },
  {
    name: 'perplexity',
    truth: Math.exp(meanOver(every, nats)),
    on: 'classes',
    make: () => new metrics.Perplexity(),
    graph: (x, y) => metrics.perplexity(x, y),
  },
  {
    name: 'perplexity without label 1',
    truth: Math.exp(meanOver(kept, nats)),
    on: 'classes',
    make: () => new metrics.Perplexity({ ignoreIndex: 1 }),
    graph: (x, y) => metrics.perplexity(x, y, { ignoreIndex: 1 }),
  },
  {
    name: 'MAE',
    truth: numbers.reduce((s, v, i) => s + Math.abs(v - guesses[i]!), 0) / numbers.length,
    on: 'pairs',
    make: () => new metrics.MAE(),
    graph: (x, y) => metrics.mae(x, y),
  },
  {
    name: 'RMSE',
    truth: Math.sqrt(numbers.reduce((s, v, i) => s + (v - guesses[i]!) ** 2, 0) / numbers.length),
    on: 'numbers',
    make: () => new metrics.RMSE(),
    graph: (x, y) => metrics.rmse(x, y),
  },
  {
    name: 'R2',
    truth: r2Of(guesses, numbers, 1),
    on: 'numbers',
    make: () => new metrics.R2(),
    graph: (x, y) => metrics.r2(x, y),
  },
  {
    name: 'R2 of pairs',
    truth: r2Of(guesses, numbers, 2),
    on: 'pairs',
    make: () => new metrics.R2({ outputs: 2 }),
    graph: (x, y) => metrics.r2(x, y),
  },
];

/** Predictions and targets, and their widths. */
const data = {
  classes: { x: logits, y: labels, wide: [CLASSES, 1], shape: [ROWS, CLASSES] },
  scores: { x: scores, y: targets, wide: [1, 1], shape: [ROWS] },
  numbers: { x: guesses, y: numbers, wide: [1, 1], shape: [2 * ROWS] },
  pairs: { x: guesses, y: numbers, wide: [2, 2], shape: [ROWS, 2] },
} as const;

function feed(metric: metrics.Metric, on: Case['on'], from: number, to: number, batch: number): metrics.Metric {
  const { x, y, wide } = data[on];
  for (let r = from; r < to; r += batch) {
    const end = Math.min(to, r + batch);
    const rows = { data: x.subarray(r * wide[0], end * wide[0]), shape: [end - r, wide[0]] };
    metric.update(rows, y.subarray(r * wide[1], end * wide[1]));
  }
  return metric;
}

describe('streaming', () => {
  test.each(cases)('$name', ({ truth, on, make }) => {
    const rows = data[on].y.length / data[on].wide[1];
    expect(truth).toBeGreaterThan(0);
    expect(feed(make(), on, 0, rows, rows).result()).toBeCloseTo(truth, 9);
    const batches = feed(make(), on, 0, rows, 7);
    expect(batches.result()).toBeCloseTo(truth, 9);
    const merged = feed(make(), on, 0, 40, 9).merge(feed(make(), on, 40, rows, 11));
    expect(merged.result()).toBeCloseTo(truth, 9);
    expect(feed(batches.reset(), on, 0, rows, 20).result()).toBeCloseTo(truth, 9);
  });
});

/** A model that gives back what it is given. */
class Same extends nn.Module {
  zero: nn.Parameter = new nn.Parameter([1]);
  forward(x: Tensor): Tensor {
    return add(x, mul(reshape(this.zero, []), 0));
  }
}

describe('measured by a trainer', () => {
  test.each(['classes', 'scores', 'numbers', 'pairs'] as const)('on %s', async (on) => {
    const { x, y, shape } = data[on];
    const wanted = cases.filter((c) => c.on === on);
    const trainer = new Trainer({
      model: new Same(),
      loss: on === 'classes' ? ({ x, y }, m) => loss.crossEntropy(m.forward(x), y) : ({ x, y }, m) => loss.mse(m.forward(x), y),
      optimizer: optim.sgd({ lr: 0 }),
      metrics: Object.fromEntries(wanted.map((c) => [c.name, ({ x, y }, m: Same) => c.graph(m.forward(x), y)])),
    });
    const set = { x: { data: x, shape }, y: on === 'pairs' ? { data: y, shape } : y };
    for (const batchSize of [1000, 16]) {
      const got = await trainer.evaluate(set, { batchSize });
      for (const { name, truth } of wanted) expect(got[name], `${name} in batches of ${batchSize}`).toBeCloseTo(truth, 5);
    }
    expect(Object.keys(trainer.evaluateSync(set))).toEqual(['loss', ...wanted.map((c) => c.name)]);
    trainer.dispose();
  });

  test('the mean of a loss with weights is that of all rows, in whatever batches', async () => {
    const weight = [0.5, 2, 1, 3, 1];
    const options = [{ weight }, { ignoreIndex: 1 }, { weight, ignoreIndex: 2 }];
    for (const o of options) {
      const trainer = new Trainer({
        model: new Same(),
        loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y, o),
        optimizer: optim.sgd({ lr: 0 }),
      });
      const of = (r: number): number => (labels[r] === o.ignoreIndex ? 0 : (o.weight?.[labels[r]!] ?? 1));
      const truth = every.reduce((s, r) => s + of(r) * nats(r), 0) / every.reduce((s, r) => s + of(r), 0);
      const set = { x: { data: logits, shape: [ROWS, CLASSES] }, y: labels };
      for (const batchSize of [ROWS, 10, 1]) {
        expect((await trainer.evaluate(set, { batchSize })).loss).toBeCloseTo(truth, 6);
      }
      trainer.dispose();
    }
  });
});

test('a confusion matrix counts each pair', () => {
  const whole = new metrics.ConfusionMatrix().update({ data: logits, shape: [ROWS, CLASSES] }, labels);
  const matrix = whole.result();
  expect(matrix.length).toBe(4);
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 4; j++) expect(matrix[i]![j]).toBe(count((r) => labels[r] === i && predicted[r] === j));
  }
  expect(new metrics.ConfusionMatrix().update(predicted, labels).merge(whole).result()).toEqual(
    matrix.map((row) => row.map((n) => 2 * n)),
  );
});

test('where there is nothing to say', () => {
  expect(new metrics.Accuracy().result()).toBeNaN();
  expect(new metrics.ROCAUC().update([0.1, 0.2], [1, 1]).result()).toBeNaN();
  expect(new metrics.ROCAUC().update([0.1, Number.NaN], [1, 0]).result()).toBeNaN();
  expect(new metrics.R2().result()).toBeNaN();
  expect(new metrics.R2().update([1, 2], [2, 2]).result()).toBe(0);
  expect(new metrics.R2().update([2, 2], [2, 2]).result()).toBe(1);
  expect(new metrics.R2().update([2], [2]).result()).toBeNaN();
  expect(new metrics.F1().result()).toBeNaN();
  expect(new metrics.F1({ ignoreIndex: 1 }).update([0, 1], [1, 1]).result()).toBeNaN();
  expect(new metrics.F1({ threshold: 0 }).update([-1, -2], [1, 0]).result()).toBe(0);
  expect(new metrics.Accuracy().update([], []).result()).toBeNaN();
  // A model that gives NaN.
  expect(new metrics.TopK({ k: 2 }).update([Number.NaN, Number.NaN, Number.NaN], [0]).result()).toBeNaN();
  const matrix = new metrics.ConfusionMatrix().update([[Number.NaN, 1]], [1]);
  expect(() => matrix.result()).toThrow(/ConfusionMatrix: the scores of 1 rows are NaN/);
});

test('while a fit is on, metrics count', async () => {
  using trainer = new Trainer({
    model: new Same(),
    loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0 }),
    batchSize: 4,
  });
  const metric = new metrics.MAE();
  const fit = trainer.fit({ x: guesses, y: numbers }, { epochs: 20, onEpoch: () => void metric.update([1, 3], [2, 2]) });
  metric.update([1, 3], [2, 2]);
  await fit;
  expect(metric.result()).toBe(1);
});

test('whether predictions are scores or classes is told by their shape, or by an option, never by the type of the array', () => {
  const whole = [[0, 1, 2, 1], Float32Array.of(0, 1, 2, 1), Int32Array.of(0, 1, 2, 1), Uint8Array.of(0, 1, 2, 1)] as const;
  for (const x of whole) {
    expect(new metrics.F1({ average: 'macro' }).update(x, [0, 1, 2, 1]).result()).toBe(1);
    expect(new metrics.Accuracy().update(x, [0, 1, 2, 1]).result()).toBe(1);
    expect(new metrics.Accuracy().update({ data: x, shape: [4, 1] }, [0, 1, 1, 1]).result()).toBe(1);
    expect(new metrics.Accuracy({ threshold: 1 }).update(x, [0, 0, 1, 0]).result()).toBe(1);
    expect(new metrics.Accuracy({ predictions: 'scores' }).update(x, [0, 1, 1, 1]).result()).toBe(1);
    expect(new metrics.Accuracy({ predictions: 'classes' }).update({ data: x, shape: [4, 1] }, [0, 1, 2, 1]).result()).toBe(1);
    expect(new metrics.F1().update({ data: x, shape: [2, 2] }, [1, 0]).result()).toBe(1);
    expect(new metrics.F1().update(x, [1, 0]).result()).toBe(1);
    expect(new metrics.ConfusionMatrix().update(x, [1, 1, 2, 1]).result()).toEqual([
      [0, 0, 0],
      [1, 2, 0],
      [0, 0, 1],
    ]);
  }
  const nested = new metrics.Accuracy().update([[1], [-1], [2], [-2]], [1, 0, 1, 0]);
  expect(nested.result()).toBe(1);
  expect(() => new metrics.F1().update([0.25, 0.75], [0, 1])).toThrow(
    "F1: expected predicted classes as whole numbers from 0 (scores: of shape [rows, 1], or predictions: 'scores'), got 0.25 at position 0",
  );
  expect(() => new metrics.F1({ threshold: 0.5, predictions: 'classes' })).toThrow(/option threshold: is for scores/);
  expect(() => new metrics.F1({ threshold: 0.5 }).update([1, 2, 3, 4], [0, 1])).toThrow(/is for one score a row, got 2 scores/);
});

test('refused', () => {
  expect(() => new metrics.F1({ zeroDivision: 0.5 })).toThrow(/F1: option zeroDivision: expected 0, 1 or NaN, got 0.5/);
  expect(() => new metrics.F1({ average: 'binary' }).update([0, 2], [0, 1]).result()).toThrow(
    /another than binary for 3 classes/,
  );
  for (const other of [new metrics.RMSE(), new metrics.R2(), new metrics.Accuracy(), {}, null]) {
    expect(() => new metrics.MAE().merge(other as metrics.MAE)).toThrow(OptionError);
  }
  expect(() => new metrics.F1().merge(new metrics.Accuracy() as never)).toThrow('F1: merge: expected another F1, got Accuracy');
  for (const [predicted, labels] of [
    [
      [2, 3],
      [3, 2],
    ],
    [
      [2, 3, 2],
      [3, 2],
    ],
    [
      [2, 3, 1],
      [3, 2],
    ],
    [
      [2, 3, 2],
      [3, 2, 1],
    ],
  ] as const) {
    const zeros = (shape: readonly number[]) => ({ data: new Float32Array(shape.reduce((a, b) => a * b)), shape });
    for (const metric of [new metrics.Accuracy(), new metrics.F1(), new metrics.ConfusionMatrix()]) {
      expect(() => metric.update(zeros(predicted), zeros(labels)), `${predicted}; ${labels}`).toThrow(ShapeError);
    }
    expect(new metrics.Accuracy().update(zeros(predicted), zeros([2, 3])).result()).toBe(1);
  }
  expect(() => new metrics.F1({ average: 'macro' }).merge(new metrics.F1())).toThrow(
    /the same options \(average: macro, zeroDivision: 0\), got \(zeroDivision: 0\)/,
  );
  expect(() => new metrics.TopK().update([1, 2], [0, 0])).toThrow(/TopK: expected logits of at least 2 classes a row, got 1/);
  expect(() => new metrics.Accuracy().update({ data: [1, 2, 3, 4], shape: [2, 3] }, [0, 0])).toThrow(
    /of the shape \[2,3\], got 4/,
  );
  expect(() => new metrics.Accuracy().update([[1, 2], [3]], [0, 0])).toThrow(
    /predictions: expected 2 values at row 1, as in the first row, got 1/,
  );
  expect(() => new metrics.MAE().update(['1'] as unknown as number[], [1])).toThrow(
    /predictions: expected numbers, got "1" at row 0/,
  );
  expect(() => new metrics.MAE().update({ data: [1, 2, 3, 4], shape: [2, 2] }, { data: [1, 2, 3, 4], shape: [4] })).toThrow(
    ShapeError,
  );
  expect(() => new metrics.R2({ outputs: 3 }).update({ data: [1, 2, 3, 4], shape: [2, 2] }, [1, 2, 3, 4])).toThrow(
    /R2: expected rows of 3 outputs, got 2/,
  );
  expect(() => new metrics.F1({ average: 'mean' as 'micro' })).toThrow(/F1: option average: expected one of binary, micro/);
  expect(() => new metrics.TopK({ k: 0 })).toThrow(OptionError);
  expect(() => new metrics.ROCAUC({ range: [1, 0] })).toThrow(/ROCAUC: option range\[1\]: expected a finite number > 1, got 0/);
  expect(() => new metrics.Accuracy({ k: 1 } as object)).toThrow(/unknown option k/);
  expect(() => new metrics.Accuracy().update([1, 2, 3], [1, 0])).toThrow(/expected a row of logits for each of 2 labels, got 3/);
  expect(() => new metrics.ConfusionMatrix().update([1, -1], [1, 0])).toThrow(IndexError);
  expect(() => new metrics.MAE().update([1, 2], [1])).toThrow(/MAE: expected 2 targets, got 1/);
  expect(() => new metrics.ROCAUC({ bins: 4 }).merge(new metrics.ROCAUC({ bins: 5 }))).toThrow(
    /expected one with the same options/,
  );
  expect(() => new metrics.Perplexity().update([1, 2], [2])).toThrow(/Perplexity: expected labels from 0 to 1, got 2 at/);
});
