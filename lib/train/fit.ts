// fit.ts: the training loop, chunk by chunk; the same for `fit` and `fitSync` (see effect.ts).
import { AbortError, IndexError, NonFiniteError } from '../errors.ts';
import type { RunResult } from '../native/addon.ts';
import { threadsFor } from '../native/threads.ts';
import type { Apply } from '../optim/apply.ts';
import { Reports } from '../optim/report.ts';
import { type Effect, type Loop, perform } from './effect.ts';
import type { Chunk, Feeder } from './feeder.ts';
import { type Counters, type FitResult, type Metrics, type StopReason, Tally } from './progress.ts';
import type { Compiled, Session } from './session.ts';

export interface EarlyStop {
  /** Validations without improvement before the run ends. */
  readonly patience: number;
  /** Smallest change that counts; default 0. */
  readonly minDelta?: number;
  /** `loss` or the name of a metric; default `loss`. */
  readonly metric?: string;
  /** Default `min` for the loss, `max` for other metrics. */
  readonly mode?: 'min' | 'max';
}

/** What the loop needs of its trainer. */
export interface FitContext {
  /** Null until the data is there. */
  session: Session<Apply> | null;
  feeder: Feeder | null;
  readonly seed: bigint;
  readonly threads: number;
  readonly maxSkips: number;
  readonly names: readonly string[];
  readonly steps: number;
  readonly epochs: number;
  readonly validateEvery: number | null;
  readonly chunkSteps: number | null;
  readonly earlyStop: EarlyStop | null;
  readonly signal: AbortSignal | null;
  counters: Counters;
  stopped: boolean;
  validate: (() => Loop<Metrics>) | null;
  onEpoch: ((end: FitResult['epochs'][number]) => void) | null;
  onReports: (reports: Reports) => void;
  /** Lets `predict` and `save` in, and waits for a reader that has fallen behind. */
  pause: Effect<void>;
  keepBest: () => void;
  restoreBest: () => void;
}

// A chunk is long enough that handing it over costs nothing, and short enough that predict, save and abort need not wait.
const CHUNK_MS = 20;

export function* fitLoop(c: FitContext): Loop<FitResult> {
  const tally = new Tally();
  const best = new Best(c.earlyStop);
  let pace = 1;
  let epochs = 0;
  let validatedAt = -1;

  const validation = function* (): Loop<Metrics | null> {
    if (!c.validate) return null;
    validatedAt = tally.tried;
    const metrics = yield* c.validate();
    if (best.see(metrics)) c.keepBest();
    return metrics;
  };
  const finish = (stopReason: StopReason): FitResult => {
    if (best.metrics) c.restoreBest();
    const { tried, applied, clipped, skipped, last, nonFinite } = tally;
    return {
      stopReason,
      tried,
      applied,
      clipped,
      skipped,
      last,
      nonFinite: [...nonFinite],
      epochs: tally.epochs,
      best: best.metrics,
    };
  };

  for (;;) {
    if (c.signal?.aborted) throw new AbortError('fit: the run was aborted', {}, { cause: c.signal.reason });
    if (c.stopped) return finish('stopped');
    if (best.exhausted) return finish('earlyStop');
    if (epochs >= c.epochs) return finish('epochs');
    if (tally.tried >= c.steps) return finish('steps');

    const most = Math.min(c.chunkSteps ?? pace, c.steps - tally.tried, untilValidation(c, tally.tried));
    const chunk = yield* perform(c.feeder!.next(most, c.counters));
    if (chunk === 'endOfData') return finish('endOfData');
    if (chunk === 'endOfEpoch') {
      epochs++;
      c.counters = { ...c.counters, epoch: c.counters.epoch + 1, batch: 0 };
      const metrics = c.validateEvery === null ? yield* validation() : null;
      c.onEpoch?.(tally.endEpoch(c.counters.epoch, metrics));
      continue;
    }

    const started = performance.now();
    const { reports, result } = yield* runChunk(c, chunk);
    const ms = (performance.now() - started) / Math.max(1, result.tried);
    pace = Math.max(1, Math.min(pace * 8, Math.floor(CHUNK_MS / ms)));
    tally.add(reports);
    c.onReports(reports);
    if (result.status === 2) throw tooManySkips(c, reports);
    if (result.status === 3) throw nonFinite(c, result);
    yield* perform(c.pause);
    if (c.validateEvery !== null && tally.tried % c.validateEvery === 0 && tally.tried > validatedAt) yield* validation();
  }
}

