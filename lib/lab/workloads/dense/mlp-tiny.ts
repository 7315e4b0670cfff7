// mlp-tiny.ts: linear 10-10-1 with ReLU learns a function of ten numbers.
import { MLP } from '../../../models/mlp.ts';
import { draws } from '../../data/draws.ts';
import { ofNumbers } from '../../data/ignorant.ts';
import { taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofSquares, rates, threeSets } from '../parts.ts';

export const MLP_TINY: LabWorkload = workload<MLP>({
  name: 'mlp-tiny',
  about: 'linear 10-10-1 with ReLU learns a smooth function of ten numbers',
  kind: 'dense',
  traits: ['regression'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.1, 3e-2),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 10, 4, 1);
    return threeSets(seed, { train: 2000, validation: 500, test: 1000 }, (next, rows) => {
      const { x, y } = taught(next, of, { rows, inputs: 10, outputs: 1 });
      return { x: { data: x, shape: [rows, 10] }, y: { data: y, shape: [rows, 1] } };
    });
  },
  model: () => new MLP([10, 10, 1]),
  loss: ofSquares,
  ignorant: ofNumbers,
});
