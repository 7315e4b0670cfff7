// affine.ts: (x - shift) / scale, value by value: what standardize and minMax come to.
import { DataError, OptionError, ShapeError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { add, cast, div, mul, sub } from '../ops/elementwise/elementwise.ts';
import { choice, type Field, list, number, options, optionsOnly, pair, show, whole } from '../options/index.ts';
import { type ArrayInput, type NdArray, ndarray } from './arrays.ts';
import { badJSON, checkRow, numbersOf, type Transform, type TransformJSON, type Unfitted } from './transform.ts';

/** Which values share their statistics: those of a column (a place in the row), of a channel ([rows, channels, ...]), or all. */
export type Per = 'column' | 'channel' | 'all';

/** Options of `preprocess.standardize`. */
export interface StandardizeOptions {
  /** Which values share their statistics. Default 'column'. */
  readonly per?: Per;
  /** The columns concerned, by index; others stay as they are. Only with `per: 'column'`. Default: all. */
  readonly columns?: readonly number[];
}

/** Options of `preprocess.minMax`. */
export interface MinMaxOptions extends StandardizeOptions {
  /** What the least and the greatest value become. Default [0, 1]. */
  readonly to?: readonly [number, number];
  /**
   * Known bounds in place of those found: [0, 255] for the bytes of images. Default: the least and the greatest value that `fit`
   * finds.
   */
  readonly from?: readonly [number, number];
}

const PER = ['column', 'channel', 'all'] as const;
const TYPES = ['standardize', 'minMax'];

/** Statistics of one column, channel, or of all: `scale` is never 0. */
interface Statistic {
  readonly shift: number;
  readonly scale: number;
}

export class Affine implements Transform {
  readonly type: string;
  readonly per: Per;
  /** Of a row; `per` all takes any. */
  readonly row: readonly number[];
  readonly shift: Float64Array;
  readonly scale: Float64Array;

  constructor(type: string, per: Per, row: readonly number[], shift: Float64Array, scale: Float64Array) {
    this.type = type;
    this.per = per;
    this.row = row;
    this.shift = shift;
    this.scale = scale;
  }

  transform(x: ArrayInput): NdArray {
    const r = Math.fround;
    return this.#map(x, (value, shift, scale) => r(r(value) - shift) / scale);
  }

  inverse(y: ArrayInput): NdArray {
    const r = Math.fround;
    return this.#map(y, (value, shift, scale) => r(r(value) * scale) + shift);
  }

  build(x: Tensor): Tensor {
    const [shift, scale] = this.#constants(x);
    return div(sub(cast(x, 'f32'), shift), scale);
  }

  buildInverse(y: Tensor): Tensor {
    const [shift, scale] = this.#constants(y);
    return add(mul(cast(y, 'f32'), scale), shift);
  }

  toJSON(): TransformJSON {
    const { type, per, row, shift, scale } = this;
    return { type, per, row, shift: [...shift], scale: [...scale] };
  }

  #map(given: ArrayInput, f: (value: number, shift: number, scale: number) => number): NdArray {
    const { data, shape } = ndarray(this.type, given);
    this.#check(shape);
    const at = places(this.per, shape.slice(1));
    const [shift, scale] = [Float32Array.from(this.shift), Float32Array.from(this.scale)];
    const out = new Float32Array(data.length);
    const row = at.length;
    for (let i = 0; i < out.length; ) {
      for (let j = 0; j < row; j++, i++) out[i] = f(data[i]!, shift[at[j]!]!, scale[at[j]!]!);
    }
    return { data: out, shape };
  }

  #constants({ shape, graph }: Tensor): [Tensor, Tensor] {
    this.#check(shape);
    const row = shape.slice(1);
    const constant = this.per === 'all' ? [] : this.per === 'column' ? row : row.map((d, i) => (i === 0 ? d : 1));
    const of = (values: Float64Array): Tensor => graph.constant(Float32Array.from(values), constant, 'f32');
    return [of(this.shift), of(this.scale)];
  }

  #check(shape: readonly number[]): void {
    const row = shape.slice(1);
    if (this.per === 'column') checkRow(this.type, row, this.row);
    if (this.per === 'channel' && row[0] !== this.row[0]) {
      throw new ShapeError(`${this.type}: expected ${this.row[0]} channels as it was fitted to, got [${shape}]`, { shape });
    }
  }
}

const shared = {
  per: choice('column', 'channel', 'all').default('column'),
  columns: list(whole({ min: 0 })).optional(),
} as const;
const readStandardize = optionsOnly('preprocess.standardize', options<StandardizeOptions>()(shared));

/**
 * Mean 0 and standard deviation 1 (over n, as scikit-learn). Statistics are taken in f64; a column with one value only becomes 0.
 *
 * ```js
 * const scale = preprocess.standardize().fit(train.arrays.x);
 * new Trainer({ model, loss, optimizer, preprocess: { x: scale } });
 * ```
 * @throws OptionError, also for `columns` with another `per`
 * @see sklearn.preprocessing.StandardScaler
 */
export function standardize(options: StandardizeOptions = {}): Unfitted {
  return affine('standardize', readStandardize(arguments), ({ mean, deviation, constant }) => ({
    shift: mean,
    scale: constant ? 1 : deviation,
  }));
}

const bounds: Field<readonly [number, number], readonly [number, number]> = pair(number(), number()).map((given, place) => {
  if (given[1] > given[0]) return given;
  throw place.refuse(`expected the smaller number first, got ${given[0]}, ${given[1]}`, { value: given });
});
const readMinMax = optionsOnly(
  'preprocess.minMax',
  options<MinMaxOptions>()({ ...shared, to: bounds.default([0, 1]), from: bounds.optional() }),
);

