// arrays.ts: arrays that metrics are given, as rows: what their shapes say, and a program that measures them as `evaluate` would.
import { compile } from '../compile/compile.ts';
import { defaultLayout } from '../compile/layout.ts';
import { isNested, nestedOf } from '../data/nested.ts';
import { DTypeError, ShapeError } from '../errors.ts';
import { Graph, type Tensor } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { allocate, type BoundProgram, CompiledProgram, target } from '../native/program.ts';
import type { ReadingRead } from '../nn/loss/rows.ts';
import { show } from '../options/index.ts';
import type { Aggregate, Checked, Sums, Values } from './aggregate.ts';

/** f64 values; `shape` is null where none was given. */
interface Given {
  readonly data: Float64Array;
  readonly shape: readonly number[] | null;
}

/** Predictions and targets of as many rows, each of `xRow` and `yRow` values. */
export interface Batch {
  readonly rows: number;
  readonly x: Float64Array;
  readonly xRow: readonly number[];
  readonly y: Float64Array;
  readonly yRow: readonly number[];
}

function given(op: string, what: string, values: Values): Given {
  if (typeof values !== 'object' || values === null) {
    throw new DTypeError(`${op}: expected ${what} in an array, got ${show(values)}`);
  }
  if ('data' in values) {
    const { data } = given(op, what, values.data);
    if (!Array.isArray(values.shape) || sizeOf(values.shape) !== data.length || values.shape.length === 0) {
      throw new ShapeError(`${op}: expected ${what} of the shape [${values.shape}], got ${data.length} values`);
    }
    return { data, shape: values.shape };
  }
  if (isFloats(values)) return { data: Float64Array.from(values), shape: null };
  const list = isNested(values) ? values : Array.from<number | bigint>(values);
  const { data, shape } = nestedOf(`${op}: ${what}`, list, Float64Array);
  return { data, shape: shape.length > 1 ? shape : null };
}

const isFloats = (x: unknown): x is Float32Array | Float64Array => x instanceof Float32Array || x instanceof Float64Array;

/** A shape, but for a last dimension of 1. */
const column = (shape: readonly number[]): readonly number[] => (shape.at(-1) === 1 ? shape.slice(0, -1) : shape);

/** Targets as many as predictions, in the same shape where both have one; a row is one value, or `width` of them. */
export function pairs(
  op: string,
  predictions: Values,
  targets: Values,
  width: (shape: readonly number[] | null) => number,
): Batch {
  const [x, y] = [given(op, 'predictions', predictions), given(op, 'targets', targets)];
  if (x.data.length !== y.data.length) throw new ShapeError(`${op}: expected ${x.data.length} targets, got ${y.data.length}`);
  if (x.shape && y.shape && !sameShape(column(x.shape), column(y.shape))) {
    throw new ShapeError(`${op}: expected targets [${x.shape}], got [${y.shape}]`);
  }
  const wide = width(x.shape ?? y.shape);
  if (x.data.length % wide !== 0) throw new ShapeError(`${op}: expected rows of ${wide} outputs, got ${x.data.length} values`);
  return { rows: x.data.length / wide, x: x.data, xRow: [wide], y: y.data, yRow: [wide] };
}

/**
 * Scores of several classes, one score, or a class for each label: `reading` with what the shape says.
 * @param least of how many scores a row there are at least
 */
export function classRows(
  op: string,
  predictions: Values,
  labels: Values,
  reading: ReadingRead = {},
): { readonly batch: Batch; readonly reading: ReadingRead } {
  const [x, y] = [given(op, 'predictions', predictions), given(op, 'labels', labels)];
  const rows = y.data.length;
  const lead = x.shape && x.shape.length > 1 && sizeOf(x.shape.slice(0, -1)) === rows;
  const width = lead ? x.shape.at(-1)! : rows === 0 ? 1 : x.data.length / rows;
  const flat = x.shape !== null && !lead && width !== 1;
  if (!Number.isInteger(width) || width < 1 || flat || x.data.length !== width * rows) {
    const got = x.shape ? `the shape [${x.shape}]` : `${x.data.length} values`;
    throw new ShapeError(`${op}: expected a row of logits for each of ${rows} labels, got ${got}`);
  }
  // As many in another order would be paired wrongly: [2, 3] is no [3, 2].
  const places = y.shape && column(y.shape);
  if (x.shape && places && places.length > 1 && !sameShape(column(lead ? x.shape.slice(0, -1) : x.shape), places)) {
    throw new ShapeError(`${op}: expected labels [${lead ? x.shape.slice(0, -1) : x.shape}], got [${y.shape}]`);
  }
  const one = width === 1 && !lead;
  const scores = reading.predictions === 'scores' || reading.threshold !== undefined;
  return {
    batch: { rows, x: x.data, xRow: one ? [] : [width], y: y.data, yRow: [] },
    reading: { ...reading, ...(one && !scores && { predictions: 'classes' as const }) },
  };
}

