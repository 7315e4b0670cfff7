// activation.ts: activation functions, element by element: operations of maps.ts, so that they fuse. The gradients of relu, tanh and
// sigmoid read the output, so that bias and activation can be fused into the product before them.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { signature } from '../../options/index.ts';
import { type GELUOptions, geluOptions, tensor } from '../args.ts';
import { apply, unary } from './maps.ts';

/**
 * The rectifier, `max(x, 0)`; its gradient at 0 is 0.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.relu
 */
export const relu: (x: TensorLike) => Tensor = unary('relu');
/**
 * The hyperbolic tangent.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.tanh
 */
export const tanh: (x: TensorLike) => Tensor = unary('tanh');
/**
 * The logistic function, `1 / (1 + exp(-x))`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.sigmoid
 */
export const sigmoid: (x: TensorLike) => Tensor = unary('sigmoid');
/**
 * SiLU or swish, `x * sigmoid(x)`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.functional.silu
 */
export const silu: (x: TensorLike) => Tensor = unary('silu');
/**
 * `log(1 + exp(x))`, without overflow.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.functional.softplus
 */
export const softplus: (x: TensorLike) => Tensor = unary('softplus');
const readGelu = signature('ops.gelu', { x: tensor }, geluOptions);

/**
 * `x` times the normal distribution function of `x`; `approximate: 'tanh'` is the form `x / 2 * (1 + tanh(...))` of
 * GPT-2.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.functional.gelu
 */
export function gelu(x: TensorLike, options: GELUOptions = {}): Tensor {
  const { approximate } = readGelu(arguments);
  return apply(approximate === 'tanh' ? 'geluTanh' : 'gelu', x);
}
