// char-rnn.ts: embedding 65x32, tanh RNN 128 over 64 steps, to 65 characters: the model of the demo.
import { CharRNN, charRnnLoss } from '../../lib/models/index.ts';
import { ids, linearBounds, SEED, type Workload, workload } from '../workload.ts';

export const WORKLOAD: Workload<CharRNN> = workload({
  model: () => new CharRNN(65, { kind: 'rnn', embedding: 32, hidden: 128 }),
  bounds: [1, ...linearBounds(128, 128, 128)],
  batch: () => ({ x: ids(SEED.x, 65, 32, 64), y: ids(SEED.y, 65, 32, 64) }),
  loss: charRnnLoss,
  optimizer: 'sgd',
  product: [32, 128, 128],
  reference: {
    params: 31201,
    loss: [4.18204331, 4.18204259, 4.18204124],
    norm: [0.08444428, 0.08444408, 0.08444372],
  },
});
