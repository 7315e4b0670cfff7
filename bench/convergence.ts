// convergence.ts: how far every optimizer comes on three problems, each with the best of a grid of learning rates: the table of
// docs/OPTIMIZERS.md.
import { clip, io, loss, metrics, nn, ops, optim, Trainer, type TrainerOptions } from '../lib/index.ts';
import { OPTIMIZERS } from '../lib/optim/list.ts';

/** Learning rates tried. */
export const RATES: readonly number[] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3, 10, 30];

/** Every optimizer by itself, and lookahead around one, without weight decay. */
export const NAMES: readonly string[] = [...Object.keys(OPTIMIZERS), 'lookahead'];
type Make = (options: object) => optim.Optimizer;
function makeOf(name: string): Make {
  return name === 'lookahead' ? (options) => optim.lookahead(optim.adamw(options)) : OPTIMIZERS[name]!;
}

export interface Outcome {
  readonly value: number;
  readonly lr: number;
}

/** A function of a matrix of parameters, and its gradient. */
interface Problem {
  readonly shape: readonly [number, number];
  readonly steps: number;
  start(i: number): number;
  value(x: Float32Array): number;
  gradient(x: Float32Array, out: Float32Array): void;
}

const curvature = (i: number): number => 100 ** (i / 63);
export const PROBLEMS: Readonly<Record<'quadratic' | 'rosenbrock', Problem>> = {
  // Half of the sum of c x^2, for 64 curvatures c from 1 to 100.
  quadratic: {
    shape: [8, 8],
    steps: 500,
    start: (i) => 1 + 0.5 * Math.sin(3 * i),
    value: (x) => x.reduce((sum, v, i) => sum + (curvature(i) * v * v) / 2, 0),
    gradient(x, out) {
      for (let i = 0; i < x.length; i++) out[i] = curvature(i) * x[i]!;
    },
  },
  // (1 - x)^2 + 100 (y - x^2)^2 from (-1.2, 1); the minimum is 0, at (1, 1).
  rosenbrock: {
    shape: [1, 2],
    steps: 3000,
    start: (i) => [-1.2, 1][i]!,
    value: ([x, y]) => (1 - x!) ** 2 + 100 * (y! - x! ** 2) ** 2,
    gradient([x, y], out) {
      out[0] = -2 * (1 - x!) - 400 * x! * (y! - x! ** 2);
      out[1] = 200 * (y! - x! ** 2);
    },
  },
};

/** The value after all steps, on a cosine down to 0 from the learning rate: the least over the rates. */
export function descendOn(name: string, problem: Problem, rates: readonly number[] = RATES): Outcome {
  const [m, n] = problem.shape;
  return best(rates, Math.min, (rate) => {
    const x = Float32Array.from({ length: m * n }, (_, i) => problem.start(i));
    const lr = optim.schedule.cosine(rate, { steps: problem.steps });
    const bound = makeOf(name)(name === 'rprop' ? { lr } : { lr, weightDecay: 0 }).bind([x], {
      clip: clip.none({ nonFinite: 'propagate' }),
      shapes: [problem.shape],
      threads: 1,
    });
    const g = [new Float32Array(x.length)];
    for (let step = 0; step < problem.steps; step++) {
      problem.gradient(x, g[0]!);
      bound.step(g);
    }
    bound.dispose();
    const value = problem.value(x);
    return Number.isFinite(value) ? value : Number.POSITIVE_INFINITY;
  });
}

function best(rates: readonly number[], better: (a: number, b: number) => number, run: (rate: number) => number): Outcome {
  let found: Outcome | null = null;
  for (const lr of rates) {
    const value = run(lr);
    if (!found || (value !== found.value && better(value, found.value) === value)) found = { value, lr };
  }
  return found!;
}

export interface Digits {
  readonly train: { readonly x: { readonly data: Float32Array; readonly shape: number[] }; readonly y: Int32Array };
  readonly test: Digits['train'];
}

/** The 8x8 digits (`digits.csv.gz`): 1500 rows to train, 297 to test. */
export async function readDigits(file: string): Promise<Digits> {
  const { features, labels } = await io.readCsv(file, { header: false, label: -1 });
  const part = (from: number, to: number): Digits['train'] => ({
    x: { data: Float32Array.from(features.data.slice(from * 64, to * 64), (v) => v / 16), shape: [to - from, 64] },
    y: Int32Array.from(labels!.data.slice(from, to)),
  });
  return { train: part(0, 1500), test: part(1500, features.shape[0]!) };
}

/** Accuracy on the test set after some epochs with batches of 32, a norm of 1 and the optimizer's own defaults: the most over the rates. */
export function trainOn(name: string, digits: Digits, epochs: number, rates: readonly number[] = RATES): Outcome {
  const steps = epochs * Math.ceil(digits.train.y.length / 32);
  return best(rates, Math.max, (rate) => {
    const model = new nn.Sequential(new nn.Linear(64, 64), ops.relu, new nn.Linear(64, 10));
    const optimizer = makeOf(name)({ lr: optim.schedule.cosine(rate, { steps }) });
    const options: TrainerOptions<nn.Sequential, 'accuracy'> = {
      model,
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      metrics: { accuracy: ({ x, y }, m) => metrics.accuracy(m.forward(x), y) },
      batchSize: 32,
      seed: 1,
      clip: clip.globalNorm(1, { nonFinite: 'propagate' }),
      // Muon is for matrices.
      ...(name === 'muon' ? { optimizer: optim.adamw({ lr: 1e-2 }), groups: [{ match: '*.weight', optimizer }] } : { optimizer }),
    };
    const trainer = new Trainer(options);
    trainer.fitSync(digits.train, { epochs });
    const { accuracy } = trainer.evaluateSync(digits.test, { weights: optimizer.average === undefined ? 'model' : 'ema' });
    trainer.dispose();
    return accuracy;
  });
}

/** The table as Markdown; without the digits where there is no such file. */
export async function convergenceTable(digitsFile: string | null, epochs = 8): Promise<string> {
  const digits = digitsFile ? await readDigits(digitsFile) : null;
  const cell = ({ value, lr }: Outcome, show: (v: number) => string): string => `${show(value)} (${lr})`;
  const lines = NAMES.map((name) => {
    const [q, r] = [descendOn(name, PROBLEMS.quadratic), descendOn(name, PROBLEMS.rosenbrock)];
    const small = (v: number): string => v.toExponential(1);
    const last = digits ? [cell(trainOn(name, digits, epochs), (v) => `${(100 * v).toFixed(1)} %`)] : [];
    return `| ${[`\`${name}\``, cell(q, small), cell(r, small), ...last].join(' | ')} |`;
  });
  const head = ['optimizer', 'quadratic', 'Rosenbrock', ...(digits ? ['digits, test'] : [])];
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---|').join('')}`, ...lines, ''].join('\n');
}
