// rare-huge-inputs.ts: one row in fifty is a hundred times as large as the others, as of a sensor that is off; its class is the same.
import { MLP } from '../../../models/mlp.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { classesOf, taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

export const RARE_HUGE_INPUTS: LabWorkload = workload<MLP>({
  name: 'rare-huge-inputs',
  about: 'linear 20-48-4 with ReLU; one row in fifty is a hundred times as large, but in the test set',
  kind: 'dense',
  traits: ['rareHugeInputs', 'heavyTails'],
  steps: 300,
  batchSize: 32,
  optimizers: rates(0.01, 1e-2),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 20, 6, 4);
    return threeSets(seed, { train: 3000, validation: 800, test: 1000 }, (next, rows, set) => {
      const { x, y } = taught(next, of, { rows, inputs: 20, outputs: 4 });
      if (set !== 'test') {
        for (let r = 0; r < rows; r++) if (next() < 0.02) for (let i = 0; i < 20; i++) x[r * 20 + i]! *= 100;
      }
      return { x: { data: x, shape: [rows, 20] }, y: classesOf(y, 4) };
    });
  },
  model: () => new MLP([20, 48, 4]),
  loss: ofLogits,
  ignorant: ofClasses,
});
