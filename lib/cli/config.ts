// config.ts: the file that `gradclip train` takes: what it may say, its defaults, and how it is read.
import { readFile } from 'node:fs/promises';
import { DataError, OptionError } from '../errors.ts';
import { fileError } from '../io/file.ts';
import { MAX_THREADS } from '../native/threads.ts';
import type { EMAOptions } from '../optim/ema.ts';
import type { LossScaleOptions } from '../train/loss-scale.ts';
import type { PlateauOptions } from '../train/plateau.ts';
import type { RollbackOptions } from '../train/rollback.ts';
import { checkData, type DataConfig, data } from './config-data.ts';
import { checkModel, type ModelConfig, model } from './models.ts';
import { renamed } from './renamed.ts';
import { bool, type Check, choice, either, list, number, object, optional, positiveWhole, text, wrong } from './schema.ts';

export type { CSVData, DataConfig, IDXData, NPZData, Split, TextData } from './config-data.ts';
export type { ModelConfig } from './models.ts';

/** An optimizer, policy or schedule by the name of its function, with that function's options. */
export interface Named {
  readonly type: string;
  readonly [option: string]: unknown;
}

export interface EarlyStopConfig {
  /** Epochs without improvement. */
  readonly patience: number;
  readonly minDelta: number;
  readonly metric: 'loss' | 'accuracy';
}

export interface RecordConfig {
  readonly file: string;
  /** With the norm of each parameter's gradient. */
  readonly perLayer: boolean;
}

export interface TrainConfig {
  readonly data: DataConfig;
  /** In training, evaluation and prediction; learned from the rows that train. */
  readonly preprocess: { readonly x: readonly Named[]; readonly y: readonly Named[] };
  /** Changes of images, in training only. */
  readonly augment: readonly Named[];
  readonly model: ModelConfig;
  readonly loss: (typeof LOSSES)[number];
  readonly optimizer: Named;
  readonly schedule: Named | null;
  /** Several apply in order. */
  readonly clip: readonly Named[];
  /** By the names of their functions, each with `match`. */
  readonly constraints: readonly Named[];
  readonly prune: readonly Named[];
  /** By the names of their functions, as all lists here. */
  readonly regularize: readonly Named[];
  readonly guards: readonly Named[];
  readonly rollback: RollbackOptions | null;
  /** Validation and test take the average, where there is one. */
  readonly ema: EMAOptions | null;
  readonly plateau: PlateauOptions | null;
  readonly lossScale: number | LossScaleOptions | null;
  /** Of crossEntropy. */
  readonly labelSmoothing: number;
  /** Of crossEntropy: a weight for each class, or what makes them count alike. */
  readonly classWeights: readonly number[] | 'balanced' | null;
  readonly batchSize: number;
  readonly accumulate: number;
  readonly epochs: number | null;
  readonly steps: number | null;
  readonly seed: number;
  readonly threads: number | null;
  /** Ends the training when the validation stops improving. */
  readonly earlyStop: EarlyStopConfig | null;
  /** Checkpoint to write, from the folder of the configuration. */
  readonly save: string | null;
  /** Record to write, a line a step, from the folder of the configuration. */
  readonly record: string | RecordConfig | null;
  /** The weights without pruned rows, from the folder of the configuration. */
  readonly savePruned: string | null;
}

export const LOSSES = ['crossEntropy', 'mse', 'l1', 'huber', 'bceWithLogits'] as const;

/** The options are the function's to check: see build.ts. */
const named: Check<Named> = (value, path) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'an object with a type', value);
  text((value as Named).type, `${path}.type`);
  return renamed(value as Named);
};

/** What key `clip` may say: a policy, or a list of them. */
export const checkPolicies: Check<readonly Named[]> = (value, path) => {
  return Array.isArray(value) ? list(named, 1)(value, path) : [named(value, path)];
};

/** Transforms of x, or of x and y. */
const preprocess: Check<TrainConfig['preprocess']> = (value, path) => {
  if (Array.isArray(value)) return { x: list(named)(value, path), y: [] };
  return object<TrainConfig['preprocess']>({ x: optional(list(named), []), y: optional(list(named), []) })(value, path);
};

