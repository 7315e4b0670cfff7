// config.ts: the file that `gradclip train` takes: what it may say, its defaults, and how it is read.
import { readFile } from 'node:fs/promises';
import { DataError, OptionError } from '../errors.ts';
import { fileError } from '../io/file.ts';
import type { EmaOptions } from '../optim/ema.ts';
import type { LossScaleOptions } from '../train/loss-scale.ts';
import type { PlateauOptions } from '../train/plateau.ts';
import type { RollbackOptions } from '../train/rollback.ts';
import { bool, type Check, choice, either, list, number, object, optional, text, variant, wrong } from './schema.ts';

/** How rows (of a text: its characters) are shared out: first those that train, then validation, then test. */
export interface Split {
  /** A number of rows, or below 1 a part of them; null: those that are left. */
  readonly train: number | null;
  readonly validation: number;
  readonly test: number | null;
  /** As they stand in the file, or shuffled by the seed beforehand. */
  readonly order: 'file' | 'seed';
}

interface CommonData {
  /** Folder of the files, from the folder of the configuration. */
  readonly dir: string;
  readonly split: Split;
  /** Where the files come from: part of the message when one is not there. */
  readonly about: string | null;
}

export interface IdxData extends CommonData {
  readonly type: 'idx';
  readonly images: string;
  readonly labels: string;
  /** A test set in files of its own, in place of `split.test`. */
  readonly testImages: string | null;
  readonly testLabels: string | null;
  /** Values are divided by this, 255 for the bytes of images. */
  readonly divideBy: number;
}

export interface CsvData extends CommonData {
  readonly type: 'csv';
  readonly file: string;
  readonly testFile: string | null;
  /** Column of the label: its name, or its index, negative from the end. */
  readonly label: string | number;
  readonly header: boolean | 'auto';
  readonly divideBy: number;
}

export interface TextData extends CommonData {
  readonly type: 'text';
  readonly file: string;
  /** Characters of one window. */
  readonly length: number;
}

export type DataConfig = IdxData | CsvData | TextData;

export interface MlpConfig {
  readonly type: 'mlp';
  /** Values of a row, widths of the hidden layers, outputs. */
  readonly sizes: readonly number[];
  readonly activation: (typeof ACTIVATIONS)[number];
  /** After each hidden layer. */
  readonly dropout: number;
}

export interface CharRnnConfig {
  readonly type: 'charRnn';
  readonly embedding: number;
  readonly hidden: number;
}

export type ModelConfig = MlpConfig | CharRnnConfig;

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
  readonly ema: EmaOptions | null;
  readonly plateau: PlateauOptions | null;
  readonly lossScale: number | LossScaleOptions | null;
  /** Of crossEntropy. */
  readonly labelSmoothing: number;
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

export const ACTIVATIONS = ['relu', 'tanh', 'sigmoid', 'gelu', 'silu', 'softplus'] as const;
export const LOSSES = ['crossEntropy', 'mse', 'l1', 'huber', 'bceWithLogits'] as const;

const positiveWhole: Check<number> = number({ min: 1, whole: true });

const share: Check<number> = (value, path) => {
  if (typeof value === 'number' && value > 0 && (value < 1 || Number.isSafeInteger(value))) return value;
  throw wrong(path, 'a number of rows, or a part of them between 0 and 1', value);
};

const ALL: Split = { train: null, validation: 0, test: null, order: 'file' };

const split: Check<Split> = object<Split>({
  train: optional(share, null),
  validation: optional(share, 0),
  test: optional(share, null),
  order: optional(choice('file', 'seed'), 'file'),
});

const common = {
  dir: optional(text, '.'),
  split: optional(split, ALL),
  about: optional(text, null),
} as const;

const scale: Check<number> = optional(number({ above: 0 }), 1);

const data: Check<DataConfig> = variant<DataConfig>({
  idx: object<IdxData>({
    ...common,
    type: choice('idx'),
    images: text,
    labels: text,
    testImages: optional(text, null),
    testLabels: optional(text, null),
    divideBy: scale,
  }),
  csv: object<CsvData>({
    ...common,
    type: choice('csv'),
    file: text,
    testFile: optional(text, null),
    label: optional(either(text, number({ whole: true })), -1),
    header: optional(either(bool, choice('auto')), 'auto'),
    divideBy: scale,
  }),
  text: object<TextData>({ ...common, type: choice('text'), file: text, length: optional(positiveWhole, 64) }),
});

