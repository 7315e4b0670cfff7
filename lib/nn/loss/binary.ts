// binary.ts: losses of logits of yes or no.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sigmoid, softplus } from '../../ops/activation.ts';
import { add, maximum, mul, neg, pow, sub } from '../../ops/elementwise.ts';
import { checkNumber, checkOptions } from '../../options.ts';
import { alike, clamped, LOSS_OPTIONS, type LossOptions, type Numbers, numbers, reduced } from './reduction.ts';

export interface BCEOptions extends LossOptions {
  /** What a target of 1 counts against one of 0: a number, or numbers that broadcast against the logits. Default 1. */
  readonly posWeight?: number | Numbers;
  /** What each element's loss is multiplied by; broadcast. A mean still divides by the number of elements. Default 1. */
  readonly weight?: Numbers;
}

/**
 * Mean of binary cross-entropy of sigmoid(logits) against targets in [0, 1] of the same shape. As
 * `torch.nn.functional.binary_cross_entropy_with_logits`. The form y softplus(-x) + (1 - y) softplus(x) neither overflows nor
 * cancels, and unlike max(x, 0) - x y + log1p(exp(-|x|)) its gradient is right at x = 0, where a new head often starts.
 */
export function bceWithLogits(logits: TensorLike, targets: TensorLike, options: BCEOptions = {}): Tensor {
  const op = 'bceWithLogits';
  checkOptions(op, options, [...LOSS_OPTIONS, 'posWeight', 'weight']);
  const { posWeight, weight } = options;
  const [x, y] = alike(op, clamped(op, logits, options), targets) as [Tensor, Tensor];
  let positive = mul(y, softplus(neg(x)));
  if (typeof posWeight === 'number') positive = mul(positive, checkNumber(op, 'posWeight', posWeight, { min: 0 }));
  else if (posWeight !== undefined) positive = mul(positive, numbers(op, 'posWeight', x.graph, posWeight));
  const values = add(positive, mul(sub(1, y), softplus(x)));
  return reduced(op, weight === undefined ? values : mul(values, numbers(op, 'weight', x.graph, weight)), options);
}

export interface SigmoidFocalOptions extends LossOptions {
  /** Weight of targets of 1, of which those of 0 get the rest; null: both weigh 1. Default 0.25. */
  readonly alpha?: number | null;
  /** How much elements that are right already count less. Default 2. */
  readonly gamma?: number;
}

/**
 * Focal loss of logits against targets in [0, 1] of the same shape (Lin et al. 2017). As `torchvision.ops.sigmoid_focal_loss`, which leaves the
 * elements as they are unless told otherwise: here the default is their mean.
 */
export function sigmoidFocal(logits: TensorLike, targets: TensorLike, options: SigmoidFocalOptions = {}): Tensor {
  const op = 'sigmoidFocal';
  checkOptions(op, options, [...LOSS_OPTIONS, 'alpha', 'gamma']);
  const { alpha = 0.25 } = options;
  const gamma = checkNumber(op, 'gamma', options.gamma ?? 2, { min: 0 });
  const [x, y] = alike(op, clamped(op, logits, options), targets) as [Tensor, Tensor];
  const other = sub(1, y);
  let values = add(mul(y, softplus(neg(x))), mul(other, softplus(x)));
  // The probability of what is not so, without the rounding of 1 - p.
  const wrong = add(mul(y, sigmoid(neg(x))), mul(other, sigmoid(x)));
  if (gamma !== 0) values = mul(values, pow(maximum(wrong, 1e-30), gamma));
  if (alpha === null) return reduced(op, values, options);
  checkNumber(op, 'alpha', alpha, { min: 0, max: 1 });
  return reduced(op, mul(values, add(mul(y, alpha), mul(other, 1 - alpha))), options);
}
