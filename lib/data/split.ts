// split.ts: a data set shared out between training, validation and test: by the seed, by label, by group.
import { OptionError } from '../errors.ts';
import { type Data, sizeOf } from '../ir/op.ts';
import { permutation } from '../ir/philox.ts';
import { type Field, nearest, number, options, show, signature, text } from '../options/index.ts';
import { type ArrayInput, type Arrays, type NdArray, ndarray, ndarrays, type Share } from './arrays.ts';
import { arrayInput, arrays, seed } from './fields.ts';

export type { Share } from './arrays.ts';

/** Options of `preprocess.split`. One of `test` and `validation` must be given. */
export interface SplitOptions {
  /** Rows to test on: a number, or below 1 a part of all. Default: none. */
  readonly test?: number;
  /** Rows to validate on: a number, or below 1 a part of all. Default: none. */
  readonly validation?: number;
  /** Which rows go where. Default 0. */
  readonly seed?: number | bigint;
  /**
   * Name of an array with one value a row (a class): each part gets every class in the proportion of the whole, to within a row.
   * Default: rows are shared out whatever their class.
   */
  readonly stratify?: string;
  /**
   * A value for each row; rows with the same value go to the same part. Parts then have the nearest sizes that this allows.
   * Default: rows are independent.
   */
  readonly groups?: ArrayInput;
}

/** The parts of a data set, each with rows that no other has. */
export interface Shares<N extends string = string> {
  /** All rows that the other parts do not have: at least one. */
  readonly train: Share<N>;
  /** The rows to validate on; none if option `validation` was not given. */
  readonly validation: Share<N>;
  /** The rows to test on; none if option `test` was not given. */
  readonly test: Share<N>;
}

// An epoch that no training gets to, so that the split has an order of its own.
const SPLIT_EPOCH = 2 ** 40;
const PARTS = ['test', 'validation', 'train'] as const;

/** Rows: so many, or a part of all. */
const size: Field<number> = number({ min: 0 }).map((rows, place) => {
  if (rows < 1 || Number.isSafeInteger(rows)) return rows;
  throw place.wrong('a whole number of rows, or a part below 1', rows);
});
const readSplit = signature(
  'preprocess.split',
  { arrays },
  options<SplitOptions>()({
    test: size.optional(),
    validation: size.optional(),
    seed: seed.default(0),
    stratify: text.optional(),
    groups: arrayInput.optional(),
  }),
);

/**
 * Share out the rows of named arrays, shuffled by the seed.
 *
 * ```js
 * const { train, validation, test } = preprocess.split({ x, y }, { validation: 0.1, test: 0.2, stratify: 'y' });
 * await trainer.fit(train, { epochs: 10, validation });
 * await trainer.evaluate(test); // test.arrays.x is array x of it, test.rows says which rows these are
 * ```
 * @throws OptionError if neither `test` nor `validation` is given, if the parts do not fit into the rows, or nothing is left to train on
 */
export function split<N extends string>(arrays: Readonly<Record<N, ArrayInput>>, options: SplitOptions): Shares<N> {
  if (typeof options === 'number' || Array.isArray(options)) throw expectedSizes('an object of options', show(options));
  const { seed, stratify, groups, test: toTest, validation: toValidate } = readSplit(arguments);
  if (toTest === undefined && toValidate === undefined) throw expectedSizes('option test, validation or both', 'neither');
  const data = ndarrays(arrays as Arrays);
  const total = [...data.values()][0]!.shape[0]!;
  if (stratify !== undefined && groups !== undefined) throw new OptionError('split: stratify and groups exclude each other');
  const counts = countsOf({ test: toTest ?? 0, validation: toValidate ?? 0 }, total);
  const order = permutation(total, BigInt(seed), SPLIT_EPOCH);
  const parts =
    stratify !== undefined
      ? byClass(order, oneValue(data, stratify), counts)
      : groups !== undefined
        ? byGroup(order, groupsOf(groups, total), counts)
        : inOrder(order, counts);
  const [test, validation, train] = parts.map((rows): Share<N> => {
    const taken = [...data].map(([name, a]) => [name, takeRows(a, rows)] as const);
    return { arrays: Object.fromEntries(taken) as Record<N, NdArray>, rows };
  }) as [Share<N>, Share<N>, Share<N>];
  return { train, validation, test };
}

function expectedSizes(expected: string, got: string): OptionError {
  return new OptionError(`preprocess.split: expected ${expected}, as in { validation: 0.1, test: 0.2 }, got ${got}`);
}

