// one-hot.ts: columns of categories as columns of 0 and 1.
import { DataError, OptionError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { type Data, sizeOf } from '../ir/op.ts';
import { largestOf } from '../math/index.ts';
import { add, cast, equal, mul } from '../ops/elementwise/elementwise.ts';
import { sum } from '../ops/reduce/reduce.ts';
import { oneHot as oneHotOp } from '../ops/rows/one-hot.ts';
import { concat } from '../ops/shape/concat.ts';
import { reshape } from '../ops/shape/shape.ts';
import { slice } from '../ops/shape/slice.ts';
import { choice, list, options, optionsOnly, whole } from '../options/index.ts';
import { checkColumns } from './affine.ts';
import { type ArrayInput, type NdArray, ndarray } from './arrays.ts';
import { badJSON, checkRow, numbersOf, type Transform, type TransformJSON, type Unfitted } from './transform.ts';

/** Options of `preprocess.oneHot`. */
export interface OneHotOptions {
  /** The columns that hold categories, by index; others stay as they are. Default: all. */
  readonly columns?: readonly number[];
  /** What becomes of a value that `fit` did not see: an error, or zeros in all its columns. Default 'error'. */
  readonly unknown?: 'error' | 'zeros';
}

type Unknown = Required<OneHotOptions>['unknown'];
const UNKNOWN = ['error', 'zeros'] as const;

export class OneHot implements Transform {
  readonly type = 'oneHot';
  readonly unknown: Unknown;
  /** Of a row, [] or [columns]. */
  readonly row: readonly number[];
  /** The sorted categories of each column, null for one that stays. */
  readonly categories: readonly (readonly number[] | null)[];

  constructor(unknown: Unknown, row: readonly number[], categories: readonly (readonly number[] | null)[]) {
    this.unknown = unknown;
    this.row = row;
    this.categories = categories;
  }

  /** Columns of a row after it. */
  get width(): number {
    return this.categories.reduce((n, c) => n + (c?.length ?? 1), 0);
  }

  transform(given: ArrayInput): NdArray {
    const { data, shape } = ndarray(this.type, given);
    checkRow(this.type, shape.slice(1), this.row);
    const [n, from, to] = [shape[0]!, this.categories.length, this.width];
    const out = new Float32Array(n * to);
    for (let i = 0; i < n; i++) {
      let at = i * to;
      for (const [j, categories] of this.categories.entries()) {
        const value = Math.fround(data[i * from + j]!);
        if (categories === null) out[at] = value;
        else {
          const k = categories.indexOf(value);
          if (k >= 0) out[at + k] = 1;
          else if (this.unknown === 'error') throw unseen(i, j, value, categories);
        }
        at += categories?.length ?? 1;
      }
    }
    return { data: out, shape: [n, to] };
  }

  /** The category of the largest column; NaN where all are 0. */
  inverse(given: ArrayInput): NdArray {
    const { data, shape } = ndarray(this.type, given);
    const [n, from, to] = [shape[0]!, this.width, this.categories.length];
    checkRow(this.type, shape.slice(1), [from]);
    const out = new Float32Array(n * to);
    for (let i = 0; i < n; i++) {
      let at = i * from;
      for (const [j, categories] of this.categories.entries()) {
        const values = data.subarray(at, at + (categories?.length ?? 1));
        const most = largestOf(values);
        out[i * to + j] = categories === null ? values[0]! : values[most]! > 0 ? categories[most]! : Number.NaN;
        at += values.length;
      }
    }
    return { data: out, shape: [n, ...this.row] };
  }

  build(x: Tensor): Tensor {
    checkRow(this.type, x.shape.slice(1), this.row);
    const n = x.shape[0]!;
    const table = reshape(cast(x, 'f32'), [n, this.categories.length]);
    const parts: Tensor[] = [];
    for (let j = 0; j < this.categories.length; ) {
      const start = j;
      while (j < this.categories.length && this.categories[j] === null) j++;
      if (j > start) parts.push(slice(table, { axis: 1, start, end: j }));
      if (j < this.categories.length) {
        parts.push(this.#column(slice(table, { axis: 1, start: j, end: j + 1 }), this.categories[j]!));
        j++;
      }
    }
    return parts.length === 1 ? parts[0]! : concat(parts, 1);
  }

  buildInverse(): Tensor {
    throw new OptionError('oneHot: has no inverse in a model; use its inverse on the predictions', { type: this.type });
  }

  toJSON(): TransformJSON {
    const { type, unknown, row, categories } = this;
    return { type, unknown, row, categories };
  }

  /** [n, 1] -> [n, categories] */
  #column(x: Tensor, categories: readonly number[]): Tensor {
    const k = categories.length;
    const same = equal(x, x.graph.constant(Float32Array.from(categories), [1, k], 'f32'));
    if (this.unknown === 'zeros') return same;
    // Which one it is, or k for none of them, which the op refuses with its row.
    const order = x.graph.constant(
      Float32Array.from({ length: k }, (_, i) => i - k),
      [1, k],
      'f32',
    );
    const index = add(sum(mul(same, order), { axes: [1] }), k);
    return oneHotOp(cast(index, 'i32'), { classes: k });
  }
}

const readOneHot = optionsOnly(
  'preprocess.oneHot',
  options<OneHotOptions>()({
    columns: list(whole({ min: 0 })).optional(),
    unknown: choice('error', 'zeros').default('error'),
  }),
);

/**
 * Columns of categories (any numbers) as a column of 0 and 1 for each, in the order of their values, where the column was.
 * In a model, a value that `fit` did not see ends the run with an IndexError that names the row.
 * @throws OptionError
 * @throws DataError, by `fit`, where there is no row, rows have more than one dimension, or a value is not finite
 * @see sklearn.preprocessing.OneHotEncoder
 */
export function oneHot(options: OneHotOptions = {}): Unfitted {
  const { unknown, columns } = readOneHot(arguments);
  return {
    type: 'oneHot',
    fit(given) {
      const { data, shape } = ndarray('oneHot', given);
      if (shape.length > 2) throw new DataError(`oneHot: expected rows of one value or of columns, got [${shape}]`, { shape });
      if (data.length === 0) throw new DataError(`oneHot: expected at least one row to fit to, got [${shape}]`, { shape });
      const width = sizeOf(shape.slice(1));
      const chosen = new Set(checkColumns('oneHot', columns ?? Array.from({ length: width }, (_, j) => j), width));
      const categories = Array.from({ length: width }, (_, j) => (chosen.has(j) ? distinct(data, j, width) : null));
      return new OneHot(unknown, shape.slice(1), categories);
    },
  };
}

export function oneHotFromJSON(json: TransformJSON): OneHot {
  const { unknown, categories } = json;
  const row = numbersOf('oneHot', 'row', json.row, true);
  if (!UNKNOWN.includes(unknown as Unknown)) throw badJSON('oneHot', `unknown to be one of ${UNKNOWN.join(', ')}`);
  if (!Array.isArray(categories) || row.length > 1 || categories.length !== sizeOf(row)) {
    throw badJSON('oneHot', 'categories, a list for each column');
  }
  const lists = categories.map((c, j) => (c === null ? null : numbersOf('oneHot', `categories[${j}]`, c)));
  return new OneHot(unknown as Unknown, row, lists);
}

function distinct(data: Data, column: number, width: number): number[] {
  const found = new Set<number>();
  for (let i = column; i < data.length; i += width) {
    const value = Math.fround(data[i]!);
    if (!Number.isFinite(value)) {
      const row = (i - column) / width;
      throw new DataError(`oneHot: row ${row}, column ${column}: expected a finite number, got ${value}`, { row, column });
    }
    found.add(value);
  }
  return [...found].sort((a, b) => a - b);
}

function unseen(row: number, column: number, value: number, categories: readonly number[]): DataError {
  const known = categories.length <= 10 ? categories.join(', ') : `${categories.slice(0, 10).join(', ')}, ...`;
  return new DataError(`oneHot: row ${row}, column ${column}: expected one of ${known}, got ${value}`, { row, column, value });
}