const model: Check<ModelConfig> = variant<ModelConfig>({
  mlp: object<MlpConfig>({
    type: choice('mlp'),
    sizes: list(positiveWhole, 2),
    activation: optional(choice(...ACTIVATIONS), 'relu'),
    dropout: optional(number({ min: 0, below: 1 }), 0),
  }),
  charRnn: object<CharRnnConfig>({
    type: choice('charRnn'),
    embedding: optional(positiveWhole, 32),
    hidden: optional(positiveWhole, 128),
  }),
});

/** The options are the function's to check: see build.ts. */
const named: Check<Named> = (value, path) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'an object with a type', value);
  text((value as Named).type, `${path}.type`);
  return value as Named;
};

/** What key `clip` may say: a policy, or a list of them. */
export const checkPolicies: Check<readonly Named[]> = (value, path) => {
  return Array.isArray(value) ? list(named, 1)(value, path) : [named(value, path)];
};

const record: Check<RecordConfig> = object<RecordConfig>({ file: text, perLayer: optional(bool, false) });

/** The options are the trainer's to check. */
const options: Check<object> = (value, path) => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw wrong(path, 'an object', value);
};

const config: Check<TrainConfig> = object<TrainConfig>({
  data,
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
  ema: optional(options as Check<EmaOptions>, null),
  plateau: optional(options as Check<PlateauOptions>, null),
  lossScale: optional(either(options, number({ min: 1 })), null),
  labelSmoothing: optional(number({ min: 0, max: 1 }), 0),
  batchSize: optional(positiveWhole, 32),
  accumulate: optional(positiveWhole, 1),
  epochs: optional(positiveWhole, null),
  steps: optional(positiveWhole, null),
  seed: optional(number({ min: 0, whole: true }), 0),
  threads: optional(number({ min: 1, max: 256, whole: true }), null),
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
  if ((data.type === 'text') !== (model.type === 'charRnn')) {
    throw new OptionError(
      `model.type: ${model.type} does not read data of type ${data.type} (mlp reads idx and csv, charRnn reads text)`,
    );
  }
  if (model.type === 'charRnn' && loss !== 'crossEntropy') throw wrong('loss', 'crossEntropy for a charRnn', loss);
  if (model.type === 'mlp' && loss !== 'crossEntropy' && model.sizes.at(-1) !== 1) {
    throw wrong(
      `model.sizes[${model.sizes.length - 1}]`,
      `1 for the loss ${loss}, which compares one value a row`,
      model.sizes.at(-1),
    );
  }
  if (data.type === 'idx' && (data.testImages === null) !== (data.testLabels === null)) {
    throw new OptionError('data: testImages and testLabels go together');
  }
  const ownTest = data.type === 'idx' ? data.testImages : data.type === 'csv' ? data.testFile : null;
  if (ownTest !== null && data.split.test !== null) {
    throw wrong('data.split.test', 'nothing, since the test set has files of its own', data.split.test);
  }
  if (data.type === 'text' && data.split.order === 'seed') throw wrong('data.split.order', 'file for a text', 'seed');
  if (earlyStop && data.split.validation === 0) {
    throw wrong('data.split.validation', 'some rows, for earlyStop to look at', undefined);
  }
  if (earlyStop?.metric === 'accuracy' && loss !== 'crossEntropy')
    throw wrong('earlyStop.metric', `loss where the loss is ${loss}`, 'accuracy');
  return checked;
}

/** @throws DataError if there is no such file or it is not JSON; OptionError for what it says */
export async function readConfig(file: string): Promise<TrainConfig> {
  let source: string;
  try {
    source = await readFile(file, 'utf8');
  } catch (error) {
    throw fileError(file, error);
  }
  try {
    return checkConfig(JSON.parse(source));
  } catch (error) {
    if (error instanceof SyntaxError) throw new DataError(`${file}: not JSON: ${error.message}`, { file }, { cause: error });
    if (error instanceof OptionError)
      throw new OptionError(`${file}: ${error.message}`, { ...error.details, file }, { cause: error });
    throw error;
  }
}
