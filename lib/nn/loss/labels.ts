// labels.ts: losses of classifiers against integer labels.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape, sizeOf } from '../../ir/op.ts';
import { type LabelOptions, weighedCrossEntropy, weighedNll } from '../../ops/cross-entropy.ts';
import { exp, maximum, mul, neg, pow, sub } from '../../ops/elementwise.ts';
import { reshape } from '../../ops/shape.ts';
import { checkNumber, checkOptions } from '../../options.ts';
import { clamped, LOSS_OPTIONS, type LossOptions, type Numbers, numbers, reducedByWeight } from './reduction.ts';

export interface ClassOptions extends LossOptions {
  /** What a row of each class weighs; a constant. A mean divides by the sum of the weights of the rows' labels. Default: all 1. */
  readonly weight?: Numbers;
  /**
   * Rows with this label have no loss, no gradient and no weight. Default: none; PyTorch's is -100. Where all rows are ignored the mean is 0 and has
   * no gradient (PyTorch's is NaN).
   */
  readonly ignoreIndex?: number;
}
const CLASS_OPTIONS = [...LOSS_OPTIONS, 'weight', 'ignoreIndex'] as const;

export interface CrossEntropyOptions extends ClassOptions {
  /** What of each row's weight is spread over all classes, its own too (Szegedy et al. 2016); from 0, the default, to 1. */
  readonly labelSmoothing?: number;
}

/**
 * Softmax and negative log-likelihood of the label, in one: logits [..., classes], labels [...].
 * As `torch.nn.functional.cross_entropy`, but the classes are always the last dimension. Labels may be floats that are whole numbers.
 * @throws ShapeError if the shapes do not fit. A label outside the classes ends the run with an IndexError.
 */
export function crossEntropy(logits: TensorLike, labels: TensorLike, options: CrossEntropyOptions = {}): Tensor {
  const op = 'crossEntropy';
  checkOptions(op, options, [...CLASS_OPTIONS, 'labelSmoothing']);
  const smoothing = checkNumber(op, 'labelSmoothing', options.labelSmoothing ?? 0, { min: 0, max: 1 });
  const { rows, of, lead } = classRows(op, clamped(op, logits, options), labels);
  const { loss, weight } = weighedCrossEntropy(rows, of, { smoothing, ...labelOptions(op, rows, options) });
  return perRow(op, loss, weight, lead, options);
}

/**
 * Negative log-likelihood of the label: log-probabilities [..., classes] (`ops.logSoftmax`), labels [...].
 * As `torch.nn.functional.nll_loss`, but the classes are always the last dimension. @throws as `crossEntropy`
 */
export function nll(logProbabilities: TensorLike, labels: TensorLike, options: ClassOptions = {}): Tensor {
  checkOptions('nll', options, CLASS_OPTIONS);
  const { rows, of, lead } = classRows('nll', clamped('nll', logProbabilities, options), labels);
  const { loss, weight } = weighedNll(rows, of, labelOptions('nll', rows, options));
  const isWeighed = options.weight !== undefined || options.ignoreIndex !== undefined;
  return perRow('nll', loss, isWeighed ? weight : null, lead, options);
}

export interface FocalOptions extends ClassOptions {
  /** How much rows that are right already count less; 0 makes it the cross-entropy. Default 2. */
  readonly gamma?: number;
}

/**
 * Focal loss over classes (Lin et al. 2017): (1 - p)^gamma times the cross-entropy, p the probability of the label. Logits [..., classes], labels
 * [...]; `weight` is the paper's alpha, and a mean divides by its sum as in `crossEntropy`. @throws as `crossEntropy`
 */
export function focal(logits: TensorLike, labels: TensorLike, options: FocalOptions = {}): Tensor {
  checkOptions('focal', options, [...CLASS_OPTIONS, 'gamma']);
  const gamma = checkNumber('focal', 'gamma', options.gamma ?? 2, { min: 0 });
  const { rows, of, lead } = classRows('focal', clamped('focal', logits, options), labels);
  const { weight, ...ignored } = labelOptions('focal', rows, options);
  const { loss } = weighedCrossEntropy(rows, of, ignored);
  const weights =
    weight || options.ignoreIndex !== undefined ? weighedNll(rows, of, { ...ignored, weight: weight! }).weight : null;
  const wrong = maximum(sub(1, exp(neg(loss))), 1e-300);
  const values = gamma === 0 ? loss : mul(pow(wrong, gamma), loss);
  return perRow('focal', weights ? mul(values, weights) : values, weights, lead, options);
}

/** Logits as [rows, classes] and labels as [rows]; `lead` is the shape of the labels. */
export function classRows(
  op: string,
  logits: TensorLike,
  labels: TensorLike,
): { readonly rows: Tensor; readonly of: Tensor; readonly lead: readonly number[] } {
  const x = logits.toTensor();
  const y = labels.toTensor();
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

function labelOptions(op: string, rows: Tensor, { weight, ignoreIndex }: ClassOptions): LabelOptions {
  return {
    ...(weight !== undefined && { weight: numbers(op, 'weight', rows.graph, weight) }),
    ...(ignoreIndex !== undefined && {
      ignoreIndex: checkNumber(op, 'ignoreIndex', ignoreIndex, { integer: true, min: -(2 ** 31), max: 2 ** 31 - 1 }),
    }),
  };
}

function perRow(op: string, loss: Tensor, weight: Tensor | null, lead: readonly number[], options: LossOptions): Tensor {
  return reducedByWeight(op, options.reduction === 'none' ? reshape(loss, lead) : loss, weight, options);
}
