// mlp-small.ts: linear 784-256-128-10 with ReLU, a classifier of digits.
import { Linear, Sequential } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { relu } from '../../lib/ops/index.ts';
import { floats, ids, linearBounds, SEED, type Workload, workload } from '../workload.ts';

export const WORKLOAD: Workload<Sequential> = workload({
  model: () => new Sequential(new Linear(784, 256), relu, new Linear(256, 128), relu, new Linear(128, 10)),
  bounds: linearBounds(784, 256, 128),
  batch: () => ({ x: floats(SEED.x, 64, 784), y: ids(SEED.y, 10, 64) }),
  loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
  optimizer: 'sgd',
  product: [64, 256, 784],
  reference: {
    params: 235146,
    loss: [2.30567464, 2.3056585, 2.30562783],
    norm: [0.40178337, 0.40178105, 0.40181406],
  },
});
