// spikes.ts: how often the loss jumps, as papers on spikes count it, in trainings whose rates are raised: transformers, which are too small here to
// have many, and recurrent networks, which have them.
import { clip, optim } from '../../lib/index.ts';
import { counted, type Effort, median, type Policy, ratioOf, show, some, train, workloadOf } from './claim.ts';

/** Steps whose loss is more than five deviations (from the median, of 20 steps before) above that median, after the first 25. */
export function spikesOf(losses: readonly number[]): number {
  let spikes = 0;
  for (let i = 25; i < losses.length; i++) {
    const before = losses.slice(i - 20, i).filter(Number.isFinite);
    const middle = median(before);
    // 1.4826: of a normal distribution that is the standard deviation.
    const deviation = 1.4826 * median(before.map((v) => Math.abs(v - middle)));
    if (!(losses[i]! <= middle + 5 * deviation)) spikes++;
  }
  return spikes;
}

export const NAMES: readonly string[] = ['temporal-order', 'copying', 'char-lstm', 'gpt-nano', 'deep-transformer'];
/** Times the workload's own rate. */
const RAISED = [1, 3];

/** Spikes and losses of two policies, by how much the rate is raised. */
export interface Spikes {
  readonly raised: number;
  /** Of all seeds and networks, in all steps. */
  readonly spikes: readonly [policy: number, other: number];
  /** Loss of the policy over that of the other, mean and interval. */
  readonly ratio: ReturnType<typeof ratioOf>;
}

export function compared(policy: Policy, other: Policy, effort: Effort): readonly Spikes[] {
  const { seeds, part } = effort;
  return RAISED.map((raised) => {
    const count: [number, number] = [0, 0];
    const ratios: number[] = [];
    for (const name of some(NAMES, effort)) {
      const own = workloadOf(name).optimizers.adam().lr(0);
      for (const seed of seeds) {
        const [a, b] = [policy, other].map((one) =>
          train({
            workload: workloadOf(name),
            optimizer: () => optim.adamw({ lr: raised * own }),
            policy: one,
            seed,
            part,
          }),
        ) as [ReturnType<typeof train>, ReturnType<typeof train>];
        count[0] += spikesOf(a.losses);
        count[1] += spikesOf(b.losses);
        ratios.push(counted(a) / counted(b));
      }
    }
    return { raised, spikes: count, ratio: ratioOf(ratios) };
  });
}

export const told = (found: readonly Spikes[]): string =>
  found
    .map(
      ({ raised, spikes, ratio }) =>
        `rate x ${raised}: ${spikes[0]} spikes against ${spikes[1]}, loss ratio ${show(ratio.value)} (${show(ratio.low)} to ${show(ratio.high)})`,
    )
    .join('; ');

/** Whether a policy has at most half of the spikes of the other one, which has ten or more. */
export function halved(found: readonly Spikes[]): boolean {
  const [own, other] = [0, 1].map((k) => found.reduce((sum, { spikes }) => sum + spikes[k]!, 0)) as [number, number];
  return other >= 10 && own <= other / 2;
}

export const TRIED: string = `${NAMES.join(', ')} (transformers this small have few spikes, recurrent networks have them), AdamW at its rate and three times that`;

export const GLOBAL: Policy = () => clip.globalNorm(1);
