// training.ts: what a fit trains with: programs for its batches and its validation, and all that follow it.

import type { AutoDecision } from '../../clip/clip.ts';
import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import type { Feeder } from '../feed/feeder.ts';
import { asTables } from '../feed/inputs.ts';
import type { NdArray } from '../feed/source.ts';
import { fingerprintOf } from '../feed/tables.ts';
import { after, type Loop, perform, type Wait, waitFor } from '../flow/effect.ts';
import { keptNow, sameValues } from '../flow/kept.ts';
import type { FitResult, Metrics, StopReason } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { TrainingWarning } from '../flow/warnings.ts';
import type { FitOptions } from '../options.ts';
import type { Evaluation } from '../programs/evaluate.ts';
import { Pace } from '../programs/pace.ts';
import type { Use } from '../programs/sessions.ts';
import type { Current } from '../state/current.ts';
import { checkHidden } from '../step/per-sample.ts';
import type { TracedStep } from '../step/step.ts';
import { Tuning } from '../tuning/tuning.ts';
import { followersOf, type RunFacts } from '../watch/callback.ts';
import { Inquiry } from '../watch/culprit.ts';
import { type EarlyStop, EarlyStopping } from '../watch/early-stop.ts';
import { Guards } from '../watch/guards.ts';
import { Oversights } from '../watch/oversights.ts';
import { Rates } from '../watch/rates.ts';
import { isPerLayer } from '../watch/recording.ts';
import { Rollback } from '../watch/rollback.ts';
import { Tally } from '../watch/tally.ts';
import { type Ending, type Host, type Watcher, Watchers } from '../watch/watcher.ts';
import { Chunks } from './chunks.ts';
import { Epochs } from './epochs.ts';
import { hostOf } from './host.ts';
import type { Together } from './together.ts';
import { Trials } from './trials.ts';

export class Training {
  readonly watchers: Watchers;
  readonly chunks: Chunks;
  readonly epochs: Epochs;
  readonly #current: Current;
  readonly #running: Running;
  /** The epoch under way had other data. */
  readonly #anew: boolean;
  readonly #host: Host;
  readonly #use: Use<TracedStep>;
  readonly #evaluation: Evaluation | null = null;
  readonly #tally: Tally = new Tally();
  readonly #stopping: EarlyStopping | null = null;
  readonly #guards: Guards;
  readonly #tuning: Tuning | null;
  readonly #profiled: boolean | 'balance';

