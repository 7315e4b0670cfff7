import type { ClipPolicy } from '../clip/clip.ts';
import type { ArrayInput, Share } from '../data/arrays.ts';
import type { ReadOptions, TensorData } from '../io/file/file.ts';
import type { Data, DType, Precision } from '../ir/op.ts';
import type { Group } from '../mpi/group.ts';
import type { Match, Module, Pattern } from '../nn/module/module.ts';
import type { FinishingOptions } from '../optim/apply/finishing.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import type { EMAOptions } from '../optim/weights/ema.ts';
import type { PerStep } from '../options/index.ts';
import type { BatchStream } from './feed/batches.ts';
import type { AugmentOption, PreprocessOption } from './feed/prepare.ts';
import type { Sequences } from './feed/sequences.ts';
import type { Batch, Named, Source } from './feed/source.ts';
import type { AbortSignalLike } from './flow/halt.ts';
import type { EpochEnd, GuardEvent } from './flow/progress.ts';
import type { Logger } from './flow/warnings.ts';
import type { OutputTensors, OutputTypes } from './outputs.ts';
import type { CheckpointOptions } from './state/checkpoint-files.ts';
import type { NameMatch, Rename } from './state/naming.ts';
import type { PlateauOptions } from './state/plateau.ts';
import type { Guard } from './step/guard.ts';
import type { LossScaleOptions } from './step/loss-scale.ts';
import type { Regularizer } from './step/regularize.ts';
import type { Measure, Objective } from './step/step.ts';
import type { Callback } from './watch/callback.ts';
import type { EarlyStop } from './watch/early-stop.ts';
import type { RecordOptions } from './watch/recording.ts';
import type { RollbackOptions } from './watch/rollback.ts';

/** Parameters that are updated by an optimizer of their own: one of option `groups` of a trainer. */
export interface GroupRule {
  /** Which parameters, by name. */
  readonly match: Match;
  /** Optimizer of the parameters that match, with hyper-parameters of its own. All groups share the clip policy. */
  readonly optimizer: Optimizer;
}

/**
 * `M`: the model; `K`: names of metrics; `N`: names of the batch's tensors, where the loss tells them ({@link Batch}); `T`: dtypes that option `predict`
 * may give, of one tensor or by name.
 */
export interface TrainerOptions<
  M extends Module,
  K extends string = never,
  N extends string = string,
  T extends OutputTypes = DType,
