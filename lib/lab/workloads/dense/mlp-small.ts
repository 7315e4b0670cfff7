// mlp-small.ts: linear 64-64-64-10 with ReLU, a classifier of images of 8 x 8.
import { MLP } from '../../../models/mlp.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { flat, images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

export const MLP_SMALL: LabWorkload = workload<MLP>({
  name: 'mlp-small',
  about: 'linear 64-64-64-10 with ReLU tells ten kinds of images of 8 x 8 apart',
  kind: 'dense',
  traits: [],
  steps: 300,
  batchSize: 32,
  optimizers: rates(0.03, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 2000, validation: 500, test: 1000 }, (next, rows) =>
      flat(images(draws(seed, 'shared'), next, { rows, channels: 1, size: 8 })),
    ),
  model: () => new MLP([64, 64, 64, 10]),
  loss: ofLogits,
  ignorant: ofClasses,
});
