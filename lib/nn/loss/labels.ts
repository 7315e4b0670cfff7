// labels.ts: losses of classifiers against integer labels.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape, sizeOf } from '../../ir/op.ts';
import { tensor } from '../../ops/args.ts';
import { exp, maximum, mul, neg, pow, sub } from '../../ops/elementwise/elementwise.ts';
import { type LabelOptions, weighedCrossEntropy, weighedNll } from '../../ops/reduce/cross-entropy.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { number, options, signature, whole } from '../../options/index.ts';
import {
  clamped,
  type LossOptions,
  type LossRead,
  lossFields,
  type Numbers,
  numbers,
  numbersField,
  reducedByWeight,
} from './reduction.ts';

/** Options of `loss.nll`. */
export interface ClassOptions extends LossOptions {
  /** What a row of each class weighs; a constant. A mean divides by the sum of the weights of the rows' labels. Default: all 1. */
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
   * What of each row's weight is spread over all classes, its own too (Szegedy et al. 2016); from 0 to 1. Default 0.
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
 * dimension. Labels may be floats that are whole numbers; one outside the classes ends the run with an IndexError.
 * @shape logits [..., classes], labels [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless logits are f32
 * @see torch.nn.functional.cross_entropy
 */
export function crossEntropy(logits: TensorLike, labels: TensorLike, options: CrossEntropyOptions = {}): Tensor {
  const { logits: x, labels: y, labelSmoothing: smoothing, ...read } = readCrossEntropy(arguments);
  const { rows, of, lead } = classRows('crossEntropy', clamped(x, read), y);
  const { loss, weight } = weighedCrossEntropy(rows, of, { smoothing, ...labelOptions(rows, read) });
  return perRow(loss, weight, lead, read);
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
  const { rows, of, lead } = classRows('nll', clamped(x, read), y);
  const { loss, weight } = weighedNll(rows, of, labelOptions(rows, read));
  const isWeighed = read.weight !== undefined || read.ignoreIndex !== undefined;
  return perRow(loss, isWeighed ? weight : null, lead, read);
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
  const { rows, of, lead } = classRows('focal', clamped(x, read), y);
  const { weight, ...ignored } = labelOptions(rows, read);
  const { loss } = weighedCrossEntropy(rows, of, ignored);
  const weights = weight || read.ignoreIndex !== undefined ? weighedNll(rows, of, { ...ignored, weight: weight! }).weight : null;
  const wrong = maximum(sub(1, exp(neg(loss))), 1e-300);
  const values = gamma === 0 ? loss : mul(pow(wrong, gamma), loss);
  return perRow(weights ? mul(values, weights) : values, weights, lead, read);
}

/** Logits as [rows, classes] and labels as [rows]; `lead` is the shape of the labels. */
function classRows(
  op: string,
  x: Tensor,
  y: Tensor,
): { readonly rows: Tensor; readonly of: Tensor; readonly lead: readonly number[] } {
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
  return { rows: reshape(x, [n, x.shape.at(-1) as number]), of: reshape(y, [n]), lead };
}

function labelOptions(rows: Tensor, { weight, ignoreIndex }: LabelRead): LabelOptions {
  return {
    ...(weight !== undefined && { weight: numbers(rows.graph, weight) }),
    ...(ignoreIndex !== undefined && { ignoreIndex }),
  };
}

function perRow(loss: Tensor, weight: Tensor | null, lead: readonly number[], read: LossRead): Tensor {
  return reducedByWeight(read.reduction === 'none' ? reshape(loss, lead) : loss, weight, read);
}
