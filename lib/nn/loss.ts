// loss.ts: losses, and the accuracy of a classifier. Each gives an f64 scalar; sums run in f64.
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { softplus } from '../ops/activation.ts';
import { abs, add, cast, clamp, equal, minimum, mul, neg, square, sub } from '../ops/elementwise.ts';
import { argmax, mean, sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { softmaxCrossEntropy } from '../ops/softmax.ts';
import { checkChoice, checkNumber, checkOptions, show } from '../options.ts';

export interface LossOptions {
  /** Over all elements (crossEntropy: over all rows). Default 'mean'. */
  readonly reduction?: 'mean' | 'sum';
  /**
   * Keep predictions (logits) within [-clamp, clamp], or within two bounds, before they are compared: no single output can make the loss
   * or its gradient huge. Outputs outside get no gradient. Default: as they are.
   */
  readonly clamp?: number | readonly [number, number];
}
const LOSS_OPTIONS = ['reduction', 'clamp'] as const;

export interface CrossEntropyOptions extends LossOptions {
  /** What of each row's weight is spread over all classes, its own too (Szegedy et al. 2016); from 0, the default, to 1. */
  readonly labelSmoothing?: number;
}

/**
 * Softmax and negative log-likelihood of the label, in one: logits [..., classes], labels i32 or u8 [...].
 * As `torch.nn.functional.cross_entropy`, but the classes are always the last dimension.
 * @throws ShapeError if the shapes do not fit. A label outside the classes ends the run with an IndexError.
 */
export function crossEntropy(logits: TensorLike, labels: TensorLike, options: CrossEntropyOptions = {}): Tensor {
  checkOptions('crossEntropy', options, [...LOSS_OPTIONS, 'labelSmoothing']);
  const smoothing = checkNumber('crossEntropy', 'labelSmoothing', options.labelSmoothing ?? 0, { min: 0, max: 1 });
  const { rows, of } = classRows('crossEntropy', clamped('crossEntropy', logits, options), labels);
  return reduced('crossEntropy', softmaxCrossEntropy(rows, of, { smoothing }), options);
}

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
  const d = abs(difference('huber', prediction, target, options));
  const near = minimum(d, delta);
  return reduced('huber', add(mul(square(near), 0.5), mul(sub(d, near), delta)), options);
}

/**
 * Mean of binary cross-entropy of sigmoid(logits) against targets in [0, 1] of the same shape. As
 * `torch.nn.functional.binary_cross_entropy_with_logits`. The form y softplus(-x) + (1 - y) softplus(x) neither overflows nor
 * cancels, and unlike max(x, 0) - x y + log1p(exp(-|x|)) its gradient is right at x = 0, where a new head often starts.
 */
export function bceWithLogits(logits: TensorLike, targets: TensorLike, options: LossOptions = {}): Tensor {
  checkOptions('bceWithLogits', options, LOSS_OPTIONS);
  const { x, y } = alike('bceWithLogits', clamped('bceWithLogits', logits, options), targets);
  return reduced('bceWithLogits', add(mul(y, softplus(neg(x))), mul(sub(1, y), softplus(x))), options);
}

/** Share of rows of logits [..., classes] whose largest element is at the label [...]. For metrics: it has no gradient. */
export function accuracy(logits: TensorLike, labels: TensorLike): Tensor {
  const { rows, of } = classRows('accuracy', logits, labels);
  return mean(equal(cast(argmax(rows, { axis: 1 }), 'f32'), cast(of, 'f32')), { dtype: 'f64' });
}

/** Logits as [rows, classes] and labels as [rows]. */
function classRows(op: string, logits: TensorLike, labels: TensorLike): { rows: Tensor; of: Tensor } {
  const x = logits.toTensor();
  const y = labels.toTensor();
  const lead = x.shape.slice(0, -1);
  if (x.shape.length === 0 || !sameShape(lead, y.shape)) {
    throw new ShapeError(`${op}: expected labels [${lead}] for logits [${x.shape}], got [${y.shape}]`);
  }
  const n = sizeOf(lead);
  return { rows: reshape(x, [n, x.shape.at(-1) as number]), of: reshape(y, [n]) };
}

function alike(op: string, prediction: TensorLike, target: TensorLike): { x: Tensor; y: Tensor } {
  const x = prediction.toTensor();
  const y = target.toTensor();
  if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: expected a target of [${x.shape}], got [${y.shape}]`);
  return { x, y };
}

function difference(op: string, prediction: TensorLike, target: TensorLike, options: LossOptions): Tensor {
  const { x, y } = alike(op, clamped(op, prediction, options), target);
  return sub(x, y);
}

function clamped(op: string, x: TensorLike, options: LossOptions): TensorLike {
  const { clamp: given } = options;
  if (given === undefined) return x;
  if (typeof given === 'number') {
    checkNumber(op, 'clamp', given, { above: 0 });
    return clamp(x, { min: -given, max: given });
  }
  if (!Array.isArray(given) || given.length !== 2) {
    throw new OptionError(`${op}: option clamp: expected a number or two bounds, got ${show(given)}`, { option: 'clamp' });
  }
  const [min, max] = given.map((v, i) => checkNumber(op, `clamp[${i}]`, v)) as [number, number];
  checkNumber(op, 'clamp[1]', max, { above: min });
  return clamp(x, { min, max });
}

function reduced(op: string, values: Tensor, { reduction = 'mean' }: LossOptions): Tensor {
  checkChoice(op, 'reduction', reduction, ['mean', 'sum']);
  return (reduction === 'mean' ? mean : sum)(values, { dtype: 'f64' });
}