> extends FinishingOptions {
  /** The model that is trained. */
  readonly model: M;
  /**
   * A scalar for one batch; the mean over its rows, so that a shorter last batch weighs the same per row. A loss that is a mean with weights
   * (`loss.crossEntropy` with `weight` or `ignoreIndex`) divides by the weights of its batch in training, and by those of the whole data set in
   * `evaluate`, where nothing is added to it.
   */
  readonly loss: Objective<M, N>;
  /** What updates the parameters, but those of `groups`. */
  readonly optimizer: Optimizer;
  /** What is done to gradients before the optimizer gets them. Default `clip.none()`: measures, changes nothing. */
  readonly clip?: ClipPolicy;
  /**
   * Which parameters this trainer trains, by name: `'critic.*'`, or several. The others are frozen for it, whatever other trainers of the model
   * do with them: so several train parts of one model in turns. Default: all that require a gradient.
   */
  readonly parameters?: Match | readonly Match[];
  /**
   * Parameters by name pattern that are updated differently (no decay for biases, another rate for the head); the first match
   * wins. Default []: all by `optimizer`.
   */
  readonly groups?: readonly GroupRule[];
  /**
   * Watch outputs, loss and gradients: `guard.loss({ max: 100, action: 'skip' })`. Those of earlier in the list are heard first.
   * Default: none.
   */
  readonly guards?: readonly Guard[];
  /** Snapshots for guards that roll back. Default: every 100 steps, and at most 3 roll-backs of a training. */
  readonly rollback?: RollbackOptions;
  /**
   * Multiply the gradients in the backward pass, by a fixed power of two or one that adapts; they are scaled back before the
   * clip. Default: they are not.
   */
  readonly lossScale?: number | LossScaleOptions;
  /** Penalties on weights, as terms of the loss: their gradients are clipped with the rest. Default: none. */
  readonly regularize?: Regularizer | readonly Regularizer[];
  /**
   * Keep an average of the trained weights over the updates; `weights: 'ema'` then evaluates, predicts, reads and saves with it.
   * Default: none is kept.
   */
  readonly ema?: EMAOptions;
  /**
   * Lower the learning rates of all groups when the validation stops improving. A `fit` then needs a validation set. Default:
   * they are not lowered.
   */
  readonly plateau?: PlateauOptions<NoInfer<K>>;
  /**
   * Augmentation of images in training: `[augment.shift(2), augment.flip()]` for array x, or by name. They come before
   * `preprocess`. Default: none.
   */
  readonly augment?: AugmentOption;
  /**
   * What is done to an array of each batch before the model sees it, in training, evaluation and prediction: `{ x: scale }`.
   * Predictions are given in the units of `y`, where that has a transform. Saved with the model; `load` takes what the file has.
   * Default: nothing.
   */
  readonly preprocess?: PreprocessOption;
  /** Rows per micro-batch. Default 32. */
  readonly batchSize?: number;
  /**
   * Micro-batches per update, whose gradient is that of the batch they are together: each weighs by what counts in it (docs/TRAINING.md). Default 1.
   */
  readonly accumulate?: number;
  /**
   * The processes that train together, of `mpi.init()`: each runs the same program with the same data, and takes its share of the micro-batches. Loss,
   * gradients and what counts are summed over all of them before the clip; then all decide and update alike, with the same bits (docs/SCALE.md).
   * Default: this process trains alone.
   */
  readonly group?: Group;
  /**
   * With `group`: into how many parts each batch is cut, whose sums are summed by a fixed tree. The weights have the same bits with any number of
   * processes that is a power of two; those of another number of shards differ in their last bits. `batchSize` must be a multiple. Default 8.
   */
  readonly shards?: number;
  /**
   * With `group`: each process updates a part of every parameter, and keeps the optimizer's slots of that part alone; then all get the parts of the others.
   * So slots take as much less memory as there are processes, with the same bits, and of large gradients each sums up its part alone, where the policy
   * goes by norms. For optimizers that update each element alone; files and `load` are as without it, and process 0 alone can write to a stream or to
   * bytes. Default false.
   * @see torch.distributed.optim.ZeroRedundancyOptimizer
   */
  readonly shardOptimizer?: boolean;
  /**
   * Batch norms go by the statistics of all rows of a step, over its micro-batches and the processes of a group: as if it were one batch, on one machine. All
   * micro-batches of a process are computed layer by layer together then, and take the memory of all of them. Running statistics move once in a step.
   * Default false: each micro-batch by its own.
   * @see torch.nn.SyncBatchNorm
   */
  readonly syncBatchNorm?: boolean;
  /**
   * With `group`: after how many steps of a fit the processes compare a hash of their weights, when the chunk that is run then is done; they do so at its
   * beginning and end anyway. Weights that have come apart, since one of them wrote some alone, end the fit with an error that names the first. Default 100.
   */
  readonly compareEvery?: number;
  /**
   * With `group`: what gradients of more than 16,384 elements travel as. `'bf16'` halves what a step sends: the gradient of each shard is rounded to 8 bits
   * of mantissa, and so is each sum of them but the last, which is that of f32. It is rounded whoever has the shard, so the weights have the same bits with
   * any number of processes that is a power of two, and a resumed run those of one that was not interrupted. Losses, counts, small gradients and rows of
   * sparse tables travel as they are. Default `'f32'`.
   * @see torch.distributed.algorithms.ddp_comm_hooks.default_hooks.bf16_compress_hook
   */
  readonly wire?: Precision;
  /**
   * Modules by path, `'blocks.*'`, or several: of what they compute, the forward pass keeps nothing but what they are given and give, and the backward
   * pass computes it again, with the same bits. Less memory for more time. Of modules within each other the outermost counts. Default: all is kept.
   */
  readonly checkpointed?: Pattern | readonly Pattern[];
  /**
   * What products of the model take their operands as: linear layers, convolutions, attention and recurrence, in training, evaluation,
   * prediction and texts. `'bf16'` rounds them to 8 bits of mantissa and sums in f32; weights, updates, losses, norms and files stay f32. It is
   * up to twice as fast where the processor has instructions for it, and gives the same bits where it has none (docs/PRECISION.md).
   * Default `'f32'`.
   * @see torch.autocast
   */
  readonly precision?: Precision;
  /**
   * What is kept of the forward pass until the backward pass reads it. `'bf16'` takes half the memory, and less where what follows from it in little
   * time, activation functions and norms of rows, is computed again. It goes with `precision: 'bf16'`. What is lost then is rounding in gradients
   * (docs/PRECISION.md); losses and predictions have the same bits. Default `'f32'`.
   * @see gradclip: PyTorch's autocast keeps what its ops compute in
   */
  readonly activations?: Precision;
  /** Leave out the shorter last batch of an epoch. Default false. */
  readonly dropLast?: boolean;
  /** Keys initial weights, shuffling and dropout. Default 0. */
  readonly seed?: number | bigint;
  /** Threads of a run. Results do not depend on it. Default: what affinity and container quota allow; of that with `group` its `threads`. */
  readonly threads?: number;
  /**
   * Measured by `evaluate` beside the loss: scalars, of which the mean over rows is taken, or those of `metrics` that are no such
   * means (F1, AUC, perplexity): they are of the whole data set, however it is cut into batches. Default: none.
   */
  readonly metrics?: Readonly<Record<K, Measure<M, NoInfer<N>>>> & Readonly<Record<string, Measure<M, NoInfer<N>>>>;
  /**
   * What `predict` computes, of any dtype, with the rows first, [rows, ...]: `({ x }, model) => ops.argmax(model.forward(x))`
   * gives classes; an object of tensors gives arrays by the same names. Default `model.forward(batch.x)`.
   */
  readonly predict?: (batch: Batch<NoInfer<N>>, model: M) => OutputTensors<T>;
  /** Told what `result.warnings` lists, as it is found: a function, or an object with a method `warn`, such as `console`. Default: nobody is. */
  readonly logger?: Logger;
  /**
   * Run `fit`, `evaluate`, `predict` and `gradients` op by op in plain JavaScript, and end at the first op that gives what is not finite: the error says which op, of
   * which layer, where in your files, and what it was given. Hundreds of times slower; results are the same up to rounding. Default false.
   */
  readonly debug?: boolean;
}

