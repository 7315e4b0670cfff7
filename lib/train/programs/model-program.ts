// model-program.ts: a model with given weights as programs of one's own inputs and outputs, and states: for what goes on from its own results.
import { Graph, type Tensor } from '../../ir/graph.ts';
import { ARRAYS, type Data, type Precision, sizeOf } from '../../ir/op.ts';
import { addon } from '../../native/addon.ts';
import { bindParameters, type Module } from '../../nn/module/module.ts';
import { packBatches } from '../feed/feeder.ts';
import { drive, type Loop, perform } from '../flow/effect.ts';
import { tellPrints } from './prints.ts';
import { Programs } from './programs.ts';
import { type Compiled, Copied, EVALUATE, runOf, Session, type SessionOptions } from './session.ts';
import { Store } from './store.ts';
import type { Weights } from './weights.ts';

// Feed or report bytes of one run: a long prompt goes in several.
const MOST_BYTES = 16 << 20;

/** Build a graph with a model's parameters standing for states. */
export function traceModel<T>(
  model: Module,
  build: (graph: Graph) => T,
  precision: Precision = 'f32',
  forAnyRows: boolean = false,
): { graph: Graph; traced: T } {
  const graph = new Graph('eval');
  graph.precision = precision;
  graph.forAnyRows = forAnyRows;
  const unbind = bindParameters(graph, model);
  try {
    return { graph, traced: build(graph) };
  } finally {
    unbind();
  }
}

/** Which of the programs: so many tokens of a row, or whatever tells one from another. */
interface Kind {
  readonly time: number;
  readonly rows: number;
  readonly name: string;
}

/** What one step is fed: arrays by the names of inputs. */
export type Fed = ReadonlyMap<string, Data>;

export class ModelProgram {
  readonly #store: Store;
  readonly #session: Session<null, Kind>;
  /** All that it is fed are its inputs. */
  readonly #data = new Copied(new Map());

  /**
   * @param build declares the inputs, as feeds, reads and assigns states of its own, the same for any `time`, and gives the outputs by name
   * @param time with which it is built to see what states there are
   */
  constructor(
    model: Module,
    weights: Weights,
    build: (graph: Graph, time: number) => Readonly<Record<string, Tensor>>,
    time: number = 1,
  ) {
    const trace = (time: number): Graph => {
      const { graph, traced } = traceModel(model, (graph) => build(graph, time), weights.precision);
      for (const [name, t] of Object.entries(traced)) graph.output(name, t);
      return graph;
    };
    this.#store = new Store(weights.tracing(() => trace(time)).states, weights.placeOf);
    const options: SessionOptions = { threads: addon().threads.count, tracing: (trace) => weights.tracing(trace) };
    const traced = ({ time }: Kind): { graph: Graph; extra: null } => ({ graph: trace(time), extra: null });
    this.#session = new Session(this.#store, traced, new Programs(), options);
  }

  /**
   * Run the program that was built with this `time`, a step for each feed.
   * @returns the outputs of the last step
   * @throws IndexError for an index that is out of bounds
   */
  async run(time: number, fed: readonly Fed[]): Promise<Map<string, Data>> {
    const held = this.#session.hold([{ time, rows: 1, name: `${time}` }], this.#data);
    try {
      return await drive(runAll(held.programs[0]!, fed));
    } finally {
      held.release();
    }
  }

  /** States of its own become zeros again. No run may be on. */
  reset(): void {
    this.#store.reset(this.#store.own);
  }

  dispose(): void {
    this.#session.dispose();
    this.#store.dispose();
  }
}

function* runAll(compiled: Compiled<null>, fed: readonly Fed[]): Loop<Map<string, Data>> {
  const { feed, report } = compiled.program;
  const most = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, feed.bytes, report.bytes)));
  const outputs = new Map<string, Data>();
  for (let start = 0; start < fed.length; start += most) {
    const part = fed.slice(start, start + most);
    const batches = part.map((f) => new Map([...f].map(([name, data]) => [name, { data, shape: [data.length] }])));
    const request = { ...EVALUATE, steps: part.length, feed: packBatches(batches, feed.columns, feed.bytes) };
    const result = yield* perform(runOf(compiled, request));
    tellPrints(compiled, result.report, result.tried, (j) => start + j);
    const last = (part.length - 1) * report.bytes;
    for (const { name, offset, type } of report.columns) {
      outputs.set(name, new ARRAYS[type.dtype](result.report, last + offset, sizeOf(type.shape)));
    }
  }
  return outputs;
}
