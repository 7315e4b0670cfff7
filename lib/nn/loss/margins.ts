// margins.ts: losses of several classes by how far scores are apart, and of rows that have several labels.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { tensor } from '../../ops/args.ts';
import { relu, softplus } from '../../ops/elementwise/activation.ts';
import { add, cast, div, equal, less, mul, neg, square, sub, where } from '../../ops/elementwise/elementwise.ts';
import { weighedNll } from '../../ops/reduce/cross-entropy.ts';
import { argmax, max, mean, sum } from '../../ops/reduce/reduce.ts';
import { gather } from '../../ops/rows/gather.ts';
import { oneHot } from '../../ops/rows/one-hot.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { choice, number, options, signature } from '../../options/index.ts';
import { classRows, perRow } from './labels.ts';
import {
  alike,
  countingOf,
  type Numbers,
  numbers,
  numbersField,
  operandsOf,
  type ReductionOptions,
  reducedBy,
  reductionFields,
} from './reduction.ts';

/** Options of `loss.multiMargin`. */
export interface MultiMarginOptions extends ReductionOptions {
  /** How far the score of the label is to be above each other. Default 1. */
  readonly margin?: number;
  /** What is made of what is missing: 1, or 2 for its square. Default 1. */
  readonly p?: 1 | 2;
  /** What a row of each class is multiplied by. A mean divides by rows all the same. Default: all 1. */
  readonly weight?: Numbers;
}

const readMultiMargin = signature(
  'loss.multiMargin',
  { scores: tensor, labels: tensor },
  options<MultiMarginOptions>()({
    ...reductionFields,
    margin: number().default(1),
    p: choice(1, 2).default(1),
    weight: numbersField.optional(),
  }),
);

/**
 * The hinge loss of several classes: the mean over classes of max(0, margin - score of the label + score)^p, of all classes but the label. Unlike
 * PyTorch's, scores may have many dimensions, of which the classes are the last.
 * @shape scores [..., classes], labels [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless scores are f32
 * @see torch.nn.functional.multi_margin_loss
 */
export function multiMargin(scores: TensorLike, labels: TensorLike, options: MultiMarginOptions = {}): Tensor {
  const { scores: x, labels: y, margin, p, weight, ...read } = readMultiMargin(arguments);
  const labeled = classRows('multiMargin', x, y, read);
  const { rows, of } = labeled;
  const [n, classes] = rows.shape as [number, number];
  const own = reshape(neg(weighedNll(rows, of).loss), [n, 1]);
  // As in PyTorch, what is just enough has no gradient.
  const missing = relu(add(sub(cast(rows, 'f64'), own), margin));
  const others = sub(1, cast(oneHot(of, { classes }), 'f64'));
  const all = mul(p === 2 ? square(missing) : missing, others);
  const values = div(sum(all, { axes: [-1] }), classes);
  if (weight === undefined) return perRow(values, null, labeled, read);
  const weights = numbers(x.graph, weight);
  if (weights.shape.length !== 1 || weights.shape[0] !== classes) {
    throw new ShapeError(`multiMargin: expected class weights [${classes}], got [${weights.shape}]`);
  }
  return perRow(mul(values, cast(gather(weights, of), 'f64')), null, labeled, read);
}

const readMultiLabelMargin = signature(
  'loss.multiLabelMargin',
  { scores: tensor, targets: tensor },
  options<ReductionOptions>()(reductionFields),
);

/**
 * The hinge loss of rows that have several labels: max(0, 1 - score of a label + score of another class), summed over all such pairs and divided by the
 * classes. A row of targets lists its labels, in any order, up to the first -1. It takes memory for a number for each pair of classes of a row.
 * @shape scores [..., classes], targets [..., classes] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError unless scores are f32 or f64
 * @see torch.nn.functional.multilabel_margin_loss
 */
