// config.ts: the file that `gradclip train` takes: what it may say, its defaults, and how it is read.
import { DataError, OptionError } from '../../errors.ts';
import { readJson } from '../../io/json-file.ts';
import type { Precision } from '../../ir/op.ts';
import { MAX_THREADS } from '../../native/threads.ts';
import { type EMAOptions, ema } from '../../optim/weights/ema.ts';
import {
  bool,
  choice,
  either,
  Field,
  type Giving,
  list,
  number,
  type OptionsOf,
  object,
  Place,
  text,
  whole,
} from '../../options/index.ts';
import { BATCH_SIZE } from '../../train/feed/shape.ts';
import { seconds } from '../../train/given.ts';
import { type CheckpointRule, every, kept, SECONDS } from '../../train/state/checkpoint-files.ts';
import { type PlateauOptions, plateau } from '../../train/state/plateau.ts';
import { type LossScaleOptions, lossScale } from '../../train/step/loss-scale.ts';
import { type RollbackOptions, rollback } from '../../train/watch/rollback.ts';
import { type Clamp, checkModel, clampField, type ModelConfig, model } from './models.ts';
import { asGiven, type Named, named, several, wrong } from './named.ts';
import { AUGMENTATIONS, CONSTRAINTS, GUARDS, OPTIMIZERS, PENALTIES, POLICIES, PRUNES, SCHEDULES, TRANSFORMS } from './rooms.ts';
import { checkData, type DataConfig, data } from './sources.ts';
import { type TuneConfig, tuneField } from './tuning.ts';

export type { Clamp, ModelConfig } from './models.ts';
export type { Named } from './named.ts';
export type { CSVData, DataConfig, IDXData, NPZData, Split, TableData, TextData } from './sources.ts';

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
  /** With the machine and the time. */
  readonly clock: boolean;
}

export type CheckpointConfig = Omit<CheckpointRule, 'metadata'>;

export interface GroupConfig {
  readonly match: string;
  readonly optimizer: Named;
}

export interface TrainConfig {
  readonly $schema: string | null;
  readonly data: DataConfig;
  /** In training, evaluation and prediction; learned from the rows that train. */
  readonly preprocess: { readonly x: readonly Named[]; readonly y: readonly Named[] };
  /** Augmentation of images, in training only. */
  readonly augment: readonly Named[];
  readonly model: ModelConfig;
  readonly loss: (typeof LOSSES)[number];
  readonly optimizer: Named;
  readonly schedule: Named | null;
  /** Optimizers of the parameters that `match` names; the others have `optimizer`. */
  readonly groups: readonly GroupConfig[];
  /** Patterns of the names of those that are trained; empty: all. */
  readonly parameters: readonly string[];
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
  readonly plateau: PlateauOptions<string> | null;
  readonly lossScale: number | LossScaleOptions | null;
  /** Bounds of the model's outputs. */
  readonly clamp: Clamp | null;
  /** Of crossEntropy. */
  readonly labelSmoothing: number;
  /** Of crossEntropy: a weight for each class, or what makes them count alike. */
  readonly classWeights: readonly number[] | 'balanced' | null;
  readonly batchSize: number;
  readonly accumulate: number;
  /** Batch norms go by all rows of a step. */
  readonly syncBatchNorm: boolean;
  /** Parts of a batch, where several processes train together. */
  readonly shards: number | null;
  /** How gradients travel between them. */
  readonly wire: 'f32' | 'bf16' | null;
  /** Whether each of them keeps a part of the optimizer's slots. */
  readonly shardOptimizer: boolean;
  /** Steps after which they compare weights. */
  readonly compareEvery: number | null;
  readonly dropLast: boolean;
  /** Paths of modules whose values the backward pass computes again. */
  readonly checkpointed: readonly string[];
  readonly precision: Precision;
  readonly activations: Precision;
  readonly epochs: number | null;
  readonly steps: number | null;
  readonly seconds: number | null;
  readonly seed: number;
  readonly threads: number | null;
  /** Ends the training when the validation stops improving. */
  readonly earlyStop: EarlyStopConfig | null;
  /** Checkpoint to write, from the folder of the configuration. */
  readonly save: string | null;
  /** Record to write, a line a step, from the folder of the configuration. */
  readonly record: RecordConfig | null;
  readonly checkpoint: CheckpointConfig | null;
  readonly resume: string | null;
  /** The weights without pruned rows, from the folder of the configuration. */
  readonly savePruned: string | null;
  /** What `gradclip tune` seeks; `gradclip train` has no use for it. */
  readonly tune: TuneConfig | null;
}

