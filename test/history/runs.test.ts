// runs.test.ts: twelve trainings, six healthy and six sick in known ways: each sickness is named, nothing is said of the healthy, and with the advice followed
// the sick ones train.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Advice, advise, clip, loss, models, nn, optim, readRecord, type Tensor, Trainer } from '../../lib/index.ts';
import type { Batch } from '../../lib/train/feed/source.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-runs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) + 0.5) / 2 ** 24;
  };
}
const list = <T>(n: number, of: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => of(i));
type Values = { data: Float32Array; shape: number[] };
const filled = (shape: number[], of: (i: number) => number): Values => ({
  data: Float32Array.from(
    list(
      shape.reduce((a, b) => a * b, 1),
      of,
    ),
  ),
  shape,
});

/** Four clusters in eight dimensions. */
function blobs(rows: number): { x: Values; y: Int32Array } {
  const next = random(1);
  const normal = (): number => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  const centers = list(4, () => list(8, () => 1.2 * normal()));
  return { x: filled([rows, 8], (i) => centers[(i >> 3) % 4]![i & 7]! + normal()), y: Int32Array.from(list(rows, (i) => i % 4)) };
}
/** The same where no mean is 0. */
function shifted(rows: number): { x: Values; y: Int32Array } {
  const { x, y } = blobs(rows);
  return { x: { ...x, data: x.data.map((v) => 3 * v + 20) }, y };
}
function surface(rows: number): { x: Values; y: Values } {
  const next = random(2);
  const x = filled([rows, 4], () => 2 * next() - 1);
  const at = (i: number, k: number): number => x.data[4 * i + k]!;
  return { x, y: filled([rows, 1], (i) => at(i, 0) * at(i, 1) + Math.sin(3 * at(i, 2))) };
}
/** Stripes, upright or not, of two colors. */
function images(rows: number): { x: Values; y: Int32Array } {
  const next = random(3);
  const y = Int32Array.from(list(rows, () => Math.floor(4 * next())));
  const stripe = (k: number, i: number): number => ((k < 2 ? i >> 4 : i >> 1) & 1) * (k % 2 === 1 ? 1 : -1);
  return { x: filled([rows, 1, 8, 8], (i) => stripe(y[i >> 6]!, i & 63) + 0.5 * (next() - 0.5)), y };
}
/** The sum of a sequence. */
function sums(rows: number, length: number): { x: Values; y: Values } {
  const next = random(4);
  const x = filled([rows, length, 1], () => next() - 0.5);
  const sum = (i: number): number => x.data.subarray(i * length, (i + 1) * length).reduce((a, b) => a + b, 0);
  return { x, y: filled([rows, 1], (i) => sum(i) / Math.sqrt(length / 4)) };
}
function ratings(rows: number): { users: Int32Array; items: Int32Array; y: Float32Array } {
  const next = random(5);
  const users = Int32Array.from(list(rows, () => Math.floor(40 * next())));
  const items = Int32Array.from(list(rows, () => Math.floor(60 * next())));
  const likes = (u: number, i: number): number => Number((u * 7) % 5 < 2 === (i * 3) % 7 < 3);
  return { users, items, y: Float32Array.from(list(rows, (k) => likes(users[k]!, items[k]!))) };
}
/** Letters that follow each other by a rule, but for one in ten. */
function text(rows: number, length: number): Record<'x' | 'y', { data: Int32Array; shape: number[] }> {
  const next = random(6);
  const [x, y] = [new Int32Array(rows * length), new Int32Array(rows * length)];
  for (let i = 0, letter = 0; i < x.length; i++) {
    x[i] = letter;
    letter = next() < 0.1 ? Math.floor(12 * next()) : (letter * 5 + 3) % 12;
    y[i] = letter;
  }
  return { x: { data: x, shape: [rows, length] }, y: { data: y, shape: [rows, length] } };
}

class Recurrent extends nn.Module {
  readonly rnn: nn.RNN;
  readonly head: nn.Linear;
  constructor(hidden: number, nonlinearity: 'tanh' | 'relu' = 'tanh') {
    super();
    this.rnn = new nn.RNN(1, hidden, { nonlinearity });
    this.head = new nn.Linear(hidden, 1);
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.rnn.forward(x).last);
  }
}
type Forward = nn.Module & { forward(x: Tensor): Tensor };
const layers = (...of: nn.Layer[]): Forward => new nn.Sequential(...of);
const mlp = (): Forward => layers(new nn.Linear(8, 32), new nn.ReLU(), new nn.Linear(32, 4));
const classes = ({ x, y }: Batch, model: Forward): Tensor => loss.crossEntropy(model.forward(x), y);
const squares = ({ x, y }: Batch, model: Forward): Tensor => loss.mse(model.forward(x), y);

