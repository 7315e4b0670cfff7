// options.ts: the options of a trainer and of `fit`, and their checks.
import { checkClipPolicy } from '../clip/build.ts';
import type { ClipPolicy } from '../clip/clip.ts';
import { OptionError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { Streaming } from '../metrics/streaming.ts';
import { MAX_THREADS } from '../native/threads.ts';
import { type Match, Module, matchParameters, type Parameter } from '../nn/module.ts';
import type { ApplyGroup } from '../optim/apply.ts';
import { checkOptimizer } from '../optim/build.ts';
import { type EMAOptions, emaWeight } from '../optim/ema.ts';
import type { FinishingOptions } from '../optim/finishing.ts';
import { checkSparse } from '../optim/lookups.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { checkBoolean, checkChoice, checkNumber, checkOptions, show } from '../options.ts';
import type { Guard } from './guard.ts';
import type { GuardEvent } from './guarding.ts';
import { type AbortSignalLike, isAbortSignal } from './halt.ts';
import { LossScale, type LossScaleOptions } from './loss-scale.ts';
import { Plateau, type PlateauOptions } from './plateau.ts';
import { type AugmentOption, checkAugmentation, checkPreprocess, type PreprocessOption } from './prepare.ts';
import type { EpochEnd } from './progress.ts';
import { checkRecord, type RecordOptions } from './recording.ts';
import type { Regularizer } from './regularize.ts';
import { checkRollback, type RollbackOptions } from './rollback.ts';
import type { Batch, Named, Source } from './source.ts';
import type { Measure, Objective } from './step.ts';
import { checkLogger, type Logger } from './warnings.ts';

export interface GroupRule {
  readonly match: Match;
  /** Optimizer of the parameters that match, with hyper-parameters of its own. All groups share the clip policy. */
  readonly optimizer: Optimizer;
}

/** `M`: the model; `K`: names of metrics; `N`: names of the batch's tensors, where the loss tells them ({@link Batch}). */
export interface TrainerOptions<M extends Module, K extends string = never, N extends string = string> extends FinishingOptions {
  readonly model: M;
  /**
   * A scalar for one batch; the mean over its rows, so that a shorter last batch weighs the same per row. A loss that is a mean with weights
   * (`loss.crossEntropy` with `weight` or `ignoreIndex`) divides by the weights of its batch in training, and by those of the whole data set in
   * `evaluate`, where nothing is added to it.
   */
  readonly loss: Objective<M, N>;
  readonly optimizer: Optimizer;
  /** Default `clip.none()`: measures, changes nothing. */
  readonly clip?: ClipPolicy;
  /** Parameters by name pattern that are updated differently (no decay for biases, another rate for the head); the first match wins. */
  readonly groups?: readonly GroupRule[];
  /** Watch outputs, loss and gradients: `guard.loss({ max: 100, action: 'skip' })`. Those of earlier in the list are heard first. */
  readonly guards?: readonly Guard[];
  /** Snapshots for guards that roll back. */
  readonly rollback?: RollbackOptions;
  /** Multiply the gradients in the backward pass, by a fixed power of two or one that adapts; they are scaled back before the clip. */
  readonly lossScale?: number | LossScaleOptions;
  /** Penalties on weights, as terms of the loss: their gradients are clipped with the rest. */
  readonly regularize?: Regularizer | readonly Regularizer[];
  /** Keep an average of the trained weights over the updates; `weights: 'ema'` then evaluates, predicts, reads and saves with it. */
  readonly ema?: EMAOptions;
  /** Lower the learning rates of all groups when the validation stops improving. A `fit` then needs a validation set. */
  readonly plateau?: PlateauOptions<NoInfer<K>>;
  /** Changes of images in training: `[augment.shift(2), augment.flip()]` for array x, or by name. They come before `preprocess`. */
  readonly augment?: AugmentOption;
  /**
   * What is done to an array of each batch before the model sees it, in training, evaluation and prediction: `{ x: scale }`. Predictions are given in
   * the units of `y`, where that has a transform. Saved with the model; `load` takes what the file has.
   */
  readonly preprocess?: PreprocessOption;
  /** Rows per micro-batch; default 32. */
  readonly batchSize?: number;
  /**
   * Micro-batches per update, whose gradient is that of the batch they are together: each weighs by what counts in it (docs/TRAINING.md). Default 1.
   */
  readonly accumulate?: number;
  /** Leave out the shorter last batch of an epoch. Default false. */
  readonly dropLast?: boolean;
  /** Keys initial weights, shuffling and dropout. Default 0. */
  readonly seed?: number | bigint;
  /** Threads of a run; default: what affinity and container quota allow. Results do not depend on it. */
  readonly threads?: number;
  /**
   * Measured by `evaluate` beside the loss: scalars, of which the mean over rows is taken, or those of `metrics` that are no such means (F1, AUC,
   * perplexity): they are of the whole data set, however it is cut into batches.
   */
  readonly metrics?: Readonly<Record<K, Measure<M, NoInfer<N>>>> & Readonly<Record<string, Measure<M, NoInfer<N>>>>;
  /** What `predict` computes; default `model.forward(batch.x)`. */
  readonly predict?: (batch: Batch<NoInfer<N>>, model: M) => Tensor;
  /** Told what `result.warnings` lists, as it is found: a function, or an object with a method `warn`, such as `console`. Default: nobody is. */
  readonly logger?: Logger;
}

export interface EarlyStop<K extends string = never> {
  /** Validations without improvement before the run ends. */
  readonly patience: number;
  /** Smallest change that counts; default 0. */
  readonly minDelta?: number;
  /** `loss` or the name of a metric; default `loss`. */
  readonly metric?: 'loss' | K;
  /** Default `min` for the loss, `max` for other metrics. */
  readonly mode?: 'min' | 'max';
}

/** `K`: names of the trainer's metrics; `N`: names that its data has. */
export interface FitOptions<K extends string = never, N extends string = string> {
  /** How long to train: steps, or epochs, or whichever comes first. */
  readonly steps?: number;
  readonly epochs?: number;
  /** Rows per micro-batch of this run; default the trainer's. Where it changes within an epoch, that goes on with the batch of the next row. */
  readonly batchSize?: number;
  /** false: rows as they lie, in each epoch, for arrays. Default true: in another order each epoch, by the trainer's seed. */
  readonly shuffle?: boolean;
  /** Measured at the end of each epoch, or every `validateEvery` steps of this run. */
  readonly validation?: Named<N> | Source<N>;
  readonly validateEvery?: number;
  /** Which weights are validated. Default `model`. */
  readonly validateWeights?: Weights;
  /** End when the validation stops improving, with the best weights back. */
  readonly earlyStop?: EarlyStop<K>;
  /** Aborting rejects with AbortError after the step being run; what was trained stays. */
  readonly signal?: AbortSignalLike;
  readonly onEpoch?: (end: EpochEnd<K>) => void;
  /** Called for what the trainer's guards find, when the steps of a chunk are done. */
  readonly onGuard?: (event: GuardEvent) => void;
  /** Steps per native call; default: about 20 ms worth. Results do not depend on it. */
  readonly chunkSteps?: number;
  /** Measure each instruction: `profile` of the result says where the time went. Costs two clock readings an instruction. Default false. */
  readonly profile?: boolean;
  /**
   * Write a record: a line of JSON a step, which `readRecord` reads, and `gradclip clip-report` explains. A trainer that goes on (after `load`, or
   * in another `fit`) appends; what the file has of later steps, of a run that was given up, is cut off.
   */
  readonly record?: string | RecordOptions;
  /** In place of the trainer's, for this run. */
  readonly logger?: Logger;
}

/** `model`: the weights that are trained; `ema`: their average, which option `ema` of the trainer keeps. */
export type Weights = 'model' | 'ema';

export interface WeightsOptions {
  /** Default `model`. */
  readonly weights?: Weights;
}

export interface BatchOptions extends WeightsOptions {
  /** Rows at a time; default the trainer's. Results differ by rounding only. */
  readonly batchSize?: number;
}

/** Default of `batchSize`. */
export const BATCH_SIZE = 32;

const TRAINER_OPTIONS = [
  'model',
  'loss',
  'optimizer',
  'clip',
  'groups',
  'plateau',
  'ema',
  'constraints',
  'prune',
  'regularize',
  'lossScale',
  'guards',
  'rollback',
  'augment',
  'preprocess',
  'batchSize',
  'accumulate',
  'dropLast',
  'seed',
  'threads',
  'metrics',
  'predict',
  'logger',
];
const FIT_OPTIONS = [
  'batchSize',
  'shuffle',
  'steps',
  'epochs',
  'validation',
  'validateEvery',
  'validateWeights',
  'earlyStop',
  'signal',
  'onEpoch',
  'onGuard',
  'chunkSteps',
  'profile',
  'record',
  'logger',
];

export function checkTrainerOptions<M extends Module>(options: TrainerOptions<M, string>): void {
  if ((options as unknown) instanceof Module) {
    throw new OptionError(`Trainer: expected one object of options, { model, loss, optimizer }, got ${show(options)}`);
  }
  checkOptions('Trainer', options, TRAINER_OPTIONS);
  const { model, loss, optimizer, clip, metrics = {}, predict, groups = [] } = options;
  const wrong = (option: string, expected: string, value: unknown): OptionError =>
    new OptionError(`Trainer: option ${option}: expected ${expected}, got ${show(value)}`, { option, value });
  if (!(model instanceof Module)) throw wrong('model', 'a Module', model);
  if (typeof model.forward !== 'function') throw wrong('model', 'a Module with a method forward', model);
  if (typeof loss !== 'function') throw wrong('loss', 'a function of a batch and the model', loss);
  checkOptimizer('Trainer: option optimizer', optimizer);
  if (clip !== undefined) checkClipPolicy('Trainer: option clip', clip);
  if (typeof metrics !== 'object' || metrics === null) throw wrong('metrics', 'functions by name', metrics);
  for (const [name, metric] of Object.entries(metrics)) {
    if (name === 'loss') throw new OptionError('Trainer: option metrics: loss is measured anyway', { option: 'metrics' });
    checkMetric(name, metric);
  }
  checkFunction('Trainer', 'predict', predict);
  checkLogger('Trainer', options.logger);
  checkRollback(options.rollback ?? {});
  checkPreprocess(options.preprocess);
  checkAugmentation(options.augment);
  if (options.lossScale !== undefined) new LossScale(options.lossScale);
  if (options.ema !== undefined) emaWeight('Trainer: ema', options.ema);
  if (options.plateau !== undefined) {
    const names = ['loss', ...Object.keys(metrics)];
    checkChoice('Trainer: plateau', 'metric', new Plateau(options.plateau).metric, names);
  }
  if (!Array.isArray(groups)) throw wrong('groups', 'an array of rules', groups);
  checkBoolean('Trainer', 'dropLast', options.dropLast ?? false);
  const { batchSize = 1, accumulate = 1, threads = 1, seed = 0 } = options;
  checkNumber('Trainer', 'batchSize', batchSize, { min: 1, integer: true });
  checkNumber('Trainer', 'accumulate', accumulate, { min: 1, integer: true });
  checkNumber('Trainer', 'threads', threads, { min: 1, max: MAX_THREADS, integer: true });
  if (typeof seed === 'bigint' ? seed < 0n || seed >= 2n ** 64n : !Number.isSafeInteger(seed) || seed < 0) {
    throw new OptionError(`Trainer: option seed: expected a whole number from 0 to 2^64 - 1, got ${seed}`, { value: seed });
  }
}

/** `metrics` are the names that validation gives. */
export function checkFitOptions(where: string, options: FitOptions<string>, metrics: readonly string[]): void {
  checkOptions(where, options, FIT_OPTIONS);
  for (const key of ['batchSize', 'steps', 'epochs', 'validateEvery', 'chunkSteps'] as const) {
    if (options[key] !== undefined) checkNumber(where, key, options[key], { min: 1, integer: true });
  }
  checkBoolean(where, 'profile', options.profile ?? false);
  checkBoolean(where, 'shuffle', options.shuffle ?? true);
  checkRecord(where, options.record);
  const { validation, validateEvery, earlyStop, signal, onEpoch } = options;
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw new OptionError(`${where}: option signal: expected an AbortSignal, got ${show(signal)}`, { option: 'signal' });
  }
  checkFunction(where, 'onEpoch', onEpoch);
  checkFunction(where, 'onGuard', options.onGuard);
  checkLogger(where, options.logger);
  if (validateEvery !== undefined && !validation) {
    throw new OptionError(`${where}: validateEvery needs a validation set`, { option: 'validateEvery' });
  }
  if (!earlyStop) return;
  const rule = `${where}: earlyStop`;
  checkOptions(rule, earlyStop, ['patience', 'minDelta', 'metric', 'mode']);
  checkNumber(rule, 'patience', earlyStop.patience, { min: 1, integer: true });
  checkNumber(rule, 'minDelta', earlyStop.minDelta ?? 0, { min: 0 });
  checkChoice(rule, 'metric', earlyStop.metric ?? 'loss', metrics);
  checkChoice(rule, 'mode', earlyStop.mode ?? 'min', ['min', 'max']);
  if (!validation) throw new OptionError(`${where}: earlyStop needs a validation set`, { option: 'earlyStop' });
}

