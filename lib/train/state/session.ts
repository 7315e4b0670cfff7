// session.ts: the programs of one data set and one purpose (train, evaluate, predict), one per batch size, and the data bound to them.
import { compile } from '../../compile/compile.ts';
import { alignUp, type Given } from '../../compile/layout.ts';
import type { Program } from '../../compile/program.ts';
import { userPlace } from '../../errors/places.ts';
import { GraphError } from '../../errors.ts';
import { type Graph, type Node, type Print, type State, watchNodes } from '../../ir/graph.ts';
import { bytesOf } from '../../ir/op.ts';
import type { NativeBlock } from '../../native/addon.ts';
import { allocate, CompiledProgram, type Engine, target, withOurErrors } from '../../native/program.ts';
import { Interpreter, type InterpreterInit } from '../debug/interpreter.ts';
import { type NdArray, ndarray } from '../feed/source.ts';
import type { Store } from './store.ts';

export interface SessionOptions {
  /** Measure each instruction. */
  readonly profiled?: boolean;
  /** Run op by op, and look at what each gives. */
  readonly debug?: Pick<InterpreterInit, 'gradients'> | null;
}

export interface Compiled<T> {
  readonly program: Program;
  readonly bound: Engine;
  /** What tracing gave besides the graph. */
  readonly extra: T;
  /** Steps that its runs tried or had a part in, and the threads the last of them got. */
  readonly ran: { steps: number; threads: number };
  /** What runs of it tell: see `tellPrints`. */
  readonly prints: ReadonlyMap<string, Print>;
}

/** Data sets, copied into memory of the add-on: the caller may change or transfer the arrays afterwards. */
export class Copied {
  readonly names: readonly string[];
  readonly sizes: readonly number[];
  readonly blocks: readonly NativeBlock[];

  constructor(data: ReadonlyMap<string, NdArray>) {
    this.names = [...data.keys()];
    // Again: an array may have been transferred since the source was made.
    const arrays = [...data].map(([name, a]) => ndarray(name, a).data);
    this.sizes = arrays.map((a) => a.byteLength);
    this.blocks = arrays.map((a) => {
      const block = allocate(Math.max(1, a.byteLength));
      withOurErrors(() => block.write(0, a));
      return block;
    });
  }

  dispose(): void {
    for (const block of this.blocks) block.dispose();
  }
}

export class Session<T> {
  readonly #store: Store;
  readonly #trace: (rows: number) => { graph: Graph; extra: T };
  readonly #data: Copied;
  readonly #options: SessionOptions;
  readonly #programs = new Map<number, Compiled<T>>();
  /** States of the session alone, in a block that is there once the first program needs it. */
  #own: (Given & { readonly block: NativeBlock }) | null = null;

  /** @param data freed with the session */
  constructor(store: Store, data: Copied, trace: (rows: number) => { graph: Graph; extra: T }, options: SessionOptions = {}) {
    this.#store = store;
    this.#data = data;
    this.#trace = trace;
    this.#options = options;
  }

  /** The program for batches of `rows` rows; compiled on first use. */
  program(rows: number): Compiled<T> {
    let found = this.#programs.get(rows);
    if (!found) {
      const { profiled, debug } = this.#options;
      const places = new Map<Node, string>();
      const note = (node: Node): void => {
        const place = userPlace();
        if (place !== null) places.set(node, place);
      };
      const { graph, extra } = debug ? watchNodes(note, () => this.#trace(rows)) : this.#trace(rows);
      const own = this.#transient(graph);
      const { names, sizes } = this.#data;
      const data = names.map((name, i) => ({ name, bytes: sizes[i]! }));
      const layout = this.#store.layout(data, own ? [own] : []);
      const program = compile(graph, { ...target(), layout });
      const blocks = [...this.#store.blocks, ...(own ? [own.block] : []), ...this.#data.blocks];
      const bound: Engine = debug
        ? new Interpreter({ graph, program, layout, blocks, places, ...debug })
        : new CompiledProgram(program).bind(blocks);
      if (profiled) bound.startProfile();
      found = { program, bound, extra, ran: { steps: 0, threads: 1 }, prints: graph.prints };
      this.#programs.set(rows, found);
    }
    return found;
  }

  /** Every program made so far, by its number of rows. */
  get programs(): ReadonlyMap<number, Compiled<T>> {
    return this.#programs;
  }

  /** Ask runs of all programs to end after the step they are in. */
  stop(): void {
    for (const { bound } of this.#programs.values()) bound.stop();
  }

  dispose(): void {
    for (const { bound } of this.#programs.values()) bound.dispose();
    this.#data.dispose();
    this.#own?.block.dispose();
    this.#programs.clear();
  }

  /** The block of what goes from one micro-batch to the next, which the programs of all batch sizes share. */
  #transient(graph: Graph): (Given & { readonly block: NativeBlock }) | null {
    const wanted = graph.states.filter((s) => s.transient);
    if (!this.#own && wanted.length > 0) {
      const states = new Map<State, number>();
      let bytes = 0;
      for (const state of wanted) {
        states.set(state, bytes);
        bytes += alignUp(bytesOf(state.type));
      }
      this.#own = { name: 'transient', bytes, states, block: allocate(Math.max(1, bytes)) };
    }
    const other = wanted.find((s) => !this.#own!.states.has(s));
    if (other) throw new GraphError(`the graphs of two batch sizes differ: ${other.name} is in one of them`);
    return this.#own;
  }
}
