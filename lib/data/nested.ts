// nested.ts: plain arrays of numbers, in any depth, with typed arrays as rows or without, as one list of values with a shape.
import { DTypeError, ShapeError } from '../errors.ts';
import { show } from '../options/index.ts';

/** What stands for a number in a plain array. */
export type Scalar = number | boolean | bigint;
/** A plain array of numbers, or of rows, which may be typed arrays. */
export type Nested = readonly (Scalar | Nested | ArrayLike<number> | ArrayLike<bigint>)[];

/** A list of values of the type that the caller wants. */
export type Floats = Float32Array | Float64Array;
interface FloatsOf<T extends Floats> {
  new (length: number): T;
}

export const isNested = (x: unknown): x is Nested => Array.isArray(x);

/**
 * The values of `given` and its shape, rows first.
 * @throws ShapeError that names the first row that is not as the first one; DTypeError that names what is no number, and its place
 */
export function nestedOf<T extends Floats>(name: string, given: Nested, Type: FloatsOf<T>): { data: T; shape: number[] } {
  const shape: number[] = [];
  for (let x: unknown = given; isList(x); x = x[0]) {
    shape.push(x.length);
    // What refers to itself has no depth.
    if (shape.length > MOST_DIMENSIONS) throw new ShapeError(`${name}: expected at most ${MOST_DIMENSIONS} dimensions`, { name });
    if (x.length === 0) break;
  }
  const data = roomFor(name, shape, Type);
  fill(name, given, shape, data, 0, []);
  return { data, shape };
}

/** The values of a flat list. @throws DTypeError as `nestedOf` */
export function listOf<T extends Floats>(name: string, given: Nested, Type: FloatsOf<T>): T {
  const data = new Type(given.length);
  fill(name, given, [given.length], data, 0, []);
  return data;
}

const MOST_DIMENSIONS = 64;

/** @throws ShapeError for more values than an array can have: rows that are one and the same array take no memory, but their values would */
function roomFor<T extends Floats>(name: string, shape: readonly number[], Type: FloatsOf<T>): T {
  try {
    return new Type(shape.reduce((a, b) => a * b, 1));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ShapeError(`${name}: expected values that memory can hold, got the shape [${shape}]`, { name, shape });
  }
}

const isList = (x: unknown): x is ArrayLike<unknown> => Array.isArray(x) || (ArrayBuffer.isView(x) && 'length' in x);

/** Write `list`, which lies at `place`, from `at` on. @returns where what follows begins */
function fill(
  name: string,
  list: ArrayLike<unknown>,
  shape: readonly number[],
  out: Floats,
  at: number,
  place: readonly number[],
): number {
  const deep = place.length + 1 < shape.length;
  let next = at;
  for (let i = 0; i < list.length; i++) {
    const x = list[i];
    if (!deep && typeof x === 'number') {
      out[next++] = x;
      continue;
    }
    if (deep !== isList(x)) throw unlike(name, shape, [...place, i], x);
    if (!deep) {
      out[next++] = numberOf(name, [...place, i], x);
      continue;
    }
    if ((x as ArrayLike<unknown>).length !== shape[place.length + 1]) throw unlike(name, shape, [...place, i], x);
    next = fill(name, x as ArrayLike<unknown>, shape, out, next, [...place, i]);
  }
  return next;
}

function numberOf(name: string, place: readonly number[], x: unknown): number {
  if (typeof x === 'boolean' || typeof x === 'bigint') return Number(x);
  throw new DTypeError(`${name}: expected numbers, got ${show(x)} at ${placeOf(place)}`, { name, place, value: x });
}

/** The error of a row, or what stands in its place, that is not as the first one. */
function unlike(name: string, shape: readonly number[], place: readonly number[], x: unknown): ShapeError | DTypeError {
  const wide = shape[place.length];
  const expected = wide === undefined ? 'a number' : `${wide} values`;
  const got = isList(x) ? `${x.length}` : show(x);
  const text = `${name}: expected ${expected} at ${placeOf(place)}, as in the first row, got ${got}`;
  const known = isList(x) || typeof x === 'number';
  return known ? new ShapeError(text, { name, place }) : new DTypeError(text, { name, place, value: x });
}

const placeOf = (place: readonly number[]): string => (place.length === 1 ? `row ${place[0]}` : `[${place.join('][')}]`);
