// accumulation.test.ts: a step of several micro-batches is the step of the batch they are together, whatever their sizes and whatever counts in
// them: against refs in f64 over the whole batch, PyTorch's gradients of it (golden/optim/accumulation.json), and a sum of halves in plain loops.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grad } from '../../../lib/autodiff/grad.ts';
import { compile } from '../../../lib/compile/compile.ts';
import { clip, guard, IndexError, loss, nn, ops, optim, regularize, rows, type Source } from '../../../lib/index.ts';
import { Graph, type Tensor } from '../../../lib/ir/graph.ts';
import type { RunResult } from '../../../lib/native/addon.ts';
import { allocate, CompiledProgram, target } from '../../../lib/native/program.ts';
import { accumulate } from '../../../lib/ops/step/accumulate.ts';
import { levelsOf, placeInTree } from '../../../lib/ops/step/tree.ts';
import type { Report } from '../../../lib/optim/apply/report.ts';
import type { Arrays, Batch } from '../../../lib/train/feed/source.ts';
import type { TrainerOptions } from '../../../lib/train/options.ts';
import { Trainer } from '../../../lib/train/trainer.ts';
import { uniform } from '../../golden/runs/recipe.ts';
import { interpret } from '../../interpret.ts';
import { bits, type ClassifierOptions, classifier, points, stream } from '../models.ts';

const WIDTH = 3;
const CLASSES = 4;

/** x times a matrix. */
class Product extends nn.Module {
  readonly weight: nn.Parameter;
  constructor(data: Float32Array, shape: readonly number[] = [WIDTH, CLASSES]) {
    super();
    this.weight = new nn.Parameter(shape, (out) => out.set(data));
  }
  forward(x: Tensor): Tensor {
    return ops.matmul(x, this.weight);
  }
}

interface Data {
  readonly rows: number;
  readonly arrays: Readonly<Record<string, Float32Array | Int32Array>>;
}
const START = uniform(9, WIDTH * CLASSES);

/** Rows of inputs, targets [rows, CLASSES], sides of -1 and 1, and labels of which some are -100. */
function dataOf(rows: number, seed = 1, labels?: readonly number[]): Data {
  const u = uniform(seed + 100, rows);
  const y = labels ?? Array.from(uniform(seed, rows), (v, i) => (u[i]! > 0.4 ? -100 : Math.floor((v + 1) * 2)));
  return {
    rows,
    arrays: {
      x: uniform(seed + 1, rows * WIDTH),
      y: Int32Array.from(y),
      t: uniform(seed + 2, rows * CLASSES),
      p: uniform(seed + 3, rows * CLASSES).map((v) => 0.5 * (v + 1)),
      s: uniform(seed + 4, rows).map((v) => (v < 0 ? -1 : 1)),
    },
  };
}

function slice({ rows, arrays }: Data, from: number, to: number): Arrays {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, a]) => {
      const each = a.length / rows;
      const shape = each === 1 ? [to - from] : [to - from, each];
      return [name, { data: a.slice(from * each, to * each), shape }];
    }),
  );
}

/** Batches of these sizes, of rows in order. */
async function* batches(data: Data, sizes: readonly number[]): AsyncGenerator<Arrays> {
  let at = 0;
  for (const size of sizes) {
    yield slice(data, at, at + size);
    at += size;
  }
}

/** Rows of a training batch in order, not drawn. */
function inOrder(arrays: Arrays): Source {
  return {
    ...rows(arrays),
    fill(row, { i, batchSize }) {
      for (let j = 0; j < row.length; j++) row[j] = i * batchSize + j;
    },
  };
}

type Loss = (batch: Batch, model: Product) => Tensor;

/** One step of plain descent over batches of `sizes`: the gradient, and the report. */
async function step(
  data: Data,
  sizes: readonly number[],
  f: Loss,
  options: Partial<TrainerOptions<Product>> = {},
  start: Float32Array = START,
): Promise<{ gradient: Float64Array; report: Report }> {
  using trainer = new Trainer({
    model: new Product(start),
    loss: f,
    optimizer: optim.sgd({ lr: 1 }),
    accumulate: sizes.length,
    threads: 1,
    ...options,
  });
  const result = await trainer.fit(batches(data, sizes), { epochs: 1 });
  expect(result.tried).toBe(1);
  expect(trainer.counters.attempt).toBe(sizes.length);
  const after = (await trainer.readParameters()).get('weight')!.data;
  return { gradient: Float64Array.from(after, (w, i) => start[i]! - w), report: result.last! };
}

