// trial.ts: one job of a search: a trainer is made, goes on where it was, trains some steps, and is measured.
import { DTypeError, GraphError, GuardError, NonFiniteError, OptionError, ShapeError, SkipError } from '../errors.ts';
import type { Module } from '../nn/module/module.ts';
import { checkKeys, type Place, show } from '../options/index.ts';
import { isStream } from '../train/feed/inputs.ts';
import type { FitOptions } from '../train/options.ts';
import { Trainer } from '../train/trainer.ts';
import type { Job, Outcome } from './halving.ts';

/** What a trial trains and is measured on: rows that lie in memory, of which every trial can have the same. */
export type TrialData = Parameters<Trainer<Module>['evaluate']>[0];

/** What a search needs of a trainer; any `Trainer` has it. */
export interface TrialTrainer {
  /** The model that it trains. */
  readonly model: Module;
  /** As of a trainer. @param data what is trained on */
  fit(
    data: never,
    options?: never,
  ): PromiseLike<{ readonly tried: number; readonly clipped: number; readonly stopReason: string }>;
  /** As of a trainer. @param data what is measured on @returns loss and metrics by name */
  evaluate(data: never, options?: never): Promise<{ readonly loss: number }>;
  /** As of a trainer. @returns the bytes of a checkpoint */
  save(): Promise<Uint8Array>;
  /** As of a trainer. @param from the bytes of a checkpoint */
  load(from: Uint8Array): Promise<unknown>;
  /** As of a trainer. */
  dispose(): void;
}

/** Options of the fits of a trial: how long they are, and what is kept of them, the search says. */
export type TrialFit = Omit<
  FitOptions<string>,
  'steps' | 'epochs' | 'seconds' | 'signal' | 'checkpoint' | 'resume' | 'record' | 'profile'
>;

/** What `make` of a search gives. */
export interface Trial {
  /** A new trainer of a new model, made with the parameters and the seed. */
  readonly trainer: TrialTrainer;
  /** What is trained on. */
  readonly data: TrialData;
  /** What trials are compared on. */
  readonly validation: TrialData;
  /** Further options of `fit`: `validation` with `earlyStop`, callbacks. Where `validateWeights` is `ema`, averages are compared. Default: none. */
  readonly fit?: TrialFit;
}

/** What is measured of a trial. */
export interface Metric {
  readonly metric: string;
  readonly mode: 'min' | 'max';
}

/** What one job came to. */
export interface Measured extends Outcome {
  /** Loss and metrics on the validation set; null where it diverged or failed. */
  readonly metrics: Readonly<Record<string, number>> | null;
  /** Why it is over before its time, in words; null otherwise. */
  readonly reason: string | null;
  /** Steps that the policy clipped. */
  readonly clipped: number;
  readonly seconds: number;
}

/** What a job is done with. */
export interface Work {
  readonly job: Job;
  /** Where it goes on; null: at its beginning. */
  readonly state: Uint8Array | null;
  /** Whether its state is wanted. */
  readonly keep: boolean;
  readonly metric: Metric;
  /** When it ends at the latest, in milliseconds as `Date.now()` counts them; null: never. */
  readonly deadline: number | null;
  /** Parameters that make no trainer are an error, not a trial that failed. */
  readonly strict: boolean;
}

const OURS = ['steps', 'epochs', 'seconds', 'signal', 'checkpoint', 'resume', 'record', 'profile'];

/** Trainers that a job has had. */
const used = new WeakSet<object>();

