// trainer.ts: the object users hold: a model with its optimizer, policy and state, and what can be done with them.

import type { Share } from '../data/arrays.ts';
import type { TableRow } from '../data/table/cells.ts';
import type { RowPrediction } from '../data/table/schema.ts';
import { printAs } from '../errors/inspect.ts';
import { OptionError } from '../errors.ts';
import { type Advice, type AdviseOptions, advise } from '../history/advise.ts';
import type { Probe } from '../history/probe.ts';
import { writeSafetensors } from '../io/arrays/safetensors.ts';
import type { ByteSink } from '../io/file/stream.ts';
import { writeWhole } from '../io/file/write.ts';
import { machineText } from '../native/machine.ts';
import type { Module } from '../nn/module/module.ts';
import type { Report } from '../optim/apply/report.ts';
import { aboutOf, adviceOn, drawRun, type RunPageOptions } from '../pages/run/page.ts';
import { Computing } from './computing.ts';
import { exportOnnx } from './exporting.ts';
import type { Stream } from './feed/batch.ts';
import type { BatchStream } from './feed/batches.ts';
import { stepBatches } from './feed/inputs.ts';
import type { Transforms } from './feed/prepare.ts';
import type { Sequences } from './feed/sequences.ts';
import { BATCH_SIZE } from './feed/shape.ts';
import type { ArrayInput, Arrays, Batch, BatchOf, Named, Source } from './feed/source.ts';
import type { Access } from './flow/access.ts';
import { drive, driveSync, type Loop } from './flow/effect.ts';
import type { Counters, FitResult, Metrics } from './flow/progress.ts';
import { Warnings } from './flow/warnings.ts';
import { forgetWriting, hostWriting } from './generate/writers.ts';
import { checkTrainerOptions, readMethod } from './given.ts';
import { writtenByFirst } from './group/first.ts';
import { Measuring } from './measuring.ts';
import type {
  BatchOptions,
  ChangeOptions,
  FitOptions,
  LoadOptions,
  OnnxExport,
  OnnxOptions,
  ParametersOptions,
  ParameterValues,
  PredictOptions,
  PredictorOptions,
  RunOptions,
  SaveOptions,
  SavePrunedOptions,
  TrainerOptions,
} from './options.ts';
import type { HeldOf, OutputArrays, OutputTensors, OutputTypes } from './outputs.ts';
import type { PrecisionOptions } from './precision/precision.ts';
import type { PrecisionReport } from './precision/report.ts';
import { type Predictor, predictorOf } from './predictor.ts';
import type { Gradients, GradientsOptions } from './programs/gradients.ts';
import type { Inspection, InspectOptions } from './programs/inspect.ts';
import { Fit } from './run/fit.ts';
import type { ProbeOptions } from './run/probe.ts';
import { Reader, Run } from './run/run.ts';
import { Stepping } from './run/stepping.ts';
import { type Checkpoint, readCheckpoint } from './state/checkpoint.ts';
import { Current } from './state/current.ts';
import { asOurs } from './state/foreign.ts';
import { type LoadResult, withoutMismatched } from './state/matching.ts';
import { NamedWeights } from './state/named-weights.ts';
import { type Sparsity, sparsityOf } from './state/pruned.ts';
import { Saving } from './state/saving.ts';
import type { Setup } from './state/setup.ts';
import { withoutPrunedRows } from './state/smaller.ts';
import type { Snapshot } from './state/snapshot.ts';
import { Standing } from './state/standing.ts';
import type { WeightValues, WriteOptions } from './state/transfer.ts';
import { checkHidden } from './step/per-sample.ts';
import type { Output } from './step/step.ts';

/**
 * Trains, measures and runs one model.
 *
 * The weights are the model's: a trainer changes them where they lie, so `parameter.data` is what was trained, and the next trainer of the
 * model goes on from there. What is changed of the model (`requiresGrad`, values, layers) counts from the next `fit` on. One trainer at a time: while one has a `fit` or another call that is not done, the others have a BusyError. What
 * else there is (optimizer slots, policy state, averages, counters) is the trainer's own; `save` writes all of it. `dispose()` frees
 * that at once; without, it is freed when the trainer is collected.
 *
 * The type arguments are found by the compiler: write `new Trainer({ ... })`, and `Trainer<Net, 'accuracy'>` where a type is asked for.
 * @typeParam M the model
 * @typeParam K names of option `metrics`, as `evaluate` gives them and `earlyStop` and `plateau` take them, beside `loss`
 * @typeParam N names of the arrays that the loss reads, where its `batch` tells them ({@link Batch}): data must have them
 * @typeParam T dtypes that predictions may have: f32, but any where option `predict` is given, or any by name; `Trainer<Net>` asks for f32
 * @throws OptionError; ShapeError and others for what the loss does with the model are thrown by the first run
 */
