// session.ts: the programs of one purpose (train, evaluate, predict) over one kind of data, one for each shape of a batch. They know what their data look
// like; which data they are bound to, whoever holds them says.
import { compile } from '../../compile/compile.ts';
import { alignUp, type Given } from '../../compile/layout.ts';
import type { Program } from '../../compile/program.ts';
import { userPlace } from '../../errors/places.ts';
import { GraphError } from '../../errors.ts';
import { type Graph, type Node, type Print, type State, watchNodes } from '../../ir/graph.ts';
import { bytesOf, type Data } from '../../ir/op.ts';
import type { NativeBlock, RunRequest, RunResult } from '../../native/addon.ts';
import { allocate, CompiledProgram, type Engine, PROFILE_ROW, target, withOurErrors } from '../../native/program.ts';
import { checkRoom, type Purpose } from '../../native/room.ts';
import { threadsFor } from '../../native/threads.ts';
import type { Shape } from '../feed/shape.ts';
import { type NdArray, ndarray } from '../feed/source.ts';
import type { Effect } from '../flow/effect.ts';
import { type Profile, profileOf } from '../flow/profile.ts';
import { Interpreter, type InterpreterInit } from './interpreter.ts';
import type { Entry, Programs } from './programs.ts';
import type { Store } from './store.ts';

/** What a program is known by, and the rows of a batch. */
type Known = Pick<Shape, 'name' | 'rows'> & Partial<Pick<Shape, 'keep'>>;

function purposeOf({ rows }: Known): Purpose {
  const what = `a batch of ${rows} ${rows === 1 ? 'row' : 'rows'}`;
  return { what, advice: rows === 1 ? 'A smaller model, or shorter rows, take less' : 'A smaller batchSize takes less' };
}

// What the arrays and objects of an instruction take in JavaScript and in C++, about.
const PER_INSTR = 4096;

export interface SessionOptions {
  /** Whose programs they are, among those who share the limits on how many are kept. Default: the session's own. */
  readonly owner?: object;
  /** Of each run, where its program is worth them. */
  readonly threads: number;
  /** Before anything is traced. @throws where nothing can be any more */
  readonly check?: () => void;
  /** Calls what traces a graph. Default: it is called. */
  readonly tracing?: <G>(trace: () => G) => G;
  /** Measure each instruction, or how it is cut. */
  readonly profiled?: boolean | 'balance';
  /** Run op by op, and look at what each gives. */
  readonly debug?: Pick<InterpreterInit, 'gradients'> | null;
  /** Runs wait for none that train, and have one thread: on memory that nobody writes to. */
  readonly apart?: boolean;
  /** The most micro-batches that wait for each other in a run. Default 1. */
  readonly micros?: number;
}

export interface Compiled<T> {
  readonly program: Program;
  readonly bound: Engine;
  /** Threads that its runs ask for. */
  readonly threads: number;
  /** What tracing gave besides the graph. */
  readonly extra: T;
  /** Steps that its runs tried or had a part in, and the threads the last of them got. */
  readonly ran: { steps: number; threads: number };
  /** What runs of it tell: see `tellPrints`. */
  readonly prints: ReadonlyMap<string, Print>;
}

/** Programs for batches of some shapes, which are there until they are released. */
export interface Held<T> {
  readonly programs: readonly Compiled<T>[];
  /** From here on they run on these blocks, a twin of the store's. No run of them may be on. @param values null: on the store's own */
  at(values: readonly NativeBlock[] | null): void;
  release(): void;
}

/** A run of a program, now or later. */
export function runOf({ bound, threads }: Compiled<unknown>, request: Omit<RunRequest, 'threads'>): Effect<RunResult> {
  const whole: RunRequest = { ...request, threads };
  return { now: bound.runSync.bind(bound, whole), later: bound.run.bind(bound, whole, true) };
}

/** Counters of a run that neither draws randomness nor updates. */
export const EVALUATE = { micros: 1, seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0 } as const;

const DATA: Purpose = { what: 'the copy of the data', advice: 'Batches of a stream take less' };

/** Data sets, copied into memory of the add-on: the caller may change or transfer the arrays afterwards. */
export class Copied {
  readonly names: readonly string[];
  readonly sizes: readonly number[];
  readonly blocks: readonly NativeBlock[];
  readonly bytes: number;

