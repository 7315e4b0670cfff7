// char-rnn.ts: embedding 65x32, tanh RNN 128 over 64 steps, to 65 characters: the model of the demo.
import type { TensorLike } from '../../lib/ir/graph.ts';
import { Embedding, Linear, loss, Module, RNN } from '../../lib/nn/index.ts';
import { ids, linearBounds, SEED, type Workload, workload } from '../workload.ts';

class CharRnn extends Module {
  embedding: Embedding = new Embedding(65, 32);
  rnn: RNN = new RNN(32, 128);
  out: Linear = new Linear(128, 65);
  forward(x: TensorLike): ReturnType<Linear['forward']> {
    return this.out.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }
}

export const WORKLOAD: Workload<CharRnn> = workload({
  model: () => new CharRnn(),
  bounds: [1, ...linearBounds(128, 128, 128)],
  batch: () => ({ x: ids(SEED.x, 65, 32, 64), y: ids(SEED.y, 65, 32, 64) }),
  loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x!), y!),
  optimizer: 'sgd',
  reference: {
    params: 31201,
    loss: [4.18204331, 4.18204259, 4.18204124],
    norm: [0.08444428, 0.08444408, 0.08444372],
  },
});
