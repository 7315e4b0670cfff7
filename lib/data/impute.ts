// impute.ts: what stands in for a missing value, NaN: learned from the others of its column.
import { DataError, OptionError, ShapeError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { cast, equal, sub, where } from '../ops/elementwise/elementwise.ts';
import { concat } from '../ops/shape/concat.ts';
import { reshape } from '../ops/shape/shape.ts';
import { slice } from '../ops/shape/slice.ts';
import { bool, choice, list, number, options, optionsOnly, whole } from '../options/index.ts';
import { checkColumns } from './affine.ts';
import { type ArrayInput, type NdArray, ndarray } from './arrays.ts';
import { badJSON, checkRow, numbersOf, type Transform, type TransformJSON, type Unfitted } from './transform.ts';

/** What stands in for a missing value: of the values that are there, or `value`. */
export type ImputeStrategy = 'mean' | 'median' | 'mostFrequent' | 'constant';

/** Options of `preprocess.impute`. */
export interface ImputeOptions {
  /** What stands in: the mean, the median, the most frequent value (of several the least), or option `value`. Default 'mean'. */
  readonly strategy?: ImputeStrategy;
  /** With strategy 'constant': what stands in. Default 0. */
  readonly value?: number;
  /** The columns concerned, by index; a NaN in another stays. Default: all. */
  readonly columns?: readonly number[];
  /** Add a column of 0 and 1 after the others for each in which `fit` found a missing value: 1 where it is missing. Default false. */
  readonly flag?: boolean;
}

export class Impute implements Transform {
  readonly type = 'impute';
  /** Of a row, [] or [columns]. */
  readonly row: readonly number[];
  /** For each column what stands in, as f32; null: it stays as it is. */
  readonly fill: readonly (number | null)[];
  /** Columns that have one of 0 and 1, in order. */
  readonly flags: readonly number[];

  constructor(row: readonly number[], fill: readonly (number | null)[], flags: readonly number[]) {
    this.row = row;
    this.fill = fill;
    this.flags = flags;
  }

  transform(given: ArrayInput): NdArray {
    const { data, shape } = ndarray(this.type, given);
    checkRow(this.type, shape.slice(1), this.row);
    const [n, from] = [shape[0]!, this.fill.length];
    const to = from + this.flags.length;
    const out = new Float32Array(n * to);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < from; j++) {
        const value = data[i * from + j]!;
        const fill = this.fill[j]!;
        out[i * to + j] = fill !== null && Number.isNaN(value) ? fill : value;
      }
      for (const [k, j] of this.flags.entries()) out[i * to + from + k] = Number.isNaN(data[i * from + j]!) ? 1 : 0;
    }
    return { data: out, shape: this.flags.length > 0 ? [n, to] : shape };
  }

  /** What stood in stays, but where a column tells that it did. */
  inverse(given: ArrayInput): NdArray {
    const { data, shape } = ndarray(this.type, given);
    const [n, to] = [shape[0]!, this.fill.length];
    const from = to + this.flags.length;
    checkRow(this.type, shape.slice(1), this.flags.length > 0 ? [from] : this.row);
    const out = new Float32Array(n * to);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < to; j++) out[i * to + j] = data[i * from + j]!;
      for (const [k, j] of this.flags.entries()) if (data[i * from + to + k]! > 0.5) out[i * to + j] = Number.NaN;
    }
    return { data: out, shape: [n, ...this.row] };
  }

  build(x: Tensor): Tensor {
    checkRow(this.type, x.shape.slice(1), this.row);
    const values = cast(x, 'f32');
    // Nothing but NaN is not equal to itself.
    const there = equal(values, values);
    const constant = Float32Array.from(this.fill, (fill) => fill ?? Number.NaN);
    const filled = where(there, values, x.graph.constant(constant, this.row, 'f32'));
    if (this.flags.length === 0) return filled;
    const rows = [x.shape[0]!, this.fill.length];
    const missing = sub(1, reshape(there, rows));
    const flags = this.flags.map((j) => slice(missing, { axis: 1, start: j, end: j + 1 }));
    return concat([reshape(filled, rows), ...flags], 1);
  }

  buildInverse(y: Tensor): Tensor {
    if (this.flags.length > 0) {
      throw new OptionError('impute: has no inverse in a model where there are flags; use its inverse on the predictions', {
        type: this.type,
      });
    }
    checkRow(this.type, y.shape.slice(1), this.row);
    return cast(y, 'f32');
  }

  toJSON(): TransformJSON {
    const { type, row, fill, flags } = this;
    return { type, row, fill, flags };
  }
}

