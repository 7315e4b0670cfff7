// predict.ts: what a function makes of given rows and a model, in batches: predictions, or whatever else it gives by name.
import { GradclipError, ShapeError } from '../../errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { bytesOf, type Data, sameShape, sizeOf, type TensorType } from '../../ir/op.ts';
import type { RunResult } from '../../native/addon.ts';
import type { Purpose } from '../../native/room.ts';
import { rowsBetween, rowsOfBatch, rowTypes, type StreamBatch, traceRows } from '../feed/batch.ts';
import { packBatches } from '../feed/feeder.ts';
import type { InputPart, Inputs } from '../feed/inputs.ts';
import type { Shape } from '../feed/shape.ts';
import { dtypeOf, type NdArray, type Tensors } from '../feed/source.ts';
import { type Loop, perform } from '../flow/effect.ts';
import { located, rowsFrom } from './located.ts';
import { tellPrints } from './prints.ts';
import type { Programs } from './programs.ts';
import { type Compiled, Copied, EVALUATE, runOf, Session, type SessionOptions } from './session.ts';
import { allocate, type Store } from './store.ts';

// Feed or report bytes of one run: many small batches go in one call, large ones do not pile up.
const MOST_BYTES = 16 << 20;
// Types of inputs without a shape of which is remembered how the model takes them.
const MOST_KNOWN = 1000;

const PREDICTED: Purpose = { what: 'predict: what is predicted', advice: 'Fewer rows at a time take less' };

/** A kind of inputs. */
type Kind = Pick<Shape, 'name' | 'rows' | 'trace'>;

/** So many rows of these types. @param named what names the types */
function kindOf(rows: number, types: ReadonlyMap<string, TensorType>, named: string): Kind {
  return { rows, name: `${rows} ${named}`, trace: (graph) => traceRows(graph, types, rows) };
}

/** Names of columns of the report, by the names of the outputs; '' of one that has none. */
export type Columns = ReadonlyMap<string, string>;

export interface TracedOutputs {
  readonly graph: Graph;
  readonly extra: Columns;
}

/** The function's tensor, or those of its object by their names. */
export type Outputs = NdArray | Readonly<Record<string, NdArray>>;

/** How inputs are run. */
export interface Running {
  /** Rows at a time: each output has a row for each of them. null: all at once, and outputs of any shape. */
  readonly batchSize: number | null;
  /** Keys what is drawn, batch by batch. */
  readonly seed: bigint;
}

export class Predictions {
  readonly #where: string;
  readonly #trace: (batch: (graph: Graph) => Tensors) => TracedOutputs;
  readonly #check: (() => void) | undefined;
  readonly #session: Session<Columns, Kind>;
  /** All that its programs read are their feeds. */
  readonly #data = new Copied(new Map());
  /** Whether the model takes what has no shape of its own as rows, or as one, by types. */
  readonly #taken = new Map<string, boolean>();

  constructor(
    where: string,
    store: Store,
    trace: (batch: (graph: Graph) => Tensors) => TracedOutputs,
    programs: Programs,
    options: SessionOptions,
  ) {
    this.#where = where;
    this.#trace = trace;
    this.#check = options.check;
    const traceKind = (kind: Kind): TracedOutputs => this.#trace((graph) => kind.trace(graph));
    this.#session = new Session(store, traceKind, programs, options);
  }