/** @param make gives the trial. @throws OptionError where what it gives is none; AbortError */
export async function runJob(
  make: () => unknown,
  { job, state, keep, metric, deadline, strict }: Work,
  signal: AbortSignal | undefined,
): Promise<{ readonly measured: Measured; readonly state: Uint8Array | null }> {
  const started = performance.now();
  const took = (): number => (performance.now() - started) / 1000;
  const ended = (reason: string, steps: number): { measured: Measured; state: null } => ({
    measured: { score: Infinity, steps, over: true, metrics: null, reason, clipped: 0, seconds: took(), cut: false },
    state: null,
  });
  const seconds = deadline === null ? null : (deadline - Date.now()) / 1000;
  if (seconds !== null && seconds <= 0) {
    const nothing = { steps: 0, over: false, metrics: null, reason: null, clipped: 0, seconds: 0, cut: true };
    return { measured: { score: Infinity, ...nothing }, state: null };
  }
  let made: Trial;
  try {
    made = checkTrial(await make());
  } catch (error) {
    if (!strict && doesNotFit(error)) return ended((error as Error).message, 0);
    throw error;
  }
  const { trainer, data, validation, fit = {} } = made;
  let tried = 0;
  try {
    const options = { ...fit, ...(signal && { signal }), ...(seconds !== null && { seconds }) };
    if (state) await trainer.load(state);
    // A state that is not there any more is made again.
    else if (job.from > 0) await trainer.fit(data as never, { ...options, steps: job.from } as never);
    const steps = job.to - job.from;
    const result = await trainer.fit(data as never, { ...options, steps } as never);
    tried = result.tried;
    const cut = result.stopReason === 'seconds';
    const over = !cut && tried < steps;
    const weights = fit.validateWeights ?? 'model';
    const metrics = { ...(await trainer.evaluate(validation as never, { weights } as never)) } as Record<string, number>;
    const value = metrics[metric.metric];
    if (value === undefined) {
      const known = Object.keys(metrics).join(', ');
      throw mistake(`tune: option metric: expected one of ${known}, got ${show(metric.metric)}`, { value: metric.metric });
    }
    if (!Number.isFinite(value) || !Number.isFinite(metrics.loss!))
      return ended(`the loss on the validation set is ${metrics.loss}`, tried);
    const reason = over ? (REASONS[result.stopReason] ?? `ended: ${result.stopReason}`) : null;
    const score = metric.mode === 'min' ? value : -value;
    const measured = { score, steps: tried, over, metrics, reason, clipped: result.clipped, seconds: took(), cut };
    return { measured, state: keep && !over && !cut ? await trainer.save() : null };
  } catch (error) {
    const diverged = error instanceof NonFiniteError || error instanceof SkipError || error instanceof GuardError;
    if (diverged || (!strict && doesNotFit(error))) return ended((error as Error).message, tried);
    throw error;
  } finally {
    trainer.dispose();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  earlyStop: 'stopped improving',
  endOfData: 'its data ended',
  stopped: 'was stopped',
};

/** Whether it is of parameters that do not go together, which a trial may have. */
function doesNotFit(error: unknown): boolean {
  const kinds = [OptionError, ShapeError, DTypeError, GraphError];
  return kinds.some((kind) => error instanceof kind) && !mistakes.has(error as object);
}

const mistakes = new WeakSet<object>();

/** An error that is the caller's, whatever the parameters of the trial. */
function mistake(message: string, details: Record<string, unknown> = {}): OptionError {
  const error = new OptionError(message, details);
  mistakes.add(error);
  return error;
}

function checkTrial(value: unknown): Trial {
  const { trainer, data, validation, fit, ...more } = (value ?? {}) as Partial<Trial>;
  const got = (what: string, expected: string, x: unknown): OptionError =>
    mistake(`tune: what make gives: ${what}: expected ${expected}, got ${x === undefined ? 'nothing' : show(x)}`, { value: x });
  if (!(trainer instanceof Trainer)) throw got('trainer', 'a Trainer', trainer);
  if (used.has(trainer) || used.has(trainer.model)) {
    throw mistake('tune: make gave a trainer, or a model, that a trial had before: it must make both anew each time');
  }
  used.add(trainer).add(trainer.model);
  for (const [name, x] of [
    ['data', data],
    ['validation', validation],
  ] as const) {
    if (typeof x !== 'object' || x === null) throw got(name, 'named arrays, or a source', x);
    if (isStream(x)) throw got(name, 'rows that lie in memory, of which each trial has the same', x);
  }
  const surplus = Object.keys(more);
  if (surplus.length > 0)
    throw mistake(`tune: what make gives: unknown key ${surplus[0]}; known: trainer, data, validation, fit`);
  for (const key of Object.keys(fit ?? {})) {
    if (OURS.includes(key)) throw mistake(`tune: what make gives: fit.${key}: the search says that itself`, { option: key });
  }
  return { trainer: trainer as unknown as TrialTrainer, data: data!, validation: validation!, ...(fit && { fit }) };
}

/** Parameters as they were asked for, and no others. */
export function checkParams(params: unknown, names: readonly string[], place: Place): Readonly<Record<string, unknown>> {
  if (typeof params !== 'object' || params === null || Array.isArray(params))
    throw place.wrong('a value for each parameter', params);
  checkKeys(params, names, place);
  for (const name of names) {
    if (!Object.hasOwn(params, name)) throw place.key(name).wrong('a value', undefined);
  }
  return params as Readonly<Record<string, unknown>>;
}
