// branches.ts: the branches of a race: values of all of a trainer's states for each, of which one is the run that everybody sees.
import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import type { NativeBlock } from '../../native/addon.ts';
import { after, inOrder, type Wait } from '../flow/effect.ts';
import type { Counters } from '../flow/progress.ts';
import type { Setup } from '../state/setup.ts';

/** A branch beside the run. */
export interface Branch {
  readonly index: number;
  /** A twin of the blocks of the trainer's store. */
  readonly values: readonly NativeBlock[];
  /** Its own counters: a step that one skips another may take. */
  step: number;
  skips: number;
  /** What `plateau` keeps of it; null where there is none. */
  readonly plateau: Float64Array | null;
}

/** As it is kept from a run to the next. */
export interface KeptBranch {
  readonly index: number;
  readonly step: number;
  readonly skips: number;
}

type Values = readonly NativeBlock[];

/** What of a run a branch has its own of. */
interface Run {
  counters: Counters;
  readonly blocks: boolean;
}

export class Branches {
  readonly #setup: Setup;
  readonly #run: Run;
  readonly #factor: State;
  readonly #others = new Map<number, Branch>();
  /** Which one the run is. */
  #main = 0;
  /** The trained parameters as they were when the race began. */
  #origin: ReadonlyMap<State, Data> = new Map();
  /** Of branches that are over, for those of the next race. */
  #spare: Values[] = [];

  /** @param factor the state of that name */
  constructor(setup: Setup, run: Run, factor: State) {
    this.#setup = setup;
    this.#run = run;
    this.#factor = factor;
  }

  get main(): number {
    return this.#main;
  }

  /** All but the run, in order. */
  get others(): readonly Branch[] {
    return [...this.#others.values()].sort((a, b) => a.index - b.index);
  }

  get racing(): boolean {
    return this.#others.size > 0;
  }

  /** What thresholds of the run are multiplied by. No run may be on. */
  get factor(): number {
    return this.#setup.store.read([this.#factor]).get(this.#factor)![0]!;
  }

  /** Begin: all from the values of now. */
  race(factors: readonly number[], main: number): Wait {
    this.#main = main;
    const { store } = this.#setup;
    const begin = (index: number): Wait => {
      if (index === main) return this.set(index, factors[index]!);
      return after(this.#copy(), (values) => {
        this.#add(index, values, this.#run.counters);
        this.set(index, factors[index]!);
      });
    };
    return after(this.#run.blocks ? store.read(this.trained) : store.snapshot(this.trained), (origin) => {
      this.#origin = origin;
      return inOrder([...factors.keys()], begin);
    });
  }

  get trained(): readonly State[] {
    return this.#setup.groups.flatMap(({ params }) => params.map(({ state }) => state));
  }

  /** How far the trained parameters of each have come since the race began: the 2-norm of the difference, by index. No run may be on. */
  get moved(): readonly (readonly [index: number, distance: number])[] {
    return [[this.#main, this.#distance()], ...this.others.map(({ index, values }) => [index, this.#distance(values)] as const)];
  }

  /** Values like those of now, which are given back by `free`. */
  scratch(factor: number): Wait<Values> {
    return after(this.#copy(), (values) => {
      this.#setup.store.write(this.#factor, Float64Array.of(factor), values);
      return values;
    });
  }

  free(values: Values): void {
    this.#spare.push(values);
  }

  set(index: number, factor: number): void {
    const values = index === this.#main ? undefined : this.#others.get(index)?.values;
    if (index === this.#main || values) this.#setup.store.write(this.#factor, Float64Array.of(factor), values);
  }

  /** These are over, and the run is `main` from here on. */
  drop(branches: readonly number[], main: number): Wait {
    return after(main === this.#main ? undefined : this.#become(main, branches.includes(this.#main)), () => {
      for (const index of branches) this.#remove(index);
    });
  }

  /** The race is over, if one is left. */
  settle(): void {
    if (this.racing) return;
    this.#main = 0;
    this.#origin = new Map();
  }

  /** While `task` is done, the learning rates are those of the branch. */
  by<T>({ plateau: own }: Branch, task: () => T): T {
    const { plateau } = this.#setup;
    if (!plateau || !own) return task();
    const run = plateau.values.slice();
    plateau.values.set(own);
    try {
      return task();
    } finally {
      own.set(plateau.values);
      plateau.values.set(run);
    }
  }

  /** What is kept of those beside the run. */
  get kept(): readonly KeptBranch[] {
    return this.others.map(({ index, step, skips }) => ({ index, step, skips }));
  }

  /** What `moved` measures from; empty where no race is on. */
  get origin(): ReadonlyMap<State, Data> {
    return this.#origin;
  }

  /** All values of a branch. No run may be on. */
  valuesOf({ values }: Branch): ReadonlyMap<State, Data> {
    const { store } = this.#setup;
    return store.read(store.states, values);
  }

  /** Be where a race was. No run may be on. */
  restore(
    main: number,
    kept: readonly (KeptBranch & { readonly values: ReadonlyMap<State, Data> })[],
    origin: ReadonlyMap<State, Data>,
  ): void {
    const { store } = this.#setup;
    this.#main = main;
    this.#origin = origin;
    for (const { index, values, ...counters } of kept) {
      const blocks = this.#spare.pop() ?? store.twin();
      for (const [state, data] of values) store.write(state, data, blocks);
      this.#add(index, blocks, counters);
    }
  }

  dispose(): void {
    for (const { values } of this.#others.values()) free(values);
    for (const values of this.#spare) free(values);
    this.#others.clear();
    this.#spare = [];
  }

  #distance(values?: Values): number {
    let sum = 0;
    for (const [state, now] of this.#setup.store.read(this.trained, values)) {
      const then = this.#origin.get(state);
      for (let i = 0; then && i < now.length; i++) {
        const d = now[i]! - then[i]!;
        sum += d * d;
      }
    }
    return Math.sqrt(sum);
  }

  #copy(): Wait<Values> {
    const { store } = this.#setup;
    const values = this.#spare.pop() ?? store.twin();
    return after(store.transfer(store.blocks, values, this.#run.blocks), () => values);
  }

  #add(index: number, values: Values, { step, skips }: Pick<Counters, 'step' | 'skips'>): void {
    const { plateau, store } = this.#setup;
    const rates = plateau && Float64Array.from(store.read([plateau.state], values).get(plateau.state)!);
    this.#others.set(index, { index, values, step, skips, plateau: rates });
  }

  #remove(index: number): void {
    const branch = this.#others.get(index);
    if (!branch) return;
    this.#others.delete(index);
    this.free(branch.values);
  }

  /** The run is another branch from here on. @param over the one that it was is not among them any more */
  #become(main: number, over: boolean): Wait {
    const branch = this.#others.get(main)!;
    const { store, plateau } = this.#setup;
    const before = this.#main;
    return after(over ? null : this.#copy(), (values) =>
      after(store.transfer(branch.values, store.blocks, this.#run.blocks), () => {
        if (values) this.#add(before, values, this.#run.counters);
        this.#main = main;
        this.#run.counters = { ...this.#run.counters, step: branch.step, skips: branch.skips };
        if (plateau) plateau.values.set(branch.plateau!);
        this.#remove(main);
      }),
    );
  }
}

function free(values: Values): void {
  for (const block of values) block.dispose();
}
