// heavy-tails.ts: regression whose targets carry noise of Student's t with two degrees of freedom, which has no variance.
import { MLP } from '../../../models/mlp.ts';
import { draws, student } from '../../data/draws.ts';
import { ofNumbers } from '../../data/ignorant.ts';
import { taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofSquares, rates, threeSets } from '../parts.ts';

export const HEAVY_TAILS: LabWorkload = workload<MLP>({
  name: 'heavy-tails',
  about: "linear 16-32-32-1 with ReLU; targets carry Student's t noise (2 degrees of freedom), but those of the test set",
  kind: 'dense',
  traits: ['regression', 'heavyTails'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.01, 1e-2),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 16, 4, 1);
    return threeSets(seed, { train: 4000, validation: 1000, test: 1000 }, (next, rows, set) => {
      const { x, y } = taught(next, of, { rows, inputs: 16, outputs: 1 });
      // What is to be learned is the function: it is looked at without noise. Who validates has no such set.
      if (set !== 'test') for (let r = 0; r < rows; r++) y[r]! += 0.5 * student(next, 2);
      return { x: { data: x, shape: [rows, 16] }, y: { data: y, shape: [rows, 1] } };
    });
  },
  model: () => new MLP([16, 32, 32, 1]),
  loss: ofSquares,
  ignorant: ofNumbers,
});