function checkMetric(name: string, value: unknown): void {
  const class_ = typeof value === 'function' ? value : (value as object | null | undefined)?.constructor;
  if (class_ && class_.prototype instanceof Streaming) {
    const text = `Trainer: option metrics.${name}: expected a function, got ${show(value)}, which counts arrays`;
    const instead = `({ x, y }, model) => metrics.${class_.name[0]!.toLowerCase()}${class_.name.slice(1)}(model.forward(x), y)`;
    throw new OptionError(`${text}: write ${instead}`, { option: `metrics.${name}`, value });
  }
  checkFunction('Trainer', `metrics.${name}`, value);
}

function checkFunction(where: string, option: string, value: unknown): void {
  const shown = show(value);
  if (value === undefined || (typeof value === 'function' && !shown.startsWith('class '))) return;
  throw new OptionError(`${where}: option ${option}: expected a function, got ${shown}`, { option, value });
}

/**
 * Trained parameters by group: the rules' first, in their order, then the rest; of each those first that have been trained for longest. None if
 * nothing is trained.
 * @param since the first step of parameters that were not trained from the beginning
 */
export function groupParameters<M extends Module>(
  { model, groups = [], optimizer }: TrainerOptions<M, string>,
  since: ReadonlyMap<Parameter, number>,
): ApplyGroup[] {
  const left = new Set(model.parameters().filter((p) => p.requiresGrad));
  const taken = new Set<Parameter>();
  const made: ApplyGroup[] = [];
  const add = (params: readonly Parameter[], optimizer: Optimizer): void => {
    const steps = new Set(params.map((p) => since.get(p) ?? 0));
    for (const step of [...steps].sort((a, b) => a - b)) {
      made.push({ params: params.filter((p) => (since.get(p) ?? 0) === step), optimizer, since: step });
    }
  };
  for (const rule of groups) {
    checkOptions('Trainer: groups', rule, ['match', 'optimizer']);
    checkOptimizer('Trainer: groups: option optimizer', rule.optimizer);
    const matched = matchParameters('Trainer: groups', model, rule.match);
    if (matched.every((p) => taken.has(p))) {
      const text = `Trainer: groups: groups before have all that ${show(rule.match)} matches: put the narrower group first`;
      throw new OptionError(text, { option: 'groups', match: rule.match });
    }
    for (const p of matched) taken.add(p);
    add(
      matched.filter((p) => left.delete(p)),
      rule.optimizer,
    );
  }
  add([...left], optimizer);
  return made;
}

/** @throws OptionError if a table that is to be updated by rows cannot be */
export function checkSparseTables(groups: readonly ApplyGroup[], accumulate: number, penalized: Iterable<string>): void {
  const names = new Set(penalized);
  for (const { params, optimizer } of groups) {
    for (const { name, sparse } of params) {
      if (!sparse) continue;
      checkSparse(name, optimizer);
      const other = accumulate > 1 ? 'accumulate' : names.has(name) ? 'regularize' : null;
      if (other === null) continue;
      throw new OptionError(
        `${name}: sparse updates do not go with option ${other}, which gives every row of a table a gradient`,
      );
    }
  }
}
