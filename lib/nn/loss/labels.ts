// labels.ts: losses of classifiers against numbers of classes, or their probabilities.
import { DTypeError, OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape, sizeOf } from '../../ir/op.ts';
import { tensor } from '../../ops/args.ts';
import { add, cast, exp, maximum, mul, neg, pow, sub } from '../../ops/elementwise/elementwise.ts';
import { type LabelOptions, weighedCrossEntropy, weighedNll } from '../../ops/reduce/cross-entropy.ts';
import { sum } from '../../ops/reduce/reduce.ts';
import { logSoftmax } from '../../ops/reduce/softmax.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { number, options, signature, whole } from '../../options/index.ts';
import {
  type Counting,
  clamped,
  countingOf,
  type LossOptions,
  type LossRead,
  lossFields,
  type Numbers,
  numbers,
  numbersField,
  type ReductionRead,
  reducedBy,
  reducedByWeight,
} from './reduction.ts';

/** Options of `loss.nll`. */
export interface ClassOptions extends LossOptions {
  /**
   * What a row of each class weighs; a constant. A mean divides by the sum of the weights of the rows' labels, but for probabilities of classes, of
   * which it divides by rows, as PyTorch's. Default: all 1.
   */
  readonly weight?: Numbers;
  /**
   * Rows with this label have no loss, no gradient and no weight. Default: none; PyTorch's is -100. Where all rows are ignored the mean is 0 and has
   * no gradient (PyTorch's is NaN).
   */
  readonly ignoreIndex?: number;
}
const CLASS_FIELDS = {
  ...lossFields,
  weight: numbersField.optional(),
  ignoreIndex: whole({ min: -(2 ** 31), max: 2 ** 31 - 1 }).optional(),
};
/** What of the options goes with labels, as read. */
interface LabelRead {
  readonly weight: Numbers | undefined;
  readonly ignoreIndex: number | undefined;
}

/** Options of `loss.crossEntropy`. */
export interface CrossEntropyOptions extends ClassOptions {
  /**
   * What of each row's weight is spread over all classes, its own too (Szegedy et al. 2016); from 0 to 1. Default 0. Of probabilities of classes, too.
   */
  readonly labelSmoothing?: number;
}

const readCrossEntropy = signature(
  'loss.crossEntropy',
  { logits: tensor, labels: tensor },
  options<CrossEntropyOptions>()({ ...CLASS_FIELDS, labelSmoothing: number({ min: 0, max: 1 }).default(0) }),
);

/**
 * Softmax and negative log-likelihood of the label, in one. Unlike PyTorch's, the classes are always the last
 * dimension. Labels may be floats that are whole numbers; one outside the classes ends the run with an IndexError. Targets of
 * the shape of the logits are the probabilities of classes: those of a teacher, of `mixup`, or rows of 0 and 1, as floats; they may be
 * of the model, too, and have a gradient then.
 * @shape logits [..., classes], labels [...] or [..., classes] -> f64 scalar, or [...] where not reduced
 * @param labels numbers of classes, or probabilities of all of them, whose rows ought to add to 1
 * @throws OptionError, also for `ignoreIndex` with probabilities; ShapeError if shapes do not fit; DTypeError unless logits are f32
 * @see torch.nn.functional.cross_entropy
 */
export function crossEntropy(logits: TensorLike, labels: TensorLike, options: CrossEntropyOptions = {}): Tensor {
  const { logits: x, labels: y, labelSmoothing: smoothing, ...read } = readCrossEntropy(arguments);
  // Whole numbers of that shape are more likely to be labels that somebody has mixed up.
  const soft = x.shape.length > 0 && x.shape.at(-1) !== 1 && sameShape(x.shape, y.shape) && y.dtype !== 'i32' && y.dtype !== 'u8';
  if (soft) return softCrossEntropy(x, y, smoothing, read);
  const labeled = classRows('crossEntropy', x, y, read);
  const { rows, of } = labeled;
  const { loss, weight } = weighedCrossEntropy(rows, of, { smoothing, ...labelOptions(rows, read) });
  return perRow(loss, weight, labeled, read);
}

/** Against probabilities of classes. */
function softCrossEntropy(x: Tensor, given: Tensor, smoothing: number, read: LossRead & LabelRead): Tensor {
  if (read.ignoreIndex !== undefined) {
    const message =
      'loss.crossEntropy: option ignoreIndex: is for numbers of classes, and targets of the shape of the logits are their';
    throw new OptionError(`${message} probabilities: sampleWeight 0 leaves a row out`, { option: 'ignoreIndex' });
  }
  if (x.dtype !== 'f32') throw new DTypeError(`crossEntropy: expected f32, got ${x.dtype}`);
  const classes = x.shape.at(-1)!;
  const counting = countingOf('crossEntropy', x.graph, x.shape.slice(0, -1), read);
  const [logits, targets] = counting ? [counting.hide(x), counting.hide(given)] : [x, given];
  const t = cast(targets, 'f64');
  const smooth = smoothing === 0 ? t : add(mul(t, 1 - smoothing), smoothing / classes);
  const share = read.weight === undefined ? smooth : mul(smooth, cast(numbers(x.graph, read.weight), 'f64'));
  const logs = cast(logSoftmax(clamped(logits, read)), 'f64');
  return reducedBy(neg(sum(mul(share, logs), { axes: [-1] })), counting, read);
}

