// chunks.ts: how a chunk of steps is run: its programs are held, its turn is waited for, its parts run one after the other; then whoever follows the run
// is called.
import { IndexError } from '../../errors.ts';
import type { RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import { batchesOf, type Chunk, microsOfStep } from '../feed/feeder.ts';
import { type Loop, perform } from '../flow/effect.ts';
import type { Running } from '../flow/running.ts';
import { digest } from '../programs/digest.ts';
import { located } from '../programs/located.ts';
import type { Pace } from '../programs/pace.ts';
import { tellPrints } from '../programs/prints.ts';
import type { Compiled } from '../programs/session.ts';
import type { Use } from '../programs/sessions.ts';
import type { Current } from '../state/current.ts';
import type { Heard } from '../state/setup.ts';
import type { TracedStep } from '../step/step.ts';
import type { Ran, Watchers } from '../watch/watcher.ts';
import { Parts, reportsOf } from './parts.ts';
import { runSteps } from './searched.ts';
import type { Together } from './together.ts';
import type { Outcome, Trials } from './trials.ts';

interface ChunksInit {
  readonly pace: Pace;
  readonly heard: Heard;
  readonly epochSteps: number | null;
  readonly trials: Trials | null;
  readonly together: Together | null;
}

export class Chunks {
  readonly #use: Use<TracedStep>;
  readonly #current: Current;
  readonly #running: Running;
  readonly #watchers: Watchers;
  readonly #pace: Pace;
  readonly #heard: Heard;
  readonly #epochSteps: number | null;
  readonly #trials: Trials | null;
  readonly #together: Together | null;
  /** All processes of a group have the same programs. */
  #alike = false;

  /**
   * @param epochSteps updates in an epoch, which schedules may count in; null: nobody knows
   * @param trials those of a policy that finds its threshold; null: it does not
   */
  constructor(
    use: Use<TracedStep>,
    current: Current,
    running: Running,
    watchers: Watchers,
    { pace, heard, epochSteps, trials, together }: ChunksInit,
  ) {
    this.#together = together;
    this.#trials = trials;
    this.#heard = heard;
    this.#epochSteps = epochSteps;
    this.#use = use;
    this.#current = current;
    this.#running = running;
    this.#watchers = watchers;
    this.#pace = pace;
  }

  /** Steps that the next one shall have. */
  get steps(): number {
    return this.#pace.steps;
  }

  /** What is to be done before the next one, or before the run ends. */
  *prepare(): Loop<void> {
    if (this.#trials) yield* this.#trials.prepare(this.steps);
  }

  /** Null if the run was asked to end before the chunk's turn came. */
  *run(chunk: Chunk): Loop<Ran | null> {
    const { access } = this.#current;
    const endTurn = yield* perform(access.turn(() => this.#use.endEarly()));
    const began = performance.now();
    let release: (() => void) | null = null;
    try {
      if (this.#running.halt.called) return null;
      const held = this.#use.hold(chunk.parts.map((p) => p.shape));
      release = held.release;
      const { programs } = held;
      for (const { extra } of programs) this.#heard.traced(extra);
      if (this.#together && !this.#alike) yield* this.#compare(this.#together, programs);
      this.#pace.begin();
      this.#running.time?.begin();
      const ranFrom = performance.now();
      const { setup, options } = this.#current;
      const terms = { setup, epochSteps: this.#epochSteps, ...(options.group && { group: options.group }) };
      const most = access.wanted ? 1 : chunk.steps;
      const branches = 1 + (this.#trials?.tuning.branches.others.length ?? 0);
      let outcome: Outcome;
      try {
        if (this.#trials?.tuning.branches.racing) outcome = yield* this.#trials.run(chunk, held, terms, most);
        else if (terms.setup.searching) {
          outcome = { result: yield* runSteps(programs, chunk, this.#running, terms, most), error: null };
        } else {
          // Not a call further: this is what whoever reads on from `fit` comes to.
          const parts = new Parts(programs, chunk, this.#running, terms);
          let result: RunResult;
          do result = yield* perform(parts.next(most));
          while (parts.goOn(result));
          outcome = { result, error: null };
        }
      } catch (error) {
        if (!(error instanceof IndexError)) throw located(error, (step) => batchesOf(chunk, step));
        outcome = { result: error.details.result as RunResult, error };
      }
      const { result, error } = outcome;
      this.#trials?.tuning.spent(performance.now() - began, result.tried * branches);
      const seconds = (performance.now() - ranFrom) / 1000;
      // The steps before one with a bad index have taken effect.
      const ran = this.#done(chunk, programs, result, seconds);
      if (error) throw located(error, (step) => batchesOf(chunk, step));
      return ran;
    } finally {
      endTurn();
      release?.();
    }
  }

  /** Before the first step: what it computes, and the numbers that it is given. @throws GradclipError ERR_GROUP */
  *#compare(together: Together, programs: readonly Compiled<TracedStep>[]): Loop<void> {
    const { setup } = this.#current;
    const { step } = this.#running.counters;
    const rows = inEpochs(this.#epochSteps, () => setup.unheard.fillRows(programs.at(-1)!.program.step, step, 2));
    // Batches of their own may differ in rows, and graphs do then.
    const graph = together.sharded ? 'of batches of their own' : programs.map(({ extra }) => extra.digest).join(' ');
    yield* together.alike({
      place: 'the first step',
      'graph of model and loss': graph,
      'learning rates or thresholds': digest([rows]),
    });
    this.#alike = true;
  }

  /** Within the chunk's turn, so that who comes next finds counters, weights and what is kept of watchers of the same step. */
  #done(chunk: Chunk, programs: readonly Compiled<TracedStep>[], result: RunResult, seconds: number): Ran {
    const { status, tried } = result;
    const early = tried < chunk.steps && (status === STATUS.stopped || status === STATUS.ok);
    this.#pace.end(tried, early);
    this.#running.time?.ran(tried);
    if (early) chunk.giveBack?.(tried);
    const running = this.#running;
    const { counters } = running;
    running.advance(result);
    const last = programs.at(-1)!;
    const reports = reportsOf(programs, chunk, result, counters, this.#current.setup, seconds);
    this.#trials?.tuning.ran(this.#trials.tuning.branches.main, [reports]);
    const { threads } = result;
    this.#watchers.tell('steps', reports, { threads, asked: last.threads, tried: running.course.tried, step: counters.step });
    // Who gets a print may throw: by then all is of the same step.
    const whole = result.tried + (result.status === STATUS.nonFinite ? 1 : 0);
    tellPrints(last, result.report, whole, (i) => counters.attempt + (i + 1) * microsOfStep(chunk) - 1);
    return { reports, result };
  }
}