const record: Check<RecordConfig> = object<RecordConfig>({ file: text, perLayer: optional(bool, false) });

/** The options are the trainer's to check. */
const options: Check<object> = (value, path) => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw wrong(path, 'an object', value);
};

const config: Check<TrainConfig> = object<TrainConfig>({
  data,
  preprocess: optional(preprocess, { x: [], y: [] }),
  augment: optional(list(named), []),
  model,
  loss: optional(choice(...LOSSES), 'crossEntropy'),
  optimizer: named,
  schedule: optional(named, null),
  clip: optional(checkPolicies, []),
  constraints: optional(list(named), []),
  prune: optional(checkPolicies, []),
  regularize: optional(checkPolicies, []),
  guards: optional(list(named), []),
  rollback: optional(options, null),
  ema: optional(options as Check<EMAOptions>, null),
  plateau: optional(options as Check<PlateauOptions>, null),
  lossScale: optional(either(options, number({ min: 1 })), null),
  labelSmoothing: optional(number({ min: 0, max: 1 }), 0),
  classWeights: optional(either(choice('balanced'), list(number({ min: 0 }), 1)), null),
  batchSize: optional(positiveWhole, 32),
  accumulate: optional(positiveWhole, 1),
  epochs: optional(positiveWhole, null),
  steps: optional(positiveWhole, null),
  seed: optional(number({ min: 0, whole: true }), 0),
  threads: optional(number({ min: 1, max: MAX_THREADS, whole: true }), null),
  earlyStop: optional(
    object<EarlyStopConfig>({
      patience: positiveWhole,
      minDelta: optional(number({ min: 0 }), 0),
      metric: optional(choice('loss', 'accuracy'), 'loss'),
    }),
    null,
  ),
  save: optional(text, null),
  record: optional(either(text, record), null),
  savePruned: optional(text, null),
});

/** Check a parsed configuration. @throws OptionError that begins with the place: `model.sizes[1]: expected ...` */
export function checkConfig(value: unknown): TrainConfig {
  const checked = config(value, '');
  const { data, model, loss, epochs, steps, earlyStop } = checked;
  if (epochs === null && steps === null) throw wrong('epochs', 'epochs or steps', undefined);
  checkModel(model, data.type, loss);
  checkData(data, loss);
  if (checked.preprocess.y.length > 0 && loss === 'crossEntropy') {
    throw wrong('preprocess.y', `nothing, since ${loss} compares with classes`, checked.preprocess.y);
  }
  for (const key of ['preprocess', 'augment'] as const) {
    const given = key === 'augment' ? checked.augment : checked.preprocess.x;
    if (data.type === 'text' && given.length > 0) throw wrong(key, 'nothing for a text', given);
  }
  if (checked.classWeights !== null && (loss !== 'crossEntropy' || data.type === 'text')) {
    throw wrong('classWeights', 'nothing but with crossEntropy of rows', checked.classWeights);
  }
  if (earlyStop && data.split.validation === 0) {
    throw wrong('data.split.validation', 'some rows, for earlyStop to look at', undefined);
  }
  if (earlyStop?.metric === 'accuracy' && loss !== 'crossEntropy')
    throw wrong('earlyStop.metric', `loss where the loss is ${loss}`, 'accuracy');
  return checked;
}

/** @throws OptionError if there is no such file, it is not JSON, or for what it says */
export async function readConfig(file: string): Promise<TrainConfig> {
  let source: string;
  try {
    source = await readFile(file, 'utf8');
  } catch (error) {
    const cause = fileError(file, error);
    throw cause instanceof DataError ? new OptionError(cause.message, { file }, { cause }) : cause;
  }
  try {
    return checkConfig(JSON.parse(source));
  } catch (error) {
    if (error instanceof SyntaxError) throw new OptionError(`${file}: not JSON: ${error.message}`, { file }, { cause: error });
    if (error instanceof OptionError)
      throw new OptionError(`${file}: ${error.message}`, { ...error.details, file }, { cause: error });
    throw error;
  }
}