/** The loss of all rows in one batch, and its gradient, by refs in f64. */
function wholeOf({ rows, arrays }: Data, f: Loss): { loss: number; gradient: Float64Array } {
  const graph = new Graph('train');
  const types = { x: 'f32', y: 'i32', t: 'f32', p: 'f32', s: 'f32' } as const;
  const entries = Object.entries(arrays).map(([name, a]) => {
    const each = a.length / rows;
    const type = { dtype: types[name as 'x'], shape: each === 1 ? [rows] : [rows, each] };
    return [name, graph.input(name, type, 'feed')] as const;
  });
  const weight = graph.input('weight', { dtype: 'f32', shape: [WIDTH, CLASSES] }, 'feed');
  const model = { weight, forward: (x: Tensor) => ops.matmul(x, weight) } as unknown as Product;
  const value = f(Object.fromEntries(entries) as Batch, model);
  const [gradient] = grad(value, [weight]);
  const inputs = { ...arrays, weight: START };
  const values = interpret(graph, { inputs, f64: true });
  return { loss: values.get(value)![0]!, gradient: Float64Array.from(values.get(gradient!)!) };
}

function near(got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 2e-6): void {
  expect(got.length).toBe(want.length);
  const scale = Math.max(1, ...Array.from(want, Math.abs));
  for (let i = 0; i < want.length; i++) {
    if (!(Math.abs(got[i]! - want[i]!) <= tolerance * scale)) expect.fail(`element ${i}: expected ${want[i]}, got ${got[i]}`);
  }
}

const logits = ({ x }: Batch, m: Product): Tensor => m.forward(x);
const column = (t: Tensor): Tensor => ops.reshape(ops.slice(t, { axis: 1, start: 0, end: 1 }), [-1]);
const ignoring: Loss = (b, m) => loss.crossEntropy(logits(b, m), b.y, { ignoreIndex: -100 });
const weighed: Loss = (b, m) =>
  loss.crossEntropy(logits(b, m), b.y, { ignoreIndex: -100, weight: [0.5, 2, 0, 1.25], labelSmoothing: 0.1 });
const positive = (b: Batch, m: Product): Tensor => ops.softplus(logits(b, m));

const classesOf = (b: Batch): Tensor => ops.cast(ops.maximum(ops.cast(b.y, 'f32'), 0), 'i32');
/** Some rows count nothing. */
const counting = (b: Batch): { readonly sampleWeight: Tensor } => ({ sampleWeight: ops.relu(ops.sub(column(b.p!), 0.2)) });

/** Three frames of each row, and a label of each that is not the blank. */
const frames = (b: Batch, m: Product): Tensor => {
  const z = logits(b, m);
  return ops.stack([z, ops.mul(z, 2), ops.neg(z)], 1);
};
const spoken = (b: Batch): Tensor => ops.expandDims(ops.maximum(classesOf(b), 1), 1);

