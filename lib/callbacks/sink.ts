// sink.ts: what ready-made callbacks share: something of its own for each run that is followed, and what becomes of the run when a sink fails.
import { BusyError } from '../errors.ts';
import { choice, type Field } from '../options/index.ts';
import type { EpochEnd, FitResult, GuardEvent, Metrics } from '../train/flow/progress.ts';
import type { TrainingWarning } from '../train/flow/warnings.ts';
import type { Callback, CallbackRun, StepReports } from '../train/watch/callback.ts';

/**
 * What a sink does that fails while a run is on: `warn` lets the run go on without it, with a warning in `result.warnings`; `stop` ends the run with the
 * error.
 */
export type IfFails = 'warn' | 'stop';

/** Option `ifFails`. */
export const ifFails: Field<IfFails, IfFails, false> = choice('warn', 'stop').default('warn');

/** What follows one run. What a function gives back, if it is a promise, is waited for: never in a run that is `sync`. */
export interface Following {
  steps?(steps: StepReports): unknown;
  validation?(metrics: Metrics<string>): unknown;
  epoch?(end: EpochEnd<string>): unknown;
  guard?(event: GuardEvent): unknown;
  warning?(warning: TrainingWarning): unknown;
  checkpoint?(): unknown;
  /** Also where another function has failed before. */
  end?(result: FitResult<string> | null, error: unknown): unknown;
}

interface SinkOptions {
  /** As users write it: `callbacks.csv`. */
  readonly where: string;
  readonly ifFails: IfFails;
  /** One run at a time: it has one file, or one state. */
  readonly alone?: boolean;
  readonly needsLayerNorms?: boolean;
}

/** What a sink keeps from run to run, and in checkpoints. */
interface Keeping {
  readonly name: string;
  state(): unknown;
  restore(state: unknown): void;
}

interface Followed {
  readonly following: Following;
  /** It has failed, and only its end is left. */
  off: boolean;
}

/**
 * A callback made of what follows each run.
 * @param follow called when a run begins: what it throws ends the run before its first step, whatever `ifFails` says
 */
export function sink(
  { where, ifFails, alone = false, needsLayerNorms = false }: SinkOptions,
  follow: (run: CallbackRun) => Following,
  keeping: Keeping | null = null,
): Callback {
  const runs = new Map<CallbackRun, Followed>();
  const failed = (followed: Followed, run: CallbackRun, error: unknown): void => {
    followed.off = true;
    if (ifFails === 'stop') throw error;
    const why = error instanceof Error ? error.message : String(error);
    run.warn(`${where}: ${why}: the run goes on without it`, { where, error });
  };
  const call = (run: CallbackRun, act: (following: Following) => unknown, end = false): unknown => {
    const followed = runs.get(run);
    if (!followed || (followed.off && !end)) return undefined;
    try {
      const waits = act(followed.following);
      if (waits instanceof Promise) return waits.catch((error: unknown) => failed(followed, run, error));
    } catch (error) {
      failed(followed, run, error);
    }
    return undefined;
  };
  const made: Callback<string> = {
    ...keeping,
    ...(needsLayerNorms && { needsLayerNorms }),
    onStart(run) {
      if (alone && runs.size > 0)
        throw new BusyError(`${where}: it follows another run that is not done; make another one for this run`);
      runs.set(run, { following: follow(run), off: false });
    },
    onSteps: (steps, run) => call(run, (f) => f.steps?.(steps)),
    onValidation: (metrics, run) => call(run, (f) => f.validation?.(metrics)),
    onEpoch: (end, run) => call(run, (f) => f.epoch?.(end)),
    onGuard: (event, run) => call(run, (f) => f.guard?.(event)),
    onWarning: (warning, run) => call(run, (f) => f.warning?.(warning)),
    onCheckpoint: (run) => call(run, (f) => f.checkpoint?.()),
    onEnd(result, error, run) {
      const ended = call(run, (f) => f.end?.(result, error), true);
      const done = (): void => void runs.delete(run);
      if (ended instanceof Promise) return ended.finally(done);
      done();
      return ended;
    },
  };
  return made;
}
