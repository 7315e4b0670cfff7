// spam.ts: resetting momenta and cutting spikes is better than Adam where gradients have spikes.
import { clip, loss as losses, ops, optim } from '../../lib/index.ts';
import { draws } from '../../lib/lab/data/draws.ts';
import type { LabData, LabWorkload } from '../../lib/lab/workload.ts';
import type { Plain } from '../../lib/lab/workloads/parts.ts';
import type { Arrays } from '../../lib/train/feed/source.ts';
import { type Claim, counted, judged, some, train, workloadOf } from './claim.ts';

const NAMES = ['mlp-small', 'class-imbalance', 'deep-tanh', 'lenet'];
/** How often a row counts how much more than others: gradients a thousand times as large in about one step of fifty. */
const SPIKE = { often: 1 / 1600, times: 30_000 };

/** Each training row has a weight, by which its loss is multiplied. */
function spiked(workload: LabWorkload, seed: number): LabData {
  const { train, validation, test } = workload.data(seed);
  const of = (set: LabData['train'], often: number): Arrays => {
    const { y } = set as unknown as { readonly y: Int32Array };
    const next = draws(seed, 'spikes');
    return { ...(set as Arrays), w: Float32Array.from(y, () => (next() < often ? SPIKE.times : 1)) };
  };
  return { train: of(train, SPIKE.often), validation: of(validation, 0), test: of(test, 0) };
}
const weighed: LabWorkload['loss'] = ({ x, y, w }, model) => {
  const logits = (model as Plain).forward(x);
  return ops.mean(ops.mul(losses.crossEntropy(logits, y, { reduction: 'none' }), ops.cast(w!, 'f64')));
};

export const SPAM: Claim = {
  name: 'spam',
  paper: 'Huang et al. 2025, SPAM: Spike-Aware Adam with Momentum Reset for Stable LLM Training',
  says: 'under spikes of gradients, Adam with momentum reset and spike-aware clipping is better than Adam, and than Adam with other clips',
  trial: `${NAMES.join(', ')}; about one step in fifty has a gradient a thousand times as large (a row counts 30,000 times); spam (reset every 100 steps, 30 steps of warm-up) beside AdamW with a global norm of 1, same rates and seeds: test losses`,
  rule: 'a case speaks for it where the 95 % interval of the mean ratio over seeds lies below 1, each network once beside AdamW alone and once beside AdamW with the clip; confirmed if at least three in four do, not confirmed if at most one in four, else it depends',
  run(effort) {
    const { seeds, part } = effort;
    const cases = new Map<string, number[]>();
    for (const name of some(NAMES, effort)) {
      const workload = workloadOf(name);
      const lr = workload.optimizers.adam().lr(0);
      const ways = {
        spam: { optimizer: () => optim.spam({ lr, resetEvery: 100, warmup: 30, weightDecay: 0.01 }), policy: clip.none },
        alone: { optimizer: workload.optimizers.adam, policy: clip.none },
        clipped: { optimizer: workload.optimizers.adam, policy: () => clip.globalNorm(1) },
      };
      const lost = (way: keyof typeof ways): number[] =>
        seeds.map((seed) => counted(train({ workload, ...ways[way], data: spiked(workload, seed), loss: weighed, seed, part })));
      const spam = lost('spam');
      for (const way of ['alone', 'clipped'] as const) {
        const others = lost(way);
        cases.set(
          `${name} (${way})`,
          spam.map((loss, k) => loss / others[k]!),
        );
      }
    }
    const { verdict, figures } = judged(cases);
    return { verdict, figures };
  },
};