export const LOSSES = ['crossEntropy', 'mse', 'l1', 'huber', 'bceWithLogits'] as const;

const positive = whole({ min: 1 });

/** What key `precision` may say, and `activations`. */
export const precisionField: Field<Precision> = choice('f32', 'bf16');

/** What key `clip` may say: a policy, or a list of them. */
export const policies: Giving<readonly Named[]> = several(named(POLICIES), 1);

const transforms = several(named(TRANSFORMS), 0);
const ofArrays = object<TrainConfig['preprocess']>({
  x: transforms.or([]).about('of x'),
  y: transforms.or([]).about('of a value to learn; the loss is then that of the transformed values'),
});

/** An object with a type is a transform. */
const byArray: Giving<TrainConfig['preprocess']> = Field.of<unknown, TrainConfig['preprocess']>({
  expected: ofArrays.expected,
  schema: () => ofArrays.schema,
  may: (value) => ofArrays.may(value) && !('type' in (value as object)),
  read: (value, place) => ofArrays.read(value, place),
});

/** Every key, in the order of the docs. */
/** Keys that go with `gradclip train --mpi` alone. */
export const OF_A_GROUP: readonly ('shards' | 'wire' | 'shardOptimizer' | 'compareEvery')[] = [
  'shards',
  'wire',
  'shardOptimizer',
  'compareEvery',
];

