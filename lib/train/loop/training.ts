// training.ts: one run of the training loop (fit.ts) on a trainer: its sessions, validation, who follows it, and how it ends.
import type { RecordHeader } from '../../history/history.ts';
import type { StepLog } from '../../history/log.ts';
import type { State } from '../../ir/graph.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import type { Module, Parameter } from '../../nn/module.ts';
import { inEpochs } from '../../optim/length.ts';
import type { Feeder } from '../feed/feeder.ts';
import { asSource } from '../feed/inputs.ts';
import { fingerprint, type NdArray, type Source } from '../feed/source.ts';
import type { FitOptions, Weights } from '../options.ts';
import type { Session } from '../state/session.ts';
import type { Setup } from '../state/setup.ts';
import { follower } from '../watch/callback.ts';
import type { Checkpointing } from '../watch/checkpointing.ts';
import { EarlyStopping } from '../watch/early-stop.ts';
import { Guards } from '../watch/guards.ts';
import { Oversights } from '../watch/oversights.ts';
import { plateauWatcher } from '../watch/plateau.ts';
import { isPerLayer, Recording } from '../watch/recording.ts';
import { Rollback, type RollbackOptions } from '../watch/rollback.ts';
import { Tally } from '../watch/tally.ts';
import { after, type Ending, type Follower, type Host, type Kept, type Wait, type Watcher, Watchers } from '../watch/watcher.ts';
import { type Effect, type Loop, perform, settle } from './effect.ts';
import { type EvaluateContext, evaluateLoop } from './evaluate.ts';
import { fitLoop, type Running } from './fit.ts';
import type { FitResult, StopReason } from './progress.ts';
import type { Run } from './run.ts';

/** What of a setup a run has to do with. */
type Trained = Pick<
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

interface Watching {
  readonly watchers: Watchers;
  readonly tally: Tally;
  readonly guards: Guards;
  readonly stopping: EarlyStopping | null;
}

/** What is kept of the watchers of a run, and of others: but not the weights of a run before it. */
export function keptNow(before: ReadonlyMap<string, Kept>, watchers: Watchers): Map<string, Kept> {
  const now = watchers.kept;
  const others = [...before].filter(([name, { values }]) => !values && !now.has(name));
  return new Map([...others, ...now]);
}

/** All that follow a run, in the order in which they are told. */
function watch<R>(c: TrainingContext<R>, host: Host, source: Source | null, inTurn: Ended['inTurn']): Watching {
  const { options, running, setup, feeder, run, log } = c;
  const sync = run === null;
  const { trained, parameters, store, guarding, plateau } = setup;
  const followers: Follower[] = [];
  const watchers = (): Watchers => all;
  const tally = new Tally();
  const stopping =
    options.earlyStop && source
      ? new EarlyStopping(options.earlyStop, host, setup.restorable, fingerprint(source), c.resumed)
      : null;
  const rollback = guarding?.rollsBack
    ? new Rollback(c.rollback, { states: store.states, restore: (v) => setup.restore(v) }, host, running)
    : null;
  const states = parameters.map((p) => p.state);
  const guards = new Guards({
    running,
    guarding,
    rollback,
    tally,
    names: trained,
    policy: setup.policy,
    scaleAdapts: setup.scaleAdapts,
    weights: inTurn(() => after(host.read(states), (values) => namedValues(parameters, values))),
    tell: (event) => watchers().tell('guard', event),
    inTurn,
  });
  const header = (): RecordHeader => inEpochs(feeder.epochSteps, () => c.header(isPerLayer(options.record)));
  const recording = new Recording(options.record, header, log, { names: trained, attempt: running.counters.attempt, sync });
  const own: Watcher[] = [tally];
  if (plateau) own.push(plateauWatcher((m) => inEpochs(feeder.epochSteps, () => setup.validated(m, running.counters.step))));
  if (stopping) own.push(stopping);
  if (rollback) own.push(rollback);
  own.push(guards, new Oversights(running, tally, c.threadsAsked), recording);
  if (run) own.push({ name: 'reader', steps: (reports) => run.push(reports), settled: () => run.caughtUp() });
  const view = {
    get counters() {
      return running.counters;
    },
    stop: () => running.halt.call(),
  };
  const { onEpoch, onGuard, callbacks = [] } = options;
  const plain = { ...(onEpoch && { onEpoch }), ...(onGuard && { onGuard }) };
  for (const callback of [...(onEpoch || onGuard ? [plain] : []), ...callbacks]) {
    followers.push(
      follower(callback, callback === plain ? 'onEpoch or onGuard' : `callbacks[${callbacks.indexOf(callback)}]`, view),
    );
  }
  if (c.checkpointing) own.push(c.checkpointing);
  const all = new Watchers(own, followers, sync);
  return { watchers: all, tally, guards, stopping };
}

function hostOf(setup: Trained, sync: boolean): Host {
  const { store } = setup;
  const names = new Map([...setup.stateNames()].reverse().map(([name, state]) => [state, name]));
  return {
    read: (states) => (sync ? store.read(states) : store.snapshot(states)),
    write(values) {
      for (const [state, data] of values) store.write(state, data);
    },
    named: (values) => new Map([...values].map(([state, data]) => [names.get(state)!, data])),
    found(values, states) {
      const found = new Map<State, Data>();
      for (const state of states) {
        const data = values.get(names.get(state)!);
        if (!data || data.length !== sizeOf(state.type.shape)) return null;
        found.set(state, data);
      }
      return found;
    },
  };
}

function sameValues(a: ReadonlyMap<string, Data>, b: ReadonlyMap<string, Data>): boolean {
  const bytes = (x: Data): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  return [...a].every(([name, x]) => {
    const y = b.get(name);
    return y !== undefined && Buffer.compare(bytes(x), bytes(y)) === 0;
  });
}

function namedValues(parameters: readonly Parameter[], values: ReadonlyMap<State, Data>): Map<string, NdArray> {
  return new Map(parameters.map(({ name, shape, state }) => [name, { data: values.get(state)!, shape }]));
}