/** What the advice has changed, by option. */
type Cures = Readonly<Record<string, number>>;
interface Run {
  readonly model: () => nn.Module;
  readonly loss: (batch: Batch, model: never) => Tensor;
  readonly data: Record<string, Values | Int32Array | Float32Array | { data: Int32Array; shape: number[] }>;
  readonly optimizer: (lr: number) => optim.Optimizer;
  readonly lr: number;
  /** Of a global norm. */
  readonly threshold?: number;
  readonly epochs: number;
}
const sgd = (lr: number): optim.Optimizer => optim.sgd({ lr });
const adam = (lr: number): optim.Optimizer => optim.adam({ lr });

const HEALTHY: Record<string, Run> = {
  'a classifier': { model: mlp, loss: classes, data: blobs(512), optimizer: adam, lr: 0.01, epochs: 12 },
  'a regression': {
    ...{ model: () => layers(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)), loss: squares, data: surface(512) },
    ...{ optimizer: (lr) => optim.sgd({ lr, momentum: 0.9 }), lr: 0.05, epochs: 30 },
  },
  convolutions: {
    model: () => layers(new nn.Conv2d(1, 8, 3), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten(), new nn.Linear(72, 4)),
    ...{ loss: classes, data: images(384), optimizer: sgd, lr: 0.05, epochs: 10 },
  },
  'a recurrent network': {
    ...{
      model: () => new Recurrent(16),
      loss: squares,
      data: sums(512, 12),
      optimizer: adam,
      lr: 3e-3,
      threshold: 1,
      epochs: 15,
    },
  },
  embeddings: {
    model: () => new models.NCF({ users: 40, items: 60, dim: 8, hidden: [16] }),
    loss: ({ users, items, y }: Batch, model: models.NCF) => loss.bceWithLogits(model.forward(users!, items!), y!),
    ...{ data: ratings(2048), optimizer: adam, lr: 0.01, epochs: 8 },
  },
  'a transformer': {
    model: () => new models.GPT(12, { context: 16, layers: 2, heads: 2, width: 16 }),
    ...{ loss: models.gptLoss, data: text(256, 16), optimizer: (lr) => optim.adamw({ lr }), lr: 3e-3, threshold: 1, epochs: 20 },
  },
};

/** `named`: what must be said; `also`: what follows from it and may be said. `guess`: the loss of who has learned nothing; `trains`: what it is below, cured. */
const SICK: Record<string, Run & { named: string; also: string[]; guess: number; trains: number }> = {
  'a rate too high': {
    ...{ model: mlp, loss: classes, data: blobs(512), optimizer: sgd, lr: 30, epochs: 12 },
    ...{ named: 'notLearning', also: ['exploding', 'skips'], guess: 1.386, trains: 0.3 },
  },
  'a threshold below all ulps': {
    ...{ model: mlp, loss: classes, data: blobs(512), optimizer: sgd, lr: 0.1, threshold: 1e-8, epochs: 12 },
    ...{ named: 'standsStill', also: ['notLearning', 'clipsMost', 'farAbove'], guess: 1.386, trains: 0.3 },
  },
  'units that died': {
    model: () => layers(new nn.Linear(8, 32), new nn.ReLU(), new nn.Linear(32, 32), new nn.ReLU(), new nn.Linear(32, 4)),
    ...{ loss: classes, data: shifted(512), optimizer: sgd, lr: 3, epochs: 12 },
    ...{ named: 'zeroGradients', also: ['notLearning', 'exploding'], guess: 1.386, trains: 0.4 },
  },
  'a clip far too low': {
    ...{ model: mlp, loss: classes, data: blobs(512), optimizer: sgd, lr: 0.1, threshold: 1e-3, epochs: 12 },
    ...{ named: 'clipsMost', also: ['notLearning', 'farAbove'], guess: 1.386, trains: 0.3 },
  },
  'a recurrent network that explodes': {
    model: () => {
      const model = new Recurrent(16, 'relu');
      model.initialize(3);
      const [hidden] = model.parameters().filter((p) => p.name.includes('weight_hh'));
      // Times 1.15 a step: 268 times over 40.
      hidden!.data = list(16 * 16, (i) => (i % 17 === 0 ? 1.15 : 0));
      return model;
    },
    ...{ loss: squares, data: sums(512, 40), optimizer: sgd, lr: 0.05, epochs: 60 },
    ...{ named: 'exploding', also: ['notLearning', 'skips'], guess: 0.333, trains: 0.25 },
  },
  'sigmoids, seven layers': {
    model: () =>
      layers(...[8, 16, 16, 16, 16, 16].flatMap((width) => [new nn.Linear(width, 16), new nn.Sigmoid()]), new nn.Linear(16, 4)),
    ...{ loss: classes, data: blobs(512), optimizer: sgd, lr: 0.1, epochs: 40 },
    ...{ named: 'vanishing', also: ['notLearning'], guess: 1.386, trains: 0.5 },
  },
};