export const CONFIG: OptionsOf<TrainConfig> = object<TrainConfig>({
  $schema: text.or(null).about('the schema of configurations, for editors: `node_modules/gradclip/docs/config.schema.json`'),
  data: data.about('see below'),
  preprocess: either(
    byArray,
    transforms.map((x) => ({ x, y: [] as readonly Named[] })),
  )
    .or({ x: [], y: [] })
    .about(
      'transforms of x, or of x and y, with the options of [DATA.md](DATA.md); learned from the rows that train, saved with the model',
    ),
  augment: several(named(AUGMENTATIONS), 0)
    .or([])
    .about('augmentations of images in training, before `preprocess`; see [DATA.md](DATA.md)'),
  model: model.about('see below'),
  loss: choice(...LOSSES)
    .default('crossEntropy')
    .about('`crossEntropy` for classes; the others for one value a row (the last size is 1)'),
  clamp: asGiven(clampField)
    .or(null)
    .about(
      "keeps the model's outputs within [-c, c], or within `[min, max]`, of which one may be null, in training, evaluation and `predict`; in the units that the loss compares",
    ),
  labelSmoothing: number({ min: 0, max: 1 }).default(0).about('of `crossEntropy`'),
  classWeights: either(choice('balanced'), list(number({ min: 0 }), { min: 1 }))
    .or(null)
    .about('of `crossEntropy`: a weight for each class, or `"balanced"`, which makes classes count alike'),
  optimizer: named(OPTIMIZERS).about(
    'one of [OPTIMIZERS.md](OPTIMIZERS.md) with its options; `lookahead` goes around any. `muon` takes matrices alone, which `groups` gives it',
  ),
  schedule: named(SCHEDULES)
    .or(null)
    .about(
      'one of `optim.schedule` with its options, after `warmup` steps; lengths in steps or as `{ "epochs": 5 }`. Begins at the `lr` of the optimizer (oneCycle: has it as its largest)',
    ),
  groups: list(
    object<GroupConfig>({
      match: text.about('pattern of the names of parameters: `*.bias`'),
      optimizer: named(OPTIMIZERS).about('as key `optimizer`'),
    }),
  )
    .or([])
    .about(
      'optimizers of parameters by name, the first that matches; the others have `optimizer`. `schedule` is of each, and begins at its own `lr`',
    ),
  parameters: either(
    list(text, { min: 1 }),
    text.map((one): readonly string[] => [one]),
  )
    .or([])
    .about('patterns of the names of the parameters that are trained, `head.*`; the others stay as they are'),
  clip: policies
    .or([])
    .about(
      'a policy of [CLIPPING.md](CLIPPING.md) with its options, `groups` of them, or several in order; without one, gradients are measured only',
    ),
  constraints: list(named(CONSTRAINTS))
    .or([])
    .about('of the parameters that `match` names; see [CONSTRAINTS.md](CONSTRAINTS.md)'),
  prune: several(named(PRUNES), 1).or([]).about('see [CONSTRAINTS.md](CONSTRAINTS.md)'),
  regularize: several(named(PENALTIES), 1)
    .or([])
    .about('penalties on weights; see [REGULARIZATION.md](REGULARIZATION.md), also for the keys down to `guards`'),
  ema: asGiven(ema).or(null).about('an average of the weights, which validation and test then take'),
  plateau: asGiven(plateau).or(null).about('lowers the learning rate when the validation stops improving'),
  lossScale: asGiven(lossScale)
    .or(null)
    .about('multiplies the gradients in the backward pass: a power of two, or one that adapts'),
  guards: list(named(GUARDS)).or([]).about('watch outputs, loss and gradients'),
  rollback: asGiven(rollback).or(null).about('snapshots for guards that roll back'),
  batchSize: positive.default(BATCH_SIZE).about('rows of a micro-batch'),
  accumulate: positive.default(1).about('micro-batches of a step'),
  syncBatchNorm: bool.default(false).about('batch norms go by all rows of a step, over its micro-batches'),
  shards: positive
    .or(null)
    .about(
      'with `gradclip train --mpi`: into how many parts a batch is cut for the processes, 8 where it is not given; the weights follow from it, and not from how many processes there are, if these are a power of two',
    ),
  wire: choice('f32', 'bf16')
    .or(null)
    .about('with `gradclip train --mpi`: how gradients travel; bf16 halves their bytes and rounds them'),
  shardOptimizer: bool
    .default(false)
    .about(
      'with `gradclip train --mpi`: each process keeps and updates a part of the slots of every parameter, to the same bits',
    ),
  compareEvery: positive
    .or(null)
    .about('with `gradclip train --mpi`: after how many steps the processes compare their weights, 100 where it is not given'),
  dropLast: bool.default(false).about('leave out the shorter last batch of an epoch'),
  checkpointed: either(
    list(text),
    text.map((one): readonly string[] => [one]),
  )
    .or([])
    .about('modules by path, `blocks.*`, that the backward pass computes again: less memory for more time'),
  precision: precisionField
    .default('f32')
    .about('of products in training, validation, `predict` and `sample`; see [PRECISION.md](PRECISION.md)'),
  activations: precisionField
    .default('f32')
    .about('kept for the backward pass: bf16, with precision bf16, takes half the memory'),
  epochs: positive.or(null).about('how long, from the first step on: epochs, steps or seconds, whichever comes first'),
  steps: positive.or(null).about('as `epochs`'),
  seconds: seconds
    .or(null)
    .about(
      'as `epochs`, but of each start, one that `resume` goes on with too: ends the training after its step, with its result; validation and test follow',
    ),
  seed: whole({ min: 0 }).default(0).about('of weights, shuffling, dropout, and of the split where its order is seed'),
  threads: whole({ min: 1, max: MAX_THREADS })
    .or(null)
    .about('of a run; results do not depend on it. What affinity and container quota allow, where it is not given'),
  earlyStop: object<EarlyStopConfig>({
    patience: positive.about('epochs without improvement that end the training'),
    minDelta: number({ min: 0 }).default(0).about('smallest change that counts'),
    metric: choice('loss', 'accuracy').default('loss').about('of the validation rows'),
  })
    .or(null)
    .about('ends the training when the validation stops improving; the best weights come back'),
  record: either(
    text.map((file) => ({ file, perLayer: false, clock: false })),
    object<RecordConfig>({
      file: text.about('from the folder of the configuration'),
      perLayer: bool.default(false).about('with the norm of the gradient of each parameter'),
      clock: bool.default(false).about('with the machine, and the time at most once a second'),
    }),
  )
    .or(null)
    .about(
      'a file with a line of JSON for each step, which `gradclip report`, `watch` and `clip-report` read; with `--resume` it goes on',
    ),
  checkpoint: either(
    text.map((file): CheckpointConfig => ({ file, every: every.read({}, new Place('', '', '')), keep: 1 })),
    object<CheckpointConfig>({
      file: text.about('from the folder of the configuration; those before it have a number before the extension'),
      every: every.default({ seconds: SECONDS }).about('steps, or seconds, from one to the next'),
      keep: kept.default(1).about('how many there are'),
    }),
  )
    .or(null)
    .about('checkpoints that are written while it trains'),
  resume: text
    .or(null)
    .about('`"auto"`: go on from the newest whole one of `checkpoint`, if there is one; or a file to go on from, as `--resume`'),
  save: text.or(null).about('checkpoint, written at the end and when stopped by a signal; `--resume FILE` goes on from one'),
  savePruned: text
    .or(null)
    .about('file for the weights without the rows that `prune` of type rows has pruned, written at the end'),
  tune: tuneField.or(null).about('what `gradclip tune` seeks, and how; `train` takes the values that stand beside it'),
});

