// mlp-large.ts: linear 1024-4096-4096-1024 with ReLU: large products, and 25 million parameters to update.
import { Linear, Sequential } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { relu } from '../../lib/ops/index.ts';
import { floats, linearBounds, SEED, type Workload, workload } from '../workload.ts';

export const WORKLOAD: Workload<Sequential> = workload({
  model: () => new Sequential(new Linear(1024, 4096), relu, new Linear(4096, 4096), relu, new Linear(4096, 1024)),
  bounds: linearBounds(1024, 4096, 4096),
  batch: () => ({ x: floats(SEED.x, 256, 1024), y: floats(SEED.y, 256, 1024) }),
  loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
  optimizer: 'adamw',
  product: [256, 4096, 4096],
  reference: {
    params: 25175040,
    loss: [0.33628805, 0.32935076, 0.32420642],
    norm: [0.02527516, 0.0179831, 0.01690342],
  },
});