  *run({ parts, shaped }: Inputs, how: Running): Loop<Outputs> {
    if (parts.length === 1) return yield* this.#rows(parts[0]!, shaped, how, 0);
    const { batchSize } = how;
    if (batchSize === null)
      throw new ShapeError(`${this.#where}: expected rows of one shape, got several: option batchSize says how many at a time`);
    const outputs: Outputs[] = [];
    let before = 0;
    for (const part of parts) {
      outputs.push(yield* this.#rows(part, shaped, how, before));
      before += part.shape ? 1 : Math.ceil(rowsOfBatch(part.arrays) / batchSize);
    }
    return ordered(this.#where, outputs, parts);
  }

  /** @param before batches of the parts before */
  *#rows({ arrays, examples, shape }: InputPart, shaped: boolean, { batchSize, seed }: Running, before: number): Loop<Outputs> {
    const inputs = this.#rowsOf(arrays, shaped, batchSize === null);
    const total = shape?.rows ?? rowsOfBatch(inputs);
    if (total === 0) throw new ShapeError(`${this.#where}: expected at least one row, got 0`);
    const types = rowTypes(inputs);
    const named = nameOf(types);
    const most = shape ? total : (batchSize ?? total);
    const out = new Map<string, NdArray>();
    for (let start = 0; start < total; ) {
      const count = Math.min(most, total - start);
      const kind = shape ?? kindOf(count, types, named);
      const { programs, release } = this.#session.hold([kind], this.#data);
      try {
        const compiled = programs[0]!;
        const steps = stepsOf(compiled, Math.floor((total - start) / count));
        const report = yield* this.#part(
          compiled,
          { arrays: inputs, examples, shape },
          { start, count, steps, batch: before + Math.floor(start / most), seed },
        );
        for (const [name, column] of compiled.extra) {
          const rows = batchSize !== null;
          const { bytes, columns } = compiled.program.report;
          const { offset, type } = columns.find((c) => c.name === column)!;
          if (rows) checkRows(this.#where, name, type, count);
          const target = out.get(name) ?? room(type, rows ? total : null);
          out.set(name, target);
          const to = new Uint8Array(target.data.buffer);
          const at = rows ? start * (bytesOf(type) / count) : 0;
          for (let j = 0; j < steps; j++) {
            to.set(new Uint8Array(report, j * bytes + offset, bytesOf(type)), at + j * bytesOf(type));
          }
        }
        start += steps * count;
      } finally {
        release();
      }
    }
    return out.get('') ?? Object.fromEntries(out);
  }

  /** Run on the memory of another store of the same states from here on. @throws BusyError while a run is on */
  move(store: Store): void {
    this.#session.move(store);
  }

  /** What was compiled is dropped. */
  forget(): void {
    this.#session.forget();
    this.#taken.clear();
  }

  dispose(): void {
    this.#session.dispose();
  }

  /** @returns the report of so many batches of `count` rows, from row `start` on */
  *#part(
    compiled: Compiled<Columns>,
    { arrays: inputs, examples, shape }: InputPart,
    { start, count, steps, batch, seed }: { start: number; count: number; steps: number; batch: number; seed: bigint },
  ): Loop<ArrayBuffer> {
    const { feed: row } = compiled.program;
    const batches = shape ? [inputs] : Array.from({ length: steps }, (_, j) => rowsBetween(inputs, start + j * count, count));
    const feed = packBatches(batches, row.columns, row.bytes);
    let result: RunResult;
    try {
      result = yield* perform(runOf(compiled, { ...EVALUATE, seed, attempt: batch, steps, feed }));
    } catch (error) {
      throw located(error, (step) => [
        shape
          ? { arrays: inputs, rows: null, of: ` of batch ${batch}` }
          : { ...rowsFrom(inputs, start + step * count, count), examples },
      ]);
    }
    tellPrints(compiled, result.report, steps, (j) => batch + j);
    return result.report;
  }

  /**
   * What is given, as rows. Where nobody has said a shape, the model does: what it does not take as so many rows, and as one more, but as one row, is
   * one.
   * @param any outputs may have any shapes
   */
  #rowsOf(arrays: StreamBatch, shaped: boolean, any: boolean): StreamBatch {
    const rows = rowsOfBatch(arrays);
    if (shaped || rows === 0) return arrays;
    const types = rowTypes(arrays);
    const takes = (of: ReadonlyMap<string, TensorType>, rows: number): boolean => this.#takes(of, rows, any);
    if (this.#known(`rows ${nameOf(types)}`, () => takes(types, rows) && takes(types, rows + 1))) return arrays;
    const one = new Map([...arrays].map(([name, { data, shape }]) => [name, { data, shape: [1, ...shape] }]));
    const typesOfOne = rowTypes(one);
    return this.#known(`one ${nameOf(typesOfOne)}`, () => takes(typesOfOne, 1)) ? one : arrays;
  }

