// training.ts: one run of the training loop (fit.ts) on a trainer: its sessions, validation, the best weights, and how it is ended.

import type { RecordHeader } from '../../history/history.ts';
import type { StepLog } from '../../history/log.ts';
import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import type { Module, Parameter } from '../../nn/module.ts';
import { inEpochs } from '../../optim/length.ts';
import type { Feeder } from '../feed/feeder.ts';
import { asSource } from '../feed/inputs.ts';
import type { NdArray, Source } from '../feed/source.ts';
import type { FitOptions, Weights } from '../options.ts';
import type { Session } from '../state/session.ts';
import type { Setup } from '../state/setup.ts';
import { isPerLayer, type Recording, recording } from '../watch/recording.ts';
import { Rollback, type RollbackOptions } from '../watch/rollback.ts';
import { type Loop, settle } from './effect.ts';
import { type EvaluateContext, evaluateLoop } from './evaluate.ts';
import { fitLoop, type Running } from './fit.ts';
import type { FitResult } from './progress.ts';
import type { Run } from './run.ts';

export interface TrainingContext<R> {
  readonly running: Running;
  readonly feeder: Feeder;
  readonly options: FitOptions<string>;
  /** Gets the reports; null where nobody reads them. */
  readonly run: Run<string> | null;
  /** Performs the loop now or later. */
  readonly driver: (loop: Loop<FitResult<string>>) => R;
  readonly setup: Pick<
    Setup<Module>,
    | 'store'
    | 'policy'
    | 'parameters'
    | 'scaleAdapts'
    | 'debug'
    | 'restorable'
    | 'snapshot'
    | 'trained'
    | 'training'
    | 'enter'
    | 'startEpoch'
    | 'validated'
    | 'guarding'
    | 'restore'
  >;
  /** The last steps. */
  readonly log: StepLog;
  header(perLayer: boolean): RecordHeader;
  /** Whose fit it is. */
  readonly trainer: symbol;
  readonly seed: bigint;
  /** For guards that roll back. */
  readonly rollback: RollbackOptions;
  readonly threads: number;
  readonly threadsAsked: boolean;
  /** Wait for a turn among those who use the state. */
  readonly turn: <T>(task: () => T | Promise<T>) => Promise<T>;
  evaluation(source: Source, weights: Weights): EvaluateContext;
}

export function train<R>(c: TrainingContext<R>): R {
  const { record } = c.options;
  const { attempt } = c.running.counters;
  c.log.epochSteps = c.feeder.epochSteps ?? c.log.epochSteps;
  const header = (): RecordHeader => inEpochs(c.feeder.epochSteps, () => c.header(isPerLayer(record)));
  return recording({ record, header, log: c.log, names: c.setup.trained, attempt, sync: c.run === null }, (kept) =>
    trainKept(c, kept),
  );
}

function trainKept<R>(c: TrainingContext<R>, kept: Recording): R {
  const { options, run, setup, turn } = c;
  const { halt } = c.running;
  const { store, policy, parameters, restorable, trained } = setup;
  const sessions: Session<unknown>[] = [];
  const work = (): R => {
    const session = setup.training(c.feeder, options, c.running);
    sessions.push(session);
    const validation =
      options.validation && c.evaluation(asSource('fit: validation', options.validation), options.validateWeights ?? 'model');
    if (validation) {
      sessions.push(validation.session);
      // What is wrong with it is told before the training, and not at the end of the first epoch.
      validation.session.prepare(Math.min(validation.batchSize, validation.source.length));
    }
    halt.also(() => {
      for (const s of sessions) s.stop();
    });
    const parameterStates = parameters.map((p) => p.state);
    let best: ReadonlyMap<State, Data> = new Map();
    const restoreBest = (): void => {
      for (const [state, values] of best) store.write(state, values);
    };
    const { steps, epochs, ...rest } = setup.debug ? { ...options, chunkSteps: 1 } : options;
    return c.driver(
      fitLoop({
        ...rest,
        running: c.running,
        session,
        feeder: c.feeder,
        seed: c.seed,
        threads: c.threads,
        threadsAsked: c.threadsAsked,
        policy,
        maxSkips: policy.maxSkips,
        names: trained,
        steps: steps ?? Number.POSITIVE_INFINITY,
        epochs: epochs ?? (steps === undefined ? 1 : Number.POSITIVE_INFINITY),
        turn,
        guarding: setup.guarding,
        rollback: setup.guarding?.rollsBack ? new Rollback(c.rollback, setup, turn) : null,
        validate: validation ? () => evaluateLoop({ ...validation, turn, halt }) : null,
        start: { now: () => setup.enter(c.trainer), later: () => turn(() => setup.enter(c.trainer)) },
        startEpoch: { now: () => setup.startEpoch(), later: () => turn(() => setup.startEpoch()) },
        validated(metrics) {
          const now = (): void => inEpochs(c.feeder.epochSteps, () => setup.validated(metrics, c.running.counters.step));
          return { now, later: () => turn(now) };
        },
        onReports(reports) {
          kept.add(reports);
          run?.push(reports);
        },
        async caughtUp() {
          await kept.caughtUp();
          await run?.caughtUp();
        },
        keepBest: {
          now: () => {
            best = store.read(restorable);
          },
          later: () =>
            turn(async () => {
              best = await setup.snapshot();
            }),
        },
        weights: {
          now: () => namedValues(parameters, store.read(parameterStates)),
          later: () => turn(async () => namedValues(parameters, await store.snapshot(parameterStates))),
        },
        scaleAdapts: setup.scaleAdapts,
        restoreBest: { now: restoreBest, later: () => turn(restoreBest) },
      }),
    );
  };
  return settle(work, () => {
    for (const s of sessions) s.dispose();
  });
}

function namedValues(parameters: readonly Parameter[], values: ReadonlyMap<State, Data>): Map<string, NdArray> {
  return new Map(parameters.map(({ name, shape, state }) => [name, { data: values.get(state)!, shape }]));
}