/** The rows of an array with these indices, in their order. */
export function takeRows({ data, shape }: NdArray, rows: Int32Array): NdArray {
  const width = sizeOf(shape.slice(1));
  const out = data.slice(0, rows.length * width);
  for (let i = 0; i < rows.length; i++) out.set(data.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width);
  return { data: out, shape: [rows.length, ...shape.slice(1)] };
}

/** Rows of test, validation and train. */
type Counts = readonly [number, number, number];
type Parts = readonly [Int32Array, Int32Array, Int32Array];

function countsOf({ test, validation }: { readonly test: number; readonly validation: number }, total: number): Counts {
  const [a, b] = [test, validation].map((size) => (size < 1 ? Math.round(size * total) : size)) as [number, number];
  if (a + b >= total) throw new OptionError(`split: expected fewer than ${total} rows of test and validation, got ${a} + ${b}`);
  return [a, b, total - a - b];
}

function inOrder(order: Int32Array, [test, validation]: Counts): Parts {
  return [order.slice(0, test), order.slice(test, test + validation), order.slice(test + validation)];
}

/** Rows by class; each class is shared out in proportion, and what rounding leaves goes where most is missing. */
function byClass(order: Int32Array, labels: Data, counts: Counts): Parts {
  const total = order.length;
  const rowsOf = new Map<number, number[]>();
  for (const row of order) {
    const rows = rowsOf.get(labels[row]!);
    if (rows) rows.push(row);
    else rowsOf.set(labels[row]!, [row]);
  }
  const classes = [...rowsOf].sort(([a], [b]) => a - b).map(([, rows]) => rows);
  // First test from all, then validation from what is left: each time exactly as many as wanted.
  const parts: number[][] = [];
  let left = classes;
  let there = total;
  for (const wanted of counts.slice(0, 2)) {
    const shares = left.map((rows) => (wanted * rows.length) / there);
    const given = shares.map(Math.floor);
    const most = shares.map((s, i) => [s - given[i]!, i] as const).sort(([a, i], [b, j]) => b - a || i - j);
    const missing = wanted - given.reduce((a, b) => a + b, 0);
    for (const [, i] of most.slice(0, missing)) given[i]!++;
    parts.push(left.flatMap((rows, i) => rows.slice(0, given[i])));
    left = left.map((rows, i) => rows.slice(given[i]));
    there -= wanted;
  }
  const place = new Int32Array(total);
  for (const [i, row] of order.entries()) place[row] = i;
  const shuffled = (rows: number[]): Int32Array => Int32Array.from(rows).sort((a, b) => place[a]! - place[b]!);
  return [shuffled(parts[0]!), shuffled(parts[1]!), shuffled(left.flat())];
}

/** Whole groups in the order of the shuffle: each to the part that lacks most of what it wants. */
function byGroup(order: Int32Array, groups: Data, counts: Counts): Parts {
  const rowsOf = new Map<number, number[]>();
  for (const row of order) {
    const rows = rowsOf.get(groups[row]!);
    if (rows) rows.push(row);
    else rowsOf.set(groups[row]!, [row]);
  }
  const parts: [number[], number[], number[]] = [[], [], []];
  // The largest first, so that small ones even out what they leave.
  const largest = [...rowsOf.values()].sort((a, b) => b.length - a.length);
  for (const rows of largest) {
    const lacks = counts.map((count, i) => count - parts[i as 0 | 1 | 2].length);
    const part = parts[lacks.indexOf(Math.max(...lacks)) as 0 | 1 | 2];
    for (const row of rows) part.push(row);
  }
  for (const [i, count] of counts.entries()) {
    if (count > 0 && parts[i as 0 | 1 | 2].length === 0) {
      throw new OptionError(`split: ${rowsOf.size} groups do not go round: none is left for ${PARTS[i]}`, {
        groups: rowsOf.size,
      });
    }
  }
  return [Int32Array.from(parts[0]), Int32Array.from(parts[1]), Int32Array.from(parts[2])];
}

function oneValue(data: ReadonlyMap<string, NdArray>, name: string): Data {
  const found = data.get(name);
  if (!found) {
    const near = nearest(name, [...data.keys()]);
    const hint = near ? `; did you mean ${near}?` : '';
    throw new OptionError(`split: stratify: no array has the name ${name}${hint}`, { name, known: [...data.keys()] });
  }
  if (found.data.length !== found.shape[0]) {
    throw new OptionError(`split: stratify: expected one value a row in ${name}, got [${found.shape}]`, { name });
  }
  return found.data;
}

function groupsOf(given: ArrayInput, total: number): Data {
  const { data } = ndarray('split: groups', given);
  if (data.length === total) return data;
  throw new OptionError(`split: groups: expected ${total} values, one for each row, got ${data.length}`, { total });
}