  #known(name: string, find: () => boolean): boolean {
    let known = this.#taken.get(name);
    if (known === undefined) {
      known = find();
      if (this.#taken.size >= MOST_KNOWN) this.#taken.clear();
      this.#taken.set(name, known);
    }
    return known;
  }

  /** Whether the model makes so many rows of so many. */
  #takes(types: ReadonlyMap<string, TensorType>, rows: number, any: boolean): boolean {
    this.#check?.();
    try {
      const { graph, extra } = this.#trace((graph) => traceRows(graph, types, rows));
      return any || [...extra.values()].every((column) => graph.outputs.get(column)?.shape[0] === rows);
    } catch (error) {
      if (error instanceof GradclipError) return false;
      throw error;
    }
  }
}

/** Outputs of buckets in the order of the examples. */
function ordered(where: string, outputs: readonly Outputs[], parts: readonly InputPart[]): Outputs {
  const isOne = (out: Outputs): out is NdArray => ArrayBuffer.isView(out.data);
  const join = (name: string, of: (out: Outputs) => NdArray): NdArray =>
    inOrder(
      name === '' ? where : `${where}: ${name}`,
      outputs.map((out, i) => ({ ...of(out), examples: parts[i]!.examples! })),
    );
  const [first] = outputs as [Outputs];
  if (isOne(first)) return join('', (out) => out as NdArray);
  const names = Object.keys(first);
  return Object.fromEntries(names.map((name) => [name, join(name, (out) => (out as Record<string, NdArray>)[name]!)]));
}

/** Rows of several arrays, each at the place of its example. Where they differ in size, zeros come after those of the smaller. */
function inOrder(where: string, arrays: readonly (NdArray & { readonly examples: Int32Array })[]): NdArray {
  const { data: like, shape: first } = arrays[0]!;
  const most = first.slice(1).map((_, d) => Math.max(...arrays.map(({ shape }) => shape[d + 1]!)));
  const total = arrays.reduce((sum, { examples }) => sum + examples.length, 0);
  const shape = [total, ...most];
  const other = arrays.find((a) => a.shape.length !== shape.length);
  if (other) throw new ShapeError(`${where}: expected rows of [${first.slice(1)}] in each bucket, got [${other.shape.slice(1)}]`);
  const data = allocate(dtypeOf(like), sizeOf(shape), PREDICTED);
  const width = sizeOf(most);
  for (const { data: rows, shape, examples } of arrays) {
    const own = sizeOf(shape.slice(1));
    for (const [k, example] of examples.entries()) {
      place(rows.subarray(k * own, (k + 1) * own), shape.slice(1), data.subarray(example * width, (example + 1) * width), most);
    }
  }
  return { data, shape };
}

/** Put an array into the beginning of a larger one. */
function place(from: Data, shape: readonly number[], to: Data, within: readonly number[]): void {
  const [length, ...inner] = shape;
  if (length === undefined || sameShape(inner, within.slice(1))) {
    to.set(from);
    return;
  }
  const [step, wide] = [sizeOf(inner), sizeOf(within.slice(1))];
  for (let i = 0; i < length; i++) {
    place(from.subarray(i * step, (i + 1) * step), inner, to.subarray(i * wide, (i + 1) * wide), within.slice(1));
  }
}

/** Batches that go in one run, of so many there are. */
function stepsOf({ program }: Compiled<unknown>, most: number): number {
  const within = Math.floor(MOST_BYTES / Math.max(1, program.feed.bytes, program.report.bytes));
  return Math.min(Math.max(1, within), most);
}

function checkRows(where: string, name: string, type: TensorType, rows: number): void {
  if (type.shape[0] === rows) return;
  const what = name === '' ? where : `${where}: ${name}`;
  throw new ShapeError(`${what}: expected one output row per input row (${rows}), got [${type.shape}]`);
}

/** For an output. @param total rows of all of it; null: it is as the program gives it */
function room(type: TensorType, total: number | null): NdArray {
  const shape = total === null ? type.shape : [total, ...type.shape.slice(1)];
  return { data: allocate(type.dtype, sizeOf(shape), PREDICTED) satisfies Data, shape };
}

function nameOf(types: ReadonlyMap<string, TensorType>): string {
  return JSON.stringify([...types]);
}
