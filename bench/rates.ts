// rates.ts: the rates of the laboratory's workloads: each is the lowest of a ladder whose validation loss is within 5 % of the best there (2 % of knowing
// nothing added to both, as in scores), with the usual
// clip or without one, whichever is better. So no rate is chosen by what a particular threshold does with it.
import { clip, optim, Trainer } from '../lib/index.ts';
import type { LabWorkload } from '../lib/lab/workload.ts';
import type { Arrays } from '../lib/train/feed/source.ts';

/** What people try, a third of a decade apart. */
export const LADDERS: Readonly<Record<'sgd' | 'adam', readonly number[]>> = {
  sgd: [1, 0.3, 0.1, 0.03, 0.01],
  adam: [3e-2, 1e-2, 3e-3, 1e-3],
};
/** None of the laboratory's own. */
const SEEDS = [101, 102, 103];

const OPTIMIZERS = {
  sgd: (lr: number) => optim.sgd({ lr, momentum: 0.9 }),
  adam: (lr: number) => optim.adamw({ lr }),
} as const;

/** Of knowing nothing, added to losses before they are compared. */
const SHARE = 0.02;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Validation loss of a training; infinite where it came to an end. */
function validated(workload: LabWorkload, optimizer: optim.Optimizer, policy: clip.ClipPolicy, seed: number): number {
  const { train, validation } = workload.data(seed);
  const { loss, batchSize, steps } = workload;
  using trainer = new Trainer({ model: workload.model(), loss, optimizer, clip: policy, batchSize, seed });
  try {
    trainer.fitSync(train as Arrays, { steps });
  } catch (error) {
    if (!/finite/.test(String(error))) throw error;
    return Number.POSITIVE_INFINITY;
  }
  const found = trainer.evaluateSync(validation as Arrays).loss;
  return Number.isFinite(found) ? found : Number.POSITIVE_INFINITY;
}

/** What one rate comes to: medians over the seeds. */
export interface RateOutcome {
  readonly lr: number;
  readonly none: number;
  readonly clipped: number;
}

const NEAR = 1.05;

/** Each rate of the ladder, and the one to take. */
export function rateOf(
  workload: LabWorkload,
  kind: 'sgd' | 'adam',
): { readonly outcomes: readonly RateOutcome[]; readonly best: number } {
  const outcomes = LADDERS[kind].map((lr): RateOutcome => {
    const of = (policy: clip.ClipPolicy): number =>
      median(SEEDS.map((seed) => validated(workload, OPTIMIZERS[kind](lr), policy, seed)));
    return { lr, none: of(clip.none()), clipped: of(clip.globalNorm(1)) };
  });
  const floor = SHARE * median(SEEDS.map((seed) => workload.ignorant(workload.data(seed))));
  const lost = ({ none, clipped }: RateOutcome): number => floor + Math.min(none, clipped);
  const least = Math.min(...outcomes.map(lost));
  return { outcomes, best: Math.min(...outcomes.filter((o) => lost(o) <= NEAR * least).map(({ lr }) => lr)) };
}
