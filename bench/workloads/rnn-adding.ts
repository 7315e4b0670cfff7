// rnn-adding.ts: tanh RNN 2-128 over 100 steps, the last state to one number: many small products, one after the other.
import type { TensorLike } from '../../lib/ir/graph.ts';
import { Linear, Module, RNN } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { floats, linearBounds, SEED, type Workload, workload } from '../workload.ts';

class Adding extends Module {
  rnn: RNN = new RNN(2, 128);
  out: Linear = new Linear(128, 1);
  forward(x: TensorLike): ReturnType<Linear['forward']> {
    return this.out.forward(this.rnn.forward(x).last);
  }
}

export const WORKLOAD: Workload<Adding> = workload({
  model: () => new Adding(),
  bounds: linearBounds(128, 128, 128),
  batch: () => ({ x: floats(SEED.x, 50, 100, 2), y: floats(SEED.y, 50, 1) }),
  loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
  optimizer: 'sgd',
  product: [50, 128, 128],
  reference: {
    params: 17025,
    loss: [0.41403072, 0.41402819, 0.4140234],
    norm: [0.15883516, 0.15882844, 0.1588157],
  },
});