/** Options of `Trainer.fit` and `Trainer.fitSync`. `K`: names of the trainer's metrics; `N`: names that its data has. */
export interface FitOptions<K extends string = never, N extends string = string> {
  /**
   * How long to train, in steps tried; with `epochs` and `seconds`, whichever comes first. Of a run that `resume` goes on with, counted from
   * where that began. Default: what `epochs` says.
   */
  readonly steps?: number;
  /**
   * How long to train, in passes over the rows; one that is under way counts as one. Of a run that `resume` goes on with, counted
   * from where that began. Default: what `steps` or `seconds` says, else one epoch.
   */
  readonly epochs?: number;
  /**
   * The time that this call may take, in seconds: the run ends with its result after the step in which they are over, `stopReason` being `seconds`, unless
   * steps or epochs are done by then. It has one step at least; compiling and validations count; an end of an epoch that has come is finished. They are those of
   * the call: a run that `resume` goes on with has as many again. Of processes of a group the clock of process 0 counts. Default: no limit.
   */
  readonly seconds?: number;
  /**
   * Rows per micro-batch of this run. Where it changes within an epoch, that goes on with the batch of the next row. Default: the
   * trainer's.
   */
  readonly batchSize?: number;
  /** false: rows as they lie, in each epoch, for arrays. Default true: in another order each epoch, by the trainer's seed. */
  readonly shuffle?: boolean;
  /**
   * How the rows of a step are chosen. `fixed`: batches of one size, which take turns at all rows. `poisson`, for `clip.perSample` on arrays: each row is in a
   * step with probability `batchSize` times `accumulate` of the trainer by all rows, whatever the others are. So steps differ in rows, some may have none, and
   * an epoch has as many steps as it takes to expect each row once. Draws are keyed by the trainer's seed; beside noise that is `secure`, by a key that is in
   * no file. Default `fixed`.
   * @see opacus.PrivacyEngine.make_private, `poisson_sampling`
   */
  readonly sampling?: 'fixed' | 'poisson';
  /**
   * With `sampling: 'poisson'`: rows that are computed at a time. It decides about memory and time; results differ by rounding only. Default: a quarter of
   * the rows that a step is expected to have, `batchSize` at most.
   * @see opacus.utils.batch_memory_manager.BatchMemoryManager
   */
  readonly microBatch?: number;
  /**
   * Data to measure loss and metrics on at the end of each epoch, or every `validateEvery` steps of the trainer. Default: nothing
   * is measured.
   */
  readonly validation?: Named<N> | Share<N> | Source<N> | Sequences<N> | BatchStream<N>;
  /**
   * Steps from one validation to the next, over all runs of the trainer, in place of the ends of epochs. Default: validate at the
   * end of each epoch.
   */
  readonly validateEvery?: number;
  /** Which weights are validated. Default `model`. */
  readonly validateWeights?: Weights;
  /**
   * End when the validation stops improving. However the run ends, the best weights are back then; a fit that follows, with the
   * same rule and validation set, goes on from the last ones and counts on, also after `save` and `load`, unless this has ended
   * the run. Default: the run ends with its steps or epochs.
   */
  readonly earlyStop?: EarlyStop<K>;
  /**
   * Aborting rejects with AbortError after the step being run; what was trained stays. Where one process of a group is aborted, all are, after the same step.
   * Default: none.
   */
  readonly signal?: AbortSignalLike;
  /** Called at the end of each epoch, after its validation; a promise is waited for. Default: nobody is. */
  readonly onEpoch?: (end: EpochEnd<K>) => unknown;
  /** Called for what the trainer's guards find, when the steps of a chunk are done. Default: nobody is. */
  readonly onGuard?: (event: GuardEvent) => unknown;
  /**
   * Told what happens, in this order after what the library does itself; what they must know to go on is in checkpoints. Default:
   * none.
   */
  readonly callbacks?: readonly Callback<K>[];
  /**
   * Write checkpoints while training, and one at the end: a file, or how often and how many. Not for `fitSync`. Default: none is
   * written.
   */
  readonly checkpoint?: string | CheckpointOptions;
  /**
   * Go on with the run of a checkpoint: `auto` is the newest whole one of option `checkpoint`, and begins anew where there is
   * none; else a file. The call that was interrupted, made again, is the run that was not: `steps` and `epochs` are counted from
   * where that began. Data are taken when the file has been read: they stay as they are until `onStart`. Of a group, process 0 has the files, and all go
   * on with its state. Not for `fitSync`.
   * Default: the run begins with what the trainer has.
   */
  readonly resume?: 'auto' | string;
  /**
   * With option `group` of the trainer: the data of each process are its own, other rows or another stream than those of the others. Of arrays each takes
   * `batchSize` divided by the number of processes in a step; of a stream, `accumulate` batches as they come. An epoch ends for all with the first that has none
   * left. The same processes with the same data give the same bits again; another number of them does not. Default false: all have the same data.
   * @see torch.utils.data.DistributedSampler
   */
  readonly sharded?: boolean;
  /** Steps per native call. Results do not depend on it. Default: about 20 ms worth. */
  readonly chunkSteps?: number;
  /**
   * Measure each instruction: `profile` of the result says where the time went. Costs two clock readings an instruction. `'balance'`: the threads work one
   * after the other, so that the result tells how the work is cut for as many, and what a step would take with a core for each, whatever cores there are.
   * Default false.
   */
  readonly profile?: boolean | 'balance';
  /**
   * Write a record: a line of JSON a step, which `readRecord` reads, and `gradclip clip-report` explains. A trainer that goes on
   * (after `load`, or in another `fit`) appends; what the file has of later steps, of a run that was given up, is cut off.
   * Default: none is written.
   */
  readonly record?: string | RecordOptions;
  /**
   * Measure the 2-norm of each parameter's gradient in every step, before the clip: `report` draws them. It is the policy's own statistic where
   * that has measured the same, else one more reading of the gradients. A record with `perLayer` has them measured as well. Default false.
   */
  readonly perLayer?: boolean;
  /** Told the warnings of this run in place of the trainer's. Default: the trainer's is. */
  readonly logger?: Logger;
}

