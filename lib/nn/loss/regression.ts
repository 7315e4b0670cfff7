// regression.ts: losses of predicted numbers.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { log as ln } from '../../math/index.ts';
import { abs, add, clamp, div, exp, less, log, maximum, minimum, mul, square, sub, where } from '../../ops/elementwise.ts';
import { checkBoolean, checkNumber, checkOptions } from '../../options.ts';
import { alike, clamped, difference, LOSS_OPTIONS, type LossOptions, reduced } from './reduction.ts';

/** Mean of (prediction - target)^2. As `torch.nn.functional.mse_loss`, without broadcasting. */
export function mse(prediction: TensorLike, target: TensorLike, options: LossOptions = {}): Tensor {
  checkOptions('mse', options, LOSS_OPTIONS);
  return reduced('mse', square(difference('mse', prediction, target, options)), options);
}

/** Mean of |prediction - target|. As `torch.nn.functional.l1_loss`, without broadcasting. */
export function l1(prediction: TensorLike, target: TensorLike, options: LossOptions = {}): Tensor {
  checkOptions('l1', options, LOSS_OPTIONS);
  return reduced('l1', abs(difference('l1', prediction, target, options)), options);
}

export interface HuberOptions extends LossOptions {
  /** Where the square turns into a line; above 0, default 1. */
  readonly delta?: number;
}

/** Mean of d^2 / 2 where d = |prediction - target| is at most delta, else delta (d - delta / 2). As `torch.nn.functional.huber_loss`. */
export function huber(prediction: TensorLike, target: TensorLike, options: HuberOptions = {}): Tensor {
  checkOptions('huber', options, [...LOSS_OPTIONS, 'delta']);
  const delta = checkNumber('huber', 'delta', options.delta ?? 1, { above: 0 });
  return reduced('huber', hubers('huber', prediction, target, delta, options), options);
}

export interface SmoothL1Options extends LossOptions {
  /** Where the square turns into a line; 0 makes it `l1`. Default 1. */
  readonly beta?: number;
}

/** The Huber loss of delta = beta, divided by beta: its slope beyond beta is 1. As `torch.nn.functional.smooth_l1_loss`. */
export function smoothL1(prediction: TensorLike, target: TensorLike, options: SmoothL1Options = {}): Tensor {
  checkOptions('smoothL1', options, [...LOSS_OPTIONS, 'beta']);
  const beta = checkNumber('smoothL1', 'beta', options.beta ?? 1, { min: 0 });
  const values =
    beta === 0
      ? abs(difference('smoothL1', prediction, target, options))
      : div(hubers('smoothL1', prediction, target, beta, options), beta);
  return reduced('smoothL1', values, options);
}

function hubers(op: string, prediction: TensorLike, target: TensorLike, delta: number, options: LossOptions): Tensor {
  const d = abs(difference(op, prediction, target, options));
  const near = minimum(d, delta);
  return add(mul(square(near), 0.5), mul(sub(d, near), delta));
}

export interface PoissonOptions extends LossOptions {
  /** The prediction is the logarithm of the rate. Default true. */
  readonly logInput?: boolean;
  /** Add Stirling's approximation of log(target!), which has no gradient. Default false. */
  readonly full?: boolean;
  /** Added to the rate before its logarithm, where the prediction is the rate. Default 1e-8. */
  readonly eps?: number;
}

/** Negative log-likelihood of counts under Poisson's distribution. As `torch.nn.functional.poisson_nll_loss`. */
export function poissonNll(prediction: TensorLike, target: TensorLike, options: PoissonOptions = {}): Tensor {
  const op = 'poissonNll';
  checkOptions(op, options, [...LOSS_OPTIONS, 'logInput', 'full', 'eps']);
  const logInput = checkBoolean(op, 'logInput', options.logInput ?? true);
  const eps = checkNumber(op, 'eps', options.eps ?? 1e-8, { min: 0 });
  const [x, y] = alike(op, clamped(op, prediction, options), target) as [Tensor, Tensor];
  const values = logInput ? sub(exp(x), mul(y, x)) : sub(x, mul(y, log(add(x, eps))));
  if (!checkBoolean(op, 'full', options.full ?? false)) return reduced(op, values, options);
  const atLeast = maximum(y, 1);
  const stirling = add(sub(mul(y, log(atLeast)), y), mul(log(mul(atLeast, 2 * Math.PI)), 0.5));
  return reduced(op, add(values, where(less(1, y), stirling, 0)), options);
}

export interface GaussianOptions extends LossOptions {
  /** Add log(2 pi) / 2, which has no gradient. Default false. */
  readonly full?: boolean;
  /** The least variance; below it a variance has no gradient. Default 1e-6. */
  readonly eps?: number;
}

/** Negative log-likelihood under a normal distribution of predicted mean and variance. As `torch.nn.functional.gaussian_nll_loss`, without broadcasting. */
export function gaussianNll(
  prediction: TensorLike,
  target: TensorLike,
  variance: TensorLike,
  options: GaussianOptions = {},
): Tensor {
  const op = 'gaussianNll';
  checkOptions(op, options, [...LOSS_OPTIONS, 'full', 'eps']);
  const eps = checkNumber(op, 'eps', options.eps ?? 1e-6, { above: 0 });
  const [x, y, v] = alike(op, clamped(op, prediction, options), target, variance) as [Tensor, Tensor, Tensor];
  const spread = clamp(v, { min: eps });
  const values = mul(add(log(spread), div(square(sub(x, y)), spread)), 0.5);
  const full = checkBoolean(op, 'full', options.full ?? false);
  return reduced(op, full ? add(values, 0.5 * ln(2 * Math.PI)) : values, options);
}
