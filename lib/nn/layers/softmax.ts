// softmax.ts: softmax and its logarithm as layers, for Sequential; in a forward of one's own `ops.softmax` does the same.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { type AxisOptions, axisOptions } from '../../ops/args.ts';
import { logSoftmax, softmax } from '../../ops/reduce/softmax.ts';
import { optionsOnly } from '../../options/index.ts';
import { forwardOf } from '../fields.ts';
import { Module } from '../module/module.ts';

const readSoftmax = optionsOnly('nn.Softmax', axisOptions);
const readSoftmaxForward = forwardOf('Softmax');

/**
 * exp(x) / sum(exp(x)) over one dimension, the last one unless `axis` says otherwise. Cross-entropy takes what comes before it: logits.
 * @shape x f32 [...] -> [...]
 * @throws OptionError; ShapeError if x has no such dimension; DTypeError unless x is f32
 * @see torch.nn.Softmax
 */
export class Softmax extends Module {
  /** The dimension whose elements sum to 1. */
  readonly axis: number;

  constructor(options: AxisOptions = {}) {
    super();
    this.axis = readSoftmax(arguments).axis;
  }

  forward(x: TensorLike): Tensor {
    return softmax(readSoftmaxForward(arguments).x, { axis: this.axis });
  }
}

const readLogSoftmax = optionsOnly('nn.LogSoftmax', axisOptions);
const readLogSoftmaxForward = forwardOf('LogSoftmax');

/**
 * x - log(sum(exp(x))) over one dimension, the last one unless `axis` says otherwise: what `loss.nll` takes.
 * @shape x f32 [...] -> [...]
 * @throws OptionError; ShapeError if x has no such dimension; DTypeError unless x is f32
 * @see torch.nn.LogSoftmax
 */
export class LogSoftmax extends Module {
  /** The dimension that is summed over. */
  readonly axis: number;

  constructor(options: AxisOptions = {}) {
    super();
    this.axis = readLogSoftmax(arguments).axis;
  }

  forward(x: TensorLike): Tensor {
    return logSoftmax(readLogSoftmaxForward(arguments).x, { axis: this.axis });
  }
}