/** Every loss of `loss`. */
const LOSSES: Readonly<Record<string, Loss>> = {
  crossEntropy: (b, m) => loss.crossEntropy(logits(b, m), ops.cast(ops.maximum(ops.cast(b.y, 'f32'), 0), 'i32')),
  'crossEntropy, ignoring': ignoring,
  'crossEntropy, weighed': weighed,
  nll: (b, m) => loss.nll(ops.logSoftmax(logits(b, m)), b.y, { ignoreIndex: -100, weight: [1, 2, 3, 4] }),
  focal: (b, m) => loss.focal(logits(b, m), b.y, { ignoreIndex: -100 }),
  bceWithLogits: (b, m) => loss.bceWithLogits(logits(b, m), b.p!, { posWeight: 3 }),
  sigmoidFocal: (b, m) => loss.sigmoidFocal(logits(b, m), b.p!),
  mse: (b, m) => loss.mse(logits(b, m), b.t!),
  l1: (b, m) => loss.l1(logits(b, m), b.t!),
  huber: (b, m) => loss.huber(logits(b, m), b.t!, { delta: 0.5 }),
  smoothL1: (b, m) => loss.smoothL1(logits(b, m), b.t!),
  poissonNll: (b, m) => loss.poissonNll(logits(b, m), b.p!),
  gaussianNll: (b, m) => loss.gaussianNll(logits(b, m), b.t!, ops.add(positive(b, m), 0.1)),
  klDiv: (b, m) => loss.klDiv(ops.logSoftmax(logits(b, m)), b.p!),
  'klDiv, batchmean': (b, m) => loss.klDiv(ops.logSoftmax(logits(b, m)), b.p!, { reduction: 'batchmean' }),
  cosineSimilarity: (b, m) => ops.mean(loss.cosineSimilarity(logits(b, m), b.t!), { dtype: 'f64' }),
  cosineEmbedding: (b, m) => loss.cosineEmbedding(logits(b, m), b.t!, b.s!),
  tripletMargin: (b, m) => loss.tripletMargin(logits(b, m), b.t!, b.p!),
  marginRanking: (b, m) => loss.marginRanking(column(logits(b, m)), column(b.t!), b.s!),
  hinge: (b, m) => loss.hinge(column(logits(b, m)), b.s!),
  hingeEmbedding: (b, m) => loss.hingeEmbedding(ops.abs(column(logits(b, m))), b.s!),
  bce: (b, m) => loss.bce(ops.sigmoid(logits(b, m)), b.p!, { weight: [1, 2, 3, 4] }),
  softMargin: (b, m) => loss.softMargin(column(logits(b, m)), b.s!),
  multiMargin: (b, m) => loss.multiMargin(logits(b, m), classesOf(b), { weight: [1, 2, 3, 4], p: 2 }),
  multiLabelMargin: (b, m) => loss.multiLabelMargin(logits(b, m), ops.sub(ops.floor(ops.mul(b.p!, 4)), 1)),
  multiLabelSoftMargin: (b, m) => loss.multiLabelSoftMargin(logits(b, m), b.p!, { weight: [1, 2, 3, 4] }),
  'crossEntropy, of probabilities': (b, m) => loss.crossEntropy(logits(b, m), b.p!, { labelSmoothing: 0.1 }),
  'crossEntropy, counting rows': (b, m) =>
    loss.crossEntropy(logits(b, m), classesOf(b), { weight: [1, 2, 3, 4], ...counting(b) }),
  'crossEntropy, of probabilities, counting rows': (b, m) => loss.crossEntropy(logits(b, m), b.p!, counting(b)),
  'mse, counting rows': (b, m) => loss.mse(logits(b, m), b.t!, counting(b)),
  'mse, counting elements': (b, m) => loss.mse(logits(b, m), b.t!, { sampleWeight: ops.relu(ops.sub(b.p!, 0.2)) }),
  'klDiv, counting rows, batchmean': (b, m) =>
    loss.klDiv(ops.logSoftmax(logits(b, m)), b.p!, { reduction: 'batchmean', ...counting(b) }),
  'multiMargin, counting rows': (b, m) => loss.multiMargin(logits(b, m), classesOf(b), counting(b)),
  'tripletMargin, counting rows': (b, m) => loss.tripletMargin(logits(b, m), b.t!, b.p!, counting(b)),
  ctc: (b, m) => loss.ctc(frames(b, m), spoken(b)),
  'ctc, counting rows': (b, m) => loss.ctc(frames(b, m), spoken(b), counting(b)),
  weightedMean: (b, m) => loss.weightedMean(column(ops.square(logits(b, m))), column(b.p!)),
};

/** Sums of means that divide by different counts, and what else may be added to them. */
const SUMS: Readonly<Record<string, Loss>> = {
  'a multiple': (b, m) => ops.mul(0.3, ignoring(b, m)),
  'tokens and rows': (b, m) => ops.add(ignoring(b, m), ops.mul(loss.mse(logits(b, m), b.t!), 0.5)),
  'three counts': (b, m) => ops.sub(ops.sub(ops.div(ignoring(b, m), 3), ops.neg(weighed(b, m))), ops.mul(0.1, LOSSES.nll!(b, m))),
  'what a parameter weighs': (b, m) => ops.mul(ignoring(b, m), ops.mean(ops.square(m.weight), { dtype: 'f64' })),
  'a penalty': (b, m) => ops.add(ops.mul(0.1, ops.sum(ops.square(m.weight), { dtype: 'f64' })), ignoring(b, m)),
  'a penalty, tokens and rows': (b, m) =>
    ops.add(ops.add(ops.mul(0.1, ops.sum(ops.square(m.weight), { dtype: 'f64' })), ignoring(b, m)), loss.mse(logits(b, m), b.t!)),
  'other shapes of one value': (b, m) => ops.sum(ops.add(ops.reshape(ignoring(b, m), [1, 1]), ops.mean(weighed(b, m)))),
  'single precision': (b, m) => ops.add(ops.cast(ignoring(b, m), 'f32'), ops.cast(loss.mse(logits(b, m), b.t!), 'f32')),
};