interface Piece<M> {
  readonly program: BoundProgram;
  readonly measured: M;
}

// Rows of one program: powers of 2 up to this, and values of its feed. So batches of any size need few programs.
const MOST_ROWS = 1024;
const MOST_VALUES = 1 << 18;

/** Measures batches of arrays by the graph that measures those of a trainer. */
export class ArrayRun<M extends Checked> {
  readonly #pieces = new Map<string, Piece<M>>();

  /**
   * What is summed and kept of a batch of at least one row. `build` is always the same for the same shape of rows.
   * @throws what `check` of the metric does
   */
  run({ rows, x, xRow, y, yRow }: Batch, build: (x: Tensor, y: Tensor) => M): { readonly sums: Sums; readonly measured: M } {
    const [xs, ys] = [sizeOf(xRow), sizeOf(yRow)];
    const totals = new Totals();
    let measured: M | null = null;
    for (let start = 0; start < rows; ) {
      const most = Math.max(1, Math.min(rows - start, MOST_ROWS, Math.floor(MOST_VALUES / Math.max(1, xs + ys))));
      let count = 1;
      while (2 * count <= most) count *= 2;
      const piece = this.#piece(count, xRow, yRow, build);
      measured = piece.measured;
      totals.add(
        measured,
        run(piece, x.subarray(start * xs, (start + count) * xs), y.subarray(start * ys, (start + count) * ys)),
      );
      start += count;
    }
    const sums = totals.sums();
    measured!.check(sums);
    return { sums, measured: measured! };
  }

  #piece(rows: number, xRow: readonly number[], yRow: readonly number[], build: (x: Tensor, y: Tensor) => M): Piece<M> {
    const id = `${rows};${xRow};${yRow}`;
    const known = this.#pieces.get(id);
    if (known) return known;
    const graph = new Graph('eval');
    const input = (name: string, row: readonly number[]): Tensor =>
      graph.input(name, { dtype: 'f64', shape: [rows, ...row] }, 'feed');
    const measured = build(input('x', xRow), input('y', yRow));
    for (const [key, t] of Object.entries({ ...measured.summed, ...measured.kept })) graph.output(key, t);
    const layout = defaultLayout(graph);
    const compiled = new CompiledProgram(compile(graph, { ...target(), layout, fuse: true }));
    const program = compiled.bind(layout.blocks.map((b) => allocate(Math.max(1, b.bytes))));
    const piece = { program, measured };
    this.#pieces.set(id, piece);
    return piece;
  }
}

/** One run of a piece. */
function run({ program }: { readonly program: BoundProgram }, x: Float64Array, y: Float64Array): Sums {
  const { feed, report } = program.program;
  const row = new Uint8Array(feed.bytes);
  for (const { name, offset } of feed.columns) {
    const values = name === 'x' ? x : y;
    row.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
  }
  const request = { steps: 1, micros: 1, feed: row, step: new Uint8Array(0), seed: 0n };
  const result = program.runSync({ ...request, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0, threads: 1 });
  return Object.fromEntries(
    report.columns.map(({ name, offset, type }) => [name, new Float64Array(result.report, offset, sizeOf(type.shape))]),
  );
}

/** Sums of batches. */
export class Totals {
  readonly #summed = new Map<string, Float64Array>();
  readonly #kept = new Map<string, number[]>();

  /** Count a batch, or the sums of several. */
  add({ summed = {}, kept = {} }: Aggregate, sums: Sums): void {
    for (const key of Object.keys(summed)) {
      const known = this.#summed.get(key);
      if (!known) this.#summed.set(key, sums[key]!.slice());
      else for (const [i, v] of sums[key]!.entries()) known[i]! += v;
    }
    for (const key of Object.keys(kept)) {
      const known = this.#kept.get(key) ?? [];
      for (const v of sums[key]!) known.push(v);
      this.#kept.set(key, known);
    }
  }

  sums(): Sums {
    const kept = Array.from(this.#kept, ([key, values]) => [key, Float64Array.from(values)] as const);
    return Object.fromEntries([...this.#summed, ...kept]);
  }
}
