// claim.ts: what a published claim is here: what its paper says, how it is tried at small scale, and a rule that is fixed before the trial.
import { type clip, type nn, type optim, Trainer } from '../../lib/index.ts';
import type { LabData, LabWorkload } from '../../lib/lab/workload.ts';
import { WORKLOADS } from '../../lib/lab/workloads/list.ts';
import type { Report } from '../../lib/optim/apply/report.ts';
import type { Arrays } from '../../lib/train/feed/source.ts';
import { bootstrap } from '../../lib/tune/statistics.ts';

export type Verdict = 'confirmed' | 'not confirmed' | 'depends';

/** What came of a trial. */
export interface Outcome {
  readonly verdict: Verdict;
  /** The figures that the rule goes by, in a line. */
  readonly figures: string;
}

/** How much of it is done: 1 and all seeds, or less in a test. */
export interface Effort {
  readonly seeds: readonly number[];
  /** Of each training, this part of its steps. */
  readonly part: number;
  /** Of the networks that a claim is tried on, the first so many. Default: all. */
  readonly cases?: number;
}
export const FULL: Effort = { seeds: [1, 2, 3, 4, 5, 6], part: 1 };

export interface Claim {
  readonly name: string;
  readonly paper: string;
  /** What it says, where it says it. */
  readonly says: string;
  readonly trial: string;
  readonly rule: string;
  run(effort: Effort): Outcome;
}

/** The first of them, where not all are asked for. */
export const some = <T>(all: Iterable<T>, { cases }: Effort): T[] => [...all].slice(0, cases);

export type Policy = () => clip.ClipPolicy;

/** The workload of that name. */
export function workloadOf(name: string): LabWorkload {
  const found = WORKLOADS.get(name);
  if (!found) throw new Error(`no workload ${name}`);
  return found;
}

/** One training. */
export interface Job {
  readonly workload: LabWorkload;
  readonly optimizer: () => optim.Optimizer;
  readonly policy: Policy;
  readonly seed: number;
  readonly part: number;
  readonly data?: LabData;
  readonly batchSize?: number;
  /** What is trained on, where it is not what is measured. */
  readonly loss?: LabWorkload['loss'];
  readonly model?: () => nn.Module;
}
export interface Trained {
  /** On the test set; infinite where the training came to an end. */
  readonly loss: number;
  readonly validation: number;
  /** Of each step that was tried. */
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly ignorant: number;
}

const finite = (x: number): number => (Number.isFinite(x) ? x : Number.POSITIVE_INFINITY);

/** Train a workload, and measure it as the workload does. @param also measured on the test set while the trainer is there */
export function train(job: Job, also?: (trainer: Trainer<nn.Module>, data: LabData) => void): Trained {
  const { workload, seed, part } = job;
  const data = job.data ?? workload.data(seed);
  using trainer = new Trainer<nn.Module>({
    model: (job.model ?? workload.model)(),
    loss: job.loss ?? workload.loss,
    optimizer: job.optimizer(),
    clip: job.policy(),
    batchSize: job.batchSize ?? workload.batchSize,
    seed,
  });
  const [seen, norms]: [number[], number[]] = [[], []];
  const onSteps = (steps: Iterable<Report>): void => {
    for (const { loss, norm } of steps) {
      seen.push(loss);
      norms.push(norm);
    }
  };
  const ignorant = workload.ignorant(data);
  try {
    trainer.fitSync(data.train as Arrays, { steps: Math.max(8, Math.round(part * workload.steps)), callbacks: [{ onSteps }] });
  } catch (error) {
    // A run that ends for what is not finite has no loss.
    if (!/finite/.test(String(error))) throw error;
    return { loss: Infinity, validation: Infinity, losses: seen, norms, ignorant };
  }
  also?.(trainer, data);
  const of = (set: LabData['test']): number => finite(trainer.evaluateSync(set as Arrays).loss);
  return { loss: of(data.test), validation: of(data.validation), losses: seen, norms, ignorant };
}

/** A loss as the laboratory compares it: 2 % of knowing nothing added, and a network that broke counts as one that knows nothing, or as what it lost. */
export const counted = ({ loss, ignorant }: Pick<Trained, 'loss' | 'ignorant'>): number =>
  Math.min(loss, 10 * ignorant) + 0.02 * ignorant;

export const median = (values: readonly number[]): number => {
  const order = values.toSorted((a, b) => a - b);
  const at = order.length >> 1;
  return order.length % 2 === 1 ? order[at]! : (order[at - 1]! + order[at]!) / 2;
};
export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** A mean of ratios, and where it lies in 95 of 100 samples. */
export interface Ratio {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}
/** The geometric mean of ratios that belong together by seed. */
export function ratioOf(ratios: readonly number[]): Ratio {
  const { value, interval } = bootstrap(ratios.map(Math.log), mean);
  return { value: Math.exp(value), low: Math.exp(interval[0]), high: Math.exp(interval[1]) };
}

/** Whether one way is better than another in each of some cases: the rule that most claims share. */
export const RULE_OF_CASES =
  'a case speaks for it where the 95 % interval of the mean ratio over seeds lies below 1; confirmed if at least three in four do, not confirmed if at most one in four, else it depends';
export function judged(cases: ReadonlyMap<string, readonly number[]>): Outcome & { readonly ratios: ReadonlyMap<string, Ratio> } {
  const ratios = new Map(Array.from(cases, ([name, values]) => [name, ratioOf(values)]));
  const speaks = [...ratios].filter(([, { high }]) => high < 1).map(([name]) => name);
  const against = [...ratios].filter(([, { low }]) => low > 1).map(([name]) => name);
  const all = ratioOf([...cases.values()].flat());
  const share = speaks.length / ratios.size;
  const few = (names: readonly string[]): string => (names.length > 6 ? `${names.length} cases` : names.join(', ') || 'none');
  return {
    verdict: share >= 0.75 ? 'confirmed' : share <= 0.25 ? 'not confirmed' : 'depends',
    figures: `ratio ${show(all.value)} (${show(all.low)} to ${show(all.high)}) over all; better in ${speaks.length} of ${ratios.size}: ${few(speaks)}; worse in ${few(against)}`,
    ratios,
  };
}

/** Three digits. */
export const show = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : 'broken');
