// tuning.ts: what moves the threshold of `clip.auto` while a fit is on: who decides, the branches that train side by side, and what is kept of both.
import type { AutoPlan } from '../../clip/clip.ts';
import type { Reports } from '../../optim/apply/report.ts';
import { after, type Wait } from '../flow/effect.ts';
import type { Kept } from '../flow/kept.ts';
import { unreadable } from '../flow/kept.ts';
import type { AutoResult, GuardEvent } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { Evaluation, Picked } from '../programs/evaluate.ts';
import type { Setup } from '../state/setup.ts';
import type { Host, Watcher } from '../watch/watcher.ts';
import { Branches, type KeptBranch } from './branches.ts';
import type { BranchFacts, Decider, TunerAction } from './decider.ts';
import { GivenFactors } from './given.ts';
import type { Measured } from './race.ts';
import { Tuner } from './tuner.ts';

/** A batch that is only measured, as part of a step: it has no backward pass, which takes twice as long, and no update. */
const MEASURED = 1 / 3;
/** Of the rows that a run draws, as many as are measured of a validation set, at least so many, and in so many blocks. */
const SHARE = 0.03;
const LEAST = 64;
const BLOCKS = 8;
/** Steps of a run of which nobody knows the length, for that. */
const HORIZON = 1000;
/** Under which is kept what branches have come from. */
const ORIGIN = 'origin';

interface Standing {
  readonly decider: unknown;
  /** Of the decisions so far. */
  readonly thresholds: readonly number[];
  readonly main: number;
  readonly branches: readonly KeptBranch[];
}

function isStanding(state: unknown): state is Standing {
  const { main, branches, thresholds } = (state ?? {}) as Partial<Standing>;
  const numbers = Array.isArray(thresholds) && thresholds.every((x) => typeof x === 'number');
  const whole = (x: unknown): boolean => Number.isSafeInteger(x) && (x as number) >= 0;
  const known = ({ index, step, skips }: Partial<KeptBranch>): boolean => whole(index) && whole(step) && whole(skips);
  return whole(main) && numbers && Array.isArray(branches) && branches.every((b) => known((b ?? {}) as Partial<KeptBranch>));
}

/** What the tuning of a run goes by. */
interface Given {
  readonly plan: AutoPlan;
  readonly host: Host;
  /** Of the validation set; null: there is none. */
  readonly evaluation: Evaluation | null;
  /** Updates in an epoch; null: nobody knows. */
  readonly epochSteps: number | null;
  readonly accumulate: number;
  /** Rows of a batch. */
  readonly batchSize: number;
}

/** One of a run. Its branches are a state of the run: all that concerns them is done in turns. */
export class Tuning implements Watcher {
  readonly name = 'auto';
  readonly key: string;
  readonly branches: Branches;
  /** What of the validation set branches are measured on; null: all of it, or there is none. */
  readonly picked: Picked | null;
  readonly #setup: Setup;
  readonly #running: Running;
  readonly #given: Given;
  #decider: Decider | null = null;
  /** What the policy's threshold became by each decision. */
  #thresholds: number[] = [];
  /** What went wrong has left branches at different steps: nothing of them is of use. */
  #lost = false;
  /** A roll-back has brought back the factor of then. */
  #rolledBack: number | null = null;
  /** Milliseconds and steps of all branches so far. */
  #spent = { ms: 0, steps: 0 };

