// activation.ts: activation functions, element by element: operations of the `map` kernel, so that they fuse. The gradients of
// relu, tanh and sigmoid read the output, so that bias and activation can be fused into the product before them.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import type { OpDef } from '../../ir/op.ts';
import { choice, type OptionsField, options, signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { mul, square, sub } from './elementwise.ts';
import { apply, elementwise, type NoAttrs, unary } from './elementwise-op.ts';

export const RELU_GRAD: OpDef<NoAttrs> = elementwise('reluGrad', 2, {});
export const GELU_GRAD: OpDef<NoAttrs> = elementwise('geluGrad', 2, {});
export const GELU_TANH_GRAD: OpDef<NoAttrs> = elementwise('geluTanhGrad', 2, {});
export const SILU_GRAD: OpDef<NoAttrs> = elementwise('siluGrad', 2, {});

/** 0 in place of a denormal of f32: a unit that saturates has gradients that come to nothing, and products with denormals are slow. */
export const FLUSH: OpDef<NoAttrs> = elementwise('flush', 1, {});
const flushed = (x: Tensor): Tensor => apply(FLUSH, x);

export const RELU: OpDef<NoAttrs> = elementwise('relu', 1, { vjp: (dy, _, y) => [apply(RELU_GRAD, y, dy)] });
export const TANH: OpDef<NoAttrs> = elementwise('tanh', 1, { vjp: (dy, _, y) => [mul(dy, sub(1, square(y)))] });
export const SIGMOID: OpDef<NoAttrs> = elementwise('sigmoid', 1, { vjp: (dy, _, y) => [flushed(mul(dy, mul(y, sub(1, y))))] });
export const GELU: OpDef<NoAttrs> = elementwise('gelu', 1, { vjp: (dy, [x]) => [apply(GELU_GRAD, x!, dy)] });
export const GELU_TANH: OpDef<NoAttrs> = elementwise('geluTanh', 1, { vjp: (dy, [x]) => [apply(GELU_TANH_GRAD, x!, dy)] });
export const SILU: OpDef<NoAttrs> = elementwise('silu', 1, { vjp: (dy, [x]) => [apply(SILU_GRAD, x!, dy)] });
export const SOFTPLUS: OpDef<NoAttrs> = elementwise('softplus', 1, { vjp: (dy, [x]) => [flushed(mul(dy, sigmoid(x!)))] });

/**
 * The rectifier, `max(x, 0)`; its gradient at 0 is 0.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.relu
 */
export const relu: (x: TensorLike) => Tensor = unary('relu', RELU);
/**
 * The hyperbolic tangent.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.tanh
 */
export const tanh: (x: TensorLike) => Tensor = unary('tanh', TANH);
/**
 * The logistic function, `1 / (1 + exp(-x))`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.sigmoid
 */
export const sigmoid: (x: TensorLike) => Tensor = unary('sigmoid', SIGMOID);
/**
 * SiLU or swish, `x * sigmoid(x)`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.functional.silu
 */
export const silu: (x: TensorLike) => Tensor = unary('silu', SILU);
/**
 * `log(1 + exp(x))`, without overflow.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.functional.softplus
 */
export const softplus: (x: TensorLike) => Tensor = unary('softplus', SOFTPLUS);
/** Options of `ops.gelu`. */
export interface GELUOptions {
  /** `none` is exact, `tanh` GPT-2's form. Default 'none'. */
  readonly approximate?: 'none' | 'tanh';
}
export const geluOptions: OptionsField<GELUOptions, Required<GELUOptions>> = options<GELUOptions>()({
  approximate: choice('none', 'tanh').default('none'),
});
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
  return apply(approximate === 'tanh' ? GELU_TANH : GELU, x);
}

/** The records of this file. */
export const ACTIVATIONS: readonly OpDef<NoAttrs>[] = [
  ...[RELU, TANH, SIGMOID, GELU, GELU_TANH, SILU, SOFTPLUS],
  ...[RELU_GRAD, GELU_GRAD, GELU_TANH_GRAD, SILU_GRAD, FLUSH],
];
