// temporal-order.ts: clipped SGD trains recurrent networks on the order of symbols where SGD fails.
import { clip, optim } from '../../lib/index.ts';
import { temporalOrder } from '../../lib/lab/data/sequences.ts';
import { threeSets } from '../../lib/lab/workloads/parts.ts';
import { type Claim, train, workloadOf } from './claim.ts';

const LENGTHS = [10, 14, 20];
const RATES = [0.3, 0.1, 0.03, 0.01];

export const TEMPORAL_ORDER: Claim = {
  name: 'temporal-order',
  paper: 'Pascanu, Mikolov and Bengio 2013, On the Difficulty of Training Recurrent Neural Networks',
  says: 'SGD fails on temporal order as sequences grow, and SGD with its norm clipped goes on to solve them',
  trial:
    'tanh RNN of 32 units, 400 steps of 32 sequences of 10, 14 and 20 symbols, SGD with momentum at four rates, with and without a global norm of 1; solved: test loss below a tenth of ln 4. Each way with the rate that solves most',
  rule: 'a length speaks for it where clipped SGD solves at least a quarter of the seeds more; confirmed if two of three do, depends if one does',
  run({ seeds, part }) {
    const workload = workloadOf('temporal-order');
    const solvedShare = (length: number, lr: number, policy: () => clip.ClipPolicy): number =>
      seeds.filter((seed) => {
        const data = threeSets(seed, { train: 4000, validation: 100, test: 1000 }, (next, rows) => ({
          ...temporalOrder(next, { rows, length }),
        }));
        const { loss, ignorant } = train({
          workload,
          data,
          optimizer: () => optim.sgd({ lr, momentum: 0.9 }),
          policy,
          seed,
          part,
        });
        return loss < 0.1 * ignorant;
      }).length / seeds.length;
    const best = (length: number, policy: () => clip.ClipPolicy): readonly [share: number, lr: number] =>
      RATES.map((lr) => [solvedShare(length, lr, policy), lr] as const).reduce((a, b) => (b[0] > a[0] ? b : a));
    const found = LENGTHS.map((length) => ({
      length,
      without: best(length, clip.none),
      with: best(length, () => clip.globalNorm(1)),
    }));
    const speaks = found.filter(({ without, with: clipped }) => clipped[0] - without[0] >= 0.25).length;
    const percent = ([share, lr]: readonly [number, number]): string => `${Math.round(100 * share)} % (rate ${lr})`;
    return {
      verdict: speaks >= 2 ? 'confirmed' : speaks === 1 ? 'depends' : 'not confirmed',
      figures: found.map((f) => `length ${f.length}: solved without ${percent(f.without)}, with ${percent(f.with)}`).join('; '),
    };
  },
};
