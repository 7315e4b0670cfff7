// searching.ts: what an optimizer that searches has in a trainer: its vectors, in blocks that programs are bound to as pairs follow each other, and the
// programs that work on them.

import { alignUp } from '../../compile/layout.ts';
import { AbortError } from '../../errors.ts';
import { Graph, type State } from '../../ir/graph.ts';
import { bytesOf } from '../../ir/op.ts';
import type { NativeBlock, RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { Memory, type Place } from '../../nn/module/values.ts';
import { StepColumns } from '../../optim/apply/columns.ts';
import type { Numbers, SearchRule, Task } from '../../optim/search/space.ts';
import { Standing } from '../../optim/search/standing.ts';
import type { Pair, SearchStates } from '../../optim/search/states.ts';
import { buildTask, taskName } from '../../optim/search/vectors.ts';
import { type Loop, perform } from '../flow/effect.ts';
import type { Programs } from './programs.ts';
import { Copied, EVALUATE, type Held, runOf, Session } from './session.ts';
import type { Store } from './store.ts';

const PURPOSE = { what: 'the pairs of a search', advice: 'A smaller historySize takes less' } as const;
/** Programs of tasks that are kept: those of a step. */
const KEEP = 48;
// A run that is asked to end before its only step began is asked for again: the step of which it is a part goes on to its end.
const MOST_TRIES = 100;

/** A block for each pair: in which order they follow each other changes with each of them. */
export class PairMemory {
  readonly memories: readonly Memory[];
  readonly #places: ReadonlyMap<State, Place>;

  /** What nobody writes to takes no memory yet. @throws GradclipError ERR_MEMORY */
  constructor(pairs: readonly Pair[]) {
    const places = new Map<State, Place>();
    this.memories = pairs.map(({ s, y }) => {
      const offset = alignUp(bytesOf(s.type));
      const memory = new Memory(offset + bytesOf(y.type), PURPOSE);
      places.set(s, { memory, offset: 0 }).set(y, { memory, offset });
      return memory;
    });
    this.#places = places;
  }

  placeOf(state: State): Place | null {
    return this.#places.get(state) ?? null;
  }
}

/** How a program of its own averages the parameters after a step. */
export type Averaging = (graph: Graph, columns: StepColumns) => void;

/** What is searched. */
interface Searched {
  /** The trained ones, in the order in which gradients come. */
  readonly params: readonly State[];
  readonly average: Averaging | null;
}

type Key = { readonly name: string; readonly rows: number; readonly keep: number; readonly task: Task | 'average' };

export class Searching {
  readonly rule: SearchRule;
  readonly #states: SearchStates;
  readonly #store: Store;
  readonly #session: Session<StepColumns | null, Key>;
  /** Of each pair, which of the store's blocks it lies in. */
  readonly #blocks: readonly number[];
  readonly #average: Averaging | null;
  readonly #nothing: Copied = new Copied(new Map());

  constructor(
    rule: SearchRule,
    states: SearchStates,
    pairs: PairMemory,
    { params, average }: Searched,
    store: Store,
    programs: Programs,
    threads: number,
  ) {
    this.rule = rule;
    this.#states = states;
    this.#store = store;
    this.#average = average;
    this.#blocks = pairs.memories.map((memory) => 1 + store.memories.indexOf(memory));
    const trace = ({ task }: Key): { graph: Graph; extra: StepColumns | null } => {
      const graph = new Graph('train');
      if (task !== 'average') {
        buildTask(graph, task, states, params);
        return { graph, extra: null };
      }
      const columns = new StepColumns(graph);
      average!(graph, columns);
      return { graph, extra: columns };
    };
    this.#session = new Session(store, trace, programs, { threads });
  }

  /** In a turn: for one step. */
  begin(): SearchStep {
    const held = new Map<string, Held<StepColumns | null>>();
    const hold = (task: Key['task']): Held<StepColumns | null> => {
      const name = task === 'average' ? task : taskName(task);
      const known = held.get(name) ?? this.#session.hold([{ name, rows: 0, keep: KEEP, task }], this.#nothing);
      held.set(name, known);
      return known;
    };
    const release = (): void => {
      for (const { release } of held.values()) release();
    };
    return new SearchStep(
      this.#store,
      this.#states,
      this.rule,
      hold,
      (places) => this.#ordered(places),
      this.#average !== null,
      release,
    );
  }

  /** Begin anew. No run may be on. */
  restart(): void {
    this.#store.reset([this.#states.standing]);
  }

  forget(): void {
    this.#session.forget();
  }

  dispose(): void {
    this.#session.dispose();
    this.#nothing.dispose();
  }

  /** The store's blocks, such that the pairs in these places are the first ones. */
  #ordered(places: readonly number[]): readonly NativeBlock[] {
    const order = [...this.#blocks.keys()];
    for (const [i, place] of places.entries()) {
      const at = order.indexOf(place);
      [order[i], order[at]] = [order[at]!, order[i]!];
    }
    const blocks = [...this.#store.blocks];
    for (const [i, place] of order.entries()) blocks[this.#blocks[i]!] = this.#store.blocks[this.#blocks[place]!]!;
    return blocks;
  }
}

/** The work on vectors within one step. */
export class SearchStep {
  readonly standing: Standing;
  readonly #store: Store;
  readonly #states: SearchStates;
  readonly #hold: (task: Key['task']) => Held<StepColumns | null>;
  readonly #ordered: (places: readonly number[]) => readonly NativeBlock[];
  readonly #averages: boolean;
  readonly release: () => void;
  /** Whether the parameters may be others than those with which the iteration began. */
  moved: boolean = false;

  constructor(
    store: Store,
    states: SearchStates,
    { historySize }: SearchRule,
    hold: (task: Key['task']) => Held<StepColumns | null>,
    ordered: (places: readonly number[]) => readonly NativeBlock[],
    averages: boolean,
    release: () => void,
  ) {
    this.#store = store;
    this.#states = states;
    this.#hold = hold;
    this.#ordered = ordered;
    this.#averages = averages;
    this.release = release;
    this.standing = new Standing(historySize).read(store.read([states.standing]).get(states.standing)!);
  }

  *do(task: Task, numbers: Numbers = {}, places: readonly number[] = []): Loop<Numbers> {
    if (task.kind === 'move') this.moved = true;
    const { programs, at } = this.#hold(task);
    at(places.length > 0 ? this.#ordered(places) : null);
    const [{ program }] = programs as [Held<StepColumns | null>['programs'][number]];
    const step = new Float64Array(program.step.bytes / 8);
    for (const { name, offset } of program.step.columns) step[offset / 8] = numbers[name]!;
    const { report } = yield* insist(() => runOf(programs[0]!, { ...EVALUATE, steps: 1, step }));
    const values = new Float64Array(report);
    return Object.fromEntries(program.report.columns.map(({ name, offset }) => [name, values[offset / 8]!]));
  }

  /** The average of the parameters takes in what they are after the step, where there is one. */
  *average(step: number): Loop<void> {
    if (!this.#averages) return;
    const [compiled] = this.#hold('average').programs as [Held<StepColumns | null>['programs'][number]];
    const row = compiled.extra!.rows(compiled.program.step, step, 1);
    yield* insist(() => runOf(compiled, { ...EVALUATE, steps: 1, step: row }));
  }

  /** Keep where it stands for the next step. */
  keep(): void {
    this.#store.write(this.#states.standing, this.standing.write());
  }
}

type Running = ReturnType<typeof runOf>;

/** A run of one step, within a step that goes on to its end though it is asked to end early. @throws AbortError where nothing is run any more */
export function* insist(run: () => Running | Generator<unknown, RunResult, unknown>): Loop<RunResult> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const next = run();
    const result = 'now' in next ? yield* perform(next) : yield* next as Loop<RunResult>;
    if (result.status !== STATUS.stopped || result.tried > 0) return result;
  }
  throw new AbortError('fit: the environment runs nothing any more');
}
