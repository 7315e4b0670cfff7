// dropout.ts: the dropout layer.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { dropout } from '../ops/random.ts';
import { checkNumber } from '../options.ts';
import { Module } from './module.ts';

/**
 * In training, elements become 0 with probability `rate` and the others grow by 1 / (1 - rate); in evaluation nothing changes.
 * As `torch.nn.Dropout`.
 */
export class Dropout extends Module {
  readonly rate: number;

  /** @param rate in [0, 1); default 0.5 */
  constructor(rate = 0.5) {
    super();
    this.rate = checkNumber('Dropout', 'rate', rate, { min: 0, below: 1 });
  }

  forward(x: TensorLike): Tensor {
    return dropout(x, this.rate);
  }
}