const readNll = signature('loss.nll', { logProbabilities: tensor, labels: tensor }, options<ClassOptions>()(CLASS_FIELDS));

/**
 * Negative log-likelihood of the label, of log-probabilities (`ops.logSoftmax`). Unlike PyTorch's, the classes are
 * always the last dimension. A label outside the classes ends the run with an IndexError.
 * @shape logProbabilities [..., classes], labels [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless log-probabilities are f32
 * @see torch.nn.functional.nll_loss
 */
export function nll(logProbabilities: TensorLike, labels: TensorLike, options: ClassOptions = {}): Tensor {
  const { logProbabilities: x, labels: y, ...read } = readNll(arguments);
  const labeled = classRows('nll', x, y, read);
  const { loss, weight } = weighedNll(labeled.rows, labeled.of, labelOptions(labeled.rows, read));
  const isWeighed = read.weight !== undefined || read.ignoreIndex !== undefined;
  return perRow(loss, isWeighed ? weight : null, labeled, read);
}

/** Options of `loss.focal`. */
export interface FocalOptions extends ClassOptions {
  /** How much rows that are right already count less; 0 makes it the cross-entropy. Default 2. */
  readonly gamma?: number;
}

const readFocal = signature(
  'loss.focal',
  { logits: tensor, labels: tensor },
  options<FocalOptions>()({ ...CLASS_FIELDS, gamma: number({ min: 0 }).default(2) }),
);

/**
 * Focal loss over classes: (1 - p)^gamma times the cross-entropy, p the probability of the label. `weight` is the
 * paper's alpha, and a mean divides by its sum as in `crossEntropy`.
 * @shape logits [..., classes], labels [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless logits are f32
 * @see Lin et al. 2017, Focal Loss for Dense Object Detection
 */
export function focal(logits: TensorLike, labels: TensorLike, options: FocalOptions = {}): Tensor {
  const { logits: x, labels: y, gamma, ...read } = readFocal(arguments);
  const labeled = classRows('focal', x, y, read);
  const { rows, of } = labeled;
  const { weight, ...ignored } = labelOptions(rows, read);
  const { loss } = weighedCrossEntropy(rows, of, ignored);
  const weights = weight || read.ignoreIndex !== undefined ? weighedNll(rows, of, { ...ignored, weight: weight! }).weight : null;
  const wrong = maximum(sub(1, exp(neg(loss))), 1e-300);
  const values = gamma === 0 ? loss : mul(pow(wrong, gamma), loss);
  return perRow(weights ? mul(values, weights) : values, weights, labeled, read);
}

/** Logits as [rows, classes] and labels as [rows]. */
export interface Labeled {
  readonly rows: Tensor;
  readonly of: Tensor;
  /** Shape of the labels. */
  readonly lead: readonly number[];
  readonly counting: Counting | null;
}

/** What of rows that do not count is not read. @throws ShapeError unless there is a label for each row */
export function classRows(op: string, x: Tensor, y: Tensor, read: ReductionRead & Partial<LossRead>): Labeled {
  const lead = x.shape.slice(0, -1);
  // Labels in a column, [n, 1], are labels too.
  if (x.shape.length === 0 || !(sameShape(lead, y.shape) || sameShape([...lead, 1], y.shape))) {
    const hint = sameShape(x.shape, y.shape)
      ? '; labels are numbers of classes: ops.argmax makes them of rows of 0 and 1'
      : sameShape(x.shape, y.shape.slice(0, -1))
        ? '; logits are the first argument'
        : '';
    throw new ShapeError(`${op}: expected labels [${lead}] for logits [${x.shape}], got [${y.shape}]${hint}`);
  }
  const n = sizeOf(lead);
  const counting = countingOf(op, x.graph, lead, read);
  const [logits, labels] = counting ? [counting.hide(x), counting.hide(reshape(y, lead))] : [x, y];
  return { rows: reshape(clamped(logits, read), [n, x.shape.at(-1) as number]), of: reshape(labels, [n]), lead, counting };
}

function labelOptions(rows: Tensor, { weight, ignoreIndex }: LabelRead): LabelOptions {
  return {
    ...(weight !== undefined && { weight: numbers(rows.graph, weight) }),
    ...(ignoreIndex !== undefined && { ignoreIndex }),
  };
}

/** @param weight of each row by its class, f64 [rows]: the loss has it already; null: all are 1 */
export function perRow(loss: Tensor, weight: Tensor | null, { lead, counting }: Labeled, read: ReductionRead): Tensor {
  if (!counting) return reducedByWeight(read.reduction === 'none' ? reshape(loss, lead) : loss, weight, read);
  return reducedBy(reshape(loss, lead), counting, read, weight && reshape(weight, lead));
}
