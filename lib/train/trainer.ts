// trainer.ts: the object users hold: a model with its optimizer, policy and state, and what can be done with them.
import type { ClipPolicy } from '../clip/clip.ts';
import { none } from '../clip/none.ts';
import { BusyError, DisposedError, OptionError } from '../errors.ts';
import { Graph, type State, type Tensor } from '../ir/graph.ts';
import type { Data } from '../ir/op.ts';
import { addon } from '../native/addon.ts';
import type { Module, Parameter } from '../nn/module.ts';
import { type Apply, type ApplyGroup, buildApply } from '../optim/apply.ts';
import { checkNumber, checkOptions } from '../options.ts';
import { type LoadResult, readCheckpoint, stateNames, writeCheckpoint } from './checkpoint.ts';
import { drive, driveSync, type Loop } from './effect.ts';
import { evaluateLoop } from './evaluate.ts';
import { type Feeder, type FeedOptions, sourceFeeder, streamFeeder } from './feeder.ts';
import { type FitContext, fitLoop } from './fit.ts';
import { checkFitOptions, checkTrainerOptions, type FitOptions, groupParameters, type TrainerOptions } from './options.ts';
import { Predictor } from './predict.ts';
import { type Counters, type FitResult, type Metrics, START } from './progress.ts';
import { Run } from './run.ts';
import { Session } from './session.ts';
import { type Arrays, type Batch, type NdArray, ndarrays, rows, type Source } from './source.ts';
import { type Accumulators, accumulatorsOf, traceEvaluate, tracePredict, traceTrain } from './step.ts';
import { Store } from './store.ts';
import type { Stream } from './stream.ts';

/**
 * Trains, measures and runs one model.
 *
 * State (weights, optimizer slots, policy state, counters) lies in native memory and is shared by all that is done with the model;
 * `save` writes all of it. `dispose()` frees it at once; without, it is freed when the trainer is collected.
 */
export class Trainer<M extends Module> {
  readonly model: M;
  readonly #options: TrainerOptions<M>;
  readonly #params: ReadonlyMap<string, Parameter>;
  readonly #groups: readonly ApplyGroup[];
  readonly #accumulators: Accumulators | null;
  readonly #policy: ClipPolicy;
  readonly #store: Store;
  readonly #predictor: Predictor;
  readonly #threads: number;
  #seed: bigint;
  #counters: Counters = START;
  #running: FitContext | null = null;
  readonly #waiting: (() => Promise<void>)[] = [];
  #disposed = false;