const readImpute = optionsOnly(
  'preprocess.impute',
  options<ImputeOptions>()({
    strategy: choice('mean', 'median', 'mostFrequent', 'constant').default('mean'),
    value: number().optional(),
    columns: list(whole({ min: 0 })).optional(),
    flag: bool.default(false),
  }),
);

/**
 * A value in place of each that is missing: of NaN, which a transform after this one would refuse. Statistics are taken in f64.
 *
 * ```js
 * preprocess.pipeline(preprocess.impute({ strategy: 'median', flag: true }), preprocess.standardize()).fit(train.arrays.x);
 * ```
 * @throws OptionError, also for `value` with another strategy than 'constant'
 * @throws DataError, by `fit`, where a column has no value, or one is infinite
 * @throws ShapeError, by `fit`, for rows of more than one dimension
 * @see sklearn.impute.SimpleImputer
 */
export function impute(options: ImputeOptions = {}): Unfitted {
  const { strategy, value, columns, flag } = readImpute(arguments);
  if (value !== undefined && strategy !== 'constant') {
    throw new OptionError("preprocess.impute: option value: goes with strategy 'constant'", { option: 'value', value });
  }
  return {
    type: 'impute',
    fit(given) {
      const { data, shape } = ndarray('impute', given);
      if (shape.length > 2) throw new ShapeError(`impute: expected rows of one value or of columns, got [${shape}]`, { shape });
      const row = shape.slice(1);
      const width = sizeOf(row);
      const chosen = new Set(columns ? checkColumns('impute', columns, width) : Array.from({ length: width }, (_, j) => j));
      const found = Array.from({ length: width }, (_, j) => {
        if (!chosen.has(j)) return { fill: null, missing: 0 };
        const { values, missing } = valuesOf(data, j, width);
        return { fill: Math.fround(strategy === 'constant' ? (value ?? 0) : standIn(strategy, values, j)), missing };
      });
      const flags = flag ? found.flatMap(({ missing }, j) => (missing > 0 ? [j] : [])) : [];
      return new Impute(
        row,
        found.map(({ fill }) => fill),
        flags,
      );
    },
  };
}

/** Those of a column that are there, as f32. */
function valuesOf(data: ArrayLike<number>, column: number, width: number): { values: Float64Array; missing: number } {
  const values = new Float64Array(data.length / width);
  let count = 0;
  for (let i = column; i < data.length; i += width) {
    const value = Math.fround(data[i]!);
    if (Number.isNaN(value)) continue;
    if (!Number.isFinite(value)) {
      const row = (i - column) / width;
      throw new DataError(`impute: row ${row}, column ${column}: expected a finite number or NaN, got ${data[i]}`, {
        row,
        column,
      });
    }
    values[count++] = value;
  }
  return { values: values.subarray(0, count), missing: values.length - count };
}

/** In place of a missing one, of values in any order. @param column for the error */
function standIn(strategy: Exclude<ImputeStrategy, 'constant'>, values: Float64Array, column: number): number {
  const n = values.length;
  if (n === 0) {
    const message = `impute: column ${column}: expected a value that is not missing, of which to take the ${WORDS[strategy]}`;
    throw new DataError(message, { column });
  }
  if (strategy === 'mean') return values.reduce((a, b) => a + b, 0) / n;
  const sorted = values.slice().sort();
  if (strategy === 'median') return (sorted[(n - 1) >> 1]! + sorted[n >> 1]!) / 2;
  let [best, most] = [sorted[0]!, 0];
  for (let from = 0, to = 0; from < n; from = to) {
    while (to < n && sorted[to] === sorted[from]) to++;
    if (to - from > most) [best, most] = [sorted[from]!, to - from];
  }
  return best;
}
const WORDS = { mean: 'mean', median: 'median', mostFrequent: 'most frequent' } as const;

export function imputeFromJSON(json: TransformJSON): Impute {
  const row = numbersOf('impute', 'row', json.row, true);
  const flags = numbersOf('impute', 'flags', json.flags, true);
  const width = sizeOf(row);
  const { fill } = json;
  if (!Array.isArray(fill) || row.length > 1 || fill.length !== width) throw badJSON('impute', 'fill, a value for each column');
  numbersOf(
    'impute',
    'fill',
    fill.filter((value) => value !== null),
  );
  if (flags.some((j, k) => j >= width || (k > 0 && j <= flags[k - 1]!))) throw badJSON('impute', 'flags to be columns, in order');
  return new Impute(
    row,
    (fill as (number | null)[]).map((value) => value && Math.fround(value)),
    flags,
  );
}
