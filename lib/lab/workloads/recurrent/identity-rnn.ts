// identity-rnn.ts: an RNN of ReLU whose recurrent weights begin as the identity (Le et al. 2015) reads an image two pixels at a time.
import { constant, type Initializer, normal } from '../../../nn/module/init.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';
import { LastState } from './last-state.ts';

/** A square matrix of ones on its diagonal. */
const identity: Initializer = (out, [size]) => {
  out.fill(0);
  for (let i = 0; i < size!; i++) out[i * (size! + 1)] = 1;
};

function model(): LastState {
  const made = new LastState(2, 32, 5, { nonlinearity: 'relu' });
  const { rnn } = made;
  rnn.weight_hh_l0.init = identity;
  // .001 in the paper, for images of 784 steps.
  rnn.weight_ih_l0.init = normal(0, 0.03);
  for (const bias of [rnn.bias_ih_l0!, rnn.bias_hh_l0!]) bias.init = constant(0);
  return made;
}

export const IDENTITY_RNN: LabWorkload = workload<LastState>({
  name: 'identity-rnn',
  about: 'RNN of 32 ReLU units that begins as the identity reads 32 pairs of pixels, five kinds of images',
  kind: 'recurrent',
  traits: ['longDependencies'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.01, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 2000, validation: 500, test: 1000 }, (next, rows) => {
      const { x, y } = images(draws(seed, 'shared'), next, { rows, channels: 1, size: 8, classes: 5 });
      return { x: { data: x.data, shape: [rows, 32, 2] }, y };
    }),
  model,
  loss: ofLogits,
  ignorant: ofClasses,
});