test('every loss is here', () => {
  const names = Object.keys(LOSSES).map((name) => name.split(',')[0]);
  expect(new Set(names)).toEqual(new Set(Object.keys(loss)));
});

describe('any split of a batch gives its loss and its gradient', () => {
  test.each(Object.entries({ ...LOSSES, ...SUMS }))('%s', async (_, f) => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(1000), async (sizes, seed) => {
        const data = dataOf(
          sizes.reduce((a, b) => a + b),
          seed,
        );
        const whole = wholeOf(data, f);
        const { gradient, report } = await step(data, sizes, f);
        near(gradient, whole.gradient);
        near([report.loss], [whole.loss], 1e-5);
        using trainer = new Trainer({ model: new Product(START), loss: f, optimizer: optim.sgd({ lr: 1 }) });
        near([trainer.evaluateSync(slice(data, 0, data.rows), { batchSize: 1 + (seed % 4) }).loss], [whole.loss], 1e-5);
      }),
      { numRuns: 4, seed: 7 },
    );
  });
});

test('PyTorch: ignored labels and class weights, over batches of four sizes', async () => {
  const golden = JSON.parse(readFileSync(new URL('../../golden/optim/accumulation.json', import.meta.url), 'utf8')) as {
    readonly x: number[];
    readonly y: number[];
    readonly weight: number[];
    readonly cases: readonly { readonly options: object; readonly loss: number; readonly gradient: number[] }[];
  };
  const { x, y, weight, cases } = golden;
  const data = { rows: y.length, arrays: { x: Float32Array.from(x), y: Int32Array.from(y) } };
  for (const { options, loss: value, gradient } of cases) {
    for (const sizes of [[5, 3, 8, 1], [17], [1, 16], [2, 2, 2, 2, 2, 2, 2, 2, 1]]) {
      const f: Loss = (b, m) => loss.crossEntropy(logits(b, m), b.y, options);
      const got = await step(data, sizes, f, {}, Float32Array.from(weight));
      near(got.gradient, gradient, 1e-6);
      near([got.report.loss], [value], 1e-6);
    }
  }
});

describe('what counts', () => {
  test('labels that are ignored, in two batches of two', async () => {
    const data = dataOf(4, 3, [0, -100, 1, 1]);
    const { gradient, report } = await step(data, [2, 2], ignoring);
    const whole = wholeOf(data, ignoring);
    near(gradient, whole.gradient, 1e-6);
    expect(report.loss).toBeCloseTo(whole.loss, 6);
  });

  test('a batch in which nothing counts adds nothing', async () => {
    const data = dataOf(5, 3, [0, 1, -100, -100, 2]);
    const [with_, without] = [await step(data, [2, 2, 1], ignoring), wholeOf(data, ignoring)];
    near(with_.gradient, without.gradient, 1e-6);
    expect(with_.report.loss).toBeCloseTo(without.loss, 6);
  });

  test('a step in which nothing counts has loss 0 and gradient 0, and is applied', async () => {
    const data = dataOf(4, 3, [-100, -100, -100, -100]);
    for (const sizes of [[4], [2, 2], [1, 2, 1]]) {
      const { gradient, report } = await step(data, sizes, ignoring, { clip: clip.globalNorm(1) });
      expect([...gradient].every((g) => g === 0)).toBe(true);
      expect(report).toMatchObject({ loss: 0, norm: 0, skipped: false, nonFinite: null });
    }
  });

  test('may not be learned, in a step of several batches', async () => {
    const f: Loss = (b, m) => loss.weightedMean(column(logits(b, m)), column(ops.square(logits(b, m))));
    const data = dataOf(4);
    near((await step(data, [4], f)).gradient, wholeOf(data, f).gradient);
    await expect(step(data, [2, 2], f)).rejects.toThrow(
      /^Trainer: option accumulate: the loss divides by weights that depend on weight: what counts must be known before the step$/,
    );
  });

  test('what is no sum of means weighs by rows', async () => {
    const data = dataOf(6, 3, [0, -100, -100, -100, 1, 2]);
    const f: Loss = (b, m) => ops.exp(ignoring(b, m));
    const { gradient, report } = await step(data, [4, 2], f);
    const [a, b] = [wholeOf(cut(data, 0, 4), f), wholeOf(cut(data, 4, 6), f)];
    near(
      gradient,
      a.gradient.map((g, i) => (4 * g + 2 * b.gradient[i]!) / 6),
    );
    expect(report.loss).toBeCloseTo((4 * a.loss + 2 * b.loss) / 6, 5);
  });
});