export function multiLabelMargin(scores: TensorLike, targets: TensorLike, options: ReductionOptions = {}): Tensor {
  const { scores: given, targets: listed, ...read } = readMultiLabelMargin(arguments);
  const { rows, other, lead, counting } = labelRows('multiLabelMargin', given, cast(listed, 'f64'), read);
  const [n, classes] = rows.shape as [number, number];
  const x = cast(rows, 'f64');
  const ends = equal(other, -1);
  const first = where(max(ends, { axes: [1] }), cast(argmax(ends, { axis: 1 }), 'f64'), classes);
  const places = x.graph.constant(
    Float64Array.from({ length: classes }, (_, k) => k),
    [classes],
    'f64',
  );
  const listedIn = less(places, reshape(first, [n, 1]));
  const hot = reshape(oneHot(reshape(where(listedIn, other, 0), [n * classes]), { classes }), [n, classes, classes]);
  // How often a class is listed: mostly once.
  const times = sum(mul(cast(hot, 'f64'), reshape(listedIn, [n, classes, 1])), { axes: [1] });
  const isNone = equal(times, 0);
  const missing = relu(add(sub(reshape(x, [n, 1, classes]), reshape(x, [n, classes, 1])), 1));
  const pairs = mul(reshape(times, [n, classes, 1]), reshape(isNone, [n, 1, classes]));
  const values = div(sum(mul(missing, pairs), { axes: [1, 2] }), classes);
  return reducedBy(reshape(values, lead), counting, read);
}

/** Options of `loss.multiLabelSoftMargin`. */
export interface MultiLabelOptions extends ReductionOptions {
  /** What each class is multiplied by. A mean divides by classes all the same. Default: all 1. */
  readonly weight?: Numbers;
}

const readMultiLabelSoftMargin = signature(
  'loss.multiLabelSoftMargin',
  { logits: tensor, targets: tensor },
  options<MultiLabelOptions>()({ ...reductionFields, weight: numbersField.optional() }),
);

/**
 * Binary cross-entropy of logits, averaged over the classes of each row, which may have any number of labels.
 * @shape logits [..., classes], targets in [0, 1] [..., classes] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.multilabel_soft_margin_loss
 */
export function multiLabelSoftMargin(logits: TensorLike, targets: TensorLike, options: MultiLabelOptions = {}): Tensor {
  const { logits: x, targets: y, weight, ...read } = readMultiLabelSoftMargin(arguments);
  const [fitting] = alike('multiLabelSoftMargin', x, y);
  const { rows, other, lead, counting } = labelRows('multiLabelSoftMargin', x, fitting, read);
  const all = add(mul(other, softplus(neg(rows))), mul(sub(1, other), softplus(rows)));
  const weighed = weight === undefined ? all : mul(all, numbers(x.graph, weight));
  return reducedBy(reshape(mean(weighed, { axes: [1], dtype: 'f64' }), lead), counting, read);
}

const readSoftMargin = signature(
  'loss.softMargin',
  { scores: tensor, targets: tensor },
  options<ReductionOptions>()(reductionFields),
);

/**
 * log(1 + exp(-target score)), targets being 1 and -1: the logistic loss.
 * @shape scores [...], targets [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.soft_margin_loss
 */
export function softMargin(scores: TensorLike, targets: TensorLike, options: ReductionOptions = {}): Tensor {
  const { scores: given, targets: sides, ...read } = readSoftMargin(arguments);
  const { x, others, counting } = operandsOf('softMargin', given, [sides], read);
  return reducedBy(softplus(neg(mul(others[0], x))), counting, read);
}

/** Two tensors of one shape as [rows, classes]; what of rows that do not count is not read. @throws ShapeError */
function labelRows(
  op: string,
  x: Tensor,
  y: Tensor,
  read: Parameters<typeof countingOf>[3],
): {
  readonly rows: Tensor;
  readonly other: Tensor;
  readonly lead: readonly number[];
  readonly counting: ReturnType<typeof countingOf>;
} {
  if (x.shape.length === 0) throw new ShapeError(`${op}: expected classes in the last dimension, got a scalar`);
  const [given] = alike(op, x, y);
  const lead = x.shape.slice(0, -1);
  const counting = countingOf(op, x.graph, lead, read);
  const [rows, other] = [x, given].map((t) => reshape(counting ? counting.hide(t) : t, [sizeOf(lead), x.shape.at(-1)!]));
  return { rows: rows!, other: other!, lead, counting };
}
