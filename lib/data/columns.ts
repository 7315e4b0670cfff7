// columns.ts: the arrays of many examples: one column each, of sequences or of rows, all of one kind.
import { DataError, DTypeError, ShapeError } from '../errors.ts';
import { ARRAYS, type DType, sameShape, sizeOf } from '../ir/op.ts';
import { show } from '../options/index.ts';
import { type ArrayInput, dtypeOf, type NdArray, narrowed, ndarray } from './arrays.ts';
import type { Scalar } from './nested.ts';

/** One array of all examples: of a sequence its elements, of anything else a row. */
export interface Column {
  readonly name: string;
  readonly sequence: boolean;
  readonly count: number;
  readonly dtype: DType;
  /** Of an element, or of a row. */
  readonly shape: readonly number[];
  at(i: number): NdArray;
}

/** Examples, by the names of their arrays. */
export interface Columns {
  readonly count: number;
  readonly all: readonly Column[];
}

const isScalar = (x: unknown): x is Scalar => typeof x === 'number' || typeof x === 'boolean' || typeof x === 'bigint';

function parsed(name: string, x: unknown): NdArray {
  return isScalar(x) ? { data: Float32Array.of(Number(x)), shape: [] } : narrowed(ndarray(name, x as ArrayInput));
}

/**
 * Values in a list, or rows of an array.
 * @param where with the name
 * @param named whether they are sequences; null: arrays in a list are
 * @throws OptionError, ShapeError, DTypeError for what is none, or not as the first
 */
export function columnOf(where: string, name: string, given: unknown, named: boolean | null): Column {
  if (!Array.isArray(given) || (named !== true && given.every(isScalar))) {
    const whole = narrowed(ndarray(where, given as ArrayInput));
    const [count, ...shape] = whole.shape as [number, ...number[]];
    const width = sizeOf(shape);
    const at = (i: number): NdArray => ({ data: whole.data.subarray(i * width, (i + 1) * width), shape });
    const sequence = named === true;
    if (sequence && shape.length === 0) throw new ShapeError(`${where}: expected sequences, got one number an example`, { name });
    return { name, sequence, count, dtype: dtypeOf(whole.data), shape: sequence ? shape.slice(1) : shape, at };
  }
  const sequence = named ?? true;
  const values = given.map((x, i) => parsed(`${where}[${i}]`, x));
  const lead = values[0] ?? { data: new Float32Array(0), shape: [0] };
  const from = sequence ? 1 : 0;
  const column = {
    name,
    sequence,
    count: values.length,
    dtype: dtypeOf(lead.data),
    shape: lead.shape.slice(from),
    at: (i: number) => values[i]!,
  };
  for (let i = 0; i < values.length; i++) checkValue(`${where}[${i}]`, column, i, given[i]);
  return column;
}

/** The error of an example without an array that the first one has. */
export function missing(where: string, name: string, given: object): DataError {
  return new DataError(`${where}: expected an array named ${name}, got ${Object.keys(given).join(', ')}`, { name });
}

/** One value of a column. @throws ShapeError, DTypeError if it is not as the first */
function checkValue(where: string, column: Column, i: number, given: unknown): void {
  const { data, shape } = column.at(i);
  if (column.sequence && shape.length === 0) throw new ShapeError(`${where}: expected a sequence, got ${show(given)}`);
  checkKind(where, column, { ...column, dtype: dtypeOf(data), shape: shape.slice(column.sequence ? 1 : 0) });
}

/** @throws ShapeError, DTypeError if values of the other column are not as those of the first */
export function checkKind(where: string, first: Column, { sequence, dtype, shape }: Column): void {
  if (dtype !== first.dtype) throw new DTypeError(`${where}: expected ${first.dtype}, as the first has, got ${dtype}`);
  if (sequence === first.sequence && sameShape(shape, first.shape)) return;
  const what = (of: Pick<Column, 'sequence' | 'shape'>): string => `${of.sequence ? 'elements' : 'a row'} of [${of.shape}]`;
  throw new ShapeError(`${where}: expected ${what(first)}, as the first has, got ${what({ sequence, shape })}`);
}

/** The same values in memory of their own. */
export function own({ count, all }: Columns): Columns {
  const copied = all.map((column) => {
    const values = Array.from({ length: count }, (_, i): NdArray => {
      const { data, shape } = column.at(i);
      return { data: data.slice(), shape };
    });
    return { ...column, at: (i: number) => values[i]! };
  });
  return { count, all: copied };
}

/** Examples of one kind as one list. */
export function sideBySide(examples: readonly Columns[]): Columns {
  const all = examples[0]!.all.map((column, k) => ({
    ...column,
    count: examples.length,
    at: (i: number) => examples[i]!.all[k]!.at(0),
  }));
  return { count: examples.length, all };
}

/** Rows of some examples, side by side. */
export function stacked({ dtype, shape, at }: Column, examples: ArrayLike<number>): NdArray {
  const width = sizeOf(shape);
  const data = new ARRAYS[dtype](examples.length * width);
  for (let j = 0; j < examples.length; j++) data.set(at(examples[j]!).data, j * width);
  return { data, shape: [examples.length, ...shape] };
}