  constructor(options: TrainerOptions<M>) {
    checkTrainerOptions(options);
    const { model, accumulate = 1, threads = addon().threads.count, seed = 0 } = options;
    this.#threads = threads;
    this.#seed = BigInt(seed);
    this.model = model;
    this.#options = options;
    this.#policy = options.clip ?? none();
    model.initialize(this.#seed);
    this.#params = new Map(model.namedParameters());
    this.#groups = groupParameters(options);
    this.#accumulators = accumulate > 1 ? accumulatorsOf(this.#groups) : null;
    this.#store = new Store(this.#allStates());
    this.#predictor = new Predictor(this.#store, (batch) => tracePredict(model, options.predict ?? forwardOfX, batch));
  }

  /** Batches drawn, updates applied, place in the epoch. */
  get counters(): Counters {
    return this.#running?.counters ?? this.#counters;
  }

  /** Names of the trained parameters, in the order in which policies see them. */
  get trained(): readonly string[] {
    return this.#groups.flatMap((g) => g.params.map((p) => p.name));
  }

  /**
   * Train. The event loop stays free; `predict`, `evaluate` and `save` may be called meanwhile and wait for the end of a chunk (20 ms).
   *
   * @param data named arrays or a source (shuffled in each epoch by the seed), or an async iterable of batches
   * @returns a run: `await` it for the result, iterate it for every step's report
   * @throws BusyError if a run is on; OptionError, ShapeError and DataError for what does not fit
   * @throws (rejects) NonFiniteError, IndexError, AbortError; the state is then that of the last whole step
   */
  fit(data: Arrays | Source | Stream, options: FitOptions = {}): Run {
    this.#checkFree('fit');
    const context = this.#begin(options);
    const start = async (run: Run): Promise<FitResult> => {
      let feeder: Feeder | null = null;
      try {
        feeder = isStream(data)
          ? await streamFeeder(data, this.#feedOptions())
          : sourceFeeder(asSource(data), this.#feedOptions());
        context.onReports = (reports) => run.push(reports);
        context.pause = {
          now: () => {},
          later: async () => {
            await this.#letIn();
            await run.caughtUp();
          },
        };
        return await this.#train(context, feeder, options, drive);
      } finally {
        await feeder?.close();
        this.#end(context);
        await this.#letIn();
      }
    };
    return new Run(start, () => {
      context.stopped = true;
      context.session?.stop();
    });
  }

  /** Train, blocking this thread: the same steps and bits as `fit`. */
  fitSync(data: Arrays | Source, options: FitOptions = {}): FitResult {
    this.#checkFree('fitSync');
    if (isStream(data)) throw new OptionError('fitSync: an asynchronous source needs fit');
    const context = this.#begin(options);
    try {
      return this.#train(context, sourceFeeder(asSource(data), this.#feedOptions()), options, driveSync) as FitResult;
    } finally {
      this.#end(context);
    }
  }

  /** Loss and metrics over a data set, without dropout: means over its rows. */
  evaluate(data: Arrays | Source, options: { readonly batchSize?: number } = {}): Promise<Metrics> {
    checkOptions('evaluate', options, ['batchSize']);
    return this.#between(() => this.#withEvaluation(data, options.batchSize, drive));
  }

  /** The same, blocking. */
  evaluateSync(data: Arrays | Source, options: { readonly batchSize?: number } = {}): Metrics {
    checkOptions('evaluateSync', options, ['batchSize']);
    this.#checkFree('evaluateSync');
    return this.#withEvaluation(data, options.batchSize, driveSync) as Metrics;
  }

  /**
   * Predictions for rows.
   *
   * @param inputs an array whose rows are inputs (it becomes `batch.x`), or named arrays
   * @returns one output row per input row
   */
  predict(inputs: NdArray | Arrays, options: { readonly batchSize?: number } = {}): Promise<NdArray> {
    const batch = this.#predictBatch('predict', inputs, options);
    return this.#between(() => drive(this.#predictor.predict(batch, options.batchSize ?? this.#batchSize, this.#threads)));
  }

  /** The same, blocking. */
  predictSync(inputs: NdArray | Arrays, options: { readonly batchSize?: number } = {}): NdArray {
    const batch = this.#predictBatch('predictSync', inputs, options);
    this.#checkFree('predictSync');
    return driveSync(this.#predictor.predict(batch, options.batchSize ?? this.#batchSize, this.#threads));
  }

  /** Current values of the parameters, as of the end of a step. */
  readParameters(): Promise<Map<string, NdArray>> {
    return this.#between(async () => {
      const values = await this.#store.snapshot();
      return new Map([...this.#params].map(([name, p]) => [name, { data: values.get(p.state)!, shape: p.shape }]));
    });
  }

  /**
   * Write a safetensors file with all state: weights under PyTorch's names, the rest prefixed `gradclip.`. The file is replaced only
   * when the new one is complete.
   *
   * @param options.weightsOnly leave out optimizer, policy and counters; default false
   * @param options.metadata further string pairs for the file's header
   */
  save(
    file: string,
    options: { readonly weightsOnly?: boolean; readonly metadata?: Readonly<Record<string, string>> } = {},
  ): Promise<void> {
    checkOptions('save', options, ['weightsOnly', 'metadata']);
    return this.#between(async () => {
      const { counters } = this;
      const values = await this.#store.snapshot();
      const names = options.weightsOnly ? new Map([...this.#params].map(([name, p]) => [name, p.state])) : this.#stateNames();
      const progress = options.weightsOnly ? null : { counters, seed: this.#seed };
      await writeCheckpoint(file, names, values, progress, options.metadata ?? {});
    });
  }

  /**
   * Read what `save` wrote, or weights from elsewhere (then optimizer, policy and counters start afresh).
   *
   * @param options.strict default true: missing or extra names are an error; false loads what fits and lists the others
   * @throws DataError, CheckpointError, BusyError; nothing is changed then
   */
  async load(file: string, options: { readonly strict?: boolean } = {}): Promise<LoadResult> {
    checkOptions('load', options, ['strict']);
    this.#checkFree('load');
    const { values, counters, seed, missing, extra } = await readCheckpoint(file, this.#stateNames(), options.strict ?? true);
    this.#checkFree('load');
    if (counters === null) this.#store.reset(this.#store.states.filter((s) => !values.has(s) && !this.#isParameter(s)));
    for (const [state, data] of values) this.#store.write(state, data);
    this.#counters = counters ?? START;
    this.#seed = seed ?? this.#seed;
    return { missing, extra };
  }

  /** Free native memory. A run that is on ends first. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#running) {
      this.#running.stopped = true;
      this.#running.session?.stop();
    } else this.#free();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  get #batchSize(): number {
    return this.#options.batchSize ?? 32;
  }

  #free(): void {
    this.#predictor.dispose();
    this.#store.dispose();
  }

  #checkFree(what: string): void {
    if (this.#disposed) throw new DisposedError(`${what}: the trainer was disposed`);
    if (this.#running) throw new BusyError(`${what}: a fit of this trainer is running; await it or stop it first`);
  }

  /** Run a task now, or between two chunks of the fit that is on. */
  #between<T>(task: () => T | Promise<T>): Promise<T> {
    if (this.#disposed) return Promise.reject(new DisposedError('the trainer was disposed'));
    if (!this.#running) return new Promise((resolve) => resolve(task()));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          resolve(await task());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  async #letIn(): Promise<void> {
    while (this.#waiting.length > 0) await this.#waiting.shift()!();
  }

  #feedOptions(): FeedOptions {
    const { accumulate = 1, dropLast = false } = this.#options;
    return { batchSize: this.#batchSize, accumulate, dropLast, seed: this.#seed };
  }

  #begin(options: FitOptions): FitContext {
    checkFitOptions(options);
    const context: FitContext = {
      session: null,
      feeder: null,
      seed: this.#seed,
      threads: this.#threads,
      maxSkips: this.#policy.maxSkips,
      names: this.trained,
      steps: options.steps ?? Number.POSITIVE_INFINITY,
      epochs: options.epochs ?? (options.steps === undefined ? 1 : Number.POSITIVE_INFINITY),
      validateEvery: options.validateEvery ?? null,
      chunkSteps: options.chunkSteps ?? null,
      earlyStop: options.earlyStop ?? null,
      signal: options.signal ?? null,
      counters: this.#counters,
      stopped: false,
      validate: null,
      onEpoch: options.onEpoch ?? null,
      onReports: () => {},
      pause: { now: () => {}, later: async () => {} },
      keepBest: () => {},
      restoreBest: () => {},
    };
    this.#running = context;
    return context;
  }

  #end(context: FitContext): void {
    this.#counters = context.counters;
    this.#running = null;
    if (this.#disposed) this.#free();
  }

  /** Sessions, validation and early stopping around the loop; `driver` performs it now or later. */
  #train<R>(context: FitContext, feeder: Feeder, options: FitOptions, driver: (loop: Loop<FitResult>) => R): R {
    const { model, loss } = this.#options;
    const spec = { model, loss, groups: this.#groups, policy: this.#policy, accumulators: this.#accumulators };
    const session = new Session<Apply>(this.#store, feeder.data, (count) => {
      const { graph, apply } = traceTrain(spec, (g) => feeder.trace(g, count));
      return { graph, extra: apply };
    });
    const validation = options.validation ? this.#evaluation(options.validation) : null;
    const onAbort = (): void => session.stop();
    let best: Map<State, Data> | null = null;
    context.session = session;
    context.feeder = feeder;
    context.validate = validation ? () => evaluateLoop(validation) : null;
    context.keepBest = () => {
      best = new Map([...this.#params.values()].map((p) => [p.state, this.#store.read(p.state)]));
    };
    context.restoreBest = () => {
      for (const [state, data] of best ?? []) this.#store.write(state, data);
    };
    context.signal?.addEventListener('abort', onAbort);
    return settle(
      () => driver(fitLoop(context)),
      () => {
        context.signal?.removeEventListener('abort', onAbort);
        session.dispose();
        validation?.session.dispose();
      },
    );
  }

  #evaluation(data: Arrays | Source, batchSize = this.#batchSize): Parameters<typeof evaluateLoop>[0] {
    const source = asSource(data);
    const objectives = { loss: this.#options.loss, ...this.#options.metrics };
    const session = new Session<null>(this.#store, source.data, (count) => {
      return { graph: traceEvaluate(this.model, objectives, (graph) => source.trace(graph, count)), extra: null };
    });
    return { session, source, batchSize, threads: this.#threads };
  }

  #withEvaluation<R>(data: Arrays | Source, batchSize: number | undefined, driver: (loop: Loop<Metrics>) => R): R {
    const evaluation = this.#evaluation(data, batchSize);
    return settle(
      () => driver(evaluateLoop(evaluation)),
      () => evaluation.session.dispose(),
    );
  }

  #predictBatch(where: string, inputs: NdArray | Arrays, options: { readonly batchSize?: number }): ReturnType<typeof ndarrays> {
    checkOptions(where, options, ['batchSize']);
    if (options.batchSize !== undefined) checkNumber(where, 'batchSize', options.batchSize, { min: 1, integer: true });
    return ndarrays('data' in inputs && 'shape' in inputs ? { x: inputs as NdArray } : (inputs as Arrays));
  }

  /** Every state there will be: those of the parameters, and those that clip and update add. */
  #allStates(): readonly State[] {
    const graph = new Graph('train');
    for (const p of this.#params.values()) graph.state(p.state);
    const grads = this.#groups.flatMap((g) => g.params.map((p) => graph.input(`grad ${p.name}`, p.state.type, 'feed')));
    const loss = graph.input('loss', { dtype: 'f64', shape: [] }, 'feed');
    buildApply({ graph, groups: this.#groups, grads, policy: this.#policy, loss });
    const sums = this.#accumulators ? [...this.#accumulators.gradients.values(), this.#accumulators.loss] : [];
    return [...graph.states, ...sums];
  }

  #isParameter(state: State): boolean {
    return [...this.#params.values()].some((p) => p.state === state);
  }

  #stateNames(): Map<string, State> {
    return stateNames(this.#store.states, new Set([...this.#params.values()].map((p) => p.state)));
  }
}

/** Do `last` when the result is there, or the error: at once, or when a promise settles. */
function settle<R>(work: () => R, last: () => void): R {
  let result: R;
  try {
    result = work();
  } catch (error) {
    last();
    throw error;
  }
  if (result instanceof Promise) return result.finally(last) as R;
  last();
  return result;
}

function forwardOfX<M extends Module>(batch: Batch, model: M): Tensor {
  if (!batch.x) throw new OptionError(`predict: expected an input named x, got ${Object.keys(batch).join(', ')}`);
  return (model.forward as (x: Tensor) => Tensor).call(model, batch.x);
}

function isStream(data: Arrays | Source | Stream): data is Stream {
  return typeof data === 'function' || Symbol.asyncIterator in data;
}

function asSource(data: Arrays | Source): Source {
  return typeof (data as Source).trace === 'function' ? (data as Source) : rows(data as Arrays);
}
