// resnet20.ts: a residual network of 20 layers with batch norms, of few filters, on images of 8 x 8 in three colors.

import { ResidualBlock } from '../../../models/resnet20.ts';
import { Conv2d } from '../../../nn/layers/conv.ts';
import { Flatten } from '../../../nn/layers/flatten.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { BatchNorm2d } from '../../../nn/layers/norm/batch-norm.ts';
import { AdaptiveAvgPool2d } from '../../../nn/layers/pool.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import { relu } from '../../../ops/elementwise/activation.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

function model(): Sequential {
  const widths = [4, 4, 4, 4, 8, 8, 8, 16, 16, 16];
  const blocks = widths.slice(1).map((width, i) => new ResidualBlock(widths[i]!, width, width === widths[i] ? 1 : 2));
  return new Sequential(
    ...[new Conv2d(3, 4, 3, { padding: 1, bias: false }), new BatchNorm2d(4), relu],
    ...blocks,
    ...[new AdaptiveAvgPool2d(1), new Flatten(), new Linear(16, 6)],
  );
}

export const RESNET20: LabWorkload = workload<Sequential>({
  name: 'resnet20',
  about: 'a residual network of 20 layers with batch norms, 4 to 16 filters, tells six kinds of images of 8 x 8 apart',
  kind: 'image',
  traits: ['deep', 'batchNorm'],
  steps: 120,
  batchSize: 16,
  optimizers: rates(0.1, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 1500, validation: 200, test: 400 }, (next, rows) => ({
      ...images(draws(seed, 'shared'), next, { rows, channels: 3, size: 8, classes: 6 }),
    })),
  model,
  loss: ofLogits,
  ignorant: ofClasses,
});