  /**
   * @param writers those who take down what happens, told after all others of the library: made when the programs are there
   * @throws OptionError, ShapeError, DataError for a validation set that does not fit: said before the training, and not at the end of its first epoch
   */
  constructor(
    current: Current,
    running: Running,
    feeder: Feeder,
    options: FitOptions<string>,
    writers: (decisions: () => readonly AutoDecision[]) => readonly Watcher[],
    together: Together | null,
  ) {
    const { setup, access } = current;
    const { epochSteps } = feeder;
    const { profile = false, record, chunkSteps = null, onEpoch, onGuard, callbacks = [], perLayer = false } = options;
    const { validation, validateWeights = 'model', batchSize = current.batchSize, earlyStop } = options;
    this.#current = current;
    this.#running = running;
    this.#anew = feeder.anew;
    this.#host = hostOf(setup, running.blocks);
    this.#profiled = profile;
    const rates = new Rates(setup.groups, running.warnings);
    const oversights = new Oversights(running, this.#tally, rates, current.options.threads !== undefined);
    const perTensor = perLayer || isPerLayer(record) || callbacks.some((c) => c.needsLayerNorms === true);
    if (perTensor) checkHidden(setup.policy, 'fit: option perLayer: norms of layers are');
    const of = { kind: feeder.kind, data: feeder.data, profiled: profile, perLayer: perTensor, sampled: feeder.sampled };
    this.#use = setup.steps(of, oversights);
    try {
      const tables = validation ? asTables('fit: validation', validation) : null;
      this.#evaluation = tables && setup.evaluation(tables, tables.data, { weights: validateWeights, batchSize });
      this.#evaluation?.prepare();
      this.#stopping = earlyStop && tables ? this.#earlyStop(earlyStop, `${validateWeights} ${fingerprintOf(tables)}`) : null;
      const rollback = this.#rollback();
      this.#guards = new Guards(current, running, this.#tally, rollback, this.#inquiry());
      this.#tuning = this.#tuner(feeder, batchSize);
      const plateau =
        // Its numbers are a state of the trainer, which checkpoints have anyway.
        setup.plateau && {
          name: 'plateau',
          validation: (metrics: Metrics<string>) => inEpochs(epochSteps, () => setup.validated(metrics, running.counters.step)),
        };
      const own = [
        this.#tally,
        plateau,
        this.#stopping,
        this.#tuning,
        rollback,
        this.#guards,
        oversights,
        ...writers(() => this.#tuning?.result.decisions ?? []),
      ];
      const plain = { ...(onEpoch && { onEpoch }), ...(onGuard && { onGuard }) };
      const facts: RunFacts = {
        model: current.options.model,
        trained: setup.trained,
        measures: validation ? ['loss', ...Object.keys(current.options.metrics ?? {})] : [],
        ratesAt: (step) => inEpochs(epochSteps, () => setup.ratesAt(step)),
        epochSteps,
        ...this.#cutOf(feeder, batchSize),
      };
      const followers = followersOf(plain, callbacks, running, facts);
      this.watchers = new Watchers(
        own.filter((w) => w !== null),
        followers,
        access,
        running.blocks,
      );
    } catch (error) {
      this.dispose();
      throw error;
    }
    const pace = new Pace(setup.debug || setup.searching ? 1 : chunkSteps);
    const taking = { feeder, use: this.#use, evaluation: this.#evaluation };
    const trials = this.#tuning && new Trials(this.#tuning, current, running, taking);
    this.chunks = new Chunks(this.#use, current, running, this.watchers, {
      pace,
      heard: oversights,
      epochSteps,
      trials,
      together,
    });
    this.epochs = new Epochs(current, running, this.watchers, this.#tally, { evaluation: this.#evaluation, trials });
    running.halt.also(() => {
      this.#use.stop();
      this.#evaluation?.stop();
    });
    // A validation goes on to its end.
    running.time?.start(() => {
      this.#use.endEarly();
      return running.halt.release();
    });
  }

  /** Whoever follows takes up what was kept, and is called for the start. */
  *begin(): Loop<void> {
    const start = (): Wait => after(this.watchers.tell('start'), () => this.#tellWarnings());
    yield* perform(this.#current.access.inTurn(() => after(this.#takeUp(), start)));
    yield* waitFor(this.watchers.told());
  }

  result(stopReason: StopReason): FitResult<string> {
    const { tried, applied, clipped, skipped, threads, last, epochs, nonFinite } = this.#tally;
    const counts = { tried, applied, clipped, skipped, threads, nonFinite: [...nonFinite] };
    const best = this.#stopping?.best ?? null;
    const auto = this.#tuning && { auto: this.#tuning.result };
    const result = { stopReason, ...counts, last, epochs, best, ...auto, warnings: this.#running.warnings.list };
    const told = this.#current.setup.guarding ? { ...result, guards: this.#guards.events } : result;
    return this.#profiled ? { ...told, profile: this.#use.session.profiles() } : told;
  }

  /** Whoever follows is called for the end. */
  *end(ending: Ending): Loop<void> {
    try {
      const leave = (): Wait => {
        this.#running.warnings.follower = null;
        return this.#leave();
      };
      yield* perform(this.#current.access.inTurn(() => after(this.watchers.tell('end', ending), leave)));
      yield* waitFor(this.watchers.told());
    } finally {
      yield* waitFor(this.watchers.close(ending));
    }
  }

  dispose(): void {
    this.#tuning?.branches.dispose();
    this.#use.end();
    this.#evaluation?.dispose();
  }

  /** Those that were found while the run was put together, then each as it is found. */
  #tellWarnings(): void {
    const { warnings } = this.#running;
    const tell = (warning: TrainingWarning): void => void this.watchers.tell('warning', warning);
    warnings.list.forEach(tell);
    warnings.follower = tell;
  }

  /** How batches that the counters count make a step. */
  #cutOf({ epochSteps, sampled }: Feeder, batchSize: number): Pick<RunFacts, 'accumulate' | 'batchSize'> {
    if (sampled) return { accumulate: 1, batchSize: sampled.expected };
    const { accumulate } = this.#current;
    return { accumulate, batchSize: epochSteps === null ? null : this.#current.rowsOfMicro(batchSize) };
  }

  #earlyStop(rule: EarlyStop<string>, data: string): EarlyStopping {
    return new EarlyStopping(rule, this.#host, this.#current.setup.restorable, data, this.#running.resumed);
  }

  #tuner({ epochSteps }: Feeder, batchSize: number): Tuning | null {
    const { setup, accumulate } = this.#current;
    const { auto } = setup.policy;
    if (!auto || !setup.factor) return null;
    const given = { plan: auto, host: this.#host, evaluation: this.#evaluation, epochSteps, accumulate, batchSize };
    return new Tuning(setup, this.#running, given);
  }

  #rollback(): Rollback | null {
    const { options, setup } = this.#current;
    return setup.guarding?.rollsBack ? new Rollback(options.rollback ?? {}, setup, this.#host, this.#running) : null;
  }

  #inquiry(): Inquiry {
    const { access, setup } = this.#current;
    const { parameters, policy, scaleAdapts } = setup;
    const named = (values: ReadonlyMap<State, Data>): Map<string, NdArray> =>
      new Map(parameters.map(({ name, shape, state }) => [name, { data: values.get(state)!, shape }]));
    const weights = access.inTurn(() => after(this.#host.read(parameters.map((p) => p.state)), named));
    return new Inquiry(this.#running, weights, policy, scaleAdapts);
  }

  /** Go on with what the last run has left; what holds only for its weights, where they are still there. */
  #takeUp(): Wait {
    const [running, host] = [this.#running, this.#host];
    const { setup, trainer } = this.#current;
    setup.enter(trainer);
    const { kept, left } = running.course;
    const same = left === null ? true : after(host.read(setup.weights), (now) => sameValues(host.named(now), left));
    return after(same, (same) => {
      this.watchers.restore(kept, same);
      if (this.#anew) this.epochs.beginAnew();
      running.watchers = this.watchers;
    });
  }

  /** Keep what the next run goes on with; and the weights, where that holds only for them. */
  #leave(): Wait {
    const [running, host] = [this.#running, this.#host];
    if (!running.watchers) return;
    running.watchers = null;
    const kept = keptNow(running.course.kept, this.watchers.kept);
    running.course = { ...running.course, kept, left: null };
    if (![...kept.values()].some(({ values }) => values)) return;
    return after(host.read(this.#current.setup.weights), (weights) => {
      running.course = { ...running.course, left: host.named(weights) };
    });
  }
}
