// small-batch.ts: a classifier that sees two rows at a time: gradients are mostly noise.
import { MLP } from '../../../models/mlp.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { classesOf, taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

export const SMALL_BATCH: LabWorkload = workload<MLP>({
  name: 'small-batch',
  about: 'linear 16-48-48-4 with ReLU sorts rows into four classes, two rows a step',
  kind: 'dense',
  traits: ['smallBatch'],
  steps: 400,
  batchSize: 2,
  optimizers: rates(0.01, 3e-3),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 16, 4, 4);
    return threeSets(seed, { train: 2000, validation: 500, test: 1000 }, (next, rows) => {
      const { x, y } = taught(next, of, { rows, inputs: 16, outputs: 4 });
      return { x: { data: x, shape: [rows, 16] }, y: classesOf(y, 4) };
    });
  },
  model: () => new MLP([16, 48, 48, 4]),
  loss: ofLogits,
  ignorant: ofClasses,
});