export class Trainer<M extends Module, K extends string = never, N extends string = string, T extends OutputTypes = 'f32'> {
  /** The model that it trains, with the weights of now. */
  readonly model: M;
  readonly #standing: Standing;
  readonly #current: Current;
  readonly #saving: Saving;
  readonly #stepping: Stepping;
  readonly #weights: NamedWeights;
  readonly #computing: Computing;
  readonly #measuring: Measuring;

  constructor(given: TrainerOptions<M, K, N, T>) {
    checkTrainerOptions(arguments);
    // Types and names are for whoever writes a program: here a model is a module, and a batch may have any arrays.
    const options = given as unknown as TrainerOptions<Module, string>;
    this.model = given.model;
    this.#standing = new Standing(BigInt(options.seed ?? 0), options.batchSize ?? BATCH_SIZE);
    this.#current = new Current(options, this.#standing);
    this.#saving = new Saving(this.#current, this.#standing);
    this.#stepping = new Stepping(this.#current, this.#standing, new Warnings(options.logger));
    this.#weights = new NamedWeights(this.#current, this.#standing);
    hostWriting(this, {
      precision: options.precision ?? 'f32',
      copy: (room) => this.#weights.copy('generate', room),
      hurry: () => this.#access.hurry(),
    });
    this.#computing = new Computing(this.#current, this.#standing.seed);
    this.#measuring = new Measuring(this.#current, this.#standing);
  }

  /** Batches drawn, updates applied, place in the epoch. */
  get counters(): Counters {
    return this.#standing.counters;
  }

  /** What `plateau` multiplies the learning rates by now; 1 without it. */
  get rateFactor(): number {
    return this.#setup.plateau?.values[0] ?? 1;
  }

  /** What is done to the arrays of a batch first, by their names. */
  get preprocess(): Transforms {
    return this.#setup.transforms;
  }

  /** Names of the parameters that are trained, by a fit that is on, else by the next one, in the order in which policies see them. */
  get trained(): readonly string[] {
    return this.#standing.running ? this.#setup.trained : this.#setup.trainedNow(this.counters.step);
  }

  /**
   * Train. The event loop stays free; `predict`, `evaluate` and `save` may be called meanwhile: they come after the step that is being run.
   *
   * @param data named arrays, a part of `preprocess.split`, or a source (shuffled in each epoch by the seed), or batches one after the other: a list, a generator, an async one, a function that gives one
   * @returns a run: `await` it for the result, iterate it for every step's report
   * @throws BusyError if a run is on, of this or another trainer of these weights; OptionError
   * @throws (rejects) ShapeError, DataError, DetachedError for data that does not fit; NonFiniteError, IndexError, AbortError while
   * training: the state is then that of the last whole step
   */
  fit(data: Named<N> | Share<N> | Source<N> | Sequences<N> | Stream<N> | BatchStream<N>, options: FitOptions<K, N> = {}): Run<K> {
    const fit = this.#fit('fit', arguments);
    const reader = new Reader();
    return new Run(drive(fit.loop(reader) as Loop<FitResult<K>>), reader, () => fit.running.halt.call());
  }

