// fit.ts: the training loop, chunk by chunk; the same for `fit` and `fitSync` (see effect.ts). It knows steps, validations and epochs; whoever follows
// them (watch/) it does not know.
import { AbortError, IndexError } from '../../errors.ts';
import type { RunRequest, RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { threadsFor } from '../../native/threads.ts';
import type { Apply } from '../../optim/apply/apply.ts';
import { type GuardNames, Reports } from '../../optim/apply/report.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import type { Chunk, Feeder } from '../feed/feeder.ts';
import type { Compiled, Session } from '../state/session.ts';
import type { Tally } from '../watch/tally.ts';
import { after, type Wait, type Watchers } from '../watch/watcher.ts';
import { batchesOf } from './culprit.ts';
import { type Effect, type Loop, perform } from './effect.ts';
import type { Halt } from './halt.ts';
import { located } from './located.ts';
import { Pace } from './pace.ts';
import { tellPrints } from './prints.ts';
import type { Counters, Course, Metrics, StopReason } from './progress.ts';
import type { Warnings } from './warnings.ts';

/** A run that is on: where it stands, and how to end it. */
export interface Running {
  readonly halt: Halt;
  readonly warnings: Warnings;
  /** Groups by name: whether their learning rate was 0 in every step so far. */
  readonly idle: Map<string, boolean>;
  counters: Counters;
  course: Course;
  /** Who follows it, once they have taken up what was kept of them. */
  watchers: Watchers | null;
}

/** What the loop needs of its trainer. */
export interface FitContext {
  readonly running: Running;
  readonly session: Session<Apply>;
  readonly feeder: Feeder;
  readonly watchers: Watchers;
  readonly tally: Tally;
  readonly seed: bigint;
  readonly threads: number;
  readonly maxSkips: number;
  /** Names of the trained parameters, and of what guards look at. */
  readonly names: readonly string[];
  readonly guards: readonly GuardNames[] | undefined;
  /** Of the run, from where it began. */
  readonly steps: number;
  readonly epochs: number;
  /** Steps of a chunk; null: as many as take 20 ms. */
  readonly chunkSteps: number | null;
  /** Steps from one validation to the next; null: each epoch has one, at its end. */
  readonly validateEvery: number | null;
  /** Do it in a turn: alone among those who use the state. */
  readonly inTurn: <T>(task: () => Wait<T>) => Effect<T>;
  readonly turn: <T>(task: () => T | Promise<T>) => Promise<T>;
  /** Gives null if the run was told to end meanwhile. */
  readonly validate: (() => Loop<Metrics<string> | null>) | null;
  /** Make ready for the first step of the run, and of an epoch. */
  readonly start: () => Wait;
  readonly startEpoch: () => void;
  /** Look at a chunk: throws what ends the run, and repairs what does not. */
  readonly examine: (chunk: Chunk, reports: Reports, result: RunResult) => Loop<void>;
}

export function* fitLoop(c: FitContext): Loop<StopReason> {
  const { running, watchers, tally, validateEvery } = c;
  const { halt } = running;
  const pace = new Pace();
  const tried = (): number => running.course.tried - running.course.begin.tried;
  const waited = (waits: Promise<void>): Effect<void> => ({ now: () => {}, later: () => waits });
  const told = function* (): Loop<void> {
    const waits = watchers.told();
    if (waits instanceof Promise) yield* perform(waited(waits));
  };

  /** An epoch that is over is ended once, in one turn: until then a checkpoint has it still before its end. */
  const endEpoch = function* (): Loop<void> {
    // Of an epoch of which nothing was seen, as after a file of an earlier version, there is nothing to tell.
    const validate = validateEvery === null && tally.begun ? c.validate : null;
    if (validate) yield* perform(c.inTurn(c.startEpoch));
    const metrics = validate ? yield* validate() : null;
    if (validate && metrics === null) return;
    const end = (): Wait => {
      if (!validate) c.startEpoch();
      const { counters, course } = running;
      const epoch = counters.epoch + 1;
      running.counters = { ...counters, epoch, batch: 0 };
      // What was over before the run began is none of its epochs.
      if (tried() === 0) running.course = { ...course, begin: { ...course.begin, epoch } };
      return tally.begun ? watchers.tell('epoch', tally.endEpoch(epoch, metrics)) : undefined;
    };
    yield* perform(c.inTurn(() => after(metrics ? validated(metrics) : undefined, end)));
    yield* told();
  };
  const validated = (metrics: Metrics<string>): Wait => {
    for (const [name, value] of Object.entries(metrics)) {
      if (!Number.isNaN(value)) continue;
      const { step } = running.counters;
      running.warnings.add('metricNaN', `validation: ${name} is NaN after ${step} updates`, { name, step });
    }
    return watchers.tell('validation', metrics);
  };
  const validation = function* (): Loop<void> {
    const metrics = yield* c.validate!();
    if (metrics === null) return;
    yield* perform(
      c.inTurn(() =>
        after(validated(metrics), () => {
          running.course = { ...running.course, validated: running.course.tried };
        }),
      ),
    );
    yield* told();
  };

  yield* perform(c.inTurn(() => after(c.start(), () => watchers.tell('start'))));
  yield* told();
  for (;;) {
    if (halt.aborted) throw new AbortError('fit: the run was aborted', {}, { cause: halt.reason });
    if (halt.called) return 'stopped';
    if (validationDue(c)) {
      yield* validation();
      continue;
    }
    const over = watchers.stop ?? limitOf(c, tried());
    if (over === 'epochs') return over;
    if (over) {
      // The last step may have been that of an epoch.
      const ends = c.feeder.ends(running.counters);
      if (yield* perform({ now: ends.now, later: () => halt.or(ends.later()) })) yield* endEpoch();
      if (halt.called) continue;
      // The validation at its end may end the run as well.
      return watchers.stop ?? over;
    }
    const unsettled = watchers.settled();
    if (unsettled instanceof Promise) {
      yield* perform<unknown>({ now: () => {}, later: () => halt.or(unsettled) });
      if (halt.called) continue;
    }
    const task = watchers.before(running.course.tried);
    if (task) yield* perform(c.inTurn(task));

    const most = Math.min(
      c.chunkSteps ?? pace.steps,
      c.steps - tried(),
      untilValidation(c),
      watchers.until(running.course.tried),
    );
    const next = c.feeder.next(most, running.counters);
    const chunk = yield* perform({ now: next.now, later: () => halt.or(next.later()) });
    if (chunk === null) continue;
    if (chunk === 'endOfData') return chunk;
    if (chunk === 'endOfEpoch') {
      yield* endEpoch();
      continue;
    }
    const rows = chunk.parts.map((p) => p.rows);
    const held = c.session.use(rows, (programs) => runChunk(c, chunk, programs, pace));
    const done = yield* located(held, (step) => batchesOf(chunk, step));
    if (!done) continue;
    yield* told();
    yield* c.examine(chunk, done.reports, done.result);
    // A guard that has undone a step is told of by then.
    yield* told();
  }
}

/** Of both, steps: they are done before the epoch that they end is over. */
function limitOf({ running, epochs, steps }: FitContext, tried: number): 'epochs' | 'steps' | null {
  if (tried >= steps) return 'steps';
  return running.counters.epoch - running.course.begin.epoch >= epochs ? 'epochs' : null;
}

/** Whether steps were tried since the last one, as many as there are between two: whichever run tried them. */
function validationDue({ running: { course }, validate, validateEvery }: FitContext): boolean {
  return validate !== null && validateEvery !== null && course.tried % validateEvery === 0 && course.tried > course.validated;
}

function untilValidation({ running: { course }, validate, validateEvery }: FitContext): number {
  return validate && validateEvery !== null ? validateEvery - (course.tried % validateEvery) : Number.POSITIVE_INFINITY;
}

function runningSum(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((v) => (sum += v));
}

/** Null if the run was told to end before the chunk's turn came. */
function* runChunk(
  c: FitContext,
  chunk: Chunk,
  programs: readonly Compiled<Apply>[],
  pace: Pace,
): Loop<{ reports: Reports; result: RunResult } | null> {
  const { attempt, step, skips } = c.running.counters;
  const ends = runningSum(chunk.parts.map((p) => p.micros));
  let asked = 0;
  const request = (i: number): RunRequest => {
    const { program, extra } = programs[i]!;
    asked = threadsFor(program, c.threads);
    return {
      steps: chunk.steps,
      micros: chunk.micros,
      part: { first: ends[i - 1] ?? 0, end: ends[i]! },
      feed: chunk.parts[i]!.fill(program.feed.columns, program.feed.bytes),
      step: inEpochs(c.feeder.epochSteps, () => extra.fillRows(program.step, step, chunk.steps)),
      seed: c.seed,
      attempt,
      stepCount: step,
      skips,
      maxSkips: c.maxSkips,
      threads: asked,
    };
  };
  // The next part follows where one came to its end; the last ends the step.
  const goesOn = (i: number, { status }: RunResult): boolean => i + 1 < programs.length && status === STATUS.ok;
  const { report } = programs.at(-1)!.program;
  const reportsOf = (result: RunResult): Reports =>
    new Reports({
      rows: result.report,
      length: result.tried,
      columns: report.columns,
      rowBytes: report.bytes,
      names: c.names,
      attempt,
      perStep: chunk.micros,
      step,
      ...(c.guards && { guards: c.guards }),
    });
  let started = 0;
  // Within the chunk's turn, so that who comes next finds counters, weights and what is kept of watchers of the same step.
  const done = (result: RunResult): { reports: Reports; result: RunResult } => {
    pace.took(performance.now() - started, result.tried);
    for (const { ran } of programs) {
      ran.steps += result.tried;
      ran.threads = result.threads;
    }
    advance(c.running, result, c.validate === null || c.validateEvery === null);
    const reports = reportsOf(result);
    c.watchers.tell('steps', reports, { threads: result.threads, asked, tried: c.running.course.tried, step });
    // Who is told of a print may throw: by then all is of the same step.
    const whole = result.tried + (result.status === STATUS.nonFinite ? 1 : 0);
    tellPrints(programs.at(-1)!, result.report, whole, (i) => attempt + (i + 1) * chunk.micros - 1);
    return { reports, result };
  };
  const failed = (error: unknown): never => {
    // The steps before the one with the bad index have taken effect.
    if (error instanceof IndexError) done(error.details.result as RunResult);
    throw error;
  };
  const runSync = (i: number): RunResult => {
    const result = programs[i]!.bound.runSync(request(i));
    return goesOn(i, result) ? runSync(i + 1) : result;
  };
  const run = async (i: number): Promise<RunResult> => {
    const result = await programs[i]!.bound.run(request(i));
    return goesOn(i, result) ? run(i + 1) : result;
  };
  return yield* perform<{ reports: Reports; result: RunResult } | null>({
    now() {
      started = performance.now();
      try {
        return done(runSync(0));
      } catch (error) {
        return failed(error);
      }
    },
    later: () =>
      c.turn(() => {
        if (c.running.halt.called) return null;
        started = performance.now();
        return run(0).then(done, failed);
      }),
  });
}

/** @param never no step is followed by a validation: none is due when a run begins that has some */
function advance(running: Running, { attempt, stepCount, skips, tried }: RunResult, never: boolean): void {
  const { counters, course } = running;
  const batch = counters.batch + (attempt - counters.attempt);
  const all = course.tried + tried;
  running.course = { ...course, tried: all, validated: never ? all : course.validated };
  running.counters = { epoch: counters.epoch, attempt, step: stepCount, batch, skips };
}