function cut(data: Data, from: number, to: number): Data {
  const arrays = Object.entries(slice(data, from, to)).map(([name, a]) => [name, (a as { data: Float32Array }).data] as const);
  return { rows: to - from, arrays: Object.fromEntries(arrays) };
}

describe('the sum over micro-batches is a tree of halves', () => {
  /** As docs/ARCHITECTURE.md has it: the first n - floor(n / 2), and the others. */
  const halves = <T>(list: readonly T[], add: (a: T, b: T) => T): T => {
    if (list.length === 1) return list[0]!;
    const left = list.length - Math.floor(list.length / 2);
    return add(halves(list.slice(0, left), add), halves(list.slice(left), add));
  };
  const text = (a: string, b: string): string => `(${a}+${b})`;
  /** Sums as the kernel makes them: partial ones wait in a stack. */
  const stacked = (list: readonly string[]): { sum: string; most: number } => {
    const waiting: string[] = [];
    let most = 0;
    for (const [i, value] of list.entries()) {
      const { held, joins } = placeInTree(i, list.length);
      expect(waiting.length).toBe(held);
      let sum = value;
      for (let j = 0; j < joins; j++) sum = text(waiting.pop()!, sum);
      waiting.push(sum);
      most = Math.max(most, joins > 0 ? held : held + 1);
    }
    expect(waiting.length).toBe(1);
    return { sum: waiting[0]!, most };
  };
  const names = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));

  test('made of so many partial sums', () => {
    for (let n = 1; n <= 130; n++) {
      const { sum, most } = stacked(names(n));
      expect(sum).toBe(halves(names(n), text));
      expect(most).toBeLessThanOrEqual(levelsOf(n));
      if (n > 1) expect(levelsOf(n)).toBe(Math.floor(Math.log2(n) + 1e-9));
    }
  });

  test('2^k parts of equal length are subtrees, joined as a tree of their own', () => {
    for (const each of [1, 2, 3, 5, 6, 7]) {
      for (const parts of [2, 4, 8]) {
        const all = names(each * parts);
        const sums = Array.from({ length: parts }, (_, r) => halves(all.slice(r * each, (r + 1) * each), text));
        expect(halves(sums, text)).toBe(halves(all, text));
      }
    }
  });

  test('more micro-batches than there are partial sums for end the run', () => {
    const graph = new Graph('train');
    const x = graph.input('x', { dtype: 'f32', shape: [3] }, 'feed');
    accumulate(graph, { name: 'sums', type: { dtype: 'f32', shape: [levelsOf(3), 3] } }, x);
    const program = compile(graph, target());
    const block = allocate(program.blocks[0]!.bytes);
    const run = (micros: number): RunResult => {
      const counters = { seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0, threads: 2 };
      const feed = new Uint8Array(micros * program.feed.bytes);
      return new CompiledProgram(program).bind([block]).runSync({ steps: 1, micros, feed, ...counters });
    };
    expect(run(3).status).toBe(0);
    expect(() => run(4)).toThrow(IndexError);
  });

  // Batches of one row x and the loss w x: the gradient of each is x itself.
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 17])('bits of %i micro-batches', async (n) => {
    const width = 1500;
    const values = uniform(n, n * width).map((v, i) => v * 10 ** ((i * 7) % 5));
    const each = Array.from({ length: n }, (_, i) => values.slice(i * width, (i + 1) * width));
    const sum = halves(each, (a, b) => a.map((v, i) => Math.fround(v + b[i]!)));
    const want = sum.map((v) => -Math.fround(v / n));
    const source = inOrder({ x: { data: values, shape: [n, width] } });
    for (const [threads, sync] of [
      [1, true],
      [3, false],
    ] as const) {
      // Also where a step may have more micro-batches than this one has.
      for (const accumulate of [n, n + 5]) {
        using trainer = new Trainer({
          model: new Product(new Float32Array(width), [width]),
          loss: ({ x }, m) => ops.sum(ops.mul(ops.reshape(x, [width]), m.weight), { dtype: 'f64' }),
          optimizer: optim.sgd({ lr: 1 }),
          batchSize: 1,
          accumulate,
          threads,
        });
        if (sync) trainer.fitSync(source, { epochs: 1 });
        else await trainer.fit(source, { epochs: 1 });
        const got = (await trainer.readParameters()).get('weight')!.data as Float32Array;
        // -0 where the sum is 0.
        expect(Buffer.from(got.map((v) => v + 0).buffer).equals(Buffer.from(want.map((v) => v + 0).buffer))).toBe(true);
      }
    }
  });
});

