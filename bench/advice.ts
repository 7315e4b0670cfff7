// advice.ts: whether the threshold that `advise` gives is worth its place: nine networks, each trained without a clip, with the threshold advised from
// that run, and with fixed ones on both sides of it: the table of docs/CLIPPING.md.
import { clip, loss, nn, optim, Trainer, windows } from '../lib/index.ts';
import type { Tensor } from '../lib/ir/graph.ts';
import { congruential as draw } from '../lib/lab/data/draws.ts';
import { flat, images } from '../lib/lab/data/images.ts';
import { adding } from '../lib/lab/data/sequences.ts';
import { tastes } from '../lib/lab/data/tastes.ts';
import { LETTERS, text } from '../lib/lab/data/text.ts';
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
    [windows(text(draw(1), 40_000), { length: 32 }), windows(text(draw(2), 8000), { length: 32 })],
    { steps: 300, batchSize: 16 },
  );

/** The tasks by the names of the benchmark's workloads, of which they are small forms. */
export const TASKS: Readonly<Record<string, () => Task>> = {
  'mlp-small': () =>
    task(
      () => new MLP([64, 64, 64, 10]),
      ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      () => optim.adamw({ lr: 1e-3 }),
      [flat(pictures(2000, 3, [1, 8])), flat(pictures(1000, 4, [1, 8]))],
      { steps: 300 },
    ),
  lenet: () =>
    task(
      () => new LeNet({ size: 12 }),
      classes as Loss<LeNet>,
      () => optim.sgd({ lr: 0.02, momentum: 0.9 }),
      [pictures(2000, 5, [1, 12]), pictures(500, 6, [1, 12])],
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
      [adding(draw(8), { rows: 4000, length: 20 }), adding(draw(9), { rows: 1000, length: 20 })],
      { steps: 500 },
    ),
  ncf: () =>
    task(
      () => new NCF({ users: 200, items: 100, dim: 16, hidden: [32, 16] }),
      ncfLoss as unknown as Loss<NCF>,
      () => optim.adamw({ lr: 3e-3 }),
      [pairs(8000, 12), pairs(2000, 13)],
      { steps: 400, batchSize: 64 },
    ),
  'gpt-nano': () =>
    task(
      () => new GPT(LETTERS, { context: 32, layers: 2, heads: 2, width: 32 }),
      gptLoss as Loss<GPT>,
      () => optim.adamw({ lr: 3e-3 }),
      [windows(text(draw(1), 40_000), { length: 32 }), windows(text(draw(2), 8000), { length: 32 })],
      { steps: 250, batchSize: 12 },
    ),
  resnet20: () =>
    task(
      () => new ResNet20(),
      classes as Loss<ResNet20>,
      () => optim.sgd({ lr: 0.05, momentum: 0.9 }),
      [pictures(1500, 14, [3, 8]), pictures(300, 15, [3, 8])],
      { steps: 120, batchSize: 16 },
    ),
};

function pictures(rows: number, seed: number, [channels, size]: readonly [number, number]): ReturnType<typeof images> {
  return images(draw(7), draw(seed), { rows, channels, size });
}
function pairs(rows: number, seed: number): Arrays {
  return tastes(draw(11), draw(seed), { rows, users: 200, items: 100 });
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
