// advice.ts: whether the threshold that `advise` gives is worth its place: nine networks, each trained without a clip, with the threshold advised from
// that run, and with fixed ones on both sides of it: the table of docs/CLIPPING.md.
import { clip, loss, nn, optim, Trainer, windows } from '../lib/index.ts';
import type { Tensor } from '../lib/ir/graph.ts';
import { CharRNN, charRnnLoss, GPT, gptLoss, LeNet, MLP, NCF, ncfLoss, ResNet20 } from '../lib/models/index.ts';
import type { Arrays, Source } from '../lib/train/feed/source.ts';

type Data = Arrays | Source;

/** One network and its task. */
interface Task {
  /** A trainer that begins anew, with the policy. */
  trainer(policy: clip.ClipPolicy, seed: number): Trainer<nn.Module>;
  readonly train: Data;
  readonly test: Data;
  readonly steps: number;
}

/** Numbers within [0, 1), by a generator of their own: the same on any machine. */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Low bits repeat soon.
    return (state >>> 8) / 2 ** 24;
  };
}
/** About normal: the sum of some. */
const normalOf = (next: () => number): number => next() + next() + next() + next() + next() + next() - 3;

/** Images of `classes` kinds: each has a pattern of its own, shifted and hidden in noise. */
function images(
  rows: number,
  seed: number,
  [channels, size]: readonly [number, number],
  classes = 10,
): { x: { data: Float32Array; shape: number[] }; y: Int32Array } {
  const drawn = uniform(7);
  const patterns = Array.from({ length: classes }, () =>
    Float32Array.from({ length: channels * size * size }, () => normalOf(drawn)),
  );
  const next = uniform(seed);
  const width = channels * size * size;
  const data = new Float32Array(rows * width);
  const y = new Int32Array(rows);
  for (let r = 0; r < rows; r++) {
    const kind = Math.floor(next() * classes);
    y[r] = kind;
    const shift = Math.floor(next() * 2);
    const strength = 0.4 + 0.6 * next();
    for (let i = 0; i < width; i++) data[r * width + i] = strength * patterns[kind]![(i + shift) % width]! + normalOf(next);
  }
  return { x: { data, shape: [rows, channels, size, size] }, y };
}

const WORDS =
  'a step of the gradient is clipped when its norm grows beyond threshold value and weights stay where they are in time'.split(
    ' ',
  );

/** Sentences of few words, in which each word is followed by few others. */
function text(length: number, seed: number): Uint8Array {
  const next = uniform(seed);
  const made: string[] = [];
  for (let at = 0, size = 0; size < length; ) {
    made.push(WORDS[at]!);
    size += WORDS[at]!.length + 1;
    at = (at * 5 + Math.floor(next() * 3)) % WORDS.length;
  }
  const letters = 'abcdefghijklmnopqrstuvwxyz ';
  return Uint8Array.from(made.join(' '), (c) => letters.indexOf(c));
}
const LETTERS = 27;

/** Of 20 numbers those two that are marked shall be added. */
function adding(rows: number, seed: number): Arrays {
  const next = uniform(seed);
  const length = 20;
  const x = new Float32Array(rows * length * 2);
  const y = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const marked = [Math.floor((next() * length) / 2), length / 2 + Math.floor((next() * length) / 2)];
    for (let t = 0; t < length; t++) {
      const v = next();
      x[(r * length + t) * 2] = v;
      if (!marked.includes(t)) continue;
      x[(r * length + t) * 2 + 1] = 1;
      y[r]! += v;
    }
  }
  return { x: { data: x, shape: [rows, length, 2] }, y: { data: y, shape: [rows, 1] } };
}

/** Whether a user takes an item, by tastes of a few dimensions. */
function tastes(rows: number, seed: number, users = 200, items = 100): Arrays {
  const drawn = uniform(11);
  const vectors = (n: number): number[][] => Array.from({ length: n }, () => [0, 1, 2].map(() => normalOf(drawn)));
  const [of, to] = [vectors(users), vectors(items)];
  const next = uniform(seed);
  const user = Int32Array.from({ length: rows }, () => Math.floor(next() * users));
  const item = Int32Array.from({ length: rows }, () => Math.floor(next() * items));
  const y = Float32Array.from({ length: rows }, (_, r) => {
    const product = of[user[r]!]!.reduce((s, v, k) => s + v * to[item[r]!]![k]!, 0);
    return product + 0.3 * normalOf(next) > 0 ? 1 : 0;
  });
  return { user, item, y };
}

