// agc.ts: clipping by unit, relative to the weights, lets networks without norms train at rates and batches that they else cannot.
import { clip, optim } from '../../lib/index.ts';
import { type Claim, counted, median, type Policy, ratioOf, show, some, train, workloadOf } from './claim.ts';

const RATES = [0.3, 0.1, 0.03, 0.01];
const BATCHES = [32, 128];

export const AGC: Claim = {
  name: 'agc',
  paper: 'Brock et al. 2021, High-Performance Large-Scale Image Recognition Without Normalization',
  says: 'adaptive gradient clipping lets networks without normalization train with larger batches and higher rates',
  trial:
    'large-batch (convolutions without norms), SGD with momentum, batches of 32 and 128, four rates: test loss without a clip and with the better of agc(.01) and agc(.1), last layer left alone; medians over seeds',
  rule: 'confirmed if for both batches the highest rate within 10 % of the best loss without a clip is lower than that with agc (of the same bound), and the best loss with agc is no worse (interval of the ratio not above 1); depends if for one; else not confirmed',
  run(effort) {
    const { seeds, part } = effort;
    const workload = workloadOf('large-batch');
    const run = (lr: number, batchSize: number, policy: Policy): number[] =>
      seeds.map((seed) =>
        counted(train({ workload, optimizer: () => optim.sgd({ lr, momentum: 0.9 }), policy, seed, part, batchSize })),
      );
    const found = some(BATCHES, effort).map((batch) => {
      const of = (policy: Policy): (readonly [number, number[]])[] => RATES.map((lr) => [lr, run(lr, batch, policy)] as const);
      const best = (all: readonly (readonly [number, number[]])[]) => all.reduce((a, b) => (median(b[1]) < median(a[1]) ? b : a));
      const plain = of(clip.none);
      const withAgc = [0.01, 0.1]
        .map((c) => of(() => clip.agc(c, { exclude: '9.*' })))
        .reduce((a, b) => (median(best(b)[1]) < median(best(a)[1]) ? b : a));
      const bound = 1.1 * median(best(plain)[1]);
      const highest = (all: readonly (readonly [number, number[]])[]): number =>
        Math.max(0, ...all.filter(([, losses]) => median(losses) <= bound).map(([lr]) => lr));
      const [own, other] = [best(withAgc), best(plain)];
      const ratio = ratioOf(own[1].map((loss, k) => loss / other[1][k]!));
      return { batch, rates: [highest(plain), highest(withAgc)] as const, ratio };
    });
    const speaks = found.filter(({ rates: [plain, withAgc], ratio }) => withAgc > plain && ratio.low <= 1).length;
    return {
      verdict: speaks === 2 ? 'confirmed' : speaks === 1 ? 'depends' : 'not confirmed',
      figures: found
        .map(
          ({ batch, rates, ratio }) =>
            `batch ${batch}: highest good rate ${rates[0]} without, ${rates[1]} with; loss ratio ${show(ratio.value)} (${show(ratio.low)} to ${show(ratio.high)})`,
        )
        .join('; '),
    };
  },
};
