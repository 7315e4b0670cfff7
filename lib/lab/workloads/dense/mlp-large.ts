// mlp-large.ts: linear 32-192-192-16 with ReLU learns sixteen functions of 32 numbers: many parameters for few rows.
import { MLP } from '../../../models/mlp.ts';
import { draws } from '../../data/draws.ts';
import { numbersOf, variance } from '../../data/ignorant.ts';
import { taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofSquares, rates, threeSets } from '../parts.ts';

export const MLP_LARGE: LabWorkload = workload<MLP>({
  name: 'mlp-large',
  about: 'linear 32-192-192-16 with ReLU learns sixteen functions of 32 numbers',
  kind: 'dense',
  traits: ['regression'],
  steps: 150,
  batchSize: 64,
  optimizers: rates(0.1, 1e-3),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 32, 24, 16);
    return threeSets(seed, { train: 3000, validation: 500, test: 1000 }, (next, rows) => {
      const { x, y } = taught(next, of, { rows, inputs: 32, outputs: 16 });
      return { x: { data: x, shape: [rows, 32] }, y: { data: y, shape: [rows, 16] } };
    });
  },
  model: () => new MLP([32, 192, 192, 16]),
  loss: ofSquares,
  ignorant: ({ test }) => variance(numbersOf(test, 'y'), 16),
});
