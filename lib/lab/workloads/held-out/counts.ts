// counts.ts: Poisson regression with a network: rates are an exponential of what it makes, and so are their gradients.
import { exp as expOf, log } from '../../../math/index.ts';
import { MLP } from '../../../models/mlp.ts';
import { add, exp, mul, sub } from '../../../ops/elementwise/elementwise.ts';
import { mean } from '../../../ops/reduce/reduce.ts';
import { type Draw, draws } from '../../data/draws.ts';
import { numbersOf } from '../../data/ignorant.ts';
import { taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

/** A count of that mean (Knuth's product of uniform numbers, in parts that do not underflow). */
function poisson(next: Draw, mean: number): number {
  let count = 0;
  for (let left = mean; left > 0; left -= 50) {
    const bound = expOf(-Math.min(left, 50));
    for (let product = next(); product > bound; product *= next()) count++;
  }
  return count;
}
/** What the logarithm of its own likelihood has of a count: y ln y - y. */
const own = (y: number): number => (y > 0 ? y * log(y) - y : 0);

export const COUNTS: LabWorkload = workload<MLP>({
  name: 'counts',
  about: 'linear 10-32-1 with ReLU learns the logarithms of the means of counts up to some hundreds',
  kind: 'dense',
  traits: ['regression', 'heavyTails'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.01, 3e-2),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 10, 4, 1);
    return threeSets(seed, { train: 3000, validation: 600, test: 1000 }, (next, rows) => {
      const { x, y } = taught(next, of, { rows, inputs: 10, outputs: 1 });
      const counts = y.map((v) => poisson(next, expOf(2 + 1.2 * v)));
      return {
        x: { data: x, shape: [rows, 10] },
        y: { data: counts, shape: [rows, 1] },
        own: { data: counts.map(own), shape: [rows, 1] },
      };
    });
  },
  model: () => new MLP([10, 32, 1]),
  /** Half of the deviance: 0 where each mean is the count. */
  loss({ x, y, own }, model) {
    const z = model.forward(x);
    return mean(add(sub(exp(z), mul(y, z)), own!), { dtype: 'f64' });
  },
  ignorant({ test }) {
    const counts = numbersOf(test, 'y');
    let [sum, owns] = [0, 0];
    for (let i = 0; i < counts.length; i++) {
      sum += counts[i]!;
      owns += own(counts[i]!);
    }
    const middle = sum / counts.length;
    return owns / counts.length - own(middle);
  },
});
