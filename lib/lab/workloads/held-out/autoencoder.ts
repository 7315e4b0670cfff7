// autoencoder.ts: images through six numbers and back, from noisy ones to what they were.
import { Linear } from '../../../nn/layers/linear.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import { tanh } from '../../../ops/elementwise/activation.ts';
import { draws, normal } from '../../data/draws.ts';
import { numbersOf, variance } from '../../data/ignorant.ts';
import { flat, images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofSquares, rates, threeSets } from '../parts.ts';

export const AUTOENCODER: LabWorkload = workload<Sequential>({
  name: 'autoencoder',
  about: 'tanh 64-32-6-32-64 makes images of 8 x 8 of noisy ones, through six numbers',
  kind: 'dense',
  traits: ['regression'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.1, 1e-3),
  data: (seed) =>
    threeSets(seed, { train: 2000, validation: 500, test: 1000 }, (next, rows) => {
      const made = flat(images(draws(seed, 'shared'), next, { rows, channels: 1, size: 8, classes: 6 }));
      const clean = made.x.data as Float32Array;
      return {
        x: { data: clean.map((v) => v + 0.3 * normal(next)), shape: made.x.shape },
        y: { data: clean, shape: made.x.shape },
      };
    }),
  model: () => new Sequential(new Linear(64, 32), tanh, new Linear(32, 6), tanh, new Linear(6, 32), tanh, new Linear(32, 64)),
  loss: ofSquares,
  ignorant: ({ test }) => variance(numbersOf(test, 'y'), 64),
});