/** Value of `resume` that looks for the newest checkpoint. */
export const AUTO = 'auto';

/** Check a parsed configuration. @throws OptionError that begins with the place: `model.sizes[1]: expected ...` */
export function checkConfig(value: unknown): TrainConfig {
  const checked = CONFIG.read(value, new Place('', '', ''));
  const { data, model, loss, epochs, steps, seconds, earlyStop } = checked;
  if (epochs === null && steps === null && seconds === null) throw wrong('epochs', 'epochs, steps or seconds', undefined);
  checkModel(model, data.type, loss);
  checkData(data, loss);
  checkEmbedded(checked);
  if (checked.preprocess.y.length > 0 && loss === 'crossEntropy') {
    throw wrong('preprocess.y', `nothing, since ${loss} compares with classes`, checked.preprocess.y);
  }
  for (const key of ['preprocess', 'augment'] as const) {
    const given = key === 'augment' ? checked.augment : checked.preprocess.x;
    if (data.type === 'text' && given.length > 0) throw wrong(key, 'nothing for a text', given);
    if (data.type === 'table' && given.length > 0) {
      const path = key === 'augment' ? key : 'preprocess.x';
      throw wrong(path, 'nothing for a table: data.columns says what is done to each column', given);
    }
  }
  if (checked.classWeights !== null && (loss !== 'crossEntropy' || data.type === 'text')) {
    throw wrong('classWeights', 'nothing but with crossEntropy of rows', checked.classWeights);
  }
  if (checked.clamp !== null && data.type === 'text') throw wrong('clamp', 'nothing for a text', checked.clamp);
  if (earlyStop && data.split.validation === 0) {
    throw wrong('data.split.validation', 'some rows, for earlyStop to look at', undefined);
  }
  if (earlyStop?.metric === 'accuracy' && loss !== 'crossEntropy')
    throw wrong('earlyStop.metric', `loss where the loss is ${loss}`, 'accuracy');
  checkTogether(checked);
  return checked;
}

/** @throws OptionError for columns that give the numbers of their categories to a model that has no vectors for them */
function checkEmbedded({ data, model }: TrainConfig): void {
  if (data.type !== 'table' || (model.type === 'mlp' && (model.hidden !== null || model.embeddings.length > 0))) return;
  for (const [name, column] of Object.entries(data.columns)) {
    if (column.type !== 'category' || column.encode !== 'index') continue;
    throw wrong(`data.columns.${name}.encode`, 'oneHot, but for a model mlp with hidden, which has a vector for each', 'index');
  }
}

/** @throws OptionError where keys beside the optimizer do not go with the others */
function checkTogether({ data, loss, plateau, labelSmoothing, savePruned, prune, resume, checkpoint }: TrainConfig): void {
  if (resume === AUTO && !checkpoint) throw wrong('checkpoint', `a file, for resume to look for`, undefined);
  if (plateau && data.split.validation === 0)
    throw wrong('data.split.validation', 'some rows, for plateau to look at', undefined);
  if (labelSmoothing > 0 && loss !== 'crossEntropy') throw wrong('loss', 'crossEntropy, since there is labelSmoothing', loss);
  if (savePruned !== null && !prune.some(({ type }) => type === 'rows')) {
    throw wrong('prune', 'one of type rows, since savePruned leaves out rows', undefined);
  }
}

/** @throws OptionError if there is no such file, it is not JSON, or for what it says */
export async function readConfig(file: string): Promise<TrainConfig> {
  try {
    return checkConfig(await readJson(file));
  } catch (error) {
    if (error instanceof DataError) throw new OptionError(error.message, { file }, { cause: error });
    if (error instanceof OptionError)
      throw new OptionError(`${file}: ${error.message}`, { ...error.details, file }, { cause: error });
    throw error;
  }
}
