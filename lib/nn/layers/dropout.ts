// dropout.ts: the dropout layer.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { rate } from '../../ops/args.ts';
import { dropout } from '../../ops/random.ts';
import { signature } from '../../options/index.ts';
import { forwardOf } from '../fields.ts';
import { Module } from '../module/module.ts';

const readDropout = signature('nn.Dropout', { p: rate.default(0.5) });
const readDropoutForward = forwardOf('Dropout');

/**
 * In training, elements become 0 with probability `p` and the others grow by 1 / (1 - p); in evaluation nothing
 * changes.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32
 * @see torch.nn.Dropout
 */
export class Dropout extends Module {
  /** Probability with which an element becomes 0. */
  readonly p: number;

  /** @param p in [0, 1); default 0.5 */
  constructor(p = 0.5) {
    super();
    this.p = readDropout(arguments).p;
  }

  forward(x: TensorLike): Tensor {
    return dropout(readDropoutForward(arguments).x, this.p);
  }
}
