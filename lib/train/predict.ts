// predict.ts: predictions of a model for given rows, in batches.
import { ShapeError } from '../errors.ts';
import type { Graph } from '../ir/graph.ts';
import { bytesOf, type Data, sizeOf } from '../ir/op.ts';
import type { RunResult } from '../native/addon.ts';
import { threadsFor } from '../native/threads.ts';
import { type Loop, perform } from './effect.ts';
import { EVALUATE } from './evaluate.ts';
import { packBatches } from './feeder.ts';
import { located, rowsFrom } from './located.ts';
import { tellPrints } from './prints.ts';
import { Copied, Session } from './session.ts';
import type { NdArray, Tensors } from './source.ts';
import { allocate, type Store } from './store.ts';
import { rowTypes, type StreamBatch, traceRows } from './stream.ts';

// Feed bytes of one run: many small batches go in one call, large ones do not pile up.
const MOST_BYTES = 16 << 20;

/** Keeps the programs it has compiled, one per kind of input. */
export class Predictor {
  readonly #store: Store;
  readonly #trace: (batch: (graph: Graph) => Tensors) => Graph;
  readonly #sessions = new Map<string, Session<null>>();

  constructor(store: Store, trace: (batch: (graph: Graph) => Tensors) => Graph) {
    this.#store = store;
    this.#trace = trace;
  }

  /** `D` is what holds the model's dtype. */
  *predict<D extends Data>(inputs: StreamBatch, batchSize: number, threads: number): Loop<NdArray<D>> {
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
  }

  #session(inputs: StreamBatch): Session<null> {
    const types = rowTypes(inputs);
    const key = JSON.stringify([...types]);
    let session = this.#sessions.get(key);
    if (!session) {
      session = new Session(this.#store, new Copied(new Map()), (rows) => ({
        graph: this.#trace((graph) => traceRows(graph, types, rows)),
        extra: null,
      }));
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