describe('the shorter batch at the end of an epoch', () => {
  const data = points(9);

  test('is a micro-batch of the last step: 9 rows in batches of 8 make one update', async () => {
    using many = classifier({ accumulate: 8, optimizer: optim.sgd({ lr: 0.1 }), clip: clip.none() });
    using one = classifier({ batchSize: 9, optimizer: optim.sgd({ lr: 0.1 }), clip: clip.none() });
    const [a, b] = [many.fitSync(data, { epochs: 3 }), one.fitSync(data, { epochs: 3 })];
    expect([a.tried, many.counters]).toEqual([3, { attempt: 6, step: 3, epoch: 3, batch: 0, skips: 0 }]);
    expect(a.last!.loss).toBeCloseTo(b.last!.loss, 6);
    const [got, want] = [await many.readParameters(), await one.readParameters()];
    for (const [name, p] of want) near(got.get(name)!.data, p.data, 1e-6);
  });

  test('is left out with dropLast, and makes a step by itself where it begins one', async () => {
    using dropping = classifier({ accumulate: 8, dropLast: true });
    expect(dropping.fitSync(data, { epochs: 2 }).tried).toBe(2);
    expect(dropping.counters.attempt).toBe(2);
    using alone = classifier({ accumulate: 2 });
    expect(alone.fitSync(points(17), { epochs: 1 }).tried).toBe(2);
    expect(alone.counters.attempt).toBe(3);
  });
});

