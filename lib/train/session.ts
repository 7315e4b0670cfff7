// session.ts: the programs of one data set and one purpose (train, evaluate, predict), one per batch size, and the data bound to them.
import { compile } from '../compile/compile.ts';
import type { Program } from '../compile/program.ts';
import type { Graph } from '../ir/graph.ts';
import type { NativeBlock } from '../native/addon.ts';
import { allocate, type BoundProgram, CompiledProgram, guard, target } from '../native/program.ts';
import { type NdArray, ndarray } from './source.ts';
import type { Store } from './store.ts';

export interface Compiled<T> {
  readonly program: Program;
  readonly bound: BoundProgram;
  /** What tracing gave besides the graph. */
  readonly extra: T;
  /** Steps that its runs tried, and the threads the last of them got. */
  readonly ran: { steps: number; threads: number };
}

export class Session<T> {
  readonly #store: Store;
  readonly #trace: (rows: number) => { graph: Graph; extra: T };
  readonly #names: readonly string[];
  readonly #sizes: readonly number[];
  readonly #blocks: readonly NativeBlock[];
  readonly #profiled: boolean;
  readonly #programs = new Map<number, Compiled<T>>();

  /** Copies the data into memory of the add-on: the caller may change or transfer the arrays afterwards. */
  constructor(
    store: Store,
    data: ReadonlyMap<string, NdArray>,
    trace: (rows: number) => { graph: Graph; extra: T },
    profiled: boolean = false,
  ) {
    this.#profiled = profiled;
    this.#store = store;
    this.#trace = trace;
    this.#names = [...data.keys()];
    // Again: an array may have been transferred since the source was made.
    const arrays = [...data].map(([name, a]) => ndarray(name, a).data);
    this.#sizes = arrays.map((a) => a.byteLength);
    this.#blocks = arrays.map((a) => {
      const block = allocate(Math.max(1, a.byteLength));
      guard(() => block.write(0, a));
      return block;
    });
  }

  /** The program for batches of `rows` rows; compiled on first use. */
  program(rows: number): Compiled<T> {
    let found = this.#programs.get(rows);
    if (!found) {
      const { graph, extra } = this.#trace(rows);
      const layout = this.#store.layout(this.#names.map((name, i) => ({ name, bytes: this.#sizes[i]! })));
      const program = compile(graph, { ...target(), layout });
      const bound = new CompiledProgram(program).bind([...this.#store.blocks, ...this.#blocks]);
      if (this.#profiled) bound.startProfile();
      found = { program, bound, extra, ran: { steps: 0, threads: 1 } };
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
    for (const block of this.#blocks) block.dispose();
    this.#programs.clear();
  }
}