/** `model`: the weights that are trained; `ema`: their average, which option `ema` of the trainer keeps, or an optimizer such as `optim.scheduleFree`. */
export type Weights = 'model' | 'ema';

/** Which weights something is done with. */
export interface WeightsOptions {
  /** Which weights are taken: those that are trained, or their average. Default `model`. */
  readonly weights?: Weights;
}

/** Options of `Trainer.readParameters` and `Trainer.readParametersSync`. `B`: whether buffers are asked for. */
export interface ParametersOptions<B extends boolean = boolean> extends WeightsOptions {
  /** Read buffers too, those that files have: `bn.running_mean`. Default false. */
  readonly buffers?: B;
}

/** Values of parameters by name, and of buffers where `B` is true: their dtype may be another. */
export type ParameterValues<B extends boolean = false> = Map<string, TensorData<B extends false ? Float32Array : Data>>;

/** Options of `Trainer.evaluate` and `Trainer.evaluateSync`. */
export interface BatchOptions extends WeightsOptions {
  /** Rows at a time. Results differ by rounding only. Default: the trainer's. */
  readonly batchSize?: number;
}

/** Options of `Trainer.predict` and `Trainer.predictSync`; but for `weights`, those of a predictor's. */
export interface PredictOptions extends BatchOptions {
  /**
   * Drop as in training, that of attention, too: several calls then tell how sure a model is. All else stays as in evaluation. Default
   * false.
   */
  readonly dropout?: boolean;
  /**
   * Keys what is dropped, with the number of the batch among those of the call: the same seed drops the same. Default: another one for each
   * call, by the trainer's seed.
   */
  readonly seed?: number | bigint;
}