  /**
   * Train, blocking this thread: the same steps and bits as `fit`.
   *
   * @throws OptionError; BusyError also while a `predict`, `evaluate` or `save` is not done; and what `fit` rejects with
   */
  fitSync(
    data: Named<N> | Share<N> | Source<N> | Sequences<N> | BatchStream<N> | Iterable<Named<N>> | (() => Iterable<Named<N>>),
    options: FitOptions<K, N> = {},
  ): FitResult<K> {
    return driveSync(this.#fit('fitSync', arguments).loop(null) as Loop<FitResult<K>>);
  }

  /**
   * One update on a batch that is given now: all of its rows, in their order. The same bits as a `fit` of a stream that gives these batches, but
   * no epoch: `counters.step` goes on, the place in the epoch of the next `fit` stays. What follows a fit (`callbacks`, early stopping,
   * records) is not there. With option `group` all processes call it with the same batch, and each takes its share of the rows.
   *
   * ```ts
   * for await (const row of stream) await trainer.step({ x: [row.features], y: [row.target] });
   * ```
   * @param batch named arrays; or a list of up to `accumulate` of them, the micro-batches of the step; or `batches(list, { rows })`, where
   * their arrays have rows of their own. Batches of one shape compile once
   * @returns what the step tells: loss, norms, whether it was clipped or skipped
   * @throws (rejects) OptionError, ShapeError, DataError for a batch that does not fit; BusyError while a fit is on, of this or another trainer of
   * the weights; NonFiniteError, SkipError, GuardError, IndexError as a fit: nothing is updated then
   */
  async step(batch: Named<N> | Share<N> | readonly Named<N>[] | BatchStream<N>): Promise<Report> {
    readMethod.step(arguments);
    const batches = stepBatches('step', batch, this.#current.options.accumulate ?? 1, true);
    return this.#stepping.later('step', batches);
  }

  /**
   * One update on a batch that is given now, blocking this thread: the same bits as `step`.
   * @param batch as of `step`
   * @returns what the step tells
   * @throws OptionError, ShapeError, DataError for a batch that does not fit; BusyError also while a call of this trainer is not done; and what `step`
   * rejects with
   */
  stepSync(batch: Named<N> | Share<N> | readonly Named<N>[] | BatchStream<N>): Report {
    readMethod.stepSync(arguments);
    return this.#stepping.now('stepSync', stepBatches('stepSync', batch, this.#current.options.accumulate ?? 1, false));
  }

  /**
   * Go on by other options, between two calls: optimizer, rates, clip policy, which parameters are trained. What is kept of a parameter stays
   * where the optimizer still keeps it (moments; from Adam to AdamW too), averages and counters stay. Numbers alone (learning rate,
   * threshold, weight decay, momentum) compile nothing, and neither does a policy or optimizer that has other numbers only.
   *
   * ```ts
   * trainer.change({ unfreeze: 'encoder.*', lr: 1e-5 });
   * trainer.change({ clip: clip.globalNorm(0.5) });
   * ```
   * @throws OptionError, and nothing is changed then; BusyError while a call of this or another trainer of the weights is not done
   */
  change(options: ChangeOptions<M>): void {
    this.#current.change('change', readMethod.change(arguments));
  }

  /**
   * Loss and metrics over a data set, without dropout: means over its rows, and what metrics such as F1 make of all of them. With option `group` of the trainer
   * all processes call it with the same data: each measures some of the batches, and all have the numbers of one process, bit for bit. While a fit is on,
   * as within a callback, the process that calls it measures all of them alone.
   * @returns numbers by name: `loss`, and each of option `metrics`
   * @throws (rejects) OptionError, ShapeError, DataError for data that does not fit; BusyError while a fit of another trainer of the model is on;
   * GradclipError ERR_GROUP where another process of the group has other data, does something else, or fails
   */
  async evaluate(
    data: Named<N> | Share<N> | Source<N> | Sequences<N> | BatchStream<N>,
    options: BatchOptions = {},
  ): Promise<Metrics<K>> {
    this.#current.follow('evaluate');
    return (await this.#measuring.evaluate(data, readMethod.evaluate(arguments))) as Metrics<K>;
  }

  /**
   * Loss and metrics over a data set, blocking this thread: the same bits as `evaluate`.
   * @returns numbers by name: `loss`, and each of option `metrics`
   * @throws OptionError, ShapeError, DataError for data that does not fit; BusyError while a fit of another trainer of the model is on; GradclipError
   * ERR_GROUP as `evaluate`
   */
  evaluateSync(data: Named<N> | Share<N> | Source<N> | Sequences<N> | BatchStream<N>, options: BatchOptions = {}): Metrics<K> {
    this.#current.follow('evaluateSync');
    return this.#measuring.evaluateSync(data, readMethod.evaluateSync(arguments)) as Metrics<K>;
  }

  /**
   * Predictions for rows: what option `predict` gives, by default the model's `forward` of `batch.x`, without dropout. Of a group, each process predicts all
   * rows that it is given, whatever the others do.
   * @typeParam D what holds them: f32, but any typed array with option `predict`, until the call names one: `predict<Int32Array>(x)` of an `ops.argmax`
   * @param inputs an array whose rows are inputs (it becomes `batch.x`), or named arrays. One whose shape is not told, and which the model does not take
   * as any number of rows, is one row: `[1, 2, 3]` for a model of [n, 3]. Or `sequences`, or `batches` of a list, whose arrays the trainer's option `predict` reads by
   * their names. Or rows with names in a list, where the trainer has a `preprocess.schema`
   * @returns one output row for each input row, in a shape whose first number is that of the rows; of several tensors an object with each. Of sequences
   * in the order in which they were given; where rows of shorter buckets are smaller, zeros come after them. Of rows with names an object for each
   * in a list: its class by name, what the model gives for each class, or its value
   * @throws (rejects) OptionError, ShapeError; DataError for rows that are not as the schema says; BusyError while a fit of another trainer of the model is on
   */
  predict<D = HeldOf<T>>(
    inputs: ArrayInput | Arrays | Share | Sequences | BatchStream,
    options?: PredictOptions,
  ): Promise<OutputArrays<D>>;
  predict(rows: readonly TableRow[], options?: PredictOptions): Promise<readonly RowPrediction[]>;
  async predict(
    inputs: ArrayInput | Arrays | Share | Sequences | BatchStream | readonly TableRow[],
    options: PredictOptions = {},
  ): Promise<unknown> {
    return this.#computing.later('predict', inputs, readMethod.predict(arguments));
  }

  /**
   * Predictions for rows, blocking this thread: the same bits as `predict`.
   * @typeParam D as of `predict`
   * @param inputs as of `predict`
   * @returns as of `predict`
   * @throws OptionError, ShapeError; BusyError while a fit of another trainer of the model is on
   */
  predictSync<D = HeldOf<T>>(
    inputs: ArrayInput | Arrays | Share | Sequences | BatchStream,
    options?: PredictOptions,
  ): OutputArrays<D>;
  predictSync(rows: readonly TableRow[], options?: PredictOptions): readonly RowPrediction[];
  predictSync(
    inputs: ArrayInput | Arrays | Share | Sequences | BatchStream | readonly TableRow[],
    options: PredictOptions = {},
  ): unknown {
    return this.#computing.now('predictSync', inputs, readMethod.predictSync(arguments));
  }

  /**
   * What a function makes of a batch and the model, without dropout: part of a model, several outputs, attention weights.
   *
   * ```ts
   * const { latent } = await trainer.run(({ x }, model) => ({ latent: model.encoder.forward(x) }), x);
   * ```
   * @typeParam O dtypes of what `output` gives: of one tensor, or of several by name
   * @typeParam B the batch: what has names gives `output` tensors of these names
   * @param output gives a tensor of any shape, or an object of them. Compiled programs are kept by the function itself, those of the last 16: one that is
   * written anew for each call is compiled for each
   * @param batch as `inputs` of `predict`: all rows at once, unless `batchSize` says how many, as it must of `sequences`
   * @returns an array, or an object with one for each tensor
   * @throws (rejects) OptionError, ShapeError, IndexError; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  async run<O extends OutputTypes, B extends ArrayInput | Arrays | Share | Sequences | BatchStream>(
    output: (batch: BatchOf<B, N>, model: M) => OutputTensors<O>,
    batch: B,
    options: RunOptions = {},
  ): Promise<OutputArrays<HeldOf<O>>> {
    return this.#computing.later('run', batch, readMethod.run(arguments)) as Promise<OutputArrays<HeldOf<O>>>;
  }

  /**
   * What a function makes of a batch and the model, blocking this thread: the same bits as `run`.
   * @typeParam O as of `run`
   * @typeParam B as of `run`
   * @param output as of `run`
   * @param batch as of `run`
   * @returns as of `run`
   * @throws OptionError, ShapeError, IndexError; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  runSync<O extends OutputTypes, B extends ArrayInput | Arrays | Share | Sequences | BatchStream>(
    output: (batch: BatchOf<B, N>, model: M) => OutputTensors<O>,
    batch: B,
    options: RunOptions = {},
  ): OutputArrays<HeldOf<O>> {
    return this.#computing.now('runSync', batch, readMethod.runSync(arguments)) as OutputArrays<HeldOf<O>>;
  }

  /**
   * A copy of the weights of now that answers while the trainer goes on training: its calls wait for no fit. Made while one is on, it has the weights
   * after the step that is being run, for which this waits.
   *
   * ```ts
   * using predictor = trainer.predictor({ outputs: ({ x }, model) => ({ latent: model.encoder.forward(x), y: model.forward(x) }) });
   * const run = trainer.fit(data, { epochs: 100, onEpoch: () => predictor.update() });
   * const { latent } = predictor.predictSync(row);
   * ```
   * @typeParam O dtypes of what `outputs` gives
   * @throws OptionError; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  predictor<O extends OutputTypes = T>(options: PredictorOptions<M, N, O> = {}): Predictor<O> {
    const { outputs, weights } = readMethod.predictor(arguments);
    this.#current.weightsOf('predictor', weights);
    this.#current.follow('predictor');
    this.#access.checkBetween('predictor');
    const predicts = { outputs: (outputs as Output<Module> | undefined) ?? null, weights };
    return predictorOf<O>(this.#current, predicts, this.#standing.seed);
  }

  /**
   * Current values of the parameters, or of their averages, as of the end of a step, by all their names, as `io.writeSafetensors` takes them.
   * @typeParam B whether buffers are asked for, which may be of any dtype
   * @throws (rejects) OptionError; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  async readParameters<B extends boolean = false>(options: ParametersOptions<B> = {}): Promise<ParameterValues<B>> {
    return (await this.#weights.read('readParameters', readMethod.readParameters(arguments))) as ParameterValues<B>;
  }

  /**
   * Current values of the parameters, or of their averages, by all their names, blocking this thread: what `readParameters` gives.
   * @typeParam B whether buffers are asked for, which may be of any dtype
   * @throws OptionError; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  readParametersSync<B extends boolean = false>(options: ParametersOptions<B> = {}): ParameterValues<B> {
    return this.#weights.readSync('readParametersSync', readMethod.readParametersSync(arguments)) as ParameterValues<B>;
  }

  /**
   * Put values into the model's weights, parameters and buffers, and change nothing else: counters, policy and averages stay as they are, and so does
   * what the optimizer keeps, unless it is asked to begin afresh. While a `fit` of this trainer is on, that happens between two of its chunks.
   *
   * ```ts
   * await trainer.writeParameters(other); // weights of another trainer: of the same names and shapes
   * trainer.writeParametersSync(trainer, { match: 'q.*', rename: { 'q.': 'target.' } }); // a target network follows
   * ```
   * @param values arrays by the names of weights, as `readParameters` gives them, or a trainer, this one or another. What has no value stays as it is
   * @returns the names of the weights that were written
   * @throws (rejects) OptionError, ShapeError for names and shapes that the model does not have: nothing is written then; BusyError while a call of
   * another trainer of the model is not done; DisposedError
   */
  async writeParameters(
    values: WeightValues | Pick<Trainer<Module, string, string, OutputTypes>, 'model' | 'readParameters'>,
    options: WriteOptions = {},
  ): Promise<readonly string[]> {
    const how = readMethod.writeParameters(arguments);
    return this.#weights.write('writeParameters', values instanceof Trainer ? values.#weights : (values as WeightValues), how);
  }

  /**
   * Put values into the model's weights, blocking this thread, as `writeParameters` does: for small weights a matter of microseconds.
   * @param values arrays by the names of weights, or a trainer
   * @returns the names of the weights that were written
   * @throws OptionError, ShapeError: nothing is written then; BusyError while a fit of either trainer is on, or another call of the model's weights is
   * not done; DisposedError
   */
  writeParametersSync(
    values: WeightValues | Pick<Trainer<Module, string, string, OutputTypes>, 'model' | 'readParameters'>,
    options: WriteOptions = {},
  ): readonly string[] {
    const how = readMethod.writeParametersSync(arguments);
    return this.#weights.writeSync(
      'writeParametersSync',
      values instanceof Trainer ? values.#weights : (values as WeightValues),
      how,
    );
  }

  /**
   * Let what recurrent layers carry from batch to batch begin anew, as at the start of an epoch: the next batch continues
   * nothing.
   * @throws (rejects) OptionError for any argument; BusyError while a call of another trainer of the model is not done;
   * DisposedError
   */
  async resetCarried(): Promise<void> {
    readMethod.resetCarried(arguments);
    this.#current.follow('resetCarried');
    return this.#access.use('resetCarried', () => this.#setup.startEpoch(), true);
  }

  /**
   * Give all state as a safetensors file, or write it to one or to a stream: weights under PyTorch's names, the rest prefixed `gradclip.`. A stream is
   * ended when all is written. A file is replaced only when the new one is complete. Windows replaces none that another program has open: after 2 s it stays as it is, and the CheckpointError names the new
   * one beside it.
   * @param to a file, or a stream of bytes (a `Writable` of Node.js, a `WritableStream` of the web); without, the bytes are given back
   * @param options.weightsOnly leave out optimizer, policy and counters; default false
   * @param options.weights with `weightsOnly`: `ema` writes the averages under the weights' names
   * @param options.metadata further string pairs for the file's header
   * @returns without `to`, a Uint8Array of its own memory, which `load` takes
   * @throws (rejects) OptionError; CheckpointError if the file cannot take the place of the one before; DataError if it, or the stream, cannot be
   * written; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  save(to: string | ByteSink, options?: SaveOptions): Promise<void>;
  save(options?: SaveOptions): Promise<Uint8Array>;
  async save(): Promise<unknown> {
    const given = readMethod.save(arguments);
    const { weightsOnly } = given;
    const weights = this.#current.weightsOf('save', given.weights);
    if (weights === 'ema' && !weightsOnly) {
      throw new OptionError("save: weights: 'ema' goes with weightsOnly: a whole checkpoint has both", { option: 'weights' });
    }
    const captured = { weightsOnly, weights, metadata: given.metadata };
    const { toFile, toStream, toBytes } = await this.#access.use('save', () => this.#saving.capture(captured));
    if (given.to === undefined) return toBytes();
    return typeof given.to === 'string' ? toFile(given.to) : toStream(given.to);
  }

  /**
   * Write what `predict` computes as a file of ONNX, with the weights of now: onnxruntime and others run it, in Python, on the web, on phones. What option
   * `preprocess` does is in it, and so are the units of `y`; weights have the names that `save` gives them. All is computed in f32.
   *
   * ```ts
   * await trainer.exportOnnx('model.onnx', { inputs: { x: { shape: ['batch', 784] } } });
   * const session = await InferenceSession.create(await trainer.exportOnnx({ inputs: { x: { shape: ['batch', 784] } } }));
   * ```
   * @param to a file, which is replaced only when the new one is complete, or a stream of bytes (a `Writable` of Node.js, a `WritableStream` of the web),
   * which is ended when all is written; without, the bytes are given back
   * @returns what was written: files, bytes, inputs and outputs; without `to`, a Uint8Array of its own memory
   * @throws (rejects) OptionError; ShapeError for inputs that the model does not take; GraphError that names op and layer where one has no form in ONNX;
   * DataError if it cannot be written; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  exportOnnx(to: string | ByteSink, options: OnnxOptions<M, N>): Promise<OnnxExport>;
  exportOnnx(options: OnnxOptions<M, N>): Promise<Uint8Array>;
  async exportOnnx(): Promise<unknown> {
    const { to, ...asked } = readMethod.exportOnnx(arguments);
    return exportOnnx(this.#current, to, asked);
  }

  /**
   * Write the weights without the rows that `prune.rows` has pruned: those of a Linear, Conv1d or Conv2d, with their biases and what batch norms after it
   * have for them, and the columns of the next of these layers that read them. What a pruned row still adds, as its batch norm makes one value of it, goes
   * into the next layer's bias, or the running mean of the batch norm after that. For a Sequential of these, with activations, pooling, Flatten and
   * functions that treat each feature or channel alone between them.
   *
   * @returns the shapes in the file by name: a model of these shapes loads it, and predicts the same
   * @throws (rejects) OptionError that names the layer, where the model's structure is another, or nothing takes up what a row still adds
   */
  async savePruned(file: string, options: SavePrunedOptions = {}): Promise<Map<string, readonly number[]>> {
    const given = readMethod.savePruned(arguments);
    this.#current.follow('savePruned');
    const { tensors, metadata } = await this.#access.use('savePruned', async () => {
      const [metadata, values] = [this.#saving.metadata(given.metadata), await this.#setup.snapshot()];
      return { metadata, tensors: withoutPrunedRows(this.model, this.#setup, values, given.keepConstant) };
    });
    const { group } = this.#current.options;
    const write = (): Promise<void> => writeSafetensors(file, tensors, metadata);
    await (group ? writtenByFirst(group, 'savePruned', write) : write());
    return new Map([...tensors].map(([name, t]) => [name, t.shape]));
  }

  /**
   * Run one batch forward and backward, as a step of training would be now, and update nothing: what modules get and give, their parameters, and the
   * gradients of all of these. Penalties and the scale of the loss are left out.
   *
   * ```ts
   * const seen = await trainer.inspect({ x, y }, { match: 'blocks.*' });
   * console.log(seen, seen.firstNonFinite);
   * ```
   * @param batch named arrays: all of their rows
   * @throws (rejects) OptionError, ShapeError, DataError for data that does not fit; BusyError while a fit of another trainer of
   * the model is on; DisposedError
   */
  async inspect(batch: Named<N> | Share<N>, options: InspectOptions = {}): Promise<Inspection> {
    this.#current.follow('inspect');
    return this.#measuring.inspect(batch, readMethod.inspect(arguments).match);
  }

  /**
   * Loss and gradients over a data set, as policies would see them in a step on all of its rows: before the clip, and in the mean over the rows, micro-batch
   * by micro-batch, as option `accumulate` sums them. Nothing is updated: no weight, no counter, no running statistics.
   * @returns the gradients by name, with their 2-norms, and the loss
   * @throws (rejects) OptionError, ShapeError, DataError for data that does not fit; IndexError; BusyError while a fit of another trainer of the model is on;
   * DisposedError
   */
  async gradients(data: Named<N> | Share<N> | Source<N>, options: GradientsOptions = {}): Promise<Gradients> {
    this.#current.follow('gradients');
    return this.#measuring.gradients(data, readMethod.gradients(arguments));
  }

  /**
   * Loss and gradients over a data set, blocking this thread: the same bits as `gradients`.
   * @returns the gradients by name, with their 2-norms, and the loss
   * @throws OptionError, ShapeError, DataError for data that does not fit; IndexError; BusyError while a fit of this or another trainer of the model is on
   */
  gradientsSync(data: Named<N> | Share<N> | Source<N>, options: GradientsOptions = {}): Gradients {
    this.#current.follow('gradientsSync');
    return this.#measuring.gradientsSync(data, readMethod.gradientsSync(arguments));
  }

  /**
   * What f32 loses on this model, measured: loss and gradients of a batch, as the kernels compute them, beside the same in f64 throughout, in plain loops; the
   * norm of all gradients by how squares are added; how many numbers of the forward and backward pass are too small or too large for f32, bf16 and f16; and what a
   * scale of the loss would change. Nothing is updated: no weight, no counter, no running statistics.
   *
   * ```ts
   * console.log(await trainer.precision({ x, y }));
   * ```
   * The loops take a thousand times as long as kernels, so of large models few rows are computed; a fit that is on waits.
   * @param data named arrays, or a source: its first rows
   * @throws (rejects) OptionError also where there are fewer rows than asked for, or where two rows take minutes and `rows` does not ask for them; ShapeError,
   * DataError for data that does not fit; IndexError; GradclipError ERR_MEMORY; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  async precision(data: Named<N> | Share<N> | Source<N>, options: PrecisionOptions = {}): Promise<PrecisionReport> {
    this.#current.follow('precision');
    return this.#measuring.precision(data, readMethod.precision(arguments));
  }

  /**
   * What the gradients of some batches tell at the present weights: how noisy they are (the noise scale tells which batch size is worth its time), what
   * the clip does to their mean, which parameters get none, which units are dead, and whether the next update moves anything. Batches are those that the
   * next epoch would draw; each is computed forward and backward, and nothing is updated: no weight, no counter, no running statistics.
   *
   * ```ts
   * const probe = await trainer.probe(data);
   * for (const { text } of trainer.advise({ probe }).warnings) console.log(text);
   * ```
   * @param data as of `fit`: of one epoch as many batches as are asked for. A generator is read as far
   * @returns figures, with intervals where they are estimates
   * @throws (rejects) OptionError, ShapeError, DataError for data that does not fit, or has fewer than three batches whose gradients are finite; IndexError;
   * BusyError while a fit of another trainer of the model is on; DisposedError
   * @see McCandlish et al. 2018, An Empirical Model of Large-Batch Training
   */
  async probe(
    data: Named<N> | Share<N> | Source<N> | Sequences<N> | Stream<N> | BatchStream<N>,
    options: ProbeOptions = {},
  ): Promise<Probe> {
    this.#current.follow('probe');
    return this.#measuring.probe(data, readMethod.probe(arguments));
  }

  /**
   * What the gradients of some batches tell at the present weights, blocking this thread: the same bits as `probe`.
   * @param data as of `fitSync`
   * @returns figures, with intervals where they are estimates
   * @throws OptionError, ShapeError, DataError for data that does not fit, or has too few batches; IndexError; BusyError while a fit or another call of
   * this trainer, or a fit of another trainer of the model is not done
   */
  probeSync(
    data: Named<N> | Share<N> | Source<N> | Sequences<N> | BatchStream<N> | Iterable<Named<N>> | (() => Iterable<Named<N>>),
    options: ProbeOptions = {},
  ): Probe {
    this.#current.follow('probeSync');
    return this.#measuring.probeSync(data as Stream, readMethod.probeSync(arguments));
  }

  /**
   * How much is pruned, as of the end of a step.
   * @throws (rejects) OptionError for any argument; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  async sparsity(): Promise<Sparsity> {
    readMethod.sparsity(arguments);
    this.#current.follow('sparsity');
    return this.#access.use('sparsity', async () => sparsityOf(this.#setup, await this.#setup.snapshot()));
  }

  /**
   * Read what `save` wrote or gave, or weights from elsewhere (then optimizer, policy and counters start afresh): safetensors, what `torch.save` wrote,
   * a model in ONNX. With option `group` of the trainer all processes call it: process 0 reads the file, which need not be there for the others, and all of them
   * have its state then.
   *
   * @param from a file, an index of several (`model.safetensors.index.json`), or what a file holds
   * @param options.strict default true: missing or extra names are an error; false loads what fits and lists the others
   * @param options.skipMismatched default false: weights of other shapes are an error; true leaves them as they are in the model and lists them
   * @param options.rename what names in the file are here: prefixes, or a function
   * @param options.transpose names in the file whose weights lie transposed
   * @param options.maxBytes of the file, or of all files; default 64 GiB
   * @throws (rejects) OptionError, DataError, CheckpointError, BusyError; nothing is changed then. With `group`,
   * GradclipError ERR_GROUP in processes beside one that fails
   */
  async load(from: string | Uint8Array, options: LoadOptions = {}): Promise<LoadResult> {
    const { strict, skipMismatched, maxBytes, ...foreign } = readMethod.load(arguments);
    this.#access.checkFree('load');
    const read = async (): Promise<Checkpoint> => asOurs(await readCheckpoint(from, maxBytes), foreign);
    const fitting = (found: Checkpoint): Checkpoint =>
      skipMismatched ? withoutMismatched(found, this.#setup.named.weights('model')) : found;
    const adopt = (found: Checkpoint): LoadResult => {
      this.#access.checkAlone('load');
      return this.#saving.adopt(found, strict);
    };
    const { group } = this.#current.options;
    if (group) {
      const move = async (): Promise<{ result: LoadResult; from: Checkpoint }> => {
        const from = fitting(await read());
        return { result: adopt(from), from };
      };
      return this.#access.take(() => this.#saving.moveAll(group, 'load', move));
    }
    const found = await read();
    return this.#access.take(() => adopt(fitting(found)));
  }

  /**
   * All state as of the end of a step, in memory: weights, moments, policy, averages, counters, and what followed the run. A branch of a run costs a copy:
   *
   * ```ts
   * const before = await trainer.snapshot();
   * await trainer.fit(data, { steps: 100 });
   * await trainer.restore(before); // the next fit is, bit for bit, the one from there
   * ```
   * @returns what `restore` takes, of this trainer or of another that is made alike
   * @throws (rejects) OptionError for any argument; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  async snapshot(): Promise<Snapshot> {
    readMethod.snapshot(arguments);
    return this.#access.use('snapshot', () => this.#saving.snapshot());
  }

  /**
   * All state in memory, blocking this thread: what `snapshot` gives.
   * @returns what `restore` takes
   * @throws OptionError for any argument; BusyError while a fit of this or another trainer of the model is on, or a call that changes weights is not done;
   * DisposedError
   */
  snapshotSync(): Snapshot {
    readMethod.snapshotSync(arguments);
    this.#access.checkStill('snapshotSync');
    return this.#saving.snapshotSync();
  }

  /**
   * Be where a snapshot was taken, of this trainer or of another one of the same model, optimizer and options: what is trained from there on is,
   * bit for bit, what would have been trained then. Options that were changed since (`change`) stay as they are now.
   *
   * @param snapshot it stays as it is, and may be restored again
   * @throws (rejects) OptionError; CheckpointError if it is of a trainer that is made otherwise; BusyError while a fit of this trainer, or any call of
   * another trainer of the model is on; DisposedError. Nothing is changed then
   */
  async restore(snapshot: Snapshot): Promise<void> {
    const taken = readMethod.restore(arguments).snapshot;
    this.#access.checkFree('restore');
    return this.#access.take(() => {
      this.#access.checkAlone('restore');
      this.#saving.restore(taken);
    });
  }

  /**
   * Be where a snapshot was taken, blocking this thread, as `restore`.
   *
   * @param snapshot it stays as it is, and may be restored again
   * @throws OptionError; CheckpointError if it is of a trainer that is made otherwise; BusyError while a fit or another call of this trainer, or of
   * another trainer of the model, is not done; DisposedError. Nothing is changed then
   */
  restoreSync(snapshot: Snapshot): void {
    const taken = readMethod.restoreSync(arguments).snapshot;
    this.#access.checkIdle('restoreSync');
    this.#access.checkAlone('restoreSync');
    this.#saving.restore(taken);
  }

  /**
   * Advise on a threshold, from the steps that this trainer has run (the last 16,384 of them) since it was made or loaded.
   * @throws OptionError also where no step has run
   */
  advise(options: AdviseOptions = {}): Advice {
    readMethod.advise(arguments);
    const { log, seed, running } = this.#standing;
    checkHidden(this.#setup.policy, 'Trainer.advise: it goes by norms of steps, which are');
    return advise(
      log.history(() => this.#setup.header(seed, this.#current.batchSize, false, running === null)),
      options,
    );
  }

  /**
   * Write a page of all that this trainer has trained since it was made, loaded or restored, or give its text: one HTML file that needs nothing else, with
   * loss and validation, learning rate, norms before and after the clip, where it clipped, speed, what guards found, settings and machine; with option
   * `perLayer` of `fit` the norm of each parameter's gradient as a map. However many steps there were, it is drawn from a fixed amount of memory. While a fit
   * is on, the page tells what was done so far.
   *
   * ```ts
   * await trainer.fit(data, { epochs: 10, validation, perLayer: true });
   * await trainer.report('run.html');
   * ```
   * @param to the file, which is whole then, or as it was before; without, the text of the page is given back
   * @returns without `to`, the page
   * @throws (rejects) OptionError also where no step has run; DataError if the file cannot be written
   */
  report(to: string, options?: RunPageOptions): Promise<void>;
  report(options?: RunPageOptions): Promise<string>;
  async report(): Promise<unknown> {
    const { to, ...asked } = readMethod.report(arguments);
    const { digest, log, seed, running } = this.#standing;
    if (digest.length === 0) throw new OptionError('Trainer.report: no step has run since the trainer was made or loaded');
    const history = log.history(() => this.#setup.header(seed, this.#current.batchSize, false, running === null));
    digest.head = history.header;
    const page = drawRun(digest, aboutOf(asked, machineText(), adviceOn(history)));
    return to === undefined ? page : writeWhole(to, page);
  }

  /** Free native memory. A run that is on ends first. @throws OptionError for any argument */
  dispose(): void {
    readMethod.dispose(arguments);
    if (this.#access.disposed) return;
    this.#access.dispose();
    forgetWriting(this.model);
    const { running } = this.#standing;
    if (running) running.halt.call();
    else this.#setup.dispose();
  }

  /** `dispose()` at the end of the block that holds it: `using trainer = new Trainer({ ... })`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get #setup(): Setup {
    return this.#current.setup;
  }

  get #access(): Access {
    return this.#current.access;
  }

  /** A fit begins. */
  #fit(where: 'fit' | 'fitSync', given: ArrayLike<unknown>): Fit {
    return new Fit(this.#current, this.#standing, this.#saving, where, given);
  }
}

printAs(Trainer<Module, string, string, OutputTypes>, function () {
  const { epoch, step } = this.counters;
  return `Trainer of ${this.model.constructor.name}: ${this.trained.length} parameters trained, ${step} updates, epoch ${epoch}`;
});
