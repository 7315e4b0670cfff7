// loss.ts: losses, and the accuracy of a classifier. Each gives an f64 scalar; sums run in f64.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { softplus } from '../ops/activation.ts';
import { abs, add, cast, equal, minimum, mul, neg, square, sub } from '../ops/elementwise.ts';
import { argmax, mean, sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { softmaxCrossEntropy } from '../ops/softmax.ts';
import { checkChoice, checkNumber, checkOptions } from '../options.ts';

export interface LossOptions {
  /** Over all elements (crossEntropy: over all rows). Default 'mean'. */
  readonly reduction?: 'mean' | 'sum';
}

/**
 * Softmax and negative log-likelihood of the label, in one: logits [..., classes], labels i32 or u8 [...].
 * As `torch.nn.functional.cross_entropy`, but the classes are always the last dimension.
 * @throws ShapeError if the shapes do not fit. A label outside the classes ends the run with an IndexError.
 */
export function crossEntropy(logits: TensorLike, labels: TensorLike, options: LossOptions = {}): Tensor {
  checkOptions('crossEntropy', options, ['reduction']);
  const { rows, of } = classRows('crossEntropy', logits, labels);
  return reduced('crossEntropy', softmaxCrossEntropy(rows, of), options);
}

/** Mean of (prediction - target)^2. As `torch.nn.functional.mse_loss`, without broadcasting. */
export function mse(prediction: TensorLike, target: TensorLike, options: LossOptions = {}): Tensor {
  checkOptions('mse', options, ['reduction']);
  return reduced('mse', square(difference('mse', prediction, target)), options);
}

/** Mean of |prediction - target|. As `torch.nn.functional.l1_loss`, without broadcasting. */
export function l1(prediction: TensorLike, target: TensorLike, options: LossOptions = {}): Tensor {
  checkOptions('l1', options, ['reduction']);
  return reduced('l1', abs(difference('l1', prediction, target)), options);
}

export interface HuberOptions extends LossOptions {
  /** Where the square turns into a line; above 0, default 1. */
  readonly delta?: number;
}

/** Mean of d^2 / 2 where d = |prediction - target| is at most delta, else delta (d - delta / 2). As `torch.nn.functional.huber_loss`. */
export function huber(prediction: TensorLike, target: TensorLike, options: HuberOptions = {}): Tensor {
  checkOptions('huber', options, ['reduction', 'delta']);
  const delta = checkNumber('huber', 'delta', options.delta ?? 1, { above: 0 });
  const d = abs(difference('huber', prediction, target));
  const near = minimum(d, delta);
  return reduced('huber', add(mul(square(near), 0.5), mul(sub(d, near), delta)), options);
}

/**
 * Mean of binary cross-entropy of sigmoid(logits) against targets in [0, 1] of the same shape. As
 * `torch.nn.functional.binary_cross_entropy_with_logits`. The form y softplus(-x) + (1 - y) softplus(x) neither overflows nor
 * cancels, and unlike max(x, 0) - x y + log1p(exp(-|x|)) its gradient is right at x = 0, where a new head often starts.
 */
export function bceWithLogits(logits: TensorLike, targets: TensorLike, options: LossOptions = {}): Tensor {
  checkOptions('bceWithLogits', options, ['reduction']);
  const { x, y } = alike('bceWithLogits', logits, targets);
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

function difference(op: string, prediction: TensorLike, target: TensorLike): Tensor {
  const { x, y } = alike(op, prediction, target);
  return sub(x, y);
}

function reduced(op: string, values: Tensor, { reduction = 'mean' }: LossOptions): Tensor {
  checkChoice(op, 'reduction', reduction, ['mean', 'sum']);
  return (reduction === 'mean' ? mean : sum)(values, { dtype: 'f64' });
}
