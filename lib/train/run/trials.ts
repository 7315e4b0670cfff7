// trials.ts: the runs that `clip.auto` takes beside those of a fit: a chunk's steps by other branches, validations of branches, steps that are only looked at.
import { IndexError } from '../../errors.ts';
import type { NativeBlock, RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import type { Reports } from '../../optim/apply/report.ts';
import type { Chunk, Feeder } from '../feed/feeder.ts';
import { after, type Loop, perform, waitFor } from '../flow/effect.ts';
import type { Counters, Metrics } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { Evaluation } from '../programs/evaluate.ts';
import type { Held } from '../programs/session.ts';
import type { Use } from '../programs/sessions.ts';
import type { Current } from '../state/current.ts';
import type { TracedStep } from '../step/step.ts';
import type { Branch } from '../tuning/branches.ts';
import type { Tuning } from '../tuning/tuning.ts';
import { reportsOf, runParts, type Terms } from './parts.ts';

/** What came of a run of steps; an error after which those before the step that failed are done. */
export interface Outcome {
  readonly result: RunResult;
  readonly error: IndexError | null;
}

type Measured = readonly (readonly [Branch, Metrics<string>])[];

/** A step of it ends a run. */
const ends = ({ result: { status } }: Outcome): boolean => status === STATUS.tooManySkips || status === STATUS.nonFinite;

/** Steps of a chunk, after those that are done. @param steps of them, at most */
function* runSteps(
  programs: Held<TracedStep>['programs'],
  chunk: Chunk,
  place: Pick<Running, 'seed' | 'counters'>,
  terms: Terms,
  [done, steps]: readonly [number, number],
): Loop<Outcome> {
  let result: RunResult;
  try {
    result = yield* runParts(programs, chunk, place, terms, [done, steps]);
  } catch (error) {
    if (!(error instanceof IndexError)) throw error;
    return { result: error.details.result as RunResult, error };
  }
  return { result, error: null };
}

export class Trials {
  readonly tuning: Tuning;
  readonly #current: Current;
  readonly #running: Running;
  readonly #feeder: Feeder;
  readonly #use: Use<TracedStep>;
  readonly #evaluation: Evaluation | null;

  /** @param evaluation of the validation set; null: there is none */
  constructor(
    tuning: Tuning,
    current: Current,
    running: Running,
    {
      feeder,
      use,
      evaluation,
    }: { readonly feeder: Feeder; readonly use: Use<TracedStep>; readonly evaluation: Evaluation | null },
  ) {
    this.tuning = tuning;
    this.#current = current;
    this.#running = running;
    this.#feeder = feeder;
    this.#use = use;
    this.#evaluation = evaluation;
  }

  /** Outside of turns: what is to be done before the next chunk, or before the run ends. @param most steps of a chunk that is only looked at */
  *prepare(most: number): Loop<void> {
    const { access } = this.#current;
    while (!this.#running.halt.called) {
      const next = (): ReturnType<Tuning['next']>['action'] | Promise<ReturnType<Tuning['next']>['action']> => {
        const { action, done } = this.tuning.next(this.#running.course.tried);
        return after(done, () => action) as never;
      };
      const action = yield* perform(access.inTurn(next));
      if (!action) return;
      if (action.kind === 'measure') yield* this.#measure(action.validate);
      if (action.kind === 'scout') yield* this.#scout(action, most);
    }
  }

  /**
   * In the turn of a chunk: the run does its steps, or as many as it has before somebody waits, then every other branch does as many, on the same
   * batches. A branch whose steps end it is over; where that is the run, another branch is the run, and does them in its place.
   * @returns what came of the run
   */
  *run(chunk: Chunk, { programs, at }: Held<TracedStep>, terms: Terms, most: number): Loop<Outcome> {
    const { tuning } = this;
    const { branches } = tuning;
    let outcome: Outcome;
    try {
      for (;;) {
        outcome = yield* runSteps(programs, chunk, this.#running, terms, [0, most]);
        if (!ends(outcome) || !branches.racing) break;
        const { counters } = this.#running;
        yield* waitFor(tuning.mainFell([reportsOf(programs, chunk, outcome.result, counters, this.#current.setup)]));
      }
      const { tried } = outcome.result;
      for (const branch of branches.others) {
        at(branch.values);
        const { reports, ended } = yield* this.#follow(branch, chunk, programs, tried);
        at(null);
        if (ended) yield* waitFor(tuning.fell(branch.index, reports));
        else tuning.ran(branch.index, reports);
      }
    } catch (error) {
      tuning.lose();
      throw error;
    }
    return outcome;
  }

  /** The validation of every other branch, where it changes how that goes on; null: the run shall end. */
  *others(): Loop<Measured | null> {
    return this.#current.setup.plateau && this.tuning.branches.racing ? yield* this.#measureOthers() : [];
  }

  /** In a turn: what the validations of other branches do to these. */
  validated(measured: Measured): void {
    const { setup } = this.#current;
    for (const [branch, metrics] of measured) {
      this.tuning.branches.by(branch, () => setup.validated(metrics, branch.step, branch.values));
    }
  }

  /** In a turn: an epoch begins. */
  startEpoch(): void {
    for (const { values } of this.tuning.branches.others) this.#current.setup.startEpoch(values);
  }

  /** As many steps of the chunk as the run has done, unless one ends it. */
  *#follow(
    branch: Branch,
    chunk: Chunk,
    programs: Held<TracedStep>['programs'],
    tried: number,
  ): Loop<{ readonly reports: readonly Reports[]; readonly ended: boolean }> {
    const { setup } = this.#current;
    const { policy, fillRows } = setup.unheard;
    const rated: Terms['setup'] = { policy, fillRows: (...row) => this.tuning.branches.by(branch, () => fillRows(...row)) };
    const terms = { setup: rated, epochSteps: this.#feeder.epochSteps };
    const reports: Reports[] = [];
    let outcome: Outcome | null = null;
    // Whoever asks the run to end soon asks each of these: they go on, so that all have done the same steps.
    for (let done = 0; done < tried && !outcome?.error; done += outcome.result.tried) {
      const counters = this.#countersOf(branch, done * chunk.micros);
      outcome = yield* runSteps(programs, chunk, { seed: this.#running.seed, counters }, terms, [done, tried - done]);
      reports.push(reportsOf(programs, chunk, outcome.result, counters, setup));
      branch.step = outcome.result.stepCount;
      branch.skips = outcome.result.skips;
      if (ends(outcome)) return { reports, ended: true };
    }
    return { reports, ended: false };
  }

  #countersOf({ step, skips }: Pick<Branch, 'step' | 'skips'>, drawn: number): Counters {
    const { counters } = this.#running;
    return { ...counters, attempt: counters.attempt + drawn, batch: counters.batch + drawn, step, skips };
  }

  /** @param validate losses, too, where there is a validation set */
  *#measure(validate: boolean): Loop<void> {
    const { access } = this.#current;
    const { main, others } = this.tuning.branches;
    const losses = validate && this.#evaluation ? new Map<number, readonly number[]>() : null;
    for (const [index, values] of losses ? [[main, null] as const, ...others.map((b) => [b.index, b.values] as const)] : []) {
      const found = yield* this.#lossesOf(this.#evaluation!, values);
      if (!found) return;
      losses!.set(index, found);
    }
    yield* perform(access.inTurn(() => this.tuning.measured(losses)));
  }

  /** Null: the run shall end. */
  *#lossesOf(evaluation: Evaluation, values: readonly NativeBlock[] | null): Loop<readonly number[] | null> {
    const measures = { access: this.#current.access, halt: this.#running.halt, values };
    const { picked } = this.tuning;
    if (picked) return yield* evaluation.measurePicked(picked, measures);
    const metrics = yield* evaluation.measure(measures.access, measures.halt, values);
    return metrics && [metrics.loss];
  }

  *#measureOthers(): Loop<Measured | null> {
    const measured: [Branch, Metrics<string>][] = [];
    for (const branch of this.tuning.branches.others) {
      const metrics = yield* this.#evaluation!.measure(this.#current.access, this.#running.halt, branch.values);
      if (!metrics) return null;
      measured.push([branch, metrics]);
    }
    return measured;
  }

  /** The next steps with such a factor, on other values, and their batches come again. */
  *#scout({ factor, steps }: { readonly factor: number; readonly steps: number }, most: number): Loop<void> {
    const { access } = this.#current;
    const { halt } = this.#running;
    const { branches } = this.tuning;
    const values = yield* perform(access.inTurn(() => branches.scratch(factor)));
    const taken: Chunk[] = [];
    const reports: Reports[] = [];
    let { counters } = this.#running;
    let whole = false;
    try {
      for (let left = steps; ; ) {
        const ending = this.#feeder.ends(counters);
        whole = left <= 0 || ((yield* perform({ now: ending.now, later: () => halt.or(ending.later()) })) ?? false);
        if (whole || halt.called) break;
        const next = this.#feeder.next(Math.min(left, most), counters);
        const chunk = yield* perform({ now: next.now, later: () => halt.or(next.later()) });
        whole = typeof chunk === 'string';
        if (chunk === null || typeof chunk === 'string') break;
        taken.push(chunk);
        const seen = yield* this.#look(chunk, values, counters);
        reports.push(...seen.reports);
        counters = seen.counters;
        left -= chunk.steps;
        whole = seen.ended;
        if (whole) break;
      }
    } finally {
      branches.free(values);
      for (const chunk of taken.reverse()) chunk.giveBack?.(0);
    }
    if (whole) yield* perform(access.inTurn(() => this.tuning.scouted(reports)));
  }

  /** In a turn: the steps of a chunk on values that nobody else has. */
  *#look(
    chunk: Chunk,
    values: readonly NativeBlock[],
    from: Counters,
  ): Loop<{ readonly reports: readonly Reports[]; readonly counters: Counters; readonly ended: boolean }> {
    const { access, setup } = this.#current;
    const { policy, fillRows } = setup.unheard;
    const terms = { setup: { policy: { ...policy, maxSkips: 0 }, fillRows }, epochSteps: this.#feeder.epochSteps };
    const reports: Reports[] = [];
    let counters = from;
    const endTurn = yield* perform(access.turn(() => {}));
    const { programs, at, release } = this.#use.hold(chunk.parts.map(({ shape }) => shape));
    try {
      at(values);
      for (let done = 0; done < chunk.steps; ) {
        const outcome = yield* runSteps(programs, chunk, { seed: this.#running.seed, counters }, terms, [
          done,
          chunk.steps - done,
        ]);
        const { result, error } = outcome;
        reports.push(reportsOf(programs, chunk, result, counters, setup));
        const drawn = result.tried * chunk.micros;
        const { stepCount: step, skips } = result;
        counters = { ...counters, attempt: counters.attempt + drawn, batch: counters.batch + drawn, step, skips };
        done += result.tried;
        if (ends(outcome) || error) return { reports, counters, ended: true };
      }
      return { reports, counters, ended: false };
    } finally {
      release();
      endTurn();
    }
  }
}
