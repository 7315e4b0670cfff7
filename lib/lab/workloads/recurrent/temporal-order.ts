// temporal-order.ts: which of two symbols came first and which second, among fourteen (Hochreiter and Schmidhuber 1997, task 6a): by a tanh RNN.
import { crossEntropy } from '../../../nn/loss/labels.ts';
import { oneHot } from '../../../ops/rows/one-hot.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { ORDER_SYMBOLS, ORDERS, temporalOrder } from '../../data/sequences.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';
import { LastState } from './last-state.ts';

export const TEMPORAL_ORDER: LabWorkload = workload<LastState>({
  name: 'temporal-order',
  about: 'tanh RNN of 32 units tells in which order two symbols came, among 14',
  kind: 'recurrent',
  traits: ['longDependencies'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.1, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 4000, validation: 500, test: 1000 }, (next, rows) => ({
      ...temporalOrder(next, { rows, length: 14 }),
    })),
  model: () => new LastState(ORDER_SYMBOLS, 32, ORDERS),
  loss: ({ x, y }, model) => crossEntropy(model.forward(oneHot(x, { classes: ORDER_SYMBOLS })), y),
  ignorant: ofClasses,
});
