// tables.ts: a data set in memory: one table of rows, or, of sequences in buckets, one for each bucket; of batches that differ in shape, one for each shape.
import type { Graph } from '../../ir/graph.ts';
import { ARRAYS } from '../../ir/op.ts';
import { permutation } from '../../ir/philox.ts';
import { reshape } from '../../ops/shape/shape.ts';
import type { Came } from './batches.ts';
import type { Bucket, Sequences } from './sequences.ts';
import { gathered, type Shape } from './shape.ts';
import { dtypeOf, fingerprint, kindOf, modelArrays, type NdArray, rowsOf, type Source, type Tensors } from './source.ts';

/** Rows of one shape. */
export interface Table {
  readonly source: Source;
  /** By the names that they have in a batch. */
  readonly arrays: ReadonlyMap<string, NdArray>;
  /** For each row, which example it is of what was given; null: it has that number. */
  readonly examples: Int32Array | null;
  /** Rows at a time; null: as many as are wanted. */
  readonly most: 1 | null;
  /** Of a batch of so many rows. */
  shape(rows: number): Shape;
}

export interface Tables {
  readonly all: readonly Table[];
  /** Arrays to bind. */
  readonly data: ReadonlyMap<string, NdArray>;
  /** What names the graphs of its batches, beside their shapes. */
  readonly kind: string;
  /** Null: not in buckets. */
  readonly sequences: Sequences | null;
}

export function inOneTable(source: Source): Tables {
  const shape = (rows: number): Shape => gathered(source, rows);
  const table = { source, arrays: source.data, examples: null, most: null, shape };
  return { all: [table], data: source.data, kind: kindOf(source), sequences: null };
}

export function inTables(sequences: Sequences): Tables {
  const all = sequences.buckets.map((bucket, i, { length }) => tableOf(bucket, i, length));
  return { all, data: dataOf(all), kind: all.map(({ source }) => kindOf(source)).join('; '), sequences };
}

function tableOf({ arrays, rows: examples }: Bucket, i: number, count: number): Table {
  const own = modelArrays(arrays);
  const source = rowsOf(own, (name) => `${i}$${name}`);
  return { source, arrays: own, examples, most: null, shape: (rows) => gathered(source, rows, ` of bucket ${i}`, count) };
}

/** Whole batches: those of one shape are the rows of a table. */
export function inTablesByShape(batches: readonly Came[]): Tables {
  const groups = new Map<Shape, number[]>();
  for (const [i, { shape }] of batches.entries()) {
    const group = groups.get(shape);
    if (group) group.push(i);
    else groups.set(shape, [i]);
  }
  const all = [...groups].map(([shape, members], i) => tableOfBatches(shape, members, batches, i));
  return { all, data: dataOf(all), kind: all.map(({ source }) => kindOf(source)).join('; '), sequences: null };
}

function tableOfBatches(shape: Shape, members: readonly number[], batches: readonly Came[], i: number): Table {
  const [first] = members as [number];
  const arrays = [...batches[first]!.arrays].map(([name, { data: like, shape: own }]) => {
    const data = new ARRAYS[dtypeOf(like)](members.length * like.length);
    for (const [k, member] of members.entries()) data.set(batches[member]!.arrays.get(name)!.data, k * like.length);
    return [name, { data, shape: [members.length, ...own] }] as const;
  });
  const stacked = new Map<string, NdArray>(arrays);
  const source = rowsOf(stacked, (name) => `${i}$${name}`);
  const trace = (graph: Graph): Tensors => {
    const one = Object.entries(source.trace(graph, 1));
    return Object.fromEntries(one.map(([name, t]) => [name, reshape(t, t.shape.slice(1))]));
  };
  return { source, arrays: stacked, examples: Int32Array.from(members), most: 1, shape: () => ({ ...shape, trace }) };
}

function dataOf(tables: readonly Table[]): ReadonlyMap<string, NdArray> {
  return new Map(tables.flatMap(({ source }) => [...source.data]));
}

/** A text that tells a data set from others. */
export function fingerprintOf({ all }: Tables): string {
  return all.map(({ source }) => fingerprint(source)).join(' and ');
}

/** A batch of an epoch: rows of one table, from one place in its order on. */
interface Placed {
  readonly table: number;
  readonly start: number;
  readonly rows: number;
}
/** An epoch of sequences in buckets. */
export interface EpochOrder {
  readonly batches: readonly Placed[];
  /** Of each table its rows in the order in which they come. */
  readonly orders: readonly Int32Array[];
}

/**
 * Examples one after the other go to their buckets: one that has enough of them gives a batch, and at the end of the epoch each what it has left.
 * @param shuffle by the seed, anew in each epoch; else in the order in which they were given
 */
export function orderOf(
  { length, buckets }: Sequences,
  options: { readonly batchSize: number; readonly dropLast: boolean; readonly seed: bigint; readonly shuffle: boolean },
  epoch: number,
): EpochOrder {
  const { batchSize, dropLast, seed, shuffle } = options;
  const [tableOf, rowOf] = [new Int32Array(length), new Int32Array(length)];
  for (const [table, { rows }] of buckets.entries()) {
    for (let row = 0; row < rows.length; row++) {
      tableOf[rows[row]!] = table;
      rowOf[rows[row]!] = row;
    }
  }
  const order = shuffle ? permutation(length, seed, epoch) : null;
  const orders = buckets.map(({ rows }) => new Int32Array(rows.length));
  const come = buckets.map(() => 0);
  const batches: Placed[] = [];
  for (let i = 0; i < length; i++) {
    const example = order ? order[i]! : i;
    const table = tableOf[example]!;
    orders[table]![come[table]!++] = rowOf[example]!;
    if (come[table]! % batchSize === 0) batches.push({ table, start: come[table]! - batchSize, rows: batchSize });
  }
  for (const [table, count] of come.entries()) {
    const rows = count % batchSize;
    if (rows > 0 && !dropLast) batches.push({ table, start: count - rows, rows });
  }
  return { batches, orders };
}
