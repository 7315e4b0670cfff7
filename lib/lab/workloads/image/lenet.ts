// lenet.ts: LeNet's form with few filters, on images of 8 x 8.
import { Conv2d } from '../../../nn/layers/conv.ts';
import { Flatten } from '../../../nn/layers/flatten.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { MaxPool2d } from '../../../nn/layers/pool.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import { relu } from '../../../ops/elementwise/activation.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

/** Two convolutions with pooling, and two linear layers. */
export const smallLeNet = (classes: number): Sequential =>
  new Sequential(
    ...[new Conv2d(1, 8, 3, { padding: 1 }), relu, new MaxPool2d(2)],
    ...[new Conv2d(8, 12, 3, { padding: 1 }), relu, new MaxPool2d(2)],
    ...[new Flatten(), new Linear(48, 32), relu, new Linear(32, classes)],
  );

export const LENET: LabWorkload = workload<Sequential>({
  name: 'lenet',
  about: 'convolutions of 3x3 (8 and 12 filters, pooled) and linear 48-32-10 tell ten kinds of images of 8 x 8 apart',
  kind: 'image',
  traits: [],
  steps: 250,
  batchSize: 16,
  optimizers: rates(0.03, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 2000, validation: 500, test: 1000 }, (next, rows) => ({
      ...images(draws(seed, 'shared'), next, { rows, channels: 1, size: 8 }),
    })),
  model: () => smallLeNet(10),
  loss: ofLogits,
  ignorant: ofClasses,
});
