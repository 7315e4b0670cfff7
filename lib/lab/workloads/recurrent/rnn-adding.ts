// rnn-adding.ts: a tanh RNN whose recurrent weights begin orthogonal reads twelve numbers and adds the two that are marked.
import { orthogonal } from '../../../nn/module/init.ts';
import { ofNumbers } from '../../data/ignorant.ts';
import { adding } from '../../data/sequences.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofSquares, rates, threeSets } from '../parts.ts';
import { LastState } from './last-state.ts';

function model(): LastState {
  const made = new LastState(2, 48, 1);
  made.rnn.weight_hh_l0.init = orthogonal();
  return made;
}

export const RNN_ADDING: LabWorkload = workload<LastState>({
  name: 'rnn-adding',
  about: 'tanh RNN of 48 units that begins orthogonal reads 12 numbers and adds the two that are marked',
  kind: 'recurrent',
  traits: ['longDependencies', 'regression'],
  steps: 500,
  batchSize: 32,
  optimizers: rates(0.03, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 4000, validation: 500, test: 1000 }, (next, rows) => ({ ...adding(next, { rows, length: 12 }) })),
  model,
  loss: ofSquares,
  ignorant: ofNumbers,
});
