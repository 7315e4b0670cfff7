// quantiles.ts: three quantiles of targets whose spread depends on the row, by the pinball loss (Koenker and Bassett 1978).

import type { Tensor } from '../../../ir/graph.ts';
import { exp } from '../../../math/index.ts';
import { MLP } from '../../../models/mlp.ts';
import { add, maximum, mul, sub } from '../../../ops/elementwise/elementwise.ts';
import { mean } from '../../../ops/reduce/reduce.ts';
import { slice } from '../../../ops/shape/slice.ts';
import { draws, student } from '../../data/draws.ts';
import { numbersOf } from '../../data/ignorant.ts';
import { taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const LEVELS = [0.1, 0.5, 0.9];

/** Loss of one level: q (y - p) above, (1 - q) (p - y) below. */
const pinball = (y: Tensor, p: Tensor, q: number): Tensor => {
  const off = sub(y, p);
  return mean(maximum(mul(off, q), mul(off, q - 1)), { dtype: 'f64' });
};

/** Of the best constant: the quantile of the targets themselves. */
function ofConstant(targets: ArrayLike<number>, q: number): number {
  const order = Float64Array.from(targets).sort();
  const constant = order[Math.min(order.length - 1, Math.floor(q * order.length))]!;
  let sum = 0;
  for (const y of order) sum += Math.max(q * (y - constant), (q - 1) * (y - constant));
  return sum / order.length;
}

export const QUANTILES: LabWorkload = workload<MLP>({
  name: 'quantiles',
  about: 'linear 8-32-32-3 with ReLU learns the 10 %, 50 % and 90 % quantiles of targets whose spread varies',
  kind: 'dense',
  traits: ['regression', 'heavyTails'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.03, 3e-3),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 8, 5, 2);
    return threeSets(seed, { train: 3000, validation: 600, test: 1500 }, (next, rows) => {
      const made = taught(next, of, { rows, inputs: 8, outputs: 2 });
      const y = Float32Array.from(
        { length: rows },
        (_, r) => 2 * made.y[2 * r]! + 0.3 * exp(made.y[2 * r + 1]!) * student(next, 3),
      );
      return { x: { data: made.x, shape: [rows, 8] }, y: { data: y, shape: [rows, 1] } };
    });
  },
  model: () => new MLP([8, 32, 32, 3]),
  loss({ x, y }, model) {
    const all = model.forward(x);
    const of = (k: number): Tensor => pinball(y, slice(all, { axis: 1, start: k, end: k + 1 }), LEVELS[k]!);
    return mul(add(add(of(0), of(1)), of(2)), 1 / 3);
  },
  ignorant: ({ test }) => LEVELS.reduce((sum, q) => sum + ofConstant(numbersOf(test, 'y'), q), 0) / 3,
});
