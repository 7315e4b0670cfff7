// dropout.ts: the dropout layer.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { rate as rateField } from '../ops/args.ts';
import { dropout } from '../ops/random.ts';
import { signature } from '../options/index.ts';
import { forwardOf } from './fields.ts';
import { Module } from './module.ts';

const readDropout = signature('nn.Dropout', { rate: rateField.default(0.5) });
const readDropoutForward = forwardOf('Dropout');

/**
 * In training, elements become 0 with probability `rate` and the others grow by 1 / (1 - rate); in evaluation nothing changes.
 * As `torch.nn.Dropout`.
 */
export class Dropout extends Module {
  readonly rate: number;

  /** @param rate in [0, 1); default 0.5 */
  constructor(rate = 0.5) {
    super();
    this.rate = readDropout(arguments).rate;
  }

  forward(x: TensorLike): Tensor {
    return dropout(readDropoutForward(arguments).x, this.rate);
  }
}