class Adding extends nn.Module {
  rnn: nn.RNN = new nn.RNN(2, 48);
  out: nn.Linear = new nn.Linear(48, 1);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.rnn.forward(x).last);
  }
}

type Loss<M extends nn.Module> = ConstructorParameters<typeof Trainer<M>>[0]['loss'];
function task<M extends nn.Module>(
  model: () => M,
  objective: Loss<M>,
  optimizer: () => optim.Optimizer,
  [train, test]: readonly [Data, Data],
  { steps, batchSize = 32 }: { readonly steps: number; readonly batchSize?: number },
): Task {
  const trainer = (policy: clip.ClipPolicy, seed: number): Trainer<nn.Module> =>
    new Trainer<nn.Module>({
      model: model(),
      loss: objective as Loss<nn.Module>,
      optimizer: optimizer(),
      clip: policy,
      batchSize,
      seed,
    });
  return { trainer, train, test, steps };
}

const classes: Loss<nn.Module & { forward(x: Tensor): Tensor }> = ({ x, y }, m) => loss.crossEntropy(m.forward(x), y);
const recurrent = (kind: 'rnn' | 'lstm' | 'gru', optimizer: () => optim.Optimizer): Task =>
  task(
    () => new CharRNN(LETTERS, { kind, embedding: 16, hidden: 48 }),
    charRnnLoss,
    optimizer,
    [windows(text(40_000, 1), { length: 32 }), windows(text(8000, 2), { length: 32 })],
    { steps: 300, batchSize: 16 },
  );

/** The tasks by the names of the benchmark's workloads, of which they are small forms. */
export const TASKS: Readonly<Record<string, () => Task>> = {
  'mlp-small': () =>
    task(
      () => new MLP([64, 64, 64, 10]),
      ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      () => optim.adamw({ lr: 1e-3 }),
      [flat(images(2000, 3, [1, 8])), flat(images(1000, 4, [1, 8]))],
      { steps: 300 },
    ),
  lenet: () =>
    task(
      () => new LeNet({ size: 12 }),
      classes as Loss<LeNet>,
      () => optim.sgd({ lr: 0.02, momentum: 0.9 }),
      [images(2000, 5, [1, 12]), images(500, 6, [1, 12])],
      { steps: 200, batchSize: 16 },
    ),
  'char-rnn': () => recurrent('rnn', () => optim.sgd({ lr: 0.5, momentum: 0.9 })),
  'char-lstm': () => recurrent('lstm', () => optim.adamw({ lr: 5e-3 })),
  'char-gru': () => recurrent('gru', () => optim.adamw({ lr: 5e-3 })),
  'rnn-adding': () =>
    task(
      () => new Adding(),
      ({ x, y }, m) => loss.mse(m.forward(x), y),
      () => optim.sgd({ lr: 0.02, momentum: 0.9 }),
      [adding(4000, 8), adding(1000, 9)],
      { steps: 500 },
    ),
  ncf: () =>
    task(
      () => new NCF({ users: 200, items: 100, dim: 16, hidden: [32, 16] }),
      ncfLoss as unknown as Loss<NCF>,
      () => optim.adamw({ lr: 3e-3 }),
      [tastes(8000, 12), tastes(2000, 13)],
      { steps: 400, batchSize: 64 },
    ),
  'gpt-nano': () =>
    task(
      () => new GPT(LETTERS, { context: 32, layers: 2, heads: 2, width: 32 }),
      gptLoss as Loss<GPT>,
      () => optim.adamw({ lr: 3e-3 }),
      [windows(text(40_000, 1), { length: 32 }), windows(text(8000, 2), { length: 32 })],
      { steps: 250, batchSize: 12 },
    ),
  resnet20: () =>
    task(
      () => new ResNet20(),
      classes as Loss<ResNet20>,
      () => optim.sgd({ lr: 0.05, momentum: 0.9 }),
      [images(1500, 14, [3, 8]), images(300, 15, [3, 8])],
      { steps: 120, batchSize: 16 },
    ),
};

function flat({ x: { data, shape }, y }: ReturnType<typeof images>): Arrays {
  return { x: { data, shape: [shape[0]!, data.length / shape[0]!] }, y };
}