async function train(run: Run, seed: number, cures: Cures = {}): Promise<{ advice: Advice; loss: number }> {
  const { threshold = cures.threshold } = { ...run, ...(cures.threshold === undefined ? {} : { threshold: cures.threshold }) };
  const policy =
    cures.normalize !== undefined
      ? clip.normalize({ to: cures.normalize, scope: 'tensor' })
      : threshold !== undefined
        ? clip.globalNorm(threshold)
        : clip.none({ maxSkips: Infinity });
  using trainer = new Trainer({
    model: run.model(),
    loss: run.loss as (batch: Batch, model: nn.Module) => Tensor,
    optimizer: run.optimizer(cures.lr ?? run.lr),
    clip: policy,
    ...{ batchSize: 32, seed, threads: 1, logger: () => {} },
  });
  const file = join(folder, 'run.jsonl');
  await trainer.fit(run.data, { epochs: run.epochs, record: { file, perLayer: true } });
  const { loss } = await trainer.evaluate(run.data);
  return { advice: advise(await readRecord(file)), loss };
}
const alarms = ({ warnings }: Advice): string[] => warnings.filter((w) => w.level === 'warning').map((w) => w.code);

/** The advice followed: each option that a warning's cure names, where several name one the first of them. */
function cured({ warnings }: Advice): Cures {
  const cures = warnings.flatMap(({ level, cure }) => (level === 'warning' && cure ? [cure] : []));
  return Object.fromEntries(cures.toReversed().map(({ option, value }) => [option, value]));
}

/** A product whose targets have Cauchy noise, with and without it. */
function cauchy(rows: number): { x: Values; y: Values; truth: Values } {
  const next = random(8);
  const x = filled([rows, 4], () => 2 * next() - 1);
  const truth = filled([rows, 1], (i) => x.data[4 * i]! * x.data[4 * i + 1]! + x.data[4 * i + 2]!);
  const noise = truth.data.map(() => 0.1 * Math.tan(Math.PI * (next() - 0.5)));
  return { x, y: { ...truth, data: truth.data.map((v, i) => v + noise[i]!) }, truth };
}

it('norms with a heavy tail: the median, which is what is advised, leaves less than a quarter of the error of p95', async () => {
  const { x, y, truth } = cauchy(2000);
  const error = async (threshold: number): Promise<{ error: number; advice: Advice }> => {
    using trainer = new Trainer({
      model: layers(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
      ...{ loss: squares, optimizer: optim.sgd({ lr: 0.1 }), clip: clip.globalNorm(threshold), seed: 3, threads: 1 },
    });
    await trainer.fit({ x, y }, { epochs: 20 });
    return { error: (await trainer.evaluate({ x, y: truth })).loss, advice: trainer.advise() };
  };
  const { advice, error: unclipped } = await error(1e9);
  expect(advice.rate).toBe(0.5);
  // Nobody can tell from such a loss.
  expect(advice.evidence.learned).toBeNull();
  expect(alarms(advice)).toEqual([]);
  const [p95, median] = await Promise.all([
    error(advice.rules.find((r) => r.rule === 'p95')!.threshold),
    error(advice.threshold!),
  ]);
  expect(median.error).toBeLessThan(0.25 * p95.error);
  expect(median.error).toBeLessThan(0.25 * unclipped);
  expect(alarms(median.advice)).toEqual([]);
});

const SEEDS = [3, 5];

describe.each(Object.entries(HEALTHY))('healthy: %s', (_, run) => {
  it.each(SEEDS)('nothing is said, and there is a threshold (seed %i)', async (seed) => {
    const { advice } = await train(run, seed);
    expect(alarms(advice)).toEqual([]);
    expect(advice.evidence).toMatchObject({ learned: true, until: advice.steps });
    expect(advice.threshold).toBeGreaterThan(0);
  });
});

describe.each(Object.entries(SICK))('sick: %s', (_, { named, also, guess, trains, ...run }) => {
  it.each(SEEDS)('it is named, and trains when the advice is followed (seed %i)', async (seed) => {
    const sick = await train(run, seed);
    expect(sick.loss).not.toBeLessThan(0.95 * guess);
    const found = alarms(sick.advice);
    expect(found).toContain(named);
    expect(found.filter((code) => code !== named && !also.includes(code))).toEqual([]);
    const cures = cured(sick.advice);
    expect(Object.keys(cures)).not.toEqual([]);
    const { advice, loss } = await train(run, seed, cures);
    expect(loss).toBeLessThan(trains);
    expect(alarms(advice)).toEqual([]);
    expect(advice.evidence.learned).toBe(true);
  });
});
