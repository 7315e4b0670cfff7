// linear.ts: the fully connected layer.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { add } from '../../ops/elementwise/elementwise.ts';
import { bool, options, signature } from '../../options/index.ts';
import { forwardOf, size } from '../fields.ts';
import { kaimingUniform, uniform } from '../module/init.ts';
import { Module, Parameter } from '../module/module.ts';
import { linear } from './linear-product.ts';
import type { Lora } from './lora.ts';

/** Options of `nn.Linear`. */
export interface LinearOptions {
  /** Whether something is added. Default true. */
  readonly bias?: boolean;
}

const readLinear = signature(
  'nn.Linear',
  { inFeatures: size, outFeatures: size },
  options<LinearOptions>()({ bias: bool.default(true) }),
);

const readForward = forwardOf('Linear');

/**
 * Fully connected layer, `x weight^T + bias`: `weight` [out, in] and `bias` [out] are uniform within 1 / sqrt(in) at
 * first.
 * @shape x [..., in] -> [..., out]
 * @throws OptionError; ShapeError if the last dimension of x is not `inFeatures`; DTypeError unless x is f32
 * @see torch.nn.Linear
 */
export class Linear extends Module {
  /** The matrix [out, in]. */
  weight: Parameter;
  /** What is added [out]; null without it. */
  bias: Parameter | null;
  /** What `nn.lora` adds to it; not there otherwise. */
  lora?: Lora;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { bias } = readLinear(arguments);
    const bound = 1 / Math.sqrt(inFeatures);
    this.weight = new Parameter([outFeatures, inFeatures], kaimingUniform({ a: Math.sqrt(5) }));
    this.bias = bias ? new Parameter([outFeatures], uniform(-bound, bound)) : null;
  }

  forward(x: TensorLike): Tensor {
    const { x: t } = readForward(arguments);
    const y = linear(t, this.weight, this.bias);
    return this.lora ? add(y, this.lora.forward(t)) : y;
  }
}