  constructor(setup: Setup, running: Running, given: Given) {
    const { budget, seconds, decisions } = given.plan;
    this.key = JSON.stringify(decisions ? 'given' : [budget, seconds]);
    this.#setup = setup;
    this.#running = running;
    this.#given = given;
    this.branches = new Branches(setup, running, setup.factor!);
    const { evaluation, batchSize, accumulate } = given;
    const rows = Math.max(LEAST, Math.ceil(SHARE * (this.#end ?? HORIZON) * batchSize * accumulate));
    // What is carried from batch to batch is of batches in their order.
    this.picked = evaluation && !setup.carries ? evaluation.pick(rows, BLOCKS) : null;
  }

  restore({ state, values = {} }: Kept): void {
    if (!isStanding(state)) throw unreadable(this.name);
    const { states } = this.#setup.store;
    const found = state.branches.map((b) => {
      const named = values[nameOf(b)];
      const read = named ? this.#given.host.found(named, states) : null;
      return read && { ...b, values: read };
    });
    const whole = found.filter((b) => b !== null);
    // Branches that are of a model that is no more cannot go on: then who decides begins afresh.
    if (whole.length < found.length) return;
    const origin = whole.length > 0 ? this.#given.host.found(values[ORIGIN] ?? new Map(), this.branches.trained) : new Map();
    if (!origin) return;
    this.#decider = this.#make(state.decider);
    this.#thresholds = [...state.thresholds];
    this.branches.restore(state.main, whole, origin);
  }

  start(): void {
    this.#decider ??= this.#make();
    const { evaluation, plan } = this.#given;
    const { warnings, counters } = this.#running;
    if (plan.decisions) return;
    const { step } = counters;
    if (!evaluation) {
      warnings.add(
        'autoByBatches',
        'clip.auto: without a validation set it judges trials by the loss of the batches to come, which are few, and which they are trained on; option validation of fit gives it one',
        { name: 'clip.auto', step },
      );
    }
    if (this.#end === null) {
      warnings.add(
        'autoOfUnknownLength',
        'clip.auto: nobody knows how long the run is, so its trials are for a horizon that grows with it; option steps of fit, or epochs of data in memory, tells it',
        { name: 'clip.auto', step },
      );
    }
  }

  until(tried: number): number {
    return this.#decider!.until(tried);
  }

  guard({ action }: GuardEvent): void {
    if (action === 'rollback') this.#rolledBack = this.branches.factor;
  }

  /** In a turn: what is to be done before the next chunk, and it is done, but for what takes runs. */
  next(tried: number): { readonly action: TunerAction | null; readonly done: Wait } {
    const { branches } = this;
    if (this.#rolledBack !== null) branches.set(branches.main, this.#rolledBack);
    this.#rolledBack = null;
    const { seconds } = this.#given.plan;
    const { ms, steps } = this.#spent;
    if (seconds !== null && steps > 0) this.#decider!.allow?.(Math.floor((1000 * seconds * steps) / ms));
    const action = this.#decider!.before(tried);
    for (const { step, factor } of this.#decider!.decisions.slice(this.#thresholds.length)) {
      // Schedules count updates, of which the steps that were left out are none.
      const updates = Math.max(0, step - (tried - this.#running.counters.step));
      this.#thresholds.push(factor * this.#given.plan.own(updates));
    }
    if (action?.kind === 'race') return { action, done: branches.race(action.factors, action.main) };
    if (action?.kind === 'drop') {
      return { action, done: after(branches.drop(action.branches, action.main), () => branches.settle()) };
    }
    if (action?.kind === 'set') branches.set(action.branch, action.factor);
    return { action, done: undefined };
  }

  /** In a turn. @param losses of blocks, by branch; null: they were not asked for */
  measured(losses: ReadonlyMap<number, readonly number[]> | null): void {
    const moved = byIndex(this.branches.moved, Number.NaN);
    const found: Measured = { losses: losses && byIndex(losses, []), moved };
    this.#decider!.measured(found);
  }

  scouted(reports: readonly Reports[]): void {
    this.#decider!.scouted(factsOf(reports, false));
  }

  /** The run, or a branch, has done the steps of a chunk, in pieces. */
  ran(branch: number, reports: readonly Reports[]): void {
    if (reports.some(({ length }) => length > 0)) this.#decider!.ran(branch, factsOf(reports, false));
  }

  /** A branch beside the run has ended, with these steps. */
  fell(branch: number, reports: readonly Reports[]): Wait {
    this.#decider!.ran(branch, factsOf(reports, true));
    return this.branches.drop([branch], this.branches.main);
  }

  /** The run has ended, and there are others: another branch is the run now, as it was before the chunk. */
  mainFell(reports: readonly Reports[]): Wait {
    const { main, others } = this.branches;
    this.#decider!.ran(main, factsOf(reports, true));
    return this.branches.drop([main], others[0]!.index);
  }

  spent(ms: number, steps: number): void {
    this.#spent = { ms: this.#spent.ms + ms, steps: this.#spent.steps + steps };
  }

  /** Something failed between two branches. */
  lose(): void {
    this.#lost = true;
  }

  get result(): AutoResult {
    const { decisions = [], extra = 0 } = this.#decider ?? {};
    const thresholds = this.#thresholds;
    return {
      decisions: decisions.slice(0, thresholds.length).map((d, i) => ({ ...d, threshold: thresholds[i]! })),
      extra,
      judgedBy: this.#judgedBy,
    };
  }

  state(): Omit<Kept, 'key'> | null {
    if (this.#lost || !this.#decider) return null;
    const { branches } = this;
    const thresholds = [...this.#thresholds];
    const state: Standing = { decider: this.#decider.state(), thresholds, main: branches.main, branches: branches.kept };
    if (!branches.racing) return { state };
    const { host } = this.#given;
    const values = branches.others.map((b) => [nameOf(b), host.named(branches.valuesOf(b))] as const);
    return { state, values: { ...Object.fromEntries(values), [ORIGIN]: host.named(branches.origin) } };
  }

  get #judgedBy(): AutoResult['judgedBy'] {
    const { plan, evaluation } = this.#given;
    return plan.decisions ? 'given' : evaluation ? 'validation' : 'batches';
  }

  /** Steps tried where the run ends, of all runs; null: nobody knows. */
  get #end(): number | null {
    const { epochSteps, accumulate } = this.#given;
    return this.#running.endIn(epochSteps, accumulate);
  }

  #make(state?: unknown): Decider {
    const { plan, evaluation, batchSize, accumulate } = this.#given;
    const { decisions, budget, seconds } = plan;
    if (decisions) return new GivenFactors(decisions, state);
    const batches = this.picked ? this.picked.which.length / batchSize : (evaluation?.batches ?? 0);
    const cost = evaluation && (batches * MEASURED) / accumulate;
    const { begin } = this.#running.course;
    return new Tuner({ begin: begin.tried, end: this.#end, budget: seconds === null ? budget : null, evaluation: cost }, state);
  }
}

const nameOf = ({ index }: Pick<KeptBranch, 'index'>): string => `branch${index}`;

/** By index, with `none` where there is nothing. */
function byIndex<T>(entries: Iterable<readonly [number, T]>, none: T): T[] {
  const found = new Map(entries);
  return Array.from({ length: Math.max(-1, ...found.keys()) + 1 }, (_, i) => found.get(i) ?? none);
}

function factsOf(reports: readonly Reports[], failed: boolean): BranchFacts {
  const joined = (name: string): Float64Array => Float64Array.from(reports.flatMap((r) => [...r.column(name)]));
  const skipped = joined('skipped');
  // What the update measures is not written in a skipped step.
  const applied = (name: string): Float64Array => joined(name).map((value, i) => (skipped[i] === 1 ? 0 : value));
  const clipped = applied('clipped').reduce((n, flag) => n + (flag === 1 ? 1 : 0), 0);
  return { losses: joined('loss'), norms: joined('norm'), after: applied('normAfter'), clipped, failed };
}
