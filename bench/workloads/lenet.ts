// lenet.ts: convolutions of 5x5 (1 to 32 to 64 channels, pooled to 14x14 and 7x7) and 3136-512-10, 64 images of 28x28.
import { LeNet } from '../../lib/models/lenet.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { floats, ids, linearBounds, SEED, type Workload, workload } from '../workload.ts';

export const WORKLOAD: Workload<LeNet> = workload({
  model: () => new LeNet(),
  bounds: linearBounds(25, 32 * 25, 3136, 512),
  batch: () => ({ x: floats(SEED.x, 64, 1, 28, 28), y: ids(SEED.y, 10, 64) }),
  loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
  optimizer: 'adamw',
  product: [64, 512, 3136],
  reference: {
    params: 1663370,
    loss: [2.31013289, 2.27405441, 2.24849585],
    norm: [0.7136381, 0.55510556, 0.45666452],
  },
});
