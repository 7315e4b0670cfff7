// chunks.ts: how a chunk of steps is run: its programs are held, its turn is waited for, its parts run one after the other; then whoever follows the run
// is called.
import { IndexError } from '../../errors.ts';
import type { RunRequest, RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { Reports } from '../../optim/apply/report.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import { batchesOf, type Chunk } from '../feed/feeder.ts';
import { type Loop, perform } from '../flow/effect.ts';
import type { Running } from '../flow/running.ts';
import { located } from '../programs/located.ts';
import type { Pace } from '../programs/pace.ts';
import { tellPrints } from '../programs/prints.ts';
import { type Compiled, runOf } from '../programs/session.ts';
import type { Use } from '../programs/sessions.ts';
import type { Current } from '../state/current.ts';
import type { Heard } from '../state/setup.ts';
import type { TracedStep } from '../step/step.ts';
import type { Ran, Watchers } from '../watch/watcher.ts';

export class Chunks {
  readonly #use: Use<TracedStep>;
  readonly #current: Current;
  readonly #running: Running;
  readonly #watchers: Watchers;
  readonly #pace: Pace;
  readonly #heard: Heard;
  readonly #epochSteps: number | null;

  /** @param epochSteps updates in an epoch, which schedules may count in; null: nobody knows */
  constructor(
    use: Use<TracedStep>,
    current: Current,
    running: Running,
    watchers: Watchers,
    { pace, heard, epochSteps }: { readonly pace: Pace; readonly heard: Heard; readonly epochSteps: number | null },
  ) {
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

  /** Null if the run was asked to end before the chunk's turn came. */
  *run(chunk: Chunk): Loop<Ran | null> {
    const endTurn = yield* perform(this.#current.access.turn);
    let release: (() => void) | null = null;
    try {
      if (this.#running.halt.called) return null;
      const held = this.#use.hold(chunk.parts.map((p) => p.shape));
      release = held.release;
      const { programs } = held;
      for (const { extra } of programs) for (const found of extra.unreached) this.#heard.unreached(found);
      this.#pace.begin();
      let result: RunResult;
      try {
        let first = 0;
        let i = 0;
        // The next part follows where one came to its end; the last ends the step.
        do {
          result = yield* perform(runOf(programs[i]!, this.#request(chunk, i, first, programs[i]!)));
          first += chunk.parts[i++]!.micros;
        } while (result.status === STATUS.ok && i < programs.length);
      } catch (error) {
        // The steps before the one with the bad index have taken effect.
        if (error instanceof IndexError) this.#done(chunk, programs, error.details.result as RunResult);
        throw located(error, (step) => batchesOf(chunk, step));
      }
      return this.#done(chunk, programs, result);
    } finally {
      endTurn();
      release?.();
    }
  }

  /** @param first micro-batch of the step that is in the part */
  #request(chunk: Chunk, i: number, first: number, { program, extra }: Compiled<TracedStep>): Omit<RunRequest, 'threads'> {
    const { seed, counters } = this.#running;
    const { attempt, step, skips } = counters;
    const part = chunk.parts[i]!;
    return {
      steps: chunk.steps,
      micros: chunk.micros,
      part: { first, end: first + part.micros },
      feed: part.fill(program.feed.columns, program.feed.bytes),
      step: inEpochs(this.#epochSteps, () => extra.apply.fillRows(program.step, step, chunk.steps)),
      seed,
      attempt,
      stepCount: step,
      skips,
      maxSkips: this.#current.setup.policy.maxSkips,
    };
  }

  /** Within the chunk's turn, so that who comes next finds counters, weights and what is kept of watchers of the same step. */
  #done(chunk: Chunk, programs: readonly Compiled<TracedStep>[], result: RunResult): Ran {
    this.#pace.end(result.tried);
    for (const { ran } of programs) {
      ran.steps += result.tried;
      ran.threads = result.threads;
    }
    const running = this.#running;
    const { attempt, step } = running.counters;
    running.advance(result);
    const last = programs.at(-1)!;
    const { trained, guarding } = this.#current.setup;
    const reports = new Reports({
      rows: result.report,
      length: result.tried,
      columns: last.program.report.columns,
      rowBytes: last.program.report.bytes,
      names: trained,
      attempt,
      perStep: chunk.micros,
      step,
      ...(guarding && { guards: guarding.placed }),
    });
    const { threads } = result;
    this.#watchers.tell('steps', reports, { threads, asked: last.threads, tried: running.course.tried, step });
    // Who gets a print may throw: by then all is of the same step.
    const whole = result.tried + (result.status === STATUS.nonFinite ? 1 : 0);
    tellPrints(last, result.report, whole, (i) => attempt + (i + 1) * chunk.micros - 1);
    return { reports, result };
  }
}
