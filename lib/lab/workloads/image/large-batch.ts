// large-batch.ts: few steps of many rows, of convolutions without norms.
import { Conv2d } from '../../../nn/layers/conv.ts';
import { Flatten } from '../../../nn/layers/flatten.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import { kaimingNormal } from '../../../nn/module/init.ts';
import { relu } from '../../../ops/elementwise/activation.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

function model(): Sequential {
  const conv = (inputs: number): Conv2d => {
    const layer = new Conv2d(inputs, 6, 3, { padding: 1 });
    layer.weight.init = kaimingNormal({ nonlinearity: 'relu' });
    return layer;
  };
  return new Sequential(conv(1), relu, conv(6), relu, conv(6), relu, conv(6), relu, new Flatten(), new Linear(216, 10));
}

export const LARGE_BATCH: LabWorkload = workload<Sequential>({
  name: 'large-batch',
  about: 'four convolutions of 3x3 without norms tell ten kinds of images of 6 x 6 apart, 128 rows a step',
  kind: 'image',
  traits: ['largeBatch', 'noNorms'],
  steps: 100,
  batchSize: 128,
  optimizers: rates(0.01, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 4096, validation: 500, test: 1000 }, (next, rows) => ({
      ...images(draws(seed, 'shared'), next, { rows, channels: 1, size: 6 }),
    })),
  model,
  loss: ofLogits,
  ignorant: ofClasses,
});
