// resnet20.ts: the residual network of 20 layers on images of 32 x 32, batch 64.
import { ResNet20 } from '../../lib/models/resnet20.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { floats, ids, SEED, type Workload, workload } from '../workload.ts';

/** A convolution without bias, and the batch norm after it. */
const convNorm = (i: number, k: number): number[] => [1 / Math.sqrt(i * k * k), 1, 0.1];
const WIDTHS = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const blocks = WIDTHS.slice(1).flatMap((o, k) => {
  const i = WIDTHS[k]!;
  return [...convNorm(i, 3), ...convNorm(o, 3), ...(i === o ? [] : convNorm(i, 1))];
});

export const WORKLOAD: Workload<ResNet20> = workload({
  model: () => new ResNet20(),
  bounds: [...convNorm(3, 3), ...blocks, 1 / 8, 1 / 8],
  batch: () => ({ x: floats(SEED.x, 64, 3, 32, 32), y: ids(SEED.y, 10, 64) }),
  loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
  optimizer: 'sgd',
  product: [65536, 16, 144],
  reference: {
    params: 272474,
    loss: [2.37204179, 2.3718814, 2.37157757],
    norm: [1.60486267, 1.60349869, 1.59963049],
  },
});