function untilValidation({ validateEvery, validate }: FitContext, tried: number): number {
  return validate && validateEvery !== null ? validateEvery - (tried % validateEvery) : Number.POSITIVE_INFINITY;
}

function* runChunk(c: FitContext, chunk: Chunk): Loop<{ reports: Reports; result: RunResult }> {
  const { program, bound, extra }: Compiled<Apply> = c.session!.program(chunk.rows);
  const { attempt, step, skips } = c.counters;
  const request = {
    steps: chunk.steps,
    micros: chunk.micros,
    feed: chunk.fill(program.feed.columns, program.feed.bytes),
    step: extra.fillRows(program.step, step, chunk.steps),
    seed: c.seed,
    attempt,
    stepCount: step,
    skips,
    maxSkips: c.maxSkips,
    threads: threadsFor(program, c.threads),
  };
  let result: RunResult;
  try {
    result = yield* perform<RunResult>({ now: () => bound.runSync(request), later: () => bound.run(request) });
  } catch (error) {
    // The steps before the one with the bad index have taken effect.
    if (error instanceof IndexError) advance(c, error.details.result as RunResult);
    throw error;
  }
  advance(c, result);
  const reports = new Reports({
    rows: result.report,
    length: result.tried,
    columns: program.report.columns,
    rowBytes: program.report.bytes,
    names: c.names,
    attempt,
    perStep: chunk.micros,
    step,
  });
  return { reports, result };
}

function advance(c: FitContext, { attempt, stepCount, skips }: RunResult): void {
  const batch = c.counters.batch + (attempt - c.counters.attempt);
  c.counters = { epoch: c.counters.epoch, attempt, step: stepCount, batch, skips };
}

function tooManySkips(c: FitContext, reports: Reports): NonFiniteError {
  const last = reports.at(reports.length - 1);
  return new NonFiniteError(
    `fit: ${c.counters.skips} steps in a row had a non-finite gradient, the last in ${last.nonFinite ?? 'an unknown tensor'}`,
    { tensor: last.nonFinite, step: last.step, attempt: last.attempt, skips: c.counters.skips },
  );
}

function nonFinite(c: FitContext, result: RunResult): NonFiniteError {
  const tensor = c.names[result.position] ?? null;
  return new NonFiniteError(`fit: the gradient of ${tensor ?? 'an unknown tensor'} is not finite`, {
    tensor,
    step: c.counters.step,
    attempt: c.counters.attempt,
    skips: c.counters.skips,
  });
}

/** Follows the validation metric that early stopping watches. */
class Best {
  metrics: Metrics | null = null;
  #misses = 0;
  readonly #rule: EarlyStop | null;
  constructor(rule: EarlyStop | null) {
    this.#rule = rule;
  }
  get exhausted(): boolean {
    return this.#rule !== null && this.#misses >= this.#rule.patience;
  }
  /** Is this the best so far? */
  see(metrics: Metrics): boolean {
    if (!this.#rule) return false;
    const { metric = 'loss', minDelta = 0 } = this.#rule;
    const sign = (this.#rule.mode ?? (metric === 'loss' ? 'min' : 'max')) === 'min' ? -1 : 1;
    const better = this.metrics === null || sign * (metrics[metric]! - this.metrics[metric]!) > minDelta;
    this.#misses = better ? 0 : this.#misses + 1;
    if (better) this.metrics = metrics;
    return better;
  }
}
