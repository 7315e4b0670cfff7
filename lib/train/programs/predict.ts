// predict.ts: predictions of a model for given rows, in batches.
import { GradclipError, ShapeError } from '../../errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { bytesOf, type Data, sizeOf, type TensorType } from '../../ir/op.ts';
import type { RunResult } from '../../native/addon.ts';
import type { Purpose } from '../../native/room.ts';
import { packBatches } from '../feed/feeder.ts';
import type { Inputs } from '../feed/inputs.ts';
import type { NdArray, Tensors } from '../feed/source.ts';
import { rowsBetween, rowsOfBatch, rowTypes, type StreamBatch, traceRows } from '../feed/stream.ts';
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

/** A kind of inputs: so many rows of these types. */
interface Kind {
  readonly rows: number;
  readonly types: ReadonlyMap<string, TensorType>;
  readonly name: string;
}

export class Predictor {
  readonly #trace: (batch: (graph: Graph) => Tensors) => Graph;
  readonly #session: Session<null, Kind>;
  /** All that its programs read are their feeds. */
  readonly #data = new Copied(new Map());
  /** Whether the model takes what has no shape of its own as rows, or as one, by types. */
  readonly #taken = new Map<string, boolean>();

  constructor(store: Store, trace: (batch: (graph: Graph) => Tensors) => Graph, programs: Programs, options: SessionOptions) {
    this.#trace = trace;
    const traceKind = ({ types, rows }: Kind): { graph: Graph; extra: null } => ({
      graph: this.#trace((graph) => traceRows(graph, types, rows)),
      extra: null,
    });
    this.#session = new Session(store, traceKind, programs, options);
  }

  /** `D` is what holds the model's dtype. */
  *predict<D extends Data>(given: Inputs, batchSize: number): Loop<NdArray<D>> {
    const inputs = this.#rowsOf(given);
    const total = [...inputs.values()][0]!.shape[0]!;
    if (total === 0) throw new ShapeError('predict: expected at least one row, got 0');
    const types = rowTypes(inputs);
    const named = nameOf(types);
    let out: NdArray<D> | null = null;
    const part = function* (compiled: Compiled<null>, start: number, count: number): Loop<number> {
      const { program } = compiled;
      const most = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, program.feed.bytes, program.report.bytes)));
      const steps = Math.min(most, Math.floor((total - start) / count));
      const batches = Array.from({ length: steps }, (_, j) => rowsBetween(inputs, start + j * count, count));
      const feed = packBatches(batches, program.feed.columns, program.feed.bytes);
      let result: RunResult;
      try {
        result = yield* perform(runOf(compiled, { ...EVALUATE, steps, feed }));
      } catch (error) {
        throw located(error, (step) => [rowsFrom(inputs, start + step * count, count)]);
      }
      const batch = Math.floor(start / batchSize);
      tellPrints(compiled, result.report, steps, (j) => batch + j);
      const { type, offset } = program.report.columns.find(({ name }) => name === 'prediction')!;
      if (type.shape[0] !== count) {
        throw new ShapeError(`predict: expected one output row per input row (${count}), got [${type.shape}]`);
      }
      const shape = [total, ...type.shape.slice(1)];
      out ??= { data: allocate(type.dtype, sizeOf(shape), PREDICTED) as D, shape };
      const target = new Uint8Array(out.data.buffer);
      const rowBytes = bytesOf(type) / count;
      for (let j = 0; j < steps; j++) {
        const bytes = new Uint8Array(result.report, j * program.report.bytes + offset, bytesOf(type));
        target.set(bytes, (start + j * count) * rowBytes);
      }
      return steps * count;
    };
    for (let start = 0; start < total; ) {
      const count = Math.min(batchSize, total - start);
      const kind = { rows: count, types, name: `${count} ${named}` };
      const { programs, release } = this.#session.hold([kind], this.#data);
      try {
        start += yield* part(programs[0]!, start, count);
      } finally {
        release();
      }
    }
    return out!;
  }

  /** What was compiled is dropped. */
  forget(): void {
    this.#session.forget();
    this.#taken.clear();
  }

  dispose(): void {
    this.#session.dispose();
  }

  /**
   * What is given, as rows. Where nobody has said a shape, the model does: what it does not take as so many rows, and as one more, but as one row, is
   * one.
   */
  #rowsOf({ arrays, shaped }: Inputs): StreamBatch {
    const rows = rowsOfBatch(arrays);
    if (shaped || rows === 0) return arrays;
    const types = rowTypes(arrays);
    if (this.#known(`rows ${nameOf(types)}`, () => this.#takes(types, rows) && this.#takes(types, rows + 1))) return arrays;
    const one = new Map([...arrays].map(([name, { data, shape }]) => [name, { data, shape: [1, ...shape] }]));
    const typesOfOne = rowTypes(one);
    return this.#known(`one ${nameOf(typesOfOne)}`, () => this.#takes(typesOfOne, 1)) ? one : arrays;
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
  #takes(types: ReadonlyMap<string, TensorType>, rows: number): boolean {
    try {
      const graph = this.#trace((graph) => traceRows(graph, types, rows));
      return graph.outputs.get('prediction')?.shape[0] === rows;
    } catch (error) {
      if (error instanceof GradclipError) return false;
      throw error;
    }
  }
}

function nameOf(types: ReadonlyMap<string, TensorType>): string {
  return JSON.stringify([...types]);
}
