// regression.ts: losses of predicted numbers.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape } from '../../ir/op.ts';
import { log as ln } from '../../math/index.ts';
import { type Operand, operand, tensor } from '../../ops/args.ts';
import {
  abs,
  add,
  clamp,
  div,
  exp,
  less,
  log,
  maximum,
  minimum,
  mul,
  square,
  sub,
  where,
} from '../../ops/elementwise/elementwise.ts';
import { broadcastTo, reshape } from '../../ops/shape/shape.ts';
import { bool, number, options, signature } from '../../options/index.ts';
import { type Counting, type LossOptions, type LossRead, lossFields, operandsOf, reducedBy } from './reduction.ts';

const OPERANDS = { prediction: tensor, target: tensor };
const lossOptions = options<LossOptions>()(lossFields);
const readMse = signature('loss.mse', OPERANDS, lossOptions);
const readL1 = signature('loss.l1', OPERANDS, lossOptions);

/**
 * Mean of (prediction - target)^2, without broadcasting.
 * @shape prediction [...], target [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.mse_loss
 */
export function mse(prediction: TensorLike, target: TensorLike, options: LossOptions = {}): Tensor {
  const { prediction: x, target: y, ...read } = readMse(arguments);
  const { apart, counting } = difference('mse', x, y, read);
  return reducedBy(square(apart), counting, read);
}

/**
 * Mean of |prediction - target|, without broadcasting.
 * @shape prediction [...], target [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.l1_loss
 */
export function l1(prediction: TensorLike, target: TensorLike, options: LossOptions = {}): Tensor {
  const { prediction: x, target: y, ...read } = readL1(arguments);
  const { apart, counting } = difference('l1', x, y, read);
  return reducedBy(abs(apart), counting, read);
}

/** Options of `loss.huber`. */
export interface HuberOptions extends LossOptions {
  /** Where the square turns into a line; above 0. Default 1. */
  readonly delta?: number;
}

const readHuber = signature(
  'loss.huber',
  OPERANDS,
  options<HuberOptions>()({ ...lossFields, delta: number({ above: 0 }).default(1) }),
);

/**
 * Mean of d^2 / 2 where d = |prediction - target| is at most delta, else delta (d - delta / 2).
 * @shape prediction [...], target [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.huber_loss
 */
export function huber(prediction: TensorLike, target: TensorLike, options: HuberOptions = {}): Tensor {
  const { prediction: x, target: y, delta, ...read } = readHuber(arguments);
  const { apart, counting } = difference('huber', x, y, read);
  return reducedBy(hubers(apart, delta), counting, read);
}

/** Options of `loss.smoothL1`. */
export interface SmoothL1Options extends LossOptions {
  /** Where the square turns into a line; 0 makes it `l1`. Default 1. */
  readonly beta?: number;
}

const readSmoothL1 = signature(
  'loss.smoothL1',
  OPERANDS,
  options<SmoothL1Options>()({ ...lossFields, beta: number({ min: 0 }).default(1) }),
);

/**
 * The Huber loss of delta = beta, divided by beta: its slope beyond beta is 1.
 * @shape prediction [...], target [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.smooth_l1_loss
 */
export function smoothL1(prediction: TensorLike, target: TensorLike, options: SmoothL1Options = {}): Tensor {
  const { prediction: x, target: y, beta, ...read } = readSmoothL1(arguments);
  const { apart, counting } = difference('smoothL1', x, y, read);
  return reducedBy(beta === 0 ? abs(apart) : div(hubers(apart, beta), beta), counting, read);
}

function difference(
  op: string,
  prediction: Tensor,
  target: Tensor,
  read: LossRead,
): { readonly apart: Tensor; readonly counting: Counting | null } {
  const { x, others, counting } = operandsOf(op, prediction, [target], read);
  return { apart: sub(x, others[0]), counting };
}

function hubers(apart: Tensor, delta: number): Tensor {
  const d = abs(apart);
  const near = minimum(d, delta);
  return add(mul(square(near), 0.5), mul(sub(d, near), delta));
}

