// model-program.ts: a model with given weights as a program of one's own inputs and outputs: for what goes on from its own results.
import { OptionError, ShapeError } from '../../errors.ts';
import { Graph, type Tensor } from '../../ir/graph.ts';
import { ARRAYS, type Data, sameShape, sizeOf } from '../../ir/op.ts';
import { addon } from '../../native/addon.ts';
import { bindParameters, type Module, namesOf, Parameter } from '../../nn/module/module.ts';
import { valuesOf } from '../../nn/module/values.ts';
import { packBatches } from '../feed/feeder.ts';
import type { NdArray } from '../feed/source.ts';
import { drive, type Loop, perform } from '../flow/effect.ts';
import { tellPrints } from './prints.ts';
import { Programs } from './programs.ts';
import { type Compiled, Copied, EVALUATE, runOf, Session } from './session.ts';
import { Store } from './store.ts';

/** There is one program, of inputs that say their own shapes. */
const ONE = { name: 'inputs', rows: 1 };

/** Build a graph with a model's parameters standing for states. */
export function traceModel<T>(model: Module, build: (graph: Graph) => T): { graph: Graph; traced: T } {
  const graph = new Graph('eval');
  const unbind = bindParameters(graph, model);
  try {
    return { graph, traced: build(graph) };
  } finally {
    unbind();
  }
}

export class ModelProgram {
  readonly #store: Store;
  readonly #session: Session<null, typeof ONE>;
  /** All that it is fed are its inputs. */
  readonly #data = new Copied(new Map());

  /**
   * @param parameters values by name; of buffers (running statistics) too, where they are there: else those of the model
   * @param build declares the inputs, as feeds, and gives the outputs by name
   * @throws OptionError for a parameter without values; ShapeError for one of another shape
   */
  constructor(
    model: Module,
    parameters: ReadonlyMap<string, NdArray>,
    build: (graph: Graph) => Readonly<Record<string, Tensor>>,
  ) {
    model.initialize();
    const trace = (): Graph => {
      const { graph, traced } = traceModel(model, build);
      for (const [name, t] of Object.entries(traced)) graph.output(name, t);
      return graph;
    };
    const used = new Set(trace().states);
    this.#store = new Store([...used]);
    for (const [x, names] of namesOf(model)) {
      const { state, shape } = x;
      const name = names.find((n) => parameters.has(n)) ?? names[0]!;
      const values = parameters.get(name);
      if (!values && x instanceof Parameter) throw new OptionError(`no values for the parameter ${name}`, { name });
      if (values && !sameShape(values.shape, shape)) {
        throw new ShapeError(`${name}: expected [${shape}], got [${values.shape}]`, { name });
      }
      if (!used.has(state)) continue;
      this.#store.write(state, values ? ARRAYS[state.type.dtype].from(values.data) : valuesOf(state)!.copy(name));
    }
    const options = { threads: addon().threads.count };
    this.#session = new Session(this.#store, () => ({ graph: trace(), extra: null }), new Programs(), options);
  }

  /** Run it once. @throws IndexError for an index that is out of bounds */
  async run(inputs: ReadonlyMap<string, Data>): Promise<Map<string, Data>> {
    const held = this.#session.hold([ONE], this.#data);
    try {
      return await drive(runOnce(held.programs[0]!, inputs));
    } finally {
      held.release();
    }
  }

  dispose(): void {
    this.#session.dispose();
    this.#store.dispose();
  }
}

function* runOnce(compiled: Compiled<null>, inputs: ReadonlyMap<string, Data>): Loop<Map<string, Data>> {
  const { program } = compiled;
  const batch = new Map([...inputs].map(([name, data]) => [name, { data, shape: [data.length] }]));
  const feed = packBatches([batch], program.feed.columns, program.feed.bytes);
  const result = yield* perform(runOf(compiled, { ...EVALUATE, steps: 1, feed }));
  tellPrints(compiled, result.report, result.tried, () => 0);
  return new Map(
    program.report.columns.map(({ name, offset, type }) => {
      return [name, new ARRAYS[type.dtype](result.report, offset, sizeOf(type.shape))];
    }),
  );
}
