// class-imbalance.ts: five kinds of images, of which one is four fifths of the rows, and the last two hundredths.
import { MLP } from '../../../models/mlp.ts';
import { type Draw, draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { flat, images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

/** Where each class ends. */
const ENDS = [0.8, 0.9, 0.95, 0.98, 1];
const kind = (next: Draw): number => {
  const at = next();
  return ENDS.findIndex((end) => at < end);
};

export const CLASS_IMBALANCE: LabWorkload = workload<MLP>({
  name: 'class-imbalance',
  about: 'linear 64-48-5 with ReLU; of five classes one has 80 % of the rows, the last 2 %',
  kind: 'dense',
  traits: ['imbalance'],
  steps: 300,
  batchSize: 32,
  optimizers: rates(0.1, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 3000, validation: 1000, test: 2000 }, (next, rows) =>
      flat(images(draws(seed, 'shared'), next, { rows, channels: 1, size: 8, classes: 5, kind })),
    ),
  model: () => new MLP([64, 48, 5]),
  loss: ofLogits,
  ignorant: ofClasses,
});
