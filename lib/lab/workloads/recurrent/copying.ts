// copying.ts: a tanh RNN whose recurrent weights begin orthogonal (Henaff et al. 2016) says four symbols again after twelve blanks.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { RNN } from '../../../nn/layers/recurrent/recurrent.ts';
import { crossEntropy } from '../../../nn/loss/labels.ts';
import { orthogonal } from '../../../nn/module/init.ts';
import { Module } from '../../../nn/module/module.ts';
import { oneHot } from '../../../ops/rows/one-hot.ts';
import { slice } from '../../../ops/shape/slice.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { copying } from '../../data/sequences.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const KEPT = 4;
const KINDS = 4;
const BLANKS = 12;
const LENGTH = 2 * KEPT + BLANKS + 1;

class Copying extends Module {
  rnn: RNN = new RNN(KINDS + 2, 32);
  out: Linear = new Linear(32, KINDS);
  constructor() {
    super();
    this.rnn.weight_hh_l0.init = orthogonal();
  }
  /** What is said in the last places: [batch, KEPT, KINDS]. */
  forward(x: TensorLike): Tensor {
    const { output } = this.rnn.forward(oneHot(x, { classes: KINDS + 2 }));
    return this.out.forward(slice(output, { axis: 1, start: LENGTH - KEPT, end: LENGTH }));
  }
}

export const COPYING: LabWorkload = workload<Copying>({
  name: 'copying',
  about: 'tanh RNN of 32 units that begins orthogonal says four symbols again after twelve blanks',
  kind: 'recurrent',
  traits: ['longDependencies'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.03, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 3000, validation: 300, test: 600 }, (next, rows) => ({
      ...copying(next, { rows, kept: KEPT, kinds: KINDS, blanks: BLANKS }),
    })),
  model: () => new Copying(),
  loss: ({ x, y }, model) => crossEntropy(model.forward(x), y),
  ignorant: ofClasses,
});
