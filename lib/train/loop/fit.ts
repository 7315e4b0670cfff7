// fit.ts: the training loop, chunk by chunk; the same for `fit` and `fitSync` (see effect.ts).
import { AbortError, type GradclipError, GuardError, IndexError, NonFiniteError } from '../../errors.ts';
import type { RunRequest, RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { threadsFor } from '../../native/threads.ts';
import type { Apply } from '../../optim/apply.ts';
import { inEpochs } from '../../optim/length.ts';
import { Reports, tooManySkips, whyLeftOut } from '../../optim/report.ts';
import type { Chunk, Feeder } from '../feed/feeder.ts';
import type { EarlyStop, FitOptions } from '../options.ts';
import type { Compiled, Session } from '../state/session.ts';
import type { GuardEvent, Guarding } from '../step/guarding.ts';
import { warnOfZeroRates } from '../step/rates.ts';
import type { Rollback } from '../watch/rollback.ts';
import { afterYoung, batchesOf, type Culprit, Inquiry, type InquiryContext } from './culprit.ts';
import { type Effect, type Loop, perform } from './effect.ts';
import type { Halt } from './halt.ts';
import { located } from './located.ts';
import { Pace } from './pace.ts';
import { tellPrints } from './prints.ts';
import { type Counters, type FitResult, type Metrics, type StopReason, Tally } from './progress.ts';
import type { Warnings } from './warnings.ts';

// Of what guards find, in a result.
const MOST_EVENTS = 100;

/** A run that is on: where it stands, and how to end it. */
export interface Running {
  readonly halt: Halt;
  readonly warnings: Warnings;
  /** Groups by name: whether their learning rate was 0 in every step so far. */
  readonly idle: Map<string, boolean>;
  counters: Counters;
}

/** What the loop needs of its trainer. */
export interface FitContext
  extends InquiryContext,
    Pick<FitOptions<string>, 'earlyStop' | 'chunkSteps' | 'validateEvery' | 'onEpoch' | 'onGuard' | 'profile'> {
  readonly running: Running;
  readonly session: Session<Apply>;
  readonly feeder: Feeder;
  readonly seed: bigint;
  readonly threads: number;
  /** The number of threads was asked for: who gets fewer is told. */
  readonly threadsAsked: boolean;
  readonly maxSkips: number;
  readonly names: readonly string[];
  readonly steps: number;
  readonly epochs: number;
  /** Wait for a turn among those who use the state. */
  readonly turn: <T>(task: () => T | Promise<T>) => Promise<T>;
  /** Gives null if the run was told to end meanwhile. */
  readonly validate: (() => Loop<Metrics<string> | null>) | null;
  /** Make ready for the first step of the run, and of an epoch. */
  readonly start: Effect<void>;
  readonly startEpoch: Effect<void>;
  /** Take in what a validation gave, before the next steps. */
  readonly validated: (metrics: Metrics<string>) => Effect<void>;
  readonly guarding: Guarding | null;
  /** Null where no guard rolls back. */
  readonly rollback: Rollback | null;
  readonly onReports: (reports: Reports) => void;
  /** Wait for a reader that has fallen behind. */
  readonly caughtUp: () => Promise<void>;
  /** The best weights so far: copy them, put them back. */
  readonly keepBest: Effect<void>;
  readonly restoreBest: Effect<void>;
}

export function* fitLoop(c: FitContext): Loop<FitResult<string>> {
  const { running, validateEvery = null } = c;
  const { halt } = running;
  const tally = new Tally();
  const best = new Best(c.earlyStop ?? null);
  const pace = new Pace();
  const events: GuardEvent[] = [];
  const inquiry = new Inquiry(c);
  let epochs = 0;
  let epochStart = 0;
  let validatedAt = -1;

  const validation = function* (): Loop<Metrics<string> | null> {
    validatedAt = tally.tried;
    const metrics = c.validate ? yield* c.validate() : null;
    for (const [name, value] of Object.entries(metrics ?? {})) {
      if (!Number.isNaN(value)) continue;
      const { step } = running.counters;
      running.warnings.add('metricNaN', `validation: ${name} is NaN after ${step} updates`, { name, step });
    }
    if (metrics) yield* perform(c.validated(metrics));
    if (metrics && best.see(metrics)) yield* perform(c.keepBest);
    return metrics;
  };
  const finish = function* (stopReason: StopReason): Loop<FitResult<string>> {
    if (best.metrics) yield* perform(c.restoreBest);
    const { tried, applied, clipped, skipped, threads, last, epochs, nonFinite } = tally;
    if (tried > 0 && applied === 0) warnOfNothingApplied(running, tally);
    else if (tried > 0 && !tally.moved) warnOfZeroGradient(running, tally);
    if (applied > 0) warnOfZeroRates(running, tried);
    const counts = { tried, applied, clipped, skipped, threads, nonFinite: [...nonFinite] };
    const result = { stopReason, ...counts, last, epochs, best: best.metrics, warnings: running.warnings.list };
    const told = c.guarding ? { ...result, guards: events } : result;
    return c.profile ? { ...told, profile: c.session.profiles() } : told;
  };

  const tell = (event: GuardEvent): void => {
    if (events.length < MOST_EVENTS) events.push(event);
    c.onGuard?.(event);
  };

  yield* perform(c.start);
  for (;;) {
    if (halt.aborted) throw new AbortError('fit: the run was aborted', {}, { cause: halt.reason });
    if (halt.called) return yield* finish('stopped');
    if (best.exhausted) return yield* finish('earlyStop');
    if (epochs >= c.epochs) return yield* finish('epochs');
    if (tally.tried >= c.steps) return yield* finish('steps');

    if (c.rollback?.due(tally.tried)) yield* perform(c.rollback.keep(tally.tried, running.counters));
    const most = Math.min(
      c.chunkSteps ?? pace.steps,
      c.steps - tally.tried,
      untilValidation(c, tally.tried),
      c.rollback?.until(tally.tried) ?? Number.POSITIVE_INFINITY,
    );
    const next = c.feeder.next(most, running.counters);
    const chunk = yield* perform({ now: next.now, later: () => halt.or(next.later()) });
    if (chunk === null) continue;
    if (chunk === 'endOfData') return yield* finish('endOfData');
    if (chunk === 'endOfEpoch') {
      running.counters = { ...running.counters, epoch: running.counters.epoch + 1, batch: 0 };
      yield* perform(c.startEpoch);
      // An epoch whose last step was the last one of an earlier run was counted then.
      if (tally.tried === epochStart) continue;
      epochStart = tally.tried;
      epochs++;
      const metrics = validateEvery === null ? yield* validation() : null;
      const end = tally.endEpoch(running.counters.epoch, metrics);
      c.onEpoch?.(end);
      continue;
    }

    const rows = chunk.parts.map((p) => p.rows);
    const held = c.session.use(rows, (programs) => runChunk(c, chunk, programs, pace));
    const done = yield* located(held, (step) => batchesOf(chunk, step));
    if (!done) continue;
    const { reports, result } = done;
    const bad = tally.add(reports, result.threads);
    c.onReports(reports);
    if (c.guarding) for (const event of eventsOf(c.guarding, reports)) tell(event);
    if (bad >= 0) yield* inquiry.tell(chunk, reports, bad);
    if (result.status === STATUS.tooManySkips) {
      const last = reports.length - 1;
      throw skippedTooOften(c, reports, reports.at(last).nonFinite ? yield* inquiry.ofEnd(chunk, reports, last) : null);
    }
    if (result.status === STATUS.nonFinite) {
      const found = c.guarding?.at(result.position);
      const culprit = !found || found.action === 'stop' ? yield* inquiry.ofEnd(chunk, reports, result.tried) : null;
      if (!found) throw nonFinite(c, result, culprit);
      const { attempt, step } = running.counters;
      tell({ guard: found.label, action: found.action, name: found.name, value: null, attempt, step });
      if (found.action === 'stop') throw stopped(found, running.counters, culprit);
      chunk.giveBack?.(result.tried + 1);
      tally.addUndone();
      yield* perform(c.rollback!.back(running, chunk.micros, { guard: found.label, name: found.name }));
    }
    yield* perform<unknown>({ now: () => {}, later: () => halt.or(c.caughtUp()) });
    if (validateEvery !== null && tally.tried % validateEvery === 0 && tally.tried > validatedAt) yield* validation();
  }
}

function runningSum(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((v) => (sum += v));
}

function untilValidation({ validateEvery, validate }: FitContext, tried: number): number {
  return validate && validateEvery !== undefined ? validateEvery - (tried % validateEvery) : Number.POSITIVE_INFINITY;
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
      ...(c.guarding && { guards: c.guarding.placed }),
    });
  let started = 0;
  // Within the chunk's turn, so that who comes next finds counters and weights of the same step.
  const done = (result: RunResult): RunResult => {
    pace.took(performance.now() - started, result.tried);
    for (const { ran } of programs) {
      ran.steps += result.tried;
      ran.threads = result.threads;
    }
    advance(c.running, result);
    // A logger, or who is told of a print, may throw: counters and weights are of the same step by then.
    const whole = result.tried + (result.status === STATUS.nonFinite ? 1 : 0);
    tellPrints(programs.at(-1)!, result.report, whole, (i) => attempt + (i + 1) * chunk.micros - 1);
    if (c.threadsAsked && result.threads < asked) warnOfFewerThreads(c.running.warnings, step, asked, result.threads);
    return result;
  };
  const failed = (error: unknown): never => {
    // The steps before the one with the bad index have taken effect.
    if (error instanceof IndexError) c.onReports(reportsOf(done(error.details.result as RunResult)));
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
  const result = yield* perform<RunResult | null>({
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
  return result && { reports: reportsOf(result), result };
}

function warnOfNothingApplied({ warnings, counters: { step } }: Running, { tried, last }: Tally): void {
  const hit = last?.guards?.find(({ action }) => action === 'skip');
  const why = last?.nonFinite
    ? `the gradient of ${last.nonFinite} was not finite`
    : hit
      ? `${hit.guard} found ${hit.name} to be ${hit.value}`
      : last
        ? whyLeftOut(last)
        : 'a guard took it back';
  const steps = tried === 1 ? 'the only step of the run was' : `all ${tried} steps of the run were`;
  warnings.add('nothingApplied', `fit: no weight has changed: ${steps} skipped, the last since ${why}`, {
    name: 'fit',
    step,
    tried,
  });
}

function warnOfZeroGradient({ warnings, counters: { step } }: Running, { tried }: Tally): void {
  const why =
    'the loss is constant where the weights are, as behind a clamp, units that are all dead, or labels that are all ignored';
  const steps = tried === 1 ? 'the only step' : `all ${tried} steps`;
  warnings.add('zeroGradient', `fit: the gradient was 0 in ${steps} of the run: ${why}`, { name: 'fit', step, tried });
}

function warnOfFewerThreads(warnings: Warnings, step: number, asked: number, got: number): void {
  const why = 'other runs of this process have the rest, or the system gives no more';
  warnings.add('fewerThreads', `fit: expected ${asked} threads, got ${got}: ${why}`, { name: 'threads', step, asked, got });
}

function advance(running: Running, { attempt, stepCount, skips }: RunResult): void {
  const { counters } = running;
  const batch = counters.batch + (attempt - counters.attempt);
  running.counters = { epoch: counters.epoch, attempt, step: stepCount, batch, skips };
}

/** What a chunk's reports tell of guards that let the run go on. */
function* eventsOf(guarding: Guarding, reports: Reports): Generator<GuardEvent> {
  const any = guarding.placed.some((_, g) => reports.column(`guard.${g}`).some((at) => at >= 0));
  if (!any) return;
  for (const { guards = [], attempt, step } of reports) {
    for (const hit of guards) yield { ...hit, attempt, step };
  }
}

function stopped(
  { label, name, action }: { label: string; name: string; action: string },
  counters: Counters,
  culprit: Culprit | null,
): GuardError {
  const { attempt, step } = counters;
  const text = `fit: ${label}: ${name} at step ${step}${because(culprit)}`;
  return new GuardError(text, { guard: label, name, action, attempt, step, culprit });
}

function skippedTooOften(c: FitContext, reports: Reports, culprit: Culprit | null): GradclipError {
  const last = reports.at(reports.length - 1);
  const hit = last.nonFinite === null ? last.guards?.[0] : undefined;
  if (hit) {
    const { step, attempt } = last;
    const { skips } = c.running.counters;
    const text = `fit: ${skips} steps in a row were skipped, the last by ${hit.guard}: ${hit.name} is ${hit.value}`;
    return new GuardError(text, { guard: hit.guard, name: hit.name, action: 'skip', step, attempt, skips });
  }
  const text = because(culprit) + (culprit?.kind === 'input' ? '' : afterYoung(c.policy, last.step));
  return tooManySkips('fit', last, c.running.counters.skips, { text, culprit });
}

function nonFinite(c: FitContext, result: RunResult, culprit: Culprit | null): NonFiniteError {
  const tensor = c.names[result.position] ?? null;
  return new NonFiniteError(`fit: the gradient of ${tensor ?? 'an unknown tensor'} is not finite${because(culprit)}`, {
    tensor,
    step: c.running.counters.step,
    attempt: c.running.counters.attempt,
    skips: c.running.counters.skips,
    culprit,
  });
}

/** What an error adds that has named a gradient. */
function because(culprit: Culprit | null): string {
  if (!culprit) return '';
  return `; ${culprit.text}${culprit.kind === 'gradient' ? ': option debug of the trainer names the op where it begins' : ''}`;
}

/** Follows the validation metric that early stopping watches. */
class Best {
  metrics: Metrics<string> | null = null;
  #misses = 0;
  readonly #rule: EarlyStop<string> | null;
  constructor(rule: EarlyStop<string> | null) {
    this.#rule = rule;
  }
  get exhausted(): boolean {
    return this.#rule !== null && this.#misses >= this.#rule.patience;
  }
  /** Is this the best so far? NaN never is. */
  see(metrics: Metrics<string>): boolean {
    if (!this.#rule) return false;
    const { metric = 'loss', minDelta = 0 } = this.#rule;
    const sign = (this.#rule.mode ?? (metric === 'loss' ? 'min' : 'max')) === 'min' ? -1 : 1;
    const value = metrics[metric]!;
    const better = this.metrics ? sign * (value - this.metrics[metric]!) > minDelta : !Number.isNaN(value);
    this.#misses = better ? 0 : this.#misses + 1;
    if (better) this.metrics = metrics;
    return better;
  }
}
