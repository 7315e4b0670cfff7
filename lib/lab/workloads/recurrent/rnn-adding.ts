// rnn-adding.ts: a tanh RNN reads forty numbers and adds the two that are marked.
import { ofNumbers } from '../../data/ignorant.ts';
import { adding } from '../../data/sequences.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofSquares, rates, threeSets } from '../parts.ts';
import { LastState } from './last-state.ts';

export const RNN_ADDING: LabWorkload = workload<LastState>({
  name: 'rnn-adding',
  about: 'tanh RNN of 32 units reads 40 numbers and adds the two that are marked',
  kind: 'recurrent',
  traits: ['longDependencies', 'regression'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.03, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 4000, validation: 500, test: 1000 }, (next, rows) => ({ ...adding(next, { rows, length: 40 }) })),
  model: () => new LastState(2, 32, 1),
  loss: ofSquares,
  ignorant: ofNumbers,
});