describe('steps whose batches differ in rows', () => {
  const data = points(60);
  const sizes = [5, 3, 8, 1, 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 7];
  const of = async function* (arrays: typeof data, list: readonly number[]): AsyncGenerator<Arrays> {
    let at = 0;
    for (const size of list) {
      yield {
        x: { data: arrays.x.data.slice(at * 6, (at + size) * 6), shape: [size, 6] },
        y: arrays.y.slice(at, at + size),
      };
      at += size;
    }
  };
  const parts = (): AsyncGenerator<Arrays> => of(data, sizes);
  const oneStep = async (arrays: typeof data, list: readonly number[], options: ClassifierOptions) => {
    using trainer = classifier({ accumulate: list.length, ...options });
    const before = await bits(trainer);
    const { last, tried } = await trainer.fit(of(arrays, list), { epochs: 1 });
    expect(tried).toBe(1);
    return { report: last!, same: (await bits(trainer)) === before };
  };
  const guards = [guard.outputs({ match: 'fc2', max: 1e6 })];
  const all = {
    ...{ accumulate: 4, rate: 0.2, lossScale: { interval: 3 }, guards, regularize: regularize.l2(1e-3) },
    ...{ ema: { decay: 0.9 }, clip: clip.chain(clip.value(0.05), clip.zclip()) },
  };

  test('take so many batches of a stream as any other step', async () => {
    using trainer = classifier({ accumulate: 4 });
    const seen: Report[] = [];
    for await (const report of trainer.fit(parts, { epochs: 2 })) seen.push(report);
    expect(seen.map((r) => r.attempt)).toEqual([0, 4, 8, 12, 15, 19, 23, 27]);
    expect(trainer.counters).toEqual({ attempt: 30, step: 8, epoch: 2, batch: 0, skips: 0 });
  });

  test('give the same bits for any number of threads, one step at a time, with sources and streams', async () => {
    const hash = async (threads: number, chunkSteps: number): Promise<string> => {
      using trainer = classifier({ ...all, threads });
      await trainer.fit(parts, { epochs: 3, chunkSteps });
      return `${await bits(trainer)} ${await bits(trainer, { weights: 'ema' })}`;
    };
    const reference = await hash(1, 20);
    expect(await hash(3, 20)).toBe(reference);
    expect(await hash(2, 1)).toBe(reference);
    // 60 rows: seven batches of 8 and one of 4.
    const ofSource = async (threads: number, sync: boolean): Promise<string> => {
      using trainer = classifier({ ...all, accumulate: 5, threads });
      if (sync) trainer.fitSync(inOrder(data), { epochs: 3 });
      else await trainer.fit(inOrder(data), { epochs: 3, chunkSteps: 1 });
      return await bits(trainer);
    };
    const inMemory = await ofSource(1, true);
    expect(await ofSource(3, false)).toBe(inMemory);
    using trainer = classifier({ ...all, accumulate: 5 });
    await trainer.fit(() => stream(data, 8), { epochs: 3 });
    expect(await bits(trainer)).toBe(inMemory);
  });

  test('go on from a checkpoint as they would have', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'half.safetensors');
    using whole = classifier({ ...all, accumulate: 5 });
    await whole.fit(data, { steps: 7 });
    for (const half of [1, 2, 3]) {
      using first = classifier({ ...all, accumulate: 5 });
      await first.fit(data, { steps: half });
      await first.save(file);
      using second = classifier({ ...all, accumulate: 5, seed: 99 });
      expect(await second.load(file)).toEqual({ missing: [], extra: [] });
      await second.fit(data, { steps: 7 - half });
      expect(second.counters).toEqual(whole.counters);
      expect(await bits(second)).toBe(await bits(whole));
    }
  });

  test('loss scales and penalties change what they change elsewhere', async () => {
    const ran = async (options: ClassifierOptions): Promise<{ hash: string; last: Report }> => {
      using trainer = classifier({ accumulate: 4, clip: clip.globalNorm(0.1), ...options });
      const { last } = await trainer.fit(parts, { epochs: 2 });
      return { hash: await bits(trainer), last: last! };
    };
    const plain = await ran({});
    const scaled = await ran({ lossScale: 2 ** 12 });
    expect(scaled.hash).toBe(plain.hash);
    expect(scaled.last).toEqual({ ...plain.last, lossScale: 2 ** 12 });
    const penalized = await ran({ regularize: regularize.l2(0.1) });
    expect(penalized.last.penalty).toBeGreaterThan(0);
  });

  test('are skipped whole, and guarded whole', async () => {
    // A row of infinities in the first batch of 5, or in the last of 1.
    for (const bad of [2, 16]) {
      const x = data.x.data.slice();
      x[bad * 6] = Number.POSITIVE_INFINITY;
      const spoilt = { ...data, x: { data: x, shape: data.x.shape } };
      const options = { clip: clip.globalNorm(1, { nonFinite: 'skip' as const }), optimizer: optim.sgd({ lr: 0.1 }) };
      const { report, same } = await oneStep(spoilt, [5, 3, 8, 1], options);
      expect(report).toMatchObject({ skipped: true, nonFinite: 'fc1.weight' });
      expect(same).toBe(true);
      const watching = { ...options, guards: [guard.outputs({ match: 'fc1', action: 'warn' as const })] };
      expect((await oneStep(spoilt, [5, 3, 8, 1], watching)).report.guards).toMatchObject([{ name: 'fc1' }]);
    }
  });

  test('end at a wrong label of any of their batches, before they are applied', async () => {
    for (const bad of [0, 9, 16]) {
      const y = data.y.slice();
      y[bad] = 7;
      using trainer = classifier({ accumulate: 4 });
      const before = await bits(trainer);
      await expect(trainer.fit(of({ ...data, y }, [5, 3, 8, 1]), { epochs: 1 })).rejects.toThrow(IndexError);
      expect(await bits(trainer)).toBe(before);
      expect(trainer.counters.attempt).toBe(0);
      await trainer.fit(parts, { epochs: 1 });
      expect(trainer.counters.attempt).toBe(sizes.length);
    }
  });
});
