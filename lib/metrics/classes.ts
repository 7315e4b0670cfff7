// classes.ts: shares of rows that are predicted right: accuracy and top-k, as functions and over arrays.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import {
  checkReading,
  hitsOf,
  type IgnoreOptions,
  type IgnoreRead,
  ignoreFields,
  type Labels,
  type ReadingOptions,
  type ReadingRead,
  readingFields,
  readLabels,
  readRows,
} from '../nn/loss/rows.ts';
import { tensor } from '../ops/args.ts';
import { cast, equal, less, mul, sub, where } from '../ops/elementwise/elementwise.ts';
import { max, sum } from '../ops/reduce/reduce.ts';
import { reshape } from '../ops/shape/shape.ts';
import { options, signature, whole } from '../options/index.ts';
import { type Aggregate, type Checked, checked, type Sums } from './aggregate.ts';
import { classRows } from './arrays.ts';
import { kind, Summing } from './streaming.ts';

/** Options of `metrics.accuracy` and `metrics.Accuracy`. */
export interface AccuracyOptions extends IgnoreOptions, ReadingOptions {}
/** Options of `metrics.TopK` and `metrics.topK`. */
export interface TopKOptions extends IgnoreOptions {
  /** How many of the largest logits count. Default 5. */
  readonly k?: number;
}
const accuracyOptions = options<AccuracyOptions>()({ ...ignoreFields, ...readingFields });
const topKOptions = options<TopKOptions>()({ ...ignoreFields, k: whole({ min: 1 }).default(5) });

const share = ({ hits, rows }: Sums): number => hits![0]! / rows![0]!;

/** @param hits f64 [rows], 0 where a row does not count */
function shareOf(hits: Tensor, weight: Tensor | null): Aggregate {
  const rows = weight ? sum(weight) : hits.graph.scalar(sizeOf(hits.shape), 'f64');
  return { summed: { hits: sum(hits), rows }, finish: share };
}

const readAccuracy = signature('metrics.accuracy', { predicted: tensor, labels: tensor }, accuracyOptions);

/**
 * Share of rows that are predicted right: the largest logit being the class (the first of equals); one logit a row is
 * class 1 above `threshold`. Labels may be of any dtype; one that is none ends the evaluation with an IndexError. NaN
 * where a logit is, or no row counts.
 * @shape predicted [..., classes], [..., 1] or [...], labels [...] -> one number for all rows
 * @throws OptionError; ShapeError if the shapes do not fit
 * @see sklearn.metrics.accuracy_score
 */
export function accuracy(predicted: TensorLike, labels: TensorLike, options: AccuracyOptions = {}): Aggregate {
  const { predicted: x, labels: y, ...read } = readAccuracy(arguments);
  return measureAccuracy('accuracy', x, y, read);
}

function measureAccuracy(op: string, x: Tensor, y: Tensor, read: ReadingRead & IgnoreRead): Checked {
  const rows = readRows(op, x, y, read);
  return checked(shareOf(hitsOf(rows), rows.labels.weight), rows.faults);
}

const readTopK = signature('metrics.topK', { logits: tensor, labels: tensor }, topKOptions);

/**
 * Share of rows whose label is among the k largest logits. Of equal logits the first are the larger, so that k = 1 is
 * the accuracy (scikit-learn takes the last ones first). NaN where a logit is NaN, or no row counts.
 * @shape logits [..., classes], labels [...] -> one number for all rows
 * @throws OptionError; ShapeError if the shapes do not fit
 * @see sklearn.metrics.top_k_accuracy_score
 */
export function topK(logits: TensorLike, labels: TensorLike, options: TopKOptions = {}): Aggregate {
  const { logits: x, labels: y, ...read } = readTopK(arguments);
  return measureTopK('topK', x, y, read);
}

function measureTopK(op: string, x: Tensor, y: Tensor, read: IgnoreRead & { readonly k: number }): Checked {
  const { k } = read;
  const { rows, own, before, labels: known } = logitRows(op, x, y, read);
  // Ahead of the label: what is not smaller, without its equals from the label on.
  const ahead = sub(sub(1, less(rows, own)), mul(equal(rows, own), sub(1, before)));
  const top = max(rows, { axes: [1] });
  const hits = where(equal(top, top), less(sum(ahead, { axes: [1] }), k), Number.NaN);
  return checked(shareOf(known.weight ? where(known.weight, hits, 0) : hits, known.weight), [known.fault]);
}

export interface LogitRows {
  /** f64 [rows, classes]. */
  readonly rows: Tensor;
  /** f64 [rows, 1]: the logit of the label. */
  readonly own: Tensor;
  /** f64 [rows, classes]: 1 for classes before the label. */
  readonly before: Tensor;
  readonly labels: Labels;
}

/** Logits of two classes at least, beside their labels. @throws ShapeError */
export function logitRows(
  op: string,
  x: Tensor,
  y: Tensor,
  { ignoreIndex = null }: { readonly ignoreIndex?: number | null | undefined },
): LogitRows {
  const lead = x.shape.slice(0, -1);
  const classes = x.shape.at(-1) ?? 0;
  if (!sameShape(lead, y.shape)) {
    throw new ShapeError(`${op}: expected labels [${lead}] for logits [${x.shape}], got [${y.shape}]`);
  }
  if (classes < 2) throw new ShapeError(`${op}: expected logits of at least 2 classes a row, got ${classes}`);
  const n = sizeOf(lead);
  const rows = reshape(cast(x, 'f64'), [n, classes]);
  const known = readLabels(op, reshape(y, [n]), classes, ignoreIndex);
  const label = reshape(known.of, [n, 1]);
  const numbers = Float64Array.from({ length: classes }, (_, c) => c);
  const number = x.graph.constant(numbers, [classes], 'f64');
  const own = sum(where(equal(number, label), rows, 0), { axes: [1], keepDims: true });
  return { rows, own, before: less(number, label), labels: known };
}

const accuracyKind = kind('Accuracy', accuracyOptions);

/**
 * Share of rows that are predicted right, over arrays; see `accuracy`.
 * @shape predictions [..., classes], [..., 1] or [...], labels [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.accuracy_score
 */
export class Accuracy extends Summing {
  /** @throws OptionError */
  constructor(options: AccuracyOptions = {}) {
    const read = accuracyKind.made(arguments);
    checkReading('metrics.Accuracy', read);
    super(accuracyKind, read, (op, predictions, labels) => {
      const { batch, reading } = classRows(op, predictions, labels, read);
      return { batch, build: (x, y) => measureAccuracy(op, x, y, { ...read, ...reading }) };
    });
  }
}

const topKKind = kind('TopK', topKOptions);

/**
 * Share of rows whose label is among the k largest logits, over arrays; see `topK`.
 * @shape logits [..., classes], labels [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.top_k_accuracy_score
 */
export class TopK extends Summing {
  /** @throws OptionError */
  constructor(options: TopKOptions = {}) {
    const read = topKKind.made(arguments);
    super(topKKind, read, (op, logits, labels) => {
      const { batch } = classRows(op, logits, labels);
      const build = (x: Tensor, y: Tensor): Checked => measureTopK(op, x, y, read);
      return { batch: { ...batch, xRow: batch.xRow.length === 0 ? [1] : batch.xRow }, build };
    });
  }
}