  constructor(data: ReadonlyMap<string, NdArray>) {
    this.names = [...data.keys()];
    const arrays = arraysOf(data);
    this.sizes = arrays.map((a) => a.byteLength);
    this.bytes = this.sizes.reduce((sum, size) => sum + size, 0);
    // All of it before the first is copied.
    checkRoom(DATA, this.bytes);
    this.blocks = arrays.map((a) => {
      const block = allocate(Math.max(1, a.byteLength), DATA);
      withOurErrors(() => block.write(0, a));
      return block;
    });
  }

  /** Copy others in their place, if they are as large. No run of these may be on. @returns whether they are */
  replace(data: ReadonlyMap<string, NdArray>): boolean {
    const arrays = arraysOf(data);
    if (arrays.length !== this.sizes.length || arrays.some((a, i) => a.byteLength !== this.sizes[i])) return false;
    for (const [i, a] of arrays.entries()) withOurErrors(() => this.blocks[i]!.write(0, a));
    return true;
  }

  dispose(): void {
    for (const block of this.blocks) block.dispose();
  }
}

/** Checked again: an array may have been transferred since the source was made. */
function arraysOf(data: ReadonlyMap<string, NdArray>): Data[] {
  return Array.from(data, ([name, a]) => ndarray(name, a).data);
}

/** What was measured of the programs for a shape, all those that have been dropped together. */
interface Timing {
  readonly rows: number;
  readonly program: Program;
  readonly ran: Compiled<unknown>['ran'];
  readonly times: Float64Array;
}

/** A program that is there, and the data that it is bound to. */
interface Kept<T> extends Entry {
  readonly compiled: Compiled<T>;
  /** Blocks of the store's states, or of a twin, which come before those of data. */
  values: readonly NativeBlock[];
  /** Null: nothing, not even these. */
  data: Copied | null;
}

export class Session<T, S extends Known = Shape> {
  #store: Store;
  readonly #trace: (shape: S) => { graph: Graph; extra: T };
  readonly #programs: Programs;
  readonly #options: SessionOptions;
  readonly #entries = new Map<string, Kept<T>>();
  readonly #measured = new Map<string, Timing>();
  /** States of the session alone, in a block that is there once the first program needs it. */
  #own: (Given & { readonly block: NativeBlock }) | null = null;
  #disposed = false;

  /** @param programs says how long programs are kept */
  constructor(store: Store, trace: (shape: S) => { graph: Graph; extra: T }, programs: Programs, options: SessionOptions) {
    this.#store = store;
    this.#trace = trace;
    this.#programs = programs;
    this.#options = options;
  }

