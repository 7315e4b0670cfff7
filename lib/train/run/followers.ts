// followers.ts: all that follow a run, in the order in which they are told.
import type { RecordHeader } from '../../history/history.ts';
import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import type { Parameter } from '../../nn/module/module.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import { fingerprint, type NdArray, type Source } from '../feed/source.ts';
import type { Effect } from '../loop/effect.ts';
import { follower } from '../watch/callback.ts';
import { EarlyStopping } from '../watch/early-stop.ts';
import { Guards } from '../watch/guards.ts';
import { Oversights } from '../watch/oversights.ts';
import { plateauWatcher } from '../watch/plateau.ts';
import { isPerLayer, Recording } from '../watch/recording.ts';
import { Rollback } from '../watch/rollback.ts';
import { Tally } from '../watch/tally.ts';
import { after, type Follower, type Host, type Wait, type Watcher, Watchers } from '../watch/watcher.ts';
import type { TrainingContext } from './training.ts';

export interface Watching {
  readonly watchers: Watchers;
  readonly tally: Tally;
  readonly guards: Guards;
  readonly stopping: EarlyStopping | null;
}

/** All that follow a run, in the order in which they are told. */
export function watch<R>(
  c: TrainingContext<R>,
  host: Host,
  source: Source | null,
  inTurn: <T>(task: () => Wait<T>) => Effect<T>,
): Watching {
  const { options, running, setup, feeder, run, log } = c;
  const sync = run === null;
  const { trained, parameters, store, guarding, plateau } = setup;
  const followers: Follower[] = [];
  const watchers = (): Watchers => all;
  const tally = new Tally();
  const stopping =
    options.earlyStop && source
      ? new EarlyStopping(
          options.earlyStop,
          host,
          setup.restorable,
          `${options.validateWeights ?? 'model'} ${fingerprint(source)}`,
          c.resumed,
        )
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
  if (run)
    own.push({
      name: 'reader',
      steps: (reports) => run.push(reports),
      settled: () => run.caughtUp(),
    });
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

function namedValues(parameters: readonly Parameter[], values: ReadonlyMap<State, Data>): Map<string, NdArray> {
  return new Map(parameters.map(({ name, shape, state }) => [name, { data: values.get(state)!, shape }]));
}
