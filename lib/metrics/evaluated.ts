// evaluated.ts: what predictions are worth, row by row, in f64: the loss of the rows, figures of classes or of values, what is taken for what.
import { exp, largestOf, log, log1p } from '../math/index.ts';
import { ROCAUC } from './ranks.ts';

/** A row: what the model gave, and what it is. */
export interface Measured {
  /** What the loss compares: logits of classes, or a value as the loss sees it. */
  readonly outputs: Float64Array;
  /** Probabilities of classes, that of the one class, or a value in its units. */
  readonly told: Float64Array;
  /** The class, or the value in its units. */
  readonly label: number;
  /** The class, or the value as the loss sees it. */
  readonly target: number;
  readonly weight: number;
}

/** Figures of a class. */
export interface OfClass {
  readonly name: string;
  /** Rows of it. */
  readonly rows: number;
  /** Rows that are taken for it. */
  readonly predicted: number;
  /** NaN where no row is taken for it. */
  readonly precision: number;
  /** NaN where no row is of it. */
  readonly recall: number;
  readonly f1: number;
}

/** Where labels are classes. */
export interface OfClasses {
  readonly accuracy: number;
  /** Area under the ROC curve of the second of two classes; null where there are more. */
  readonly rocAuc: number | null;
  readonly classes: readonly OfClass[];
  /** `matrix[i][j]`: rows of class i that are taken for class j. */
  readonly matrix: readonly (readonly number[])[];
}

/** Of predictions of values, in their units. */
export interface ValueFigures {
  readonly rmse: number;
  readonly mae: number;
  readonly r2: number;
}

/** Where labels are values, in their units. */
export interface OfValues extends ValueFigures {
  /** The least and the greatest of labels and predictions. */
  readonly range: readonly [number, number];
  /** `cells[i][j]`: rows whose label is in part i of the range and whose prediction in part j, of as many parts each. */
  readonly cells: readonly (readonly number[])[];
}

export interface Evaluation {
  readonly rows: number;
  /** Which loss. */
  readonly lossName: string;
  readonly loss: number;
  readonly classes: OfClasses | null;
  readonly values: OfValues | null;
}

/** log(1 + e^x), without overflow. */
const softplus = (x: number): number => Math.max(x, 0) + log1p(exp(-Math.abs(x)));

const square = (x: number): number => x * x;

/** Of one row, as the losses of these names. */
const LOSSES: Readonly<Record<string, (outputs: Float64Array, target: number) => number>> = {
  crossEntropy(logits, label) {
    const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return most + log(logits.reduce((sum, v) => sum + exp(v - most), 0)) - logits[label]!;
  },
  mse: ([value], target) => square(value! - target),
  l1: ([value], target) => Math.abs(value! - target),
  huber([value], target) {
    const off = Math.abs(value! - target);
    return off <= 1 ? square(off) / 2 : off - 0.5;
  },
  bceWithLogits: ([logit], target) => softplus(logit!) - target * logit!,
};

/** @param names of classes; null: their numbers */
export function evaluated(lossName: string, rows: readonly Measured[], names: readonly string[] | null): Evaluation {
  const total = rows.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (of: (row: Measured) => number): number => rows.reduce((sum, row) => sum + row.weight * of(row), 0) / total;
  const loss = mean(({ outputs, target }) => LOSSES[lossName]!(outputs, target));
  const common = { rows: rows.length, lossName, loss };
  if (lossName === 'crossEntropy') {
    const taken = rows.map(({ told }) => largestOf(told));
    const width = rows[0]?.told.length ?? 0;
    const scores = width === 2 ? rows.map(({ told }) => told[1]!) : null;
    return { ...common, classes: ofClasses(rows, taken, width, scores, names, mean), values: null };
  }
  if (lossName === 'bceWithLogits' && rows.every(({ label }) => label === 0 || label === 1)) {
    const taken = rows.map(({ told }) => (told[0]! > 0.5 ? 1 : 0));
    const scores = rows.map(({ told }) => told[0]!);
    return { ...common, classes: ofClasses(rows, taken, 2, scores, names, mean), values: null };
  }
  return { ...common, classes: null, values: ofValues(rows) };
}

function ofClasses(
  rows: readonly Measured[],
  taken: readonly number[],
  width: number,
  scores: readonly number[] | null,
  names: readonly string[] | null,
  mean: (of: (row: Measured) => number) => number,
): OfClasses {
  const matrix = Array.from({ length: width }, () => new Array<number>(width).fill(0));
  for (const [i, { label }] of rows.entries()) matrix[label]![taken[i]!]!++;
  const places = new Map(rows.map((row, i) => [row, i]));
  const classes = matrix.map((row, k): OfClass => {
    const own = row.reduce((a, b) => a + b, 0);
    const predicted = matrix.reduce((sum, other) => sum + other[k]!, 0);
    const hits = row[k]!;
    const [precision, recall] = [hits / predicted, hits / own];
    return { name: names?.[k] ?? String(k), rows: own, predicted, precision, recall, f1: (2 * hits) / (own + predicted) };
  });
  const labels = rows.map(({ label }) => label);
  return {
    accuracy: mean((row) => (taken[places.get(row)!] === row.label ? 1 : 0)),
    rocAuc: scores && new ROCAUC().update(scores, labels).result(),
    classes,
    matrix,
  };
}

/** Parts of a range of values. */
const PARTS = 24;

/** Root of the mean square error, mean absolute error, and R2, of values and labels in their units. */
export function valueFigures(values: ArrayLike<number>, labels: ArrayLike<number>): ValueFigures {
  const n = labels.length;
  let [squares, absolute, sum, spread] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const off = values[i]! - labels[i]!;
    squares += square(off);
    absolute += Math.abs(off);
    sum += labels[i]!;
  }
  for (let i = 0; i < n; i++) spread += square(labels[i]! - sum / n);
  const r2 = n < 2 ? Number.NaN : spread === 0 ? Number(squares === 0) : 1 - squares / spread;
  return { rmse: Math.sqrt(squares / n), mae: absolute / n, r2 };
}

function ofValues(rows: readonly Measured[]): OfValues {
  const values = rows.map(({ told }) => told[0]!);
  const labels = rows.map(({ label }) => label);
  const [low, high] = [...values, ...labels].reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)] as const, [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ] as const);
  const part = (v: number): number => Math.min(PARTS - 1, Math.max(0, Math.floor(((v - low) / (high - low || 1)) * PARTS)));
  const cells = Array.from({ length: PARTS }, () => new Array<number>(PARTS).fill(0));
  for (const [i, value] of values.entries()) if (Number.isFinite(value)) cells[part(labels[i]!)]![part(value)]!++;
  return {
    ...valueFigures(values, labels),
    range: [low, high],
    cells,
  };
}
