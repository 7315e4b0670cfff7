// sgd-adam-gap.ts: with a clip SGD comes near Adam on networks of attention.
import { clip, optim } from '../../lib/index.ts';
import { type Claim, median, type Policy, show, some, train, workloadOf } from './claim.ts';

const NAMES = ['gpt-nano', 'deep-transformer'];
const RATES = [1, 0.3, 0.1, 0.03];
const THRESHOLDS = [0.1, 0.3, 1];
const CHOOSING = [91, 92];

export const SGD_ADAM_GAP: Claim = {
  name: 'sgd-adam-gap',
  paper: 'Zhang et al. 2020, Why Are Adaptive Methods Good for Attention Models?',
  says: 'SGD is far behind Adam on attention models, and clipping closes the gap',
  trial: `${NAMES.join(' and ')}: SGD with momentum, rate of four chosen on two seeds, alone and with one of three global norms; Adam at its own rate; test losses, medians over other seeds: which part of the gap the clip closes`,
  rule: 'confirmed if SGD is behind by 5 % or more and the clip closes at least half of it on both; depends if on one; else not confirmed',
  run(effort) {
    const { seeds, part } = effort;
    const found = some(NAMES, effort).map((name) => {
      const workload = workloadOf(name);
      const sgd = (lr: number, policy: Policy, seed: number) =>
        train({ workload, optimizer: () => optim.sgd({ lr, momentum: 0.9 }), policy, seed, part });
      const best = (policies: readonly Policy[]): number => {
        const all = RATES.flatMap((lr) => policies.map((policy) => [lr, policy] as const));
        const scores = all.map(([lr, policy]) => Math.max(...CHOOSING.map((seed) => sgd(lr, policy, seed).validation)));
        const [lr, policy] = all[scores.indexOf(Math.min(...scores))]!;
        return median(seeds.map((seed) => sgd(lr, policy, seed).loss));
      };
      const alone = best([clip.none]);
      const clipped = best(THRESHOLDS.map((c) => () => clip.globalNorm(c)));
      const adam = median(
        seeds.map((seed) => train({ workload, optimizer: workload.optimizers.adam, policy: clip.none, seed, part }).loss),
      );
      const closed = (alone - clipped) / (alone - adam);
      return { name, alone, clipped, adam, speaks: alone > 1.05 * adam && closed >= 0.5 };
    });
    const speaks = found.filter((f) => f.speaks).length;
    return {
      verdict: speaks === 2 ? 'confirmed' : speaks === 1 ? 'depends' : 'not confirmed',
      figures: found.map((f) => `${f.name}: SGD ${show(f.alone)}, clipped ${show(f.clipped)}, Adam ${show(f.adam)}`).join('; '),
    };
  },
};
