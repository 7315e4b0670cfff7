// callback.ts: what users have follow a run.

import type { Module } from '../../nn/module/module.ts';
import type { Report, ReportNumber } from '../../optim/apply/report.ts';
import { bool, custom, type Field, fn, list, Place, show, suggestion, text, whole } from '../../options/index.ts';
import type { Wait } from '../flow/effect.ts';
import type { Kept } from '../flow/kept.ts';
import { plain } from '../flow/plain.ts';
import type { Counters, EpochEnd, FitResult, GuardEvent, Metrics, RunExtent } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { TrainingWarning } from '../flow/warnings.ts';
import type { Ending, Follower } from './watcher.ts';

/** The run that a callback follows. */
export interface CallbackRun {
  /** As of the event. */
  readonly counters: Counters;
  /** How far the run has come, and how far it is to go: as of the event. */
  readonly extent: RunExtent;
  /** The model that is trained. Its weights are those of now, and stay so until what the function gives back has been waited for. */
  readonly model: Module;
  /** Names of the parameters that are trained, in the order of `steps.layerNorms`. */
  readonly trained: readonly string[];
  /** What a validation of the run measures: `loss`, then the trainer's metrics; empty where nothing is validated. */
  readonly measures: readonly string[];
  /** Whether nothing may wait, since the run is one of `fitSync`. */
  readonly sync: boolean;
  /**
   * The learning rate of each group of parameters in a step: those of the trainer's `groups` in their order, then that of `optimizer`.
   * @param step updates before it
   * @throws OptionError
   */
  ratesAt(step: number): readonly number[];
  /**
   * Say what nobody may expect: the run's logger is called, and `result.warnings` has it, with code `callback`; the same text once.
   * @param details more of it, for programs. Default: nothing
   * @throws OptionError
   */
  warn(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** End after the steps that are done; the run resolves with `stopReason: 'stopped'`. */
  stop(): void;
}

/** The steps of a chunk, one report each. */
export interface StepReports extends Iterable<Report> {
  /** How many there are. */
  readonly length: number;
  /**
   * One number of each, as its report has it; of flags 0 or 1. Quicker than reports where steps are many and small.
   * @param name of a field of reports: `loss`, `norm`, `normAfter`, `scale`, `threshold`, `clipped`, `clippedFraction`, `skipped`, `step`
   * @shape name scalar -> [length]
   */
  numbers(name: ReportNumber): Float64Array;
  /** What they took together, in seconds. */
  readonly seconds: number;
  /** Rows of data that they were computed of, together: the last step of an epoch may have fewer. */
  readonly rows: number;
  /**
   * The 2-norm of each parameter's gradient, before the clip, in the i-th of them, in the order of `run.trained`. Empty unless a callback of the run
   * `needsLayerNorms`, or `perLayer` is an option of the fit or of its record.
   * @shape i scalar -> [run.trained.length]
   */
  layerNorms(i: number): Float64Array;
}

/**
 * Follows a run. What a function gives back, if it is a promise, is waited for before the run goes on (`fitSync` refuses it), and what it fails with
 * ends the run. It may use the trainer: `save`, `evaluate`, `predict`. Counterparts: `Callback` of Keras and Lightning, `TrainerCallback` of transformers.
 *
 * ```ts
 * const follow = { name: 'best', onValidation({ loss }, run) { if (loss < 0.1) run.stop(); } };
 * await trainer.fit(data, { validation, callbacks: [follow] });
 * ```
 * @typeParam K names of the trainer's metrics
 */
export interface Callback<K extends string = never> {
  /** Under which its state is kept. Needed where there is a `state`; no two callbacks of a run have the same. */
  readonly name?: string;
  /** Whether steps shall have `layerNorms`, which are then measured in each. Default false. */
  readonly needsLayerNorms?: boolean;
  /** Before the first step, also of a run that goes on. */
  onStart?(run: CallbackRun): unknown;
  /** After each chunk (20 ms of steps, or `chunkSteps` of them): what its steps tell. */
  onSteps?(steps: StepReports, run: CallbackRun): unknown;
  /** After each validation. */
  onValidation?(metrics: Metrics<K>, run: CallbackRun): unknown;
  /** After each epoch, and its validation. */
  onEpoch?(end: EpochEnd<K>, run: CallbackRun): unknown;
  /** What a guard has found. */
  onGuard?(event: GuardEvent, run: CallbackRun): unknown;
  /** What may not be as it was meant, when it is found: what `result.warnings` lists. */
  onWarning?(warning: TrainingWarning, run: CallbackRun): unknown;
  /**
   * Before a checkpoint takes its place: what the callback was given has to be where it shall be, or this fails. A promise is waited for. So whoever goes on
   * from the checkpoint finds no gap.
   */
  onCheckpoint?(run: CallbackRun): unknown;
  /** The run has ended: with a result, or (then that is null) with an error. The best weights are back by then. */
  onEnd?(result: FitResult<K> | null, error: unknown, run: CallbackRun): unknown;
  /**
   * What it must know to go on: numbers, texts, booleans, null, lists and plain objects of them; anything else is an OptionError. It is in every
   * checkpoint, and kept for the trainer's next fit. Called whenever somebody saves: a function changes it before it waits for anything.
   */
  state?(): unknown;
  /** Called before `onStart`, where there is a state under its name: with a copy of what `state` gave. */
  restore?(state: unknown): void;
}

const HOOKS = [
  ...['onStart', 'onSteps', 'onValidation', 'onEpoch', 'onGuard', 'onWarning', 'onCheckpoint', 'onEnd'],
] as readonly (keyof Callback)[];

/** Everything that an object has, whether its own or of its classes. */
function keysOf(value: object): string[] {
  const keys: string[] = [];
  for (let at: object | null = value; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    keys.push(...Object.getOwnPropertyNames(at));
  }
  return keys;
}

/** What it needs for itself it may have; what is called like a hook must be one. */
const callback: Field<Callback<string>> = custom('an object with functions such as onEpoch', (value, place) => {
  if (typeof value !== 'object' || value === null) throw place.wrong('an object with functions such as onEpoch', value);
  const given = value as Readonly<Record<string, unknown>>;
  const keys = keysOf(value);
  const unknown = keys.find((key) => /^on[A-Z]/.test(key) && !HOOKS.includes(key as keyof Callback));
  if (unknown !== undefined) throw place.refuse(`unknown function ${unknown}${suggestion(unknown, HOOKS)}`, { value: unknown });
  for (const key of [...HOOKS, 'state', 'restore']) {
    if (given[key] !== undefined) fn().read(given[key], place.key(key));
  }
  if (given.name !== undefined) text.read(given.name, place.key('name'));
  if (given.needsLayerNorms !== undefined) bool.read(given.needsLayerNorms, place.key('needsLayerNorms'));
  if (!HOOKS.some((key) => given[key])) throw place.wrong(`an object with one of ${HOOKS.join(', ')}`, value);
  if (given.name === undefined && (given.state || given.restore)) {
    throw place.key('name').wrong('a name, under which its state is kept', undefined);
  }
  return value as Callback<string>;
});

/** As an option: no two have the same name. */
export const callbacks: Field<readonly Callback<string>[]> = custom('a list', (value, place) => {
  const all = list(callback).read(value, place);
  for (const [i, { name }] of all.entries()) {
    if (name === undefined || all.findIndex((c) => c.name === name) === i) continue;
    throw place
      .item(i)
      .key('name')
      .refuse(`another callback has the name ${show(name)}`, { value: name });
  }
  return all;
});

/** What callbacks may ask a run, beside where it stands. */
export interface RunFacts extends Pick<CallbackRun, 'model' | 'trained' | 'measures' | 'ratesAt'> {
  /** Steps of an epoch; null: nobody knows. */
  readonly epochSteps: number | null;
  /** Micro-batches of a step. */
  readonly accumulate: number;
  /** Rows of a micro-batch; null: whatever comes. */
  readonly batchSize: number | null;
}

/** The callbacks of a run as those who follow it; the functions of its options alone are the first. */
export function followersOf(
  plain: Pick<Callback<string>, 'onEpoch' | 'onGuard'>,
  callbacks: readonly Callback<string>[],
  running: Running,
  facts: RunFacts,
): Follower[] {
  if (callbacks.length === 0 && !plain.onEpoch && !plain.onGuard) return [];
  const view = viewOf(running, facts);
  const first = plain.onEpoch || plain.onGuard ? [follower(plain, 'onEpoch or onGuard', view)] : [];
  return [...first, ...callbacks.map((callback, i) => follower(callback, `callbacks[${i}]`, view))];
}

/** What functions of a run are given. */
const updates = whole({ min: 0 });
const [STEP, MESSAGE] = [new Place('run.ratesAt', 'argument', 'step'), new Place('run.warn', 'argument', 'message')];

function viewOf(running: Running, { epochSteps, accumulate, batchSize, ratesAt, ...facts }: RunFacts): CallbackRun {
  return {
    ...facts,
    get counters() {
      return running.counters;
    },
    get extent() {
      const { begin } = running.course;
      const end = running.endIn(epochSteps, accumulate);
      return {
        tried: running.tried,
        steps: end === null ? null : end - begin.tried,
        epochs: running.epochs,
        epochSteps,
        secondsLeft: running.time?.secondsLeft ?? null,
        rows: batchSize === null ? null : batchSize * accumulate,
      };
    },
    sync: running.blocks,
    ratesAt: (step) => ratesAt(updates.read(step, STEP)),
    warn(message, details = {}) {
      const name = text.read(message, MESSAGE);
      running.warnings.add('callback', name, { ...details, name, step: running.counters.step });
    },
    stop: () => running.halt.call(),
  };
}

/**
 * A callback as a follower of a run.
 * @param where for errors
 */
function follower(callback: Callback<string>, where: string, run: CallbackRun): Follower {
  return {
    name: `callback.${callback.name ?? ''}`,
    where,
    restore: ({ state }: Kept) => callback.restore?.(plain(where, state)),
    start: () => callback.onStart?.(run) as Wait,
    // A chunk whose first step was undone, or that was asked to end before it, has none.
    steps: (reports) => (reports.length > 0 ? (callback.onSteps?.(reports, run) as undefined) : undefined),
    validation: (metrics) => callback.onValidation?.(metrics as Metrics<string>, run) as Wait,
    epoch: (end) => callback.onEpoch?.(end, run) as Wait,
    guard: (event) => callback.onGuard?.(event, run) as undefined,
    warning: (warning) => callback.onWarning?.(warning, run) as undefined,
    flush: () => callback.onCheckpoint?.(run) as Wait,
    end: ({ result, error }: Ending) => callback.onEnd?.(result, error, run) as Wait,
    state: () => (callback.state ? { state: plain(where, callback.state()) } : null),
  };
}