/**
 * The least value becomes `to[0]`, the greatest `to[1]`. A column with one value only becomes `to[0]`.
 * @throws OptionError, also for `columns` with another `per`, and for bounds of which the first is not the smaller
 * @see sklearn.preprocessing.MinMaxScaler
 */
export function minMax(options: MinMaxOptions = {}): Unfitted {
  const { to, from, ...which } = readMinMax(arguments);
  const [low, high] = to;
  return affine('minMax', which, ({ least, greatest, constant }) => {
    const [a, b] = from ?? [least, greatest];
    const scale = constant && !from ? 1 : (b - a) / (high - low);
    return { shift: a - low * scale, scale };
  });
}

export function affineFromJSON(json: TransformJSON): Affine {
  const { type, per } = json;
  if (!PER.includes(per as Per)) throw badJSON(type, `per to be one of ${PER.join(', ')}`);
  const row = numbersOf(type, 'row', json.row, true);
  const [shift, scale] = [numbersOf(type, 'shift', json.shift), numbersOf(type, 'scale', json.scale)];
  const count = per === 'all' ? 1 : per === 'channel' ? row[0] : sizeOf(row);
  if (shift.length !== count || scale.length !== count) throw badJSON(type, `${count} values of shift and of scale`);
  if (scale.some((v) => Math.fround(v) === 0)) throw badJSON(type, 'scale without 0');
  return new Affine(type, per as Per, row, Float64Array.from(shift), Float64Array.from(scale));
}

export const isAffine = (type: string): boolean => TYPES.includes(type);

interface Moments {
  readonly mean: number;
  readonly deviation: number;
  readonly least: number;
  readonly greatest: number;
  readonly constant: boolean;
}

interface Which {
  readonly per: Per;
  readonly columns: readonly number[] | undefined;
}

function affine(type: string, { per, columns }: Which, of: (moments: Moments) => Statistic): Unfitted {
  if (columns !== undefined && per !== 'column') throw new OptionError(`${type}: columns goes with per: 'column'`, { per });
  return {
    type,
    fit(given) {
      const x = ndarray(type, given);
      const row = x.shape.slice(1);
      if (per === 'channel' && row.length === 0)
        throw new ShapeError(`${type}: expected [rows, channels, ...], got [${x.shape}]`);
      const chosen = columns && new Set(checkColumns(type, columns, sizeOf(row)));
      const found = momentsOf(type, x, places(per, row)).map((m, j) => {
        return !chosen || chosen.has(j) ? of(m) : { shift: 0, scale: 1 };
      });
      const scale = Float64Array.from(found, (f) => f.scale);
      // What f32 cannot tell from 0 is no scale.
      for (const [j, v] of scale.entries()) if (Math.fround(v) === 0) scale[j] = 1;
      return new Affine(
        type,
        per,
        row,
        Float64Array.from(found, (f) => f.shift),
        scale,
      );
    },
  };
}

/** Indices of columns, each once. */
export function checkColumns(type: string, columns: unknown, width: number): readonly number[] {
  const fits = (c: unknown): boolean => Number.isInteger(c) && (c as number) >= 0 && (c as number) < width;
  if (!Array.isArray(columns) || new Set(columns).size !== columns.length || !columns.every(fits)) {
    throw new OptionError(`${type}: option columns: expected distinct whole numbers below ${width}, got ${listed(columns)}`, {
      columns,
      width,
    });
  }
  return columns as number[];
}

const listed = (value: unknown): string => {
  if (!Array.isArray(value)) return show(value);
  const shown = value.slice(0, MOST_LISTED).map(show).join(', ');
  return `[${shown}${value.length > MOST_LISTED ? ', ...' : ''}]`;
};
const MOST_LISTED = 16;

/** For each value of a row, which statistic is its own. */
function places(per: Per, row: readonly number[]): Int32Array {
  const inner = sizeOf(row.slice(1));
  return Int32Array.from({ length: sizeOf(row) }, (_, j) => (per === 'all' ? 0 : per === 'column' ? j : Math.floor(j / inner)));
}

/** In two passes, in f64. */
function momentsOf(type: string, { data, shape }: NdArray, at: Int32Array): Moments[] {
  const row = at.length;
  if (data.length === 0) throw new DataError(`${type}: expected at least one row to fit to, got [${shape}]`, { shape });
  const count = at.reduce((most, j) => Math.max(most, j + 1), 0);
  const each = (data.length / row) * (row / count);
  const [sums, squares] = [new Float64Array(count), new Float64Array(count)];
  const least = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const greatest = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < data.length; ) {
    for (let j = 0; j < row; j++, i++) {
      const [value, k] = [data[i]!, at[j]!];
      if (!Number.isFinite(value)) {
        const where = { row: (i - j) / row, column: j };
        throw new DataError(`${type}: row ${where.row}, column ${j}: expected a finite number, got ${value}`, where);
      }
      sums[k]! += value;
      if (value < least[k]!) least[k] = value;
      if (value > greatest[k]!) greatest[k] = value;
    }
  }
  const means = sums.map((s, k) => (least[k] === greatest[k] ? least[k]! : s / each));
  for (let i = 0; i < data.length; ) {
    for (let j = 0; j < row; j++, i++) {
      const off = data[i]! - means[at[j]!]!;
      squares[at[j]!]! += off * off;
    }
  }
  return Array.from(means, (mean, k) => ({
    mean,
    deviation: Math.sqrt(squares[k]! / each),
    least: least[k]!,
    greatest: greatest[k]!,
    constant: least[k] === greatest[k],
  }));
}
