// copying.ts: an LSTM says three symbols again after eight blanks.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { LSTM } from '../../../nn/layers/recurrent.ts';
import { crossEntropy } from '../../../nn/loss/labels.ts';
import { Module } from '../../../nn/module/module.ts';
import { oneHot } from '../../../ops/rows/gather.ts';
import { slice } from '../../../ops/shape/slice.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { copying } from '../../data/sequences.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const KEPT = 3;
const KINDS = 4;
const BLANKS = 8;
const LENGTH = 2 * KEPT + BLANKS + 1;

class Copying extends Module {
  lstm: LSTM = new LSTM(KINDS + 2, 32);
  out: Linear = new Linear(32, KINDS);
  /** What is said in the last places: [batch, KEPT, KINDS]. */
  forward(x: TensorLike): Tensor {
    const { output } = this.lstm.forward(oneHot(x, { classes: KINDS + 2 }));
    return this.out.forward(slice(output, { axis: 1, start: LENGTH - KEPT, end: LENGTH }));
  }
}

export const COPYING: LabWorkload = workload<Copying>({
  name: 'copying',
  about: 'LSTM of 32 units says three symbols again after eight blanks',
  kind: 'recurrent',
  traits: ['longDependencies'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(1, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 3000, validation: 300, test: 600 }, (next, rows) => ({
      ...copying(next, { rows, kept: KEPT, kinds: KINDS, blanks: BLANKS }),
    })),
  model: () => new Copying(),
  loss: ({ x, y }, model) => crossEntropy(model.forward(x), y),
  ignorant: ofClasses,
});
