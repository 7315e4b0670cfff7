// activation.ts: activation functions, element by element: operations of maps.ts, so that they fuse. The gradients of relu, tanh and
// sigmoid read the output, so that bias and activation can be fused into the product before them.

import { OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { signature } from '../../options/index.ts';
import {
  type AlphaOptions,
  type AxisOptions,
  alphaOptions,
  axisOptions,
  type GELUOptions,
  geluOptions,
  type HardtanhOptions,
  hardtanhOptions,
  type LeakyReLUOptions,
  leakyReluOptions,
  type ShrinkOptions,
  shrinkOptions,
  tensor,
} from '../args.ts';
import { resolveAxis } from '../shape/axes.ts';
import { reshape } from '../shape/shape.ts';
import { slice } from '../shape/slice.ts';
import { floatDtype } from './chain.ts';
import { compound, type RangeAttrs } from './compounds.ts';
import { apply } from './maps.ts';
import { floats, named, promoted, unary } from './promote.ts';

/**
 * The rectifier, `max(x, 0)`; its gradient at 0 is 0.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.relu
 */
export const relu: (x: TensorLike) => Tensor = unary('relu');
/**
 * The hyperbolic tangent.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.tanh
 */
export const tanh: (x: TensorLike) => Tensor = unary('tanh');
/**
 * The logistic function, `1 / (1 + exp(-x))`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.sigmoid
 */
export const sigmoid: (x: TensorLike) => Tensor = unary('sigmoid');
/**
 * SiLU or swish, `x * sigmoid(x)`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.silu
 */
export const silu: (x: TensorLike) => Tensor = unary('silu');
/**
 * `log(1 + exp(x))`, without overflow.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.softplus
 */
export const softplus: (x: TensorLike) => Tensor = unary('softplus');
const readGelu = signature('ops.gelu', { x: tensor }, geluOptions);

/**
 * `x` times the normal distribution function of `x`; `approximate: 'tanh'` is the form `x / 2 * (1 + tanh(...))` of
 * GPT-2.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.gelu
 */
export function gelu(x: TensorLike, options: GELUOptions = {}): Tensor {
  const { x: t, approximate } = readGelu(arguments);
  return apply(approximate === 'tanh' ? 'geluTanh' : 'gelu', floats(t));
}

/** The public function `ops.name` of one tensor that has no options. */
function plain(name: string): (x: TensorLike) => Tensor {
  const read = signature(`ops.${name}`, { x: tensor });
  return named(name, function (x: TensorLike): Tensor {
    return compound(name, [floats(read(arguments).x)], {});
  });
}

const readLeakyRelu = signature('ops.leakyRelu', { x: tensor }, leakyReluOptions);
/**
 * `x` above 0, else `negativeSlope * x`; the gradient at 0 is the slope.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.leaky_relu
 */
export function leakyRelu(x: TensorLike, options: LeakyReLUOptions = {}): Tensor {
  const { x: given, negativeSlope } = readLeakyRelu(arguments);
  const t = floats(given);
  return compound('leakyRelu', [t, t.graph.scalar(negativeSlope, t.dtype === 'f64' ? 'f64' : 'f32')], {});
}

const readPrelu = signature('ops.prelu', { x: tensor, weight: tensor });
/**
 * `x` above 0, else `weight * x`, with one weight, or one for each channel.
 * @shape x [batch, channels, ...], weight [channels] or [1] -> [batch, channels, ...]
 * @throws OptionError; ShapeError if the weight is of another size; DTypeError unless both are f32 or both f64
 * @see torch.nn.functional.prelu
 */
export function prelu(x: TensorLike, weight: TensorLike): Tensor {
  const { x: t, weight: w } = readPrelu(arguments);
  floatDtype('prelu', [t.type, w.type]);
  const channels = t.shape.length < 2 ? 1 : t.shape[1]!;
  const [size = 1] = w.shape;
  if (w.shape.length > 1 || (size !== 1 && size !== channels)) {
    throw new ShapeError(`prelu: expected a weight [1] or [${channels}] for x [${t.shape}], got [${w.shape}]`);
  }
  const across = size === 1 ? [] : [size, ...t.shape.slice(2).map(() => 1)];
  return compound('leakyRelu', [t, reshape(w, across)], {});
}

const readElu = signature('ops.elu', { x: tensor }, alphaOptions);
const readCelu = signature('ops.celu', { x: tensor }, alphaOptions);

/**
 * `x` above 0, else `alpha * (exp(x) - 1)`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.elu
 */
export function elu(x: TensorLike, options: AlphaOptions = {}): Tensor {
  const { x: t, alpha } = readElu(arguments);
  return compound('elu', [floats(t)], { alpha });
}
/**
 * `x` above 0, else `alpha * (exp(x / alpha) - 1)`: its slope has no jump.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.celu
 */
export function celu(x: TensorLike, options: AlphaOptions = {}): Tensor {
  const { x: t, alpha } = readCelu(arguments);
  return compound('celu', [floats(t)], { alpha });
}
/**
 * `elu` with the scale and the alpha that keep mean 0 and variance 1.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.selu
 */
export const selu: (x: TensorLike) => Tensor = plain('selu');
/**
 * A smooth rectifier: `x * tanh(softplus(x))`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.mish
 */
export const mish: (x: TensorLike) => Tensor = unary('mish');
/**
 * `x * relu6(x + 3) / 6`: silu of straight pieces.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.hardswish
 */
export const hardswish: (x: TensorLike) => Tensor = plain('hardswish');
/**
 * `relu6(x + 3) / 6`: the sigmoid of straight pieces.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.hardsigmoid
 */
export const hardsigmoid: (x: TensorLike) => Tensor = plain('hardsigmoid');

/** Integers stay such, where the bounds are. */
const limited = (name: string, x: Tensor, { min, max }: RangeAttrs): Tensor =>
  promoted({ name, whole: true }, [x, min, max], ([t]) => compound('hardtanh', [t as Tensor], { min, max }));
const readHardtanh = signature('ops.hardtanh', { x: tensor }, hardtanhOptions);
/**
 * `x` limited to [min, max]. Unlike that of `clamp`, the gradient at the bounds is 0.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.hardtanh
 */
export function hardtanh(x: TensorLike, options: HardtanhOptions = {}): Tensor {
  const { x: t, min, max } = readHardtanh(arguments);
  if (!(min < max)) throw new OptionError(`ops.hardtanh: option max: expected a number above min, ${min}, got ${max}`);
  return limited('hardtanh', t, { min, max });
}
const readRelu6 = signature('ops.relu6', { x: tensor });
/**
 * `x` limited to [0, 6]; the gradient at both is 0.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.relu6
 */
export function relu6(x: TensorLike): Tensor {
  return limited('relu6', readRelu6(arguments).x, { min: 0, max: 6 });
}

const readHardshrink = signature('ops.hardshrink', { x: tensor }, shrinkOptions);
const readSoftshrink = signature('ops.softshrink', { x: tensor }, shrinkOptions);
/**
 * `x` where it is further than `lambda` from 0, else 0.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.hardshrink
 */
export function hardshrink(x: TensorLike, options: ShrinkOptions = {}): Tensor {
  const { x: t, lambda } = readHardshrink(arguments);
  return compound('hardshrink', [floats(t)], { lambda });
}
/**
 * `x` moved toward 0 by `lambda`, and 0 where that would be on the other side.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.softshrink
 */
export function softshrink(x: TensorLike, options: ShrinkOptions = {}): Tensor {
  const { x: t, lambda } = readSoftshrink(arguments);
  return compound('softshrink', [floats(t)], { lambda });
}
/**
 * What the hyperbolic tangent leaves: `x - tanh(x)`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.tanhshrink
 */
export const tanhshrink: (x: TensorLike) => Tensor = plain('tanhshrink');
/**
 * A curve from -1 to 1 without exponentials: `x / (1 + |x|)`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.softsign
 */
export const softsign: (x: TensorLike) => Tensor = plain('softsign');
/**
 * `log(sigmoid(x))`, without overflow.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.functional.logsigmoid
 */
export const logSigmoid: (x: TensorLike) => Tensor = unary('logSigmoid');

const readGlu = signature('ops.glu', { x: tensor }, axisOptions);
/**
 * The first half of x along `axis` (default -1) times the sigmoid of the second.
 * @shape x [..., 2 n, ...] -> [..., n, ...]
 * @throws OptionError; ShapeError unless the dimension is even
 * @see torch.nn.functional.glu
 */
export function glu(x: TensorLike, options: AxisOptions = {}): Tensor {
  const { x: given, ...read } = readGlu(arguments);
  const t = floats(given);
  const axis = resolveAxis('glu', read.axis, t.shape.length);
  const n = t.shape[axis]! / 2;
  if (!Number.isInteger(n)) throw new ShapeError(`glu: expected an even dimension ${axis}, got [${t.shape}]`);
  return apply('mul', slice(t, { axis, start: 0, end: n }), apply('sigmoid', slice(t, { axis, start: n })));
}
