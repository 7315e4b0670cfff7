// mixture-density.ts: a mixture of three normal distributions for each row (Bishop 1994): its logarithm is steep where a deviation becomes small.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { log } from '../../../math/index.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { Module } from '../../../nn/module/module.ts';
import { tanh } from '../../../ops/elementwise/activation.ts';
import { add, exp, mul, neg, square, sub } from '../../../ops/elementwise/elementwise.ts';
import { logSumExp } from '../../../ops/reduce/log-sum-exp.ts';
import { mean } from '../../../ops/reduce/reduce.ts';
import { logSoftmax } from '../../../ops/reduce/softmax.ts';
import { slice } from '../../../ops/shape/slice.ts';
import { below, normal } from '../../data/draws.ts';
import { numbersOf, variance } from '../../data/ignorant.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const PARTS = 3;
const LOG_2PI = 1.8378770664093453;

class Mixture extends Module {
  hidden: Linear = new Linear(1, 32);
  out: Linear = new Linear(32, 3 * PARTS);
  /** Logarithm of the density at y [batch, 1]: [batch]. */
  forward(x: TensorLike, y: TensorLike): Tensor {
    const all = this.out.forward(tanh(this.hidden.forward(x)));
    const part = (k: number): Tensor => slice(all, { axis: 1, start: k * PARTS, end: (k + 1) * PARTS });
    const [shares, middles, logs] = [logSoftmax(part(0)), mul(part(1), 4), part(2)];
    const off = mul(square(mul(sub(y, middles), exp(neg(logs)))), -0.5);
    return logSumExp(add(shares, sub(add(off, -0.5 * LOG_2PI), logs)), { axes: [1] });
  }
}

export const MIXTURE_DENSITY: LabWorkload = workload<Mixture>({
  name: 'mixture-density',
  about: 'tanh 1-32-9 makes a mixture of three normal distributions of a curve with several branches',
  kind: 'dense',
  traits: ['regression'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.01, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 2000, validation: 500, test: 1000 }, (next, rows) => {
      const x = new Float32Array(rows);
      const y = new Float32Array(rows);
      for (let r = 0; r < rows; r++) {
        x[r] = 2 * next() - 1;
        // Three branches of a curve.
        const branch = below(next, 3) - 1;
        y[r] = 6 * branch + 5 * x[r]! * (branch === 0 ? -1 : 1) + (1 + x[r]! * x[r]!) * normal(next);
      }
      return { x: { data: x, shape: [rows, 1] }, y: { data: y, shape: [rows, 1] } };
    }),
  model: () => new Mixture(),
  loss: ({ x, y }, model) => neg(mean(model.forward(x, y), { dtype: 'f64' })),
  // One normal distribution for all.
  ignorant: ({ test }) => 0.5 * (LOG_2PI + 1 + log(variance(numbersOf(test, 'y')))),
});
