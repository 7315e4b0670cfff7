// transform.ts: what a transform of rows is, several in a row, and the form in which they are saved.
import { DataError, OptionError, ShapeError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { custom, type Field, show } from '../options/index.ts';
import type { ArrayInput, NdArray } from './arrays.ts';

/** A transform as plain JSON. */
export interface TransformJSON {
  /** Which transform it is: `standardize`, `minMax`, `oneHot`, `impute`, `schema` or `pipeline`. */
  readonly type: string;
  readonly [key: string]: unknown;
}

/** A transform of rows whose statistics are known. On arrays and in a model's graph it gives the same bits. */
export interface Transform {
  /** Name of the function that made it, without `preprocess`: for errors, and for `toJSON`. */
  readonly type: string;
  /** Rows transformed, f32. @throws ShapeError if they are not as the ones it was fitted to */
  transform(x: ArrayInput): NdArray;
  /** Rows as they were before `transform`, to within rounding. */
  inverse(y: ArrayInput): NdArray;
  /**
   * `transform`, as part of a graph.
   * @shape x [rows, ...] -> f32 [rows, ...], of which `oneHot` changes the columns
   * @throws ShapeError if rows are not as the ones it was fitted to
   */
  build(x: Tensor): Tensor;
  /**
   * `inverse`, as part of a graph.
   * @shape y [rows, ...] -> f32 [rows, ...]
   * @throws OptionError if this transform has none there; ShapeError if rows are not as the ones it was fitted to
   */
  buildInverse(y: Tensor): Tensor;
  /** What `preprocess.fromJSON` makes the same transform of. */
  toJSON(): TransformJSON;
}

/** A transform that does not know its statistics yet. */
export interface Unfitted {
  /** Name of the function that made it, without `preprocess`: for errors. */
  readonly type: string;
  /** Learn the statistics of rows. @throws DataError if there is no row, or a value is not finite */
  fit(x: ArrayInput): Transform;
}

/** A transform, fitted or not: what it lacks is seen when it is taken. */
export const step: Field<Transform | Unfitted> = custom('a transform such as preprocess.standardize()', (value, place) => {
  const given = value as Partial<Transform & Unfitted> | null;
  if (typeof given === 'object' && given !== null && (typeof given.fit === 'function' || typeof given.build === 'function'))
    return given as Transform | Unfitted;
  throw place.wrong('a transform such as preprocess.standardize()', value);
});

/** Throws unless `value` is a transform; one that was not fitted has an error of its own. */
export function checkTransform(where: string, value: unknown): Transform {
  const given = value as Partial<Transform & Unfitted> | null;
  if (typeof given === 'object' && given !== null) {
    if (typeof given.build === 'function') {
      const lacks = (['buildInverse', 'toJSON'] as const).find((key) => typeof given[key] !== 'function');
      if (lacks)
        throw new OptionError(`${where}: transform ${given.type ?? 'without a type'} has no function ${lacks}`, { where });
      if (typeof given.type === 'string') return given as Transform;
    }
    if (typeof given.fit === 'function') {
      throw new OptionError(`${where}: ${given.type} was not fitted: call its fit(rows) and take what it returns`, { where });
    }
  }
  throw new OptionError(`${where}: expected a transform such as preprocess.standardize().fit(x), got ${show(value)}`, { where });
}

/** Several transforms, one after the other. */
export class Pipeline implements Transform {
  readonly type = 'pipeline';
  readonly steps: readonly Transform[];

  constructor(steps: readonly Transform[]) {
    this.steps = steps;
  }

  transform(x: ArrayInput): NdArray {
    return this.steps.reduce<ArrayInput>((rows, step) => step.transform(rows), x) as NdArray;
  }

  inverse(y: ArrayInput): NdArray {
    return this.steps.reduceRight<ArrayInput>((rows, step) => step.inverse(rows), y) as NdArray;
  }

  build(x: Tensor): Tensor {
    return this.steps.reduce((t, step) => step.build(t), x);
  }

  buildInverse(y: Tensor): Tensor {
    return this.steps.reduceRight((t, step) => step.buildInverse(t), y);
  }

  toJSON(): TransformJSON {
    return { type: 'pipeline', steps: this.steps.map((step) => step.toJSON()) };
  }
}

/** Rows of a graph's tensor, for errors. */
export function checkRow(type: string, row: readonly number[], expected: readonly number[]): void {
  if (row.length === expected.length && row.every((d, i) => d === expected[i])) return;
  throw new ShapeError(`${type}: expected rows [${expected}] as those it was fitted to, got [${row}]`, { row, expected });
}

export function badJSON(type: string, what: string): DataError {
  return new DataError(`preprocess.fromJSON: ${type}: expected ${what}`, { type });
}

/** A list of finite numbers out of JSON. */
export function numbersOf(type: string, key: string, value: unknown, whole = false): number[] {
  const fits = (v: unknown): boolean => (whole ? Number.isSafeInteger(v) && (v as number) >= 0 : Number.isFinite(v));
  if (!Array.isArray(value) || !value.every(fits)) throw badJSON(type, `${key} to be a list of ${whole ? 'whole ' : ''}numbers`);
  return value as number[];
}
