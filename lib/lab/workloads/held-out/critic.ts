// critic.ts: the critic of a GAN with a hinge loss (Lim and Ye 2017): tells rows of two moons from those that a poor generator makes.

import type { Tensor } from '../../../ir/graph.ts';
import { cos, sin } from '../../../math/index.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import { relu } from '../../../ops/elementwise/activation.ts';
import { maximum, mul, sub } from '../../../ops/elementwise/elementwise.ts';
import { mean } from '../../../ops/reduce/reduce.ts';
import { below, normal } from '../../data/draws.ts';
import { numbersOf } from '../../data/ignorant.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const leakyRelu = (x: Tensor): Tensor => maximum(x, mul(x, 0.2));

export const CRITIC: LabWorkload = workload<Sequential>({
  name: 'critic',
  about: 'leaky ReLU 2-48-48-48-1 without bounds, hinge loss: rows of two moons against those of a poor generator',
  kind: 'dense',
  traits: ['noNorms'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.01, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 3000, validation: 600, test: 1500 }, (next, rows) => {
      const x = new Float32Array(2 * rows);
      const y = new Float32Array(rows);
      for (let r = 0; r < rows; r++) {
        y[r] = 2 * below(next, 2) - 1;
        if (y[r] === 1) {
          const [moon, angle] = [below(next, 2), Math.PI * next()];
          x[2 * r] = (moon === 0 ? cos(angle) : 1 - cos(angle)) + 0.1 * normal(next);
          x[2 * r + 1] = (moon === 0 ? sin(angle) : 0.5 - sin(angle)) + 0.1 * normal(next);
        } else {
          x[2 * r] = 0.5 + 0.9 * normal(next);
          x[2 * r + 1] = 0.25 + 0.5 * normal(next);
        }
      }
      return { x: { data: x, shape: [rows, 2] }, y: { data: y, shape: [rows, 1] } };
    }),
  model: () =>
    new Sequential(new Linear(2, 48), leakyRelu, new Linear(48, 48), leakyRelu, new Linear(48, 48), leakyRelu, new Linear(48, 1)),
  loss: ({ x, y }, model) => mean(relu(sub(1, mul(y, model.forward(x)))), { dtype: 'f64' }),
  // A constant between -1 and 1 costs 1 - c (share - other share): the best is 1 or -1.
  ignorant({ test }) {
    const signs = numbersOf(test, 'y');
    let sum = 0;
    for (let i = 0; i < signs.length; i++) sum += signs[i]!;
    return 1 - Math.abs(sum) / signs.length;
  },
});