/** Options of `Trainer.run` and `Trainer.runSync`. */
export interface RunOptions extends Omit<PredictOptions, 'batchSize'> {
  /**
   * Rows at a time: each output then has a row for each of them, and is put together. Default: all at once, and an output may have any
   * shape.
   */
  readonly batchSize?: number;
}

/** Options of `Trainer.predictor`. `T`: dtypes of what it gives. */
export interface PredictorOptions<M extends Module, N extends string = string, T extends OutputTypes = OutputTypes>
  extends WeightsOptions {
  /** What it computes, as option `predict` of the trainer, but in the units of the model. Default: what `predict` gives. */
  readonly outputs?: (batch: Batch<NoInfer<N>>, model: M) => OutputTensors<T>;
}

/** Options of `Trainer.save`. */
export interface SaveOptions extends WeightsOptions {
  /** Leave out optimizer, policy and counters. Default false. */
  readonly weightsOnly?: boolean;
  /** Further pairs of texts for the header of the file. Default: none. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Options of `Trainer.savePruned`. */
export interface SavePrunedOptions extends Pick<SaveOptions, 'metadata'> {
  /**
   * Leave in the pruned rows in whose place the model computes another value than 0 that nothing after them can take up, as before a convolution that
   * pads with zeros. Default false: they are an error.
   */
  readonly keepConstant?: boolean;
}

/** Options of `Trainer.load`. */
export interface LoadOptions extends ReadOptions {
  /** Missing or extra names are an error; false loads what fits and lists the others. Default true. */
  readonly strict?: boolean;
  /**
   * Weights whose shape differs from the model's are left out and listed: those of the model stay, as for a head of other classes. Where there are any,
   * optimizer, policy and counters start afresh. Default false: they are an error.
   */
  readonly skipMismatched?: boolean;
  /**
   * What the names in the file are in this model, where they are others: prefixes (`{ 'module.': '' }`) or a function of the name; null leaves out what
   * has the name. The file is then one of weights: optimizer, policy and counters start afresh. Default: they are the same.
   */
  readonly rename?: Rename;
  /**
   * Names in the file, by patterns or a function, whose weights of two dimensions lie transposed there, as those of Keras' `Dense` or GPT-2's `Conv1D`. The
   * file is then one of weights. Default [].
   */
  readonly transpose?: NameMatch | readonly NameMatch[];
}

/** What `Trainer.change` changes: what is not given stays as it is. */
export interface ChangeOptions<M extends Module>
  extends Partial<Pick<TrainerOptions<M>, 'optimizer' | 'groups' | 'clip' | 'parameters'>> {
  /** Learning rate of all groups, a number or a schedule, in place of what their optimizers have. Default: that. */
  readonly lr?: PerStep;
  /** Parameters that are not trained any more, by name. Default: none. */
  readonly freeze?: Match | readonly Match[];
  /** Parameters that are trained again, by name; also such as option `parameters` leaves out. Of those that `freeze` names, too. Default: none. */
  readonly unfreeze?: Match | readonly Match[];
}

/** What is changed, read; undefined: it stays. */
export type Changes = { readonly [K in keyof ChangeOptions<Module>]-?: ChangeOptions<Module>[K] | undefined };

/** An array that an exported model is given, by its shape. */
export interface OnnxShape {
  /** Dimensions: a text is the name of one that may be of any size, and `['batch', 784]` takes any number of rows. */
  readonly shape: readonly (number | string)[];
  /** Its type of elements. Default 'f32'. */
  readonly dtype?: DType;
}

/** What an exported model is given: arrays as `predict` takes them, of which shape and type count, with any number of rows; or shapes. */
export type OnnxInputs = ArrayInput | Share | OnnxShape | Readonly<Record<string, ArrayInput | OnnxShape>>;

/** Options of `Trainer.exportOnnx`. */
export interface OnnxOptions<M extends Module, N extends string = string> extends WeightsOptions {
  /** The arrays that the model reads: one that becomes `batch.x`, or several by name; or their shapes: `{ x: { shape: ['batch', 784] } }`. */
  readonly inputs: OnnxInputs;
  /** What the file computes, as option `outputs` of `predictor`. Default: what `predict` gives. One tensor without a name is called `output`. */
  readonly outputs?: (batch: Batch<NoInfer<N>>, model: M) => OutputTensors;
  /** Version of the operators, 17 to 23. Default 17, which most programs read. */
  readonly opset?: number;
  /**
   * Sizes that the model takes, by the names of dimensions: `{ time: 64 }`. It is traced with some, to see what follows from them. Default: 8 each, and for
   * first dimensions any.
   */
  readonly sizes?: Readonly<Record<string, number>>;
  /**
   * Weights in a file of their own beside the model, `<file>.data`. Default: where all is more than 2 GiB, which one file cannot hold. Once nothing reads it,
   * since the model was written anew with its weights, it is removed.
   */
  readonly externalData?: boolean;
  /** Further pairs of texts for the file, such as the names of classes. Default: none. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** An input or output of an exported model. */
export interface OnnxValueType {
  /** What it is called in the file. */
  readonly name: string;
  /** Its type of elements. */
  readonly dtype: DType;
  /** Numbers, and names of sizes that may be any, or what follows from such: `batch*64`. */
  readonly shape: readonly (number | string)[];
}

/** What `Trainer.exportOnnx` has written. */
export interface OnnxExport {
  /** The model; null: it went into a stream. */
  readonly file: string | null;
  /** The file with its weights, where that is another one; else null. */
  readonly data: string | null;
  /** Of all that was written. */
  readonly bytes: number;
  /** Version of the operators. */
  readonly opset: number;
  /** What the model is given. */
  readonly inputs: readonly OnnxValueType[];
  /** What it gives. */
  readonly outputs: readonly OnnxValueType[];
}