/** Options of `loss.poissonNll`. */
export interface PoissonOptions extends LossOptions {
  /** The prediction is the logarithm of the rate. Default true. */
  readonly logInput?: boolean;
  /** Add Stirling's approximation of log(target!), which has no gradient. Default false. */
  readonly full?: boolean;
  /** Added to the rate before its logarithm, where the prediction is the rate. Default 1e-8. */
  readonly eps?: number;
}

const readPoissonNll = signature(
  'loss.poissonNll',
  OPERANDS,
  options<PoissonOptions>()({
    ...lossFields,
    logInput: bool.default(true),
    full: bool.default(false),
    eps: number({ min: 0 }).default(1e-8),
  }),
);

/**
 * Negative log-likelihood of counts under Poisson's distribution.
 * @shape prediction [...], target [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.poisson_nll_loss
 */
export function poissonNll(prediction: TensorLike, target: TensorLike, options: PoissonOptions = {}): Tensor {
  const { logInput, full, eps, ...read } = readPoissonNll(arguments);
  const { x, others, counting } = operandsOf('poissonNll', read.prediction, [read.target], read, logInput ? 0 : 1);
  const [y] = others;
  const values = logInput ? sub(exp(x), mul(y, x)) : sub(x, mul(y, log(add(x, eps))));
  if (!full) return reducedBy(values, counting, read);
  const atLeast = maximum(y, 1);
  const stirling = add(sub(mul(y, log(atLeast)), y), mul(log(mul(atLeast, 2 * Math.PI)), 0.5));
  return reducedBy(add(values, where(less(1, y), stirling, 0)), counting, read);
}

/** Options of `loss.gaussianNll`. */
export interface GaussianOptions extends LossOptions {
  /** Add log(2 pi) / 2, which has no gradient. Default false. */
  readonly full?: boolean;
  /** The least variance; below it a variance has no gradient. Default 1e-6. */
  readonly eps?: number;
}

const readGaussianNll = signature(
  'loss.gaussianNll',
  { ...OPERANDS, variance: operand },
  options<GaussianOptions>()({ ...lossFields, full: bool.default(false), eps: number({ above: 0 }).default(1e-6) }),
);

/**
 * Negative log-likelihood under a normal distribution of predicted mean and variance.
 * @shape prediction and target [...], variance [...] -> f64 scalar, or [...] where not reduced
 * @param variance of the shape of the prediction; one a row, without the last dimension or with 1 in its place; of any dimensions of 1; or a number
 * @throws OptionError; ShapeError unless prediction and target are of one shape, and the variance of one of these; DTypeError if the
 * first is of integers
 * @see torch.nn.functional.gaussian_nll_loss
 */
export function gaussianNll(
  prediction: TensorLike,
  target: TensorLike,
  variance: Operand,
  options: GaussianOptions = {},
): Tensor {
  const { prediction: mean, variance: given, full, eps, ...read } = readGaussianNll(arguments);
  const { x, others, counting } = operandsOf('gaussianNll', mean, [read.target, spreadOf(mean, given)], read);
  const [y, v] = others;
  const spread = clamp(v, { min: eps });
  const values = mul(add(log(spread), div(square(sub(x, y)), spread)), 0.5);
  return reducedBy(full ? add(values, 0.5 * ln(2 * Math.PI)) : values, counting, read);
}

/** A variance for each element. */
function spreadOf(x: Tensor, given: Operand): Tensor {
  const v = typeof given === 'number' ? x.graph.scalar(given, x.dtype === 'f64' ? 'f64' : 'f32') : given.toTensor();
  const lead = x.shape.slice(0, -1);
  if (sameShape(v.shape, x.shape)) return v;
  // One a row goes before what numpy would make of a square.
  if (x.shape.length > 0 && sameShape(v.shape, lead)) return broadcastTo(reshape(v, [...lead, 1]), x.shape);
  const fits = v.shape.length <= x.shape.length && v.shape.every((d, i) => d === 1 || d === x.shape.at(i - v.shape.length));
  if (fits) return broadcastTo(v, x.shape);
  throw new ShapeError(
    `gaussianNll: expected a variance of [${x.shape}], of [${lead}], one a row, or a number, got [${v.shape}]`,
  );
}
