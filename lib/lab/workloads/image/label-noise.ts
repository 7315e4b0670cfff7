// label-noise.ts: images of which two fifths have the label of another kind, but those of the test set.
import type { Sequential } from '../../../nn/layers/sequential.ts';
import { below, draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';
import { smallLeNet } from './lenet.ts';

const CLASSES = 6;

export const LABEL_NOISE: LabWorkload = workload<Sequential>({
  name: 'label-noise',
  about: 'the network of lenet on six kinds of images; two fifths of the labels are wrong, but those of the test set',
  kind: 'image',
  traits: ['labelNoise'],
  steps: 400,
  batchSize: 16,
  optimizers: rates(0.01, 1e-3),
  data: (seed) =>
    threeSets(seed, { train: 1500, validation: 500, test: 1000 }, (next, rows, set) => {
      const { x, y } = images(draws(seed, 'shared'), next, { rows, channels: 1, size: 8, classes: CLASSES });
      if (set !== 'test') {
        for (let r = 0; r < rows; r++) if (next() < 0.4) y[r] = (y[r]! + 1 + below(next, CLASSES - 1)) % CLASSES;
      }
      return { x, y };
    }),
  model: () => smallLeNet(CLASSES),
  loss: ofLogits,
  ignorant: ofClasses,
});