/** Thresholds beside each other cover so many decades around the median of the norms. */
const DECADES = 4;

/** How long, and how often. */
export interface AdviceSettings {
  /** Fixed thresholds. */
  readonly grid: number;
  readonly seeds: readonly number[];
  /** Of each task, this part of its steps. Default 1. */
  readonly part?: number;
}
export const FULL: AdviceSettings = { grid: 8, seeds: [0, 1] };

/** What came of one task: means over the seeds. */
export interface AdviceOutcome {
  readonly name: string;
  /** Median of the norms without a clip, and the threshold advised; null where there was none to give. */
  readonly median: number;
  readonly threshold: number | null;
  /** Loss on the test set without a clip, with the threshold advised, and with each fixed one in rising order. */
  readonly none: number;
  readonly advised: number;
  readonly fixed: readonly (readonly [threshold: number, loss: number])[];
  readonly best: number;
  /** Advised over best. */
  readonly ratio: number;
}

/** Train one network in all ways, with the same seeds, batches and steps. */
export function outcomeOf(name: string, { grid, seeds, part = 1 }: AdviceSettings): AdviceOutcome {
  const { trainer: make, train, test, steps: all } = TASKS[name]!();
  const steps = Math.max(12, Math.round(all * part));
  const run = <T>(policy: clip.ClipPolicy, seed: number, read: (trainer: Trainer<nn.Module>, value: number) => T): T => {
    using trainer = make(policy, seed);
    try {
      trainer.fitSync(train as Arrays, { steps });
    } catch (error) {
      // A run that ends for what is not finite has no loss.
      if (!/finite/.test(String(error))) throw error;
      return read(trainer, Number.POSITIVE_INFINITY);
    }
    const { loss } = trainer.evaluateSync(test as Arrays);
    return read(trainer, Number.isFinite(loss) ? loss : Number.POSITIVE_INFINITY);
  };
  const lossOf = (policy: clip.ClipPolicy, seed: number): number => run(policy, seed, (_, value) => value);
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const first = seeds.map((seed) =>
    run(clip.none(), seed, (trainer, value) => {
      const { threshold, norms } = trainer.advise();
      return { value, threshold, median: norms.median };
    }),
  );
  const { threshold, median } = first[0]!;
  const thresholds = Array.from({ length: grid }, (_, k) => median * 10 ** (DECADES * (k / (grid - 1) - 0.5)));
  const fixed = thresholds.map((c) => [c, mean(seeds.map((seed) => lossOf(clip.globalNorm(c), seed)))] as const);
  // Each seed is advised by its own run.
  const advised = mean(
    seeds.map((seed, k) => {
      const { threshold: own, value } = first[k]!;
      return own === null ? value : lossOf(clip.globalNorm(own), seed);
    }),
  );
  const best = Math.min(...fixed.map(([, value]) => value));
  return { name, median, threshold, none: mean(first.map((f) => f.value)), advised, fixed, best, ratio: advised / best };
}

/** The most that an advised threshold may cost, and in how many of the nine. */
export const FLOOR = { ratio: 1.5, of: 8 } as const;

/** As a table of Markdown, and what it comes to. @param tell called with each as it is there */
export function adviceTable(settings: AdviceSettings = FULL, tell: (outcome: AdviceOutcome) => void = () => {}): string {
  const outcomes = Object.keys(TASKS).map((name) => {
    const outcome = outcomeOf(name, settings);
    tell(outcome);
    return outcome;
  });
  const show = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : 'diverges');
  const rows = outcomes.map(({ name, median, threshold, none, advised, best, fixed, ratio }) => {
    const [at] = fixed.find(([, value]) => value === best)!;
    const [worstAt, worst] = fixed.reduce((a, b) => (b[1] > a[1] ? b : a));
    const cells = [median, threshold ?? Number.NaN, none, advised, best, at, worst, worstAt, ratio].map((x) =>
      Number.isNaN(x) ? 'none' : show(x),
    );
    return `| ${[name, ...cells].join(' | ')} |`;
  });
  const within = outcomes.filter((o) => o.ratio <= FLOOR.ratio).length;
  return [
    '| network | median norm | advised | no clip | with it | best fixed | at | worst fixed | at | with it / best |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `Within ${FLOOR.ratio} of the best: ${within} of ${outcomes.length}; floor: ${FLOOR.of}.`,
  ].join('\n');
}