  /** Whether it was disposed of: whoever keeps it then takes another one. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** The programs for batches of these shapes, compiled where they are not there, and bound to these data. No run of them may be on. */
  hold(shapes: readonly S[], data: Copied): Held<T> {
    const held: Kept<T>[] = [];
    const at = (values: readonly NativeBlock[] | null): void => {
      for (const entry of held) this.#bind(entry, values ?? this.#store.blocks, data);
    };
    const release = (): void => {
      if (held.some(({ values }) => values !== this.#store.blocks)) at(null);
      for (const entry of held) this.#programs.release(entry);
    };
    try {
      const programs = shapes.map((shape) => {
        const entry = this.#entry(shape, data);
        this.#programs.hold(entry);
        held.push(entry);
        return entry.compiled;
      });
      // One may have needed more between micro-batches than those before it were compiled for: next time all find as much.
      if (shapes.some(({ name }, i) => this.#entries.get(name)?.compiled !== programs[i])) {
        release();
        return this.hold(shapes, data);
      }
      return { programs, at, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Programs keep nothing of these data. No run of them may be on. */
  letGo(data: Copied): void {
    for (const entry of this.#entries.values()) {
      if (entry.data !== data) continue;
      entry.compiled.bound.unbind();
      entry.data = null;
    }
  }

  /** Where the time went, for each shape in order of first use. No run may be on. */
  profiles(): Profile[] {
    return [...this.#measured].map(([key, { rows, program, ran, times }]) => {
      const now = this.#entries.get(key)?.compiled.bound.profile();
      const balance = this.#options.profiled === 'balance';
      return profileOf(program, now ? times.map((t, i) => t + now[i]!) : times, { rows, ...ran, balance });
    });
  }

  /** Run on the memory of another store of the same states from here on. @throws BusyError while a run is on */
  move(store: Store): void {
    this.#store = store;
    for (const entry of this.#entries.values()) {
      if (entry.data) this.#bind(entry, store.blocks, entry.data);
      else entry.values = store.blocks;
    }
  }

  /** Drop the programs; the next runs compile theirs anew. */
  forget(): void {
    for (const entry of this.#entries.values()) this.#programs.drop(entry);
  }

  /** Whoever has it in use goes on with programs that are compiled anew. */
  dispose(): void {
    this.#disposed = true;
    this.forget();
    this.#own?.block.dispose();
    this.#own = null;
  }

  #entry(shape: S, data: Copied): Kept<T> {
    const { name: key, rows, keep = 0 } = shape;
    const there = this.#entries.get(key);
    if (there) {
      this.#bind(there, this.#store.blocks, data);
      return there;
    }
    const compiled = this.#compile(shape, data);
    const { bound, program, ran } = compiled;
    if (this.#options.profiled && !this.#measured.has(key)) {
      this.#measured.set(key, { rows, program, ran, times: new Float64Array(PROFILE_ROW * program.instrs.length) });
    }
    const drop = (): void => {
      this.#entries.delete(key);
      const measured = this.#measured.get(key);
      if (measured) for (const [i, t] of bound.profile().entries()) measured.times[i]! += t;
      bound.dispose();
    };
    // Not its arena, which is all programs'.
    const bytes = program.constants.length + PER_INSTR * program.instrs.length;
    const { blocks: values } = this.#store;
    const entry = { owner: this.#options.owner ?? this, bytes, keep, drop, compiled, values, data };
    this.#entries.set(key, entry);
    return entry;
  }

  #compile(shape: S, of: Copied): Compiled<T> {
    const { threads, profiled, debug, apart, micros, check, tracing = (trace) => trace() } = this.#options;
    check?.();
    const places = new Map<Node, string>();
    const note = (node: Node): void => {
      const place = userPlace();
      if (place !== null) places.set(node, place);
    };
    const trace = (): { graph: Graph; extra: T } => tracing(() => this.#trace(shape));
    const { graph, extra } = debug ? watchNodes(note, trace) : trace();
    const own = this.#transient(graph);
    const { names, sizes } = of;
    const data = names.map((name, i) => ({ name, bytes: sizes[i]! }));
    const layout = this.#store.layout(data, own ? [own] : []);
    const stray = graph.states.find((s) => !layout.states.has(s));
    if (stray)
      throw new GraphError(
        `${stray.name}: the model has got it while a call was on that is not done: change layers between calls`,
      );
    const program = compile(graph, { ...target(), layout });
    const blocks = this.#blocks(this.#store.blocks, of);
    const bound: Engine = debug
      ? new Interpreter({ graph, program, layout, blocks, places, ...debug })
      : new CompiledProgram(program).bind(blocks, purposeOf(shape), apart, micros);
    if (profiled) bound.startProfile(profiled === 'balance');
    const ran = this.#measured.get(shape.name)?.ran ?? { steps: 0, threads: 1 };
    return { program, bound, threads: threadsFor(program, threads), extra, ran, prints: graph.prints };
  }

  /** What a program binds, in the order of its layout. */
  #blocks(values: readonly NativeBlock[], data: Copied): readonly NativeBlock[] {
    return [...values, ...(this.#own ? [this.#own.block] : []), ...data.blocks];
  }

  /** Have it run on these. No run of it may be on. */
  #bind(entry: Kept<T>, values: readonly NativeBlock[], data: Copied): void {
    if (entry.data !== data || entry.values !== values) entry.compiled.bound.rebind(this.#blocks(values, data));
    entry.data = data;
    entry.values = values;
  }

  /** The block of what goes from one micro-batch to the next, which the programs of all shapes share. */
  #transient(graph: Graph): (Given & { readonly block: NativeBlock }) | null {
    const wanted = graph.states.filter((s) => s.transient);
    if (wanted.some((s) => this.#isLarger(s))) {
      this.forget();
      this.#own?.block.dispose();
      this.#own = null;
    }
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
    if (other) throw new GraphError(`the graphs of two shapes of batches differ: ${other.name} is in one of them`);
    return this.#own;
  }

  /** Whether it is not there, and a smaller one is that it is in place of. */
  #isLarger(state: State): boolean {
    if (!this.#own || this.#own.states.has(state)) return false;
    let { replaces } = state;
    while (replaces && !this.#own.states.has(replaces)) ({ replaces } = replaces);
    return replaces !== undefined;
  }
}
