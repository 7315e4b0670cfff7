// classes.ts: shares of rows that are predicted right: accuracy and top-k, as functions and over arrays.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import {
  checkIgnored,
  checkReading,
  hitsOf,
  type IgnoreOptions,
  type Labels,
  type ReadingOptions,
  readLabels,
  readRows,
} from '../nn/loss/rows.ts';
import { cast, equal, less, mul, sub, where } from '../ops/elementwise.ts';
import { max, sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { checkNumber, checkOptions } from '../options.ts';
import { type Aggregate, type Checked, checked, type Sums, type Values } from './aggregate.ts';
import { classRows } from './arrays.ts';
import { type Reading, Summing } from './streaming.ts';

export interface AccuracyOptions extends IgnoreOptions, ReadingOptions {}
export interface TopKOptions extends IgnoreOptions {
  /** How many of the largest logits count. Default 5. */
  readonly k?: number;
}
const ACCURACY_OPTIONS = ['ignoreIndex', 'threshold', 'predictions'] as const;

const share = ({ hits, rows }: Sums): number => hits![0]! / rows![0]!;

/** @param hits f64 [rows], 0 where a row does not count */
function shareOf(hits: Tensor, weight: Tensor | null): Aggregate {
  const rows = weight ? sum(weight) : hits.graph.scalar(sizeOf(hits.shape), 'f64');
  return { summed: { hits: sum(hits), rows }, finish: share };
}

/**
 * Metric: share of rows that are predicted right: logits [..., classes] of labels [...], the largest being the class (the first of equals); one logit
 * [..., 1], or [...] as the labels, is class 1 above `threshold`, 0 by default. Labels may be of any dtype. NaN where a logit is, or no row counts.
 * As `sklearn.metrics.accuracy_score`.
 * @throws ShapeError if the shapes do not fit. A label that is none ends the evaluation with an IndexError.
 */
export const accuracy = (predictions: TensorLike, labels: TensorLike, options: AccuracyOptions = {}): Aggregate =>
  measureAccuracy('accuracy', predictions, labels, options);

function measureAccuracy(op: string, predictions: TensorLike, labels: TensorLike, options: AccuracyOptions): Checked {
  checkOptions(op, options, ACCURACY_OPTIONS);
  const rows = readRows(op, predictions, labels, options);
  return checked(shareOf(hitsOf(rows), rows.labels.weight), rows.faults);
}

/**
 * Metric: share of rows of logits [..., classes] whose label is among the k largest. Of equal logits the first are the larger, so that k = 1 is the
 * accuracy (`sklearn.metrics.top_k_accuracy_score` takes the last ones first, and is else the same). NaN where a logit is NaN, or no row counts.
 */
export const topK = (logits: TensorLike, labels: TensorLike, options: TopKOptions = {}): Aggregate =>
  measureTopK('topK', logits, labels, options);

const checkK = (op: string, k = 5): number => checkNumber(op, 'k', k, { integer: true, min: 1 });

function measureTopK(op: string, logits: TensorLike, labels: TensorLike, options: TopKOptions): Checked {
  checkOptions(op, options, ['k', 'ignoreIndex']);
  const k = checkK(op, options.k);
  const { rows, own, before, labels: known } = logitRows(op, logits, labels, options);
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
export function logitRows(op: string, logits: TensorLike, labels: TensorLike, options: IgnoreOptions): LogitRows {
  const [x, y] = [logits.toTensor(), labels.toTensor()];
  const lead = x.shape.slice(0, -1);
  const classes = x.shape.at(-1) ?? 0;
  if (!sameShape(lead, y.shape)) {
    throw new ShapeError(`${op}: expected labels [${lead}] for logits [${x.shape}], got [${y.shape}]`);
  }
  if (classes < 2) throw new ShapeError(`${op}: expected logits of at least 2 classes a row, got ${classes}`);
  const n = sizeOf(lead);
  const rows = reshape(cast(x, 'f64'), [n, classes]);
  const known = readLabels(op, reshape(y, [n]), classes, checkIgnored(op, options));
  const label = reshape(known.of, [n, 1]);
  const numbers = Float64Array.from({ length: classes }, (_, c) => c);
  const number = x.graph.constant(numbers, [classes], 'f64');
  const own = sum(where(equal(number, label), rows, 0), { axes: [1], keepDims: true });
  return { rows, own, before: less(number, label), labels: known };
}

/** Share of rows that are predicted right, over arrays: scores or classes against labels; see `accuracy`. */
export class Accuracy extends Summing {
  readonly #given: AccuracyOptions;
  /** @throws OptionError */
  constructor(options: AccuracyOptions = {}) {
    super('Accuracy', options);
    checkOptions('Accuracy', options, ACCURACY_OPTIONS);
    checkIgnored('Accuracy', options);
    checkReading('Accuracy', options);
    this.#given = options;
  }
  protected read(predictions: Values, labels: Values): Reading {
    const { batch, reading } = classRows(this.op, predictions, labels, this.#given);
    return { batch, build: (x, y) => measureAccuracy(this.op, x, y, { ...this.#given, ...reading }) };
  }
}

/** Share of rows whose label is among the k largest logits, over arrays; see `topK`. */
export class TopK extends Summing {
  readonly #given: TopKOptions;
  /** @throws OptionError */
  constructor(options: TopKOptions = {}) {
    super('TopK', options);
    checkOptions('TopK', options, ['k', 'ignoreIndex']);
    checkK('TopK', options.k);
    checkIgnored('TopK', options);
    this.#given = options;
  }
  protected read(logits: Values, labels: Values): Reading {
    const { batch } = classRows(this.op, logits, labels);
    const build: Reading['build'] = (x, y) => measureTopK(this.op, x, y, this.#given);
    return { batch: { ...batch, xRow: batch.xRow.length === 0 ? [1] : batch.xRow }, build };
  }
}
