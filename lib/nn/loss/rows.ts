// rows.ts: what predictions and labels mean for each row: which class is predicted, which it is, and whether a label is one. Metrics share it.
import { IndexError, OptionError, ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { sameShape, sizeOf } from '../../ir/op.ts';
import { cast, equal, floor, less, lessEqual, maximum, mul, sub, where } from '../../ops/elementwise/elementwise.ts';
import { argmax, max } from '../../ops/reduce/reduce.ts';
import { gather } from '../../ops/rows/gather.ts';
import { concat } from '../../ops/shape/concat.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { choice, type Field, number, whole } from '../../options/index.ts';

/** What every metric of labels takes: which rows do not count. */
export interface IgnoreOptions {
  /** Rows with this label do not count. Default: none. */
  readonly ignoreIndex?: number;
}
/** What metrics of classes take: how predictions are read. */
export interface ReadingOptions {
  /** A row with one score is class 1 above it. Default 0, for logits; for probabilities give 0.5. */
  readonly threshold?: number;
  /**
   * Whether predictions are scores (of several classes, or one a row) or classes. Default: their shape says it: [...,
   * k] for labels [...] are scores, and so is [..., 1]. As many as labels, they are classes in an array and where a
   * tensor is i32 or u8; an f32 tensor has scores.
   */
  readonly predictions?: 'scores' | 'classes';
}

/** What a check found in a batch, f64 [4]: whether any value was wrong, where the first one was, the value, and the number of rows. */
export interface Fault {
  readonly found: Tensor;
  /** @throws IndexError that names value and position, for what `found` was in each batch */
  check(found: ArrayLike<number>): void;
}

export interface Labels {
  /** f64 [rows]: 0 where the row does not count. */
  readonly of: Tensor;
  /** f64 [rows]: 1 for rows that count, 0 for others; null: all do. */
  readonly weight: Tensor | null;
  readonly fault: Fault;
}

export interface Rows {
  readonly count: number;
  /** How many classes there are; null where predictions are classes themselves, of which any may come. */
  readonly classes: number | null;
  /** One score a row. */
  readonly single: boolean;
  /** f64 [rows]: the class; NaN where a score is NaN. */
  readonly predicted: Tensor;
  readonly labels: Labels;
  readonly faults: readonly Fault[];
}

export const ignoreFields: { readonly ignoreIndex: Field<number, number | undefined, false> } = {
  ignoreIndex: whole().optional(),
};
type Meaning = NonNullable<ReadingOptions['predictions']>;
export const readingFields: {
  readonly threshold: Field<number, number | undefined, false>;
  readonly predictions: Field<Meaning, Meaning | undefined, false>;
} = { threshold: number().optional(), predictions: choice<Meaning>('scores', 'classes').optional() };

/** The options, as read. */
export interface ReadingRead {
  readonly threshold?: number | undefined;
  readonly predictions?: Meaning | undefined;
}
export interface IgnoreRead {
  readonly ignoreIndex?: number | undefined;
}

/** @throws OptionError for options that make no sense together */
export function checkReading(op: string, { threshold, predictions }: ReadingRead): void {
  if (predictions === 'classes' && threshold !== undefined) {
    throw new OptionError(`${op}: option threshold: is for scores, not for classes`, { option: 'threshold' });
  }
}

/** Whole numbers from 0 up to `classes`; null: any. */
export function readLabels(op: string, labels: Tensor, classes: number | null, ignored: number | null): Labels {
  const wide = cast(labels, 'f64');
  const counts = ignored === null ? null : sub(1, equal(wide, ignored));
  const valid = isClass(wide, classes);
  const named = classes === null ? 'labels as whole numbers from 0' : `labels from 0 to ${classes - 1}`;
  const expected = ignored === null ? named : `${named}, or ${ignored}, which is ignored`;
  const fault = faultOf(op, expected, wide, counts ? maximum(valid, sub(1, counts)) : valid, classes);
  return { of: where(counts ? mul(counts, valid) : valid, wide, 0), weight: counts, fault };
}

/** @throws ShapeError if the shapes do not fit; OptionError for options that do not fit the shapes */
export function readRows(op: string, x: Tensor, y: Tensor, read: ReadingRead & IgnoreRead): Rows {
  checkReading(op, read);
  const alike = sameShape(x.shape, y.shape);
  const lead = x.shape.slice(0, -1);
  const deep = (sameShape(lead, y.shape) || sameShape([...lead, 1], y.shape)) && x.shape.length > 0;
  if (!alike && !deep) {
    throw new ShapeError(`${op}: expected labels [${lead}] or [${x.shape}] for predictions [${x.shape}], got [${y.shape}]`);
  }
  const count = sizeOf(y.shape);
  const width = alike ? 1 : x.shape.at(-1)!;
  const labels = reshape(y, [count]);
  const { ignoreIndex: ignored = null } = read;
  const columns = alike && x.shape.length > 1 && x.shape.at(-1) === 1;
  const whole = alike && !columns && (x.dtype === 'i32' || x.dtype === 'u8') && read.threshold === undefined;
  const meaning = read.predictions ?? (whole ? 'classes' : 'scores');
  if (width > 1 && (meaning === 'classes' || read.threshold !== undefined)) {
    const [option, what] = meaning === 'classes' ? ['predictions', 'one class a row'] : ['threshold', 'one score a row'];
    throw new OptionError(`${op}: option ${option}: is for ${what}, got ${width} scores`, { option });
  }
  if (width > 1) {
    const rows = reshape(x.dtype === 'f32' ? x : cast(x, 'f64'), [count, width]);
    // The largest is NaN where any is.
    const top = cast(max(rows, { axes: [1] }), 'f64');
    const known = readLabels(op, labels, width, ignored);
    const predicted = where(equal(top, top), cast(argmax(rows, { axis: 1 }), 'f64'), Number.NaN);
    return { count, classes: width, single: false, predicted, labels: known, faults: [known.fault] };
  }
  const flat = cast(reshape(x, [count]), 'f64');
  if (meaning === 'classes') {
    const known = readLabels(op, labels, null, ignored);
    const expected = `predicted classes as whole numbers from 0 (scores: of shape [rows, 1], or predictions: 'scores')`;
    const fits = isClass(flat, null);
    const fault = faultOf(op, expected, flat, known.weight ? maximum(fits, sub(1, known.weight)) : fits, null);
    return { count, classes: null, single: false, predicted: flat, labels: known, faults: [known.fault, fault] };
  }
  const known = readLabels(op, labels, 2, ignored);
  const above = less(read.threshold ?? 0, flat);
  const predicted = where(equal(flat, flat), above, Number.NaN);
  return { count, classes: 2, single: true, predicted, labels: known, faults: [known.fault] };
}

/** f64 [rows]: 1 where the class predicted is the label, NaN where a score is NaN; 0 where it is not, or the row does not count. */
export function hitsOf({ predicted, labels }: Rows): Tensor {
  const hits = where(equal(predicted, predicted), equal(predicted, labels.of), Number.NaN);
  return labels.weight ? where(labels.weight, hits, 0) : hits;
}

// What a class may be where their number is not known: i32 holds it.
const MOST = 0x8000_0000;

/** 1 for whole numbers in [0, classes). */
function isClass(x: Tensor, classes: number | null): Tensor {
  return mul(mul(equal(floor(x), x), lessEqual(0, x)), less(x, classes ?? MOST));
}

/** @param valid f64, 1 where a value is what it should be */
export function faultOf(op: string, expected: string, values: Tensor, valid: Tensor, classes: number | null): Fault {
  const wrong = sub(1, valid);
  const at = argmax(wrong, { axis: 0 });
  const rows = values.graph.scalar(values.shape[0]!, 'f64');
  const found = concat([max(wrong), cast(at, 'f64'), gather(values, at), rows].map((t) => reshape(t, [1])));
  return {
    found,
    check(found) {
      for (let i = 0, start = 0; i < found.length; start += found[i + 3]!, i += 4) {
        if (found[i] === 0) continue;
        const [position, value] = [start + found[i + 1]!, found[i + 2]!];
        const message = `${op}: expected ${expected}, got ${value} at position ${position}`;
        throw new IndexError(message, { op, position, value, bound: classes ?? MOST });
      }
    },
  };
}
