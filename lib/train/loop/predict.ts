// predict.ts: predictions of a model for given rows, in batches.
import { GradclipError, ShapeError } from '../../errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { bytesOf, type Data, sizeOf, type TensorType } from '../../ir/op.ts';
import type { RunResult } from '../../native/addon.ts';
import { threadsFor } from '../../native/threads.ts';
import { packBatches } from '../feed/feeder.ts';
import type { NdArray, Tensors } from '../feed/source.ts';
import { rowsOfBatch, rowTypes, type StreamBatch, traceRows } from '../feed/stream.ts';
import { Copied, Session, type SessionOptions } from '../state/session.ts';
import { allocate, type Store } from '../state/store.ts';
import { type Loop, perform } from './effect.ts';
import { EVALUATE } from './evaluate.ts';
import { located, rowsFrom } from './located.ts';
import { tellPrints } from './prints.ts';

// Feed bytes of one run: many small batches go in one call, large ones do not pile up.
const MOST_BYTES = 16 << 20;

/** What is to be predicted of; whether somebody has said the shape of an array. */
export interface Inputs {
  readonly arrays: StreamBatch;
  readonly shaped: boolean;
}

/** Keeps the programs it has compiled, one per kind of input. */
export class Predictor {
  readonly #store: Store;
  readonly #trace: (batch: (graph: Graph) => Tensors) => Graph;
  readonly #options: SessionOptions;
  readonly #sessions = new Map<string, Session<null>>();
  /** Whether what has no shape of its own is rows, by the types of these. */
  readonly #takesRows = new Map<string, boolean>();

  constructor(store: Store, trace: (batch: (graph: Graph) => Tensors) => Graph, options: SessionOptions) {
    this.#options = options;
    this.#store = store;
    this.#trace = trace;
  }

  /** `D` is what holds the model's dtype. */
  *predict<D extends Data>(given: Inputs, batchSize: number, threads: number): Loop<NdArray<D>> {
    const inputs = this.#rowsOf(given);
    const total = [...inputs.values()][0]!.shape[0]!;
    if (total === 0) throw new ShapeError('predict: expected at least one row, got 0');
    const session = this.#session(inputs);
    let out: NdArray<D> | null = null;
    for (let start = 0; start < total; ) {
      const left = total - start;
      const count = Math.min(batchSize, left);
      const compiled = session.program(count);
      const { program, bound } = compiled;
      const most = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, program.feed.bytes)));
      const steps = Math.min(most, Math.floor(left / count));
      const batches = Array.from({ length: steps }, (_, j) => rowsBetween(inputs, start + j * count, count));
      const feed = packBatches(batches, program.feed.columns, program.feed.bytes);
      const request = { ...EVALUATE, steps, feed, threads: threadsFor(program, threads) };
      const first = start;
      const result = yield* located(
        perform<RunResult>({ now: () => bound.runSync(request), later: () => bound.run(request) }),
        (step) => [rowsFrom(inputs, first + step * count, count)],
      );
      const batch = Math.floor(start / batchSize);
      tellPrints(compiled, result.report, steps, (j) => batch + j);
      const { type, offset } = program.report.columns.find(({ name }) => name === 'prediction')!;
      if (type.shape[0] !== count) {
        throw new ShapeError(`predict: expected one output row per input row (${count}), got [${type.shape}]`);
      }
      const shape = [total, ...type.shape.slice(1)];
      out ??= { data: allocate(type.dtype, sizeOf(shape)) as D, shape };
      const target = new Uint8Array(out.data.buffer);
      const rowBytes = bytesOf(type) / count;
      for (let j = 0; j < steps; j++) {
        const bytes = new Uint8Array(result.report, j * program.report.bytes + offset, bytesOf(type));
        target.set(bytes, (start + j * count) * rowBytes);
      }
      start += steps * count;
    }
    return out!;
  }

  dispose(): void {
    for (const session of this.#sessions.values()) session.dispose();
    this.#sessions.clear();
    this.#takesRows.clear();
  }

  /**
   * What is given, as rows. Where nobody has said a shape, the model does: what it does not take as so many rows, and as one more, but as one row, is
   * one.
   */
  #rowsOf({ arrays, shaped }: Inputs): StreamBatch {
    const rows = rowsOfBatch(arrays);
    if (shaped || rows === 0) return arrays;
    const types = rowTypes(arrays);
    const key = JSON.stringify([...types]);
    let takes = this.#takesRows.get(key);
    if (takes === undefined) {
      takes = this.#takes(types, rows) && this.#takes(types, rows + 1);
      this.#takesRows.set(key, takes);
    }
    if (takes) return arrays;
    const one = new Map([...arrays].map(([name, { data, shape }]) => [name, { data, shape: [1, ...shape] }]));
    const known = this.#sessions.has(JSON.stringify([...rowTypes(one)]));
    return known || this.#takes(rowTypes(one), 1) ? one : arrays;
  }

  /** Whether the model makes so many rows of so many. */
  #takes(types: ReadonlyMap<string, TensorType>, rows: number): boolean {
    try {
      const graph = this.#trace((graph) => traceRows(graph, types, rows));
      return graph.outputs.get('prediction')?.shape[0] === rows;
    } catch (error) {
      if (error instanceof GradclipError) return false;
      throw error;
    }
  }

  #session(inputs: StreamBatch): Session<null> {
    const types = rowTypes(inputs);
    const key = JSON.stringify([...types]);
    let session = this.#sessions.get(key);
    if (!session) {
      session = new Session(
        this.#store,
        new Copied(new Map()),
        (rows) => ({
          graph: this.#trace((graph) => traceRows(graph, types, rows)),
          extra: null,
        }),
        this.#options,
      );
      this.#sessions.set(key, session);
    }
    return session;
  }
}

function rowsBetween(inputs: StreamBatch, start: number, count: number): StreamBatch {
  return new Map(
    [...inputs].map(([name, a]) => {
      const width = sizeOf(a.shape.slice(1));
      return [name, { data: a.data.subarray(start * width, (start + count) * width), shape: [count, ...a.shape.slice(1)] }];
    }),
  );
}
