// options.ts: the options of a trainer and of `fit`, and their checks.
import type { ClipPolicy } from '../clip/clip.ts';
import { OptionError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { type Module, matchParameters, type Pattern } from '../nn/module.ts';
import type { ApplyGroup } from '../optim/apply.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { checkNumber, checkOptions } from '../options.ts';
import type { EarlyStop } from './fit.ts';
import type { EpochEnd } from './progress.ts';
import type { Arrays, Batch, Source } from './source.ts';
import type { Objective } from './step.ts';

export interface GroupRule {
  readonly match: Pattern;
  /** Optimizer of the parameters that match. All groups share the clip policy. */
  readonly optimizer: Optimizer;
}

export interface TrainerOptions<M extends Module> {
  readonly model: M;
  /** A scalar for one batch; the mean over its rows, so that a shorter last batch weighs the same per row. */
  readonly loss: Objective<M>;
  readonly optimizer: Optimizer;
  /** Default `clip.none()`: measures, changes nothing. */
  readonly clip?: ClipPolicy;
  /** Parameters by name pattern that are updated differently (no decay for biases, another rate for the head); the first match wins. */
  readonly groups?: readonly GroupRule[];
  /** Rows per micro-batch; default 32. */
  readonly batchSize?: number;
  /** Micro-batches per update; gradients are averaged over them. Default 1. */
  readonly accumulate?: number;
  /** Leave out the shorter last batch of an epoch. Default false. */
  readonly dropLast?: boolean;
  /** Keys initial weights, shuffling and dropout. Default 0. */
  readonly seed?: number | bigint;
  /** Threads of a run; default: what affinity and container quota allow. Results do not depend on it. */
  readonly threads?: number;
  /** Measured by `evaluate` beside the loss: scalars, means over rows. */
  readonly metrics?: Readonly<Record<string, Objective<M>>>;
  /** What `predict` computes; default `model.forward(batch.x)`. */
  readonly predict?: (batch: Batch, model: M) => Tensor;
}

export interface FitOptions {
  /** How long to train: steps, or epochs, or whichever comes first. */
  readonly steps?: number;
  readonly epochs?: number;
  /** Measured at the end of each epoch, or every `validateEvery` steps. */
  readonly validation?: Arrays | Source;
  readonly validateEvery?: number;
  /** End when the validation stops improving, with the best weights back. */
  readonly earlyStop?: EarlyStop;
  /** Aborting rejects with AbortError after the step being run; what was trained stays. */
  readonly signal?: AbortSignal;
  readonly onEpoch?: (end: EpochEnd) => void;
  /** Steps per native call; default: about 20 ms worth. Results do not depend on it. */
  readonly chunkSteps?: number;
}

const TRAINER_OPTIONS = [
  'model',
  'loss',
  'optimizer',
  'clip',
  'groups',
  'batchSize',
  'accumulate',
  'dropLast',
  'seed',
  'threads',
  'metrics',
  'predict',
];
const FIT_OPTIONS = ['steps', 'epochs', 'validation', 'validateEvery', 'earlyStop', 'signal', 'onEpoch', 'chunkSteps'];

export function checkTrainerOptions<M extends Module>(options: TrainerOptions<M>): void {
  checkOptions('Trainer', options, TRAINER_OPTIONS);
  const { batchSize = 1, accumulate = 1, threads = 1, seed = 0 } = options;
  checkNumber('Trainer', 'batchSize', batchSize, { min: 1, integer: true });
  checkNumber('Trainer', 'accumulate', accumulate, { min: 1, integer: true });
  checkNumber('Trainer', 'threads', threads, { min: 1, max: 256, integer: true });
  if (typeof seed === 'bigint' ? seed < 0n || seed >= 2n ** 64n : !Number.isSafeInteger(seed) || seed < 0) {
    throw new OptionError(`Trainer: option seed: expected a whole number from 0 to 2^64 - 1, got ${seed}`, { value: seed });
  }
}

export function checkFitOptions(options: FitOptions): void {
  checkOptions('fit', options, FIT_OPTIONS);
  for (const key of ['steps', 'epochs', 'validateEvery', 'chunkSteps'] as const) {
    if (options[key] !== undefined) checkNumber('fit', key, options[key], { min: 1, integer: true });
  }
  if (options.earlyStop) {
    checkOptions('fit: earlyStop', options.earlyStop, ['patience', 'minDelta', 'metric', 'mode']);
    checkNumber('fit: earlyStop', 'patience', options.earlyStop.patience, { min: 1, integer: true });
    if (!options.validation) throw new OptionError('fit: earlyStop needs a validation set', { option: 'earlyStop' });
  }
}

/** Trained parameters by group: the rules' first, in their order, then the rest. */
export function groupParameters<M extends Module>({ model, groups = [], optimizer }: TrainerOptions<M>): ApplyGroup[] {
  const left = new Set(model.parameters().filter((p) => p.requiresGrad));
  if (left.size === 0) throw new OptionError('Trainer: the model has no parameter that requires a gradient');
  const made: ApplyGroup[] = [];
  for (const rule of groups) {
    checkOptions('Trainer: groups', rule, ['match', 'optimizer']);
    const params = matchParameters('Trainer: groups', model, rule.match).filter((p) => left.delete(p));
    if (params.length > 0) made.push({ params, optimizer: rule.optimizer });
  }
  return left.size > 0 ? [...made, { params: [...left], optimizer }] : made;
}
