// mlp-tiny.ts: linear 10-10-1 with ReLU: what a step costs when there is nothing to compute.
import { Linear, Sequential } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { relu } from '../../lib/ops/index.ts';
import { floats, linearBounds, SEED, type Workload, workload } from '../workload.ts';

export const WORKLOAD: Workload<Sequential> = workload({
  model: () => new Sequential(new Linear(10, 10), relu, new Linear(10, 1)),
  bounds: linearBounds(10, 10),
  batch: () => ({ x: floats(SEED.x, 32, 10), y: floats(SEED.y, 32, 1) }),
  loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
  optimizer: 'sgd',
  product: [32, 10, 10],
  reference: {
    params: 121,
    loss: [0.59825266, 0.59814399, 0.59793758],
    norm: [1.08689427, 1.08658299, 1.08599159],
  },
});
