// training.ts: one run of the training loop (fit.ts) on a trainer: its sessions, validation, who follows it, and how it ends.
import type { RecordHeader } from '../../history/history.ts';
import type { StepLog } from '../../history/log.ts';
import type { Module } from '../../nn/module/module.ts';
import type { Feeder } from '../feed/feeder.ts';
import { asSource } from '../feed/inputs.ts';
import type { Source } from '../feed/source.ts';
import { type Effect, type Loop, perform, settle } from '../loop/effect.ts';
import { type EvaluateContext, evaluateLoop } from '../loop/evaluate.ts';
import { fitLoop, type Running } from '../loop/fit.ts';
import type { FitResult, StopReason } from '../loop/progress.ts';
import type { FitOptions, Weights } from '../options.ts';
import type { Session } from '../state/session.ts';
import type { Setup } from '../state/setup.ts';
import type { Checkpointing } from '../watch/checkpointing.ts';
import type { RollbackOptions } from '../watch/rollback.ts';
import { after, type Ending, type Host, keptNow, sameValues, type Wait, type Watchers } from '../watch/watcher.ts';
import { watch } from './followers.ts';
import { hostOf } from './host.ts';
import type { Run } from './run.ts';

/** What of a setup a run has to do with. */
export type Trained = Pick<
  Setup<Module>,
  | 'store'
  | 'policy'
  | 'parameters'
  | 'weights'
  | 'scaleAdapts'
  | 'debug'
  | 'restorable'
  | 'trained'
  | 'training'
  | 'enter'
  | 'startEpoch'
  | 'plateau'
  | 'validated'
  | 'guarding'
  | 'restore'
  | 'stateNames'
>;

export interface TrainingContext<R> {
  readonly running: Running;
  readonly feeder: Feeder;
  readonly options: FitOptions<string>;
  /** Gets the reports; null where nobody reads them, in a fit that blocks. */
  readonly run: Run<string> | null;
  /** Performs the loop now or later. */
  readonly driver: (loop: Loop<FitResult<string>>) => R;
  readonly setup: Trained;
  /** The last steps. */
  readonly log: StepLog;
  header(perLayer: boolean): RecordHeader;
  /** Whose fit it is. */
  readonly trainer: symbol;
  readonly seed: bigint;
  /** The run goes on with one that was interrupted. */
  readonly resumed: boolean;
  /** Writes checkpoints; null where nobody asked for them. */
  readonly checkpointing: Checkpointing | null;
  /** For guards that roll back. */
  readonly rollback: RollbackOptions;
  readonly threads: number;
  readonly threadsAsked: boolean;
  /** Wait for a turn among those who use the state. */
  readonly turn: <T>(task: () => T | Promise<T>) => Promise<T>;
  evaluation(source: Source, weights: Weights): EvaluateContext;
}

/** Train. What is kept of watchers and weights when the run has ended is in `running`. */
export function train<R>(c: TrainingContext<R>): R {
  const { options, running, setup, turn, feeder } = c;
  const { halt } = running;
  const sync = c.run === null;
  const sessions: Session<unknown>[] = [];
  const inTurn = <T>(task: () => Wait<T>): Effect<T> => ({ now: task as () => T, later: () => turn(task) });
  const work = (): R => {
    const session = setup.training(feeder, options, running);
    sessions.push(session);
    const source = options.validation ? asSource('fit: validation', options.validation) : null;
    const validation = source && c.evaluation(source, options.validateWeights ?? 'model');
    if (validation) {
      sessions.push(validation.session);
      // What is wrong with it is told before the training, and not at the end of the first epoch.
      validation.session.prepare(Math.min(validation.batchSize, validation.source.length));
    }
    halt.also(() => {
      for (const s of sessions) s.stop();
    });
    const host = hostOf(setup, sync);
    const { watchers, tally, guards, stopping } = watch(c, host, source, inTurn);
    c.log.epochSteps = feeder.epochSteps ?? c.log.epochSteps;
    const { steps, epochs, validateEvery = null } = options;
    const loop = fitLoop({
      running,
      session,
      feeder,
      watchers,
      tally,
      seed: c.seed,
      threads: c.threads,
      maxSkips: setup.policy.maxSkips,
      names: setup.trained,
      guards: setup.guarding?.placed,
      steps: steps ?? Number.POSITIVE_INFINITY,
      epochs: epochs ?? (steps === undefined ? 1 : Number.POSITIVE_INFINITY),
      chunkSteps: setup.debug ? 1 : (options.chunkSteps ?? null),
      validateEvery,
      inTurn,
      turn,
      validate: validation ? () => evaluateLoop({ ...validation, turn, halt }) : null,
      start: () => {
        setup.enter(c.trainer);
        const { kept, left } = running.course;
        const same = left === null ? true : after(host.read(setup.weights), (now) => sameValues(host.named(now), left));
        return after(same, (same) => {
          watchers.restore(kept, same);
          running.watchers = watchers;
        });
      },
      startEpoch: () => setup.startEpoch(),
      examine: (...chunk) => guards.examine(...chunk),
    });
    const result = (stopReason: StopReason): FitResult<string> => {
      const { tried, applied, clipped, skipped, threads, last, epochs, nonFinite } = tally;
      const counts = { tried, applied, clipped, skipped, threads, nonFinite: [...nonFinite] };
      const result = { stopReason, ...counts, last, epochs, best: stopping?.best ?? null, warnings: running.warnings.list };
      const told = setup.guarding ? { ...result, guards: guards.events } : result;
      return options.profile ? { ...told, profile: session.profiles() } : told;
    };
    return c.driver(ended(loop, result, { running, watchers, host, setup, inTurn }));
  };
  return settle(work, () => {
    for (const s of sessions) s.dispose();
  });
}

interface Ended {
  readonly running: Running;
  readonly watchers: Watchers;
  readonly host: Host;
  readonly setup: Trained;
  readonly inTurn: <T>(task: () => Wait<T>) => Effect<T>;
}

/** The run to its end, and whoever follows it told of that, however it ends. The error that has ended it counts, if others come after it. */
function* ended(loop: Loop<StopReason>, result: (reason: StopReason) => FitResult<string>, c: Ended): Loop<FitResult<string>> {
  const { running, watchers, inTurn } = c;
  const wait = function* (waits: Wait): Loop<void> {
    if (waits instanceof Promise) yield* perform<void>({ now: () => {}, later: () => waits });
  };
  const tell = function* (ending: Ending): Loop<void> {
    try {
      yield* perform(inTurn(() => after(watchers.tell('end', ending), () => leave(c))));
      yield* wait(watchers.told());
    } finally {
      yield* wait(watchers.close(ending));
    }
  };
  let ending: Ending;
  try {
    ending = { result: result(yield* loop), error: null };
  } catch (error) {
    try {
      yield* tell({ result: null, error });
    } catch {
      // The first one counts.
    }
    throw error;
  }
  yield* tell(ending);
  // What was found while the run ended is in it too.
  return { ...ending.result, warnings: running.warnings.list };
}

/** Keep what the next run goes on with; and the weights, where that holds only for them. */
function leave({ running, watchers, host, setup }: Ended): Wait {
  if (!running.watchers) return;
  running.watchers = null;
  const kept = keptNow(running.course.kept, watchers);
  running.course = { ...running.course, kept, left: null };
  if (![...kept.values()].some(({ values }) => values)) return;
  return after(host.read(setup.weights), (weights) => {
    running.course = { ...running.course, left: host.named(weights) };
  });
}
