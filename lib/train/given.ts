// given.ts: what a trainer and its methods are given: the declarations that read it.
import { resolve } from 'node:path';

import { checkClipPolicy } from '../clip/build.ts';
import type { ClipPolicy } from '../clip/clip.ts';
import { isShare } from '../data/arrays.ts';
import { seed } from '../data/fields.ts';
import { OptionError } from '../errors.ts';
import { adviseOptions } from '../history/advise.ts';
import { bytes, weightsBytes } from '../io/fields.ts';
import { type ByteSink, isSink, sink } from '../io/file/stream.ts';
import * as metricFunctions from '../metrics/index.ts';
import { Streaming } from '../metrics/streaming.ts';
import { Group } from '../mpi/group.ts';
import { MAX_THREADS } from '../native/threads.ts';
import { match, pattern } from '../nn/fields.ts';
import * as losses from '../nn/loss/index.ts';
import { Module, type Pattern } from '../nn/module/module.ts';
import { OPSETS } from '../onnx/model.ts';
import { optimizer } from '../optim/apply/build.ts';
import { constraintRules } from '../optim/weights/constraint.ts';
import { ema } from '../optim/weights/ema.ts';
import { pruneRule } from '../optim/weights/prune.ts';
import {
  bool,
  choice,
  custom,
  either,
  type Field,
  fn,
  instance,
  list,
  notOf,
  number,
  options,
  Place,
  perStep,
  record,
  show,
  signature,
  signatures,
  text,
  whole,
} from '../options/index.ts';
import { type AskedPage, runPageOptions } from '../pages/run/page.ts';
import { type AugmentOption, checkAugmentation, checkPreprocess, type PreprocessOption } from './feed/prepare.ts';
import { abortSignal } from './flow/halt.ts';
import type { Logger } from './flow/warnings.ts';
import { checkGroup } from './group/sharing.ts';
import type {
  BatchOptions,
  ChangeOptions,
  Changes,
  FitOptions,
  GroupRule,
  LoadOptions,
  OnnxInputs,
  OnnxOptions,
  OnnxShape,
  ParametersOptions,
  PredictOptions,
  PredictorOptions,
  RunOptions,
  SaveOptions,
  SavePrunedOptions,
  TrainerOptions,
  Weights,
} from './options.ts';
import type { AskedPrecision, PrecisionOptions } from './precision/precision.ts';
import type { AskedGradients, GradientsOptions } from './programs/gradients.ts';
import type { InspectOptions } from './programs/inspect.ts';
import type { ProbeOptions } from './run/probe.ts';
import { metadata } from './state/checkpoint.ts';
import { type CheckpointRule, checkpoint, checkpointFiles } from './state/checkpoint-files.ts';
import { type Foreign, transpose } from './state/foreign.ts';
import { rename } from './state/naming.ts';
import { plateau } from './state/plateau.ts';
import { snapshot, type TakenSnapshot } from './state/snapshot.ts';
import { type Written, writeOptions } from './state/transfer.ts';
import { checkGuard, type Guard } from './step/guard.ts';
import { lossScale } from './step/loss-scale.ts';
import type { Regularizer } from './step/regularize.ts';
import type { Objective } from './step/step.ts';
import { callbacks } from './watch/callback.ts';
import type { EarlyStop } from './watch/early-stop.ts';
import { fileOf, type RecordOptions, recordTo } from './watch/recording.ts';
import { rollback } from './watch/rollback.ts';

/** What is made by a function of the library, or checked by one. */
const made = <T>(expected: string, check: (where: string, value: unknown) => unknown): Field<T> =>
  custom(expected, (value, place) => {
    check(String(place), value);
    return value as T;
  });

// ---- the trainer -------------------------------------------------------------------------------------------------
const model: Field<Module> = custom('a Module', (value, place) => {
  if (!(value instanceof Module)) throw place.wrong('a Module', value, notOf(value, Module));
  if (typeof value.forward !== 'function') throw place.wrong('a Module with a method forward', value);
  return value;
});

/** Losses and metrics of the library by their public names: they take what a model gives, and no batch. */
const TAKE_OUTPUTS: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  ...Object.entries(losses).map(([name, f]) => [f, `loss.${name}`] as const),
  ...Object.entries(metricFunctions).map(([name, f]) => [f, `metrics.${name}`] as const),
]);

/** A function of a batch and the model. */
function ofBatch<T>(value: unknown, place: Place): T {
  const name = TAKE_OUTPUTS.get(value);
  if (name !== undefined) {
    // Some take more, or something else, than the outputs of a model and their targets.
    const two = Object.keys(signatures.get(name)!.positional).length === 2 && name !== 'loss.weightedMean';
    const write = `({ x, y }, model) => ${name}(${two ? 'model.forward(x), y' : '...'})`;
    throw place.refuse(`${name} takes what a model makes of a batch, not the batch: write ${write}`, { value });
  }
  return fn('a function of a batch and the model').read(value, place) as T;
}

/** Scalars, and what metrics such as `metrics.f1` give, which graphs know; classes count arrays. */
const measure = custom<NonNullable<TrainerOptions<Module, string>['metrics']>[string]>('a function', (value, place) => {
  const made = typeof value === 'function' ? value : (value as object | null | undefined)?.constructor;
  if (made?.prototype instanceof Streaming) {
    const instead = `({ x, y }, model) => metrics.${made.name[0]!.toLowerCase()}${made.name.slice(1)}(model.forward(x), y)`;
    throw place.refuse(`expected a function, got ${show(value)}, which counts arrays: write ${instead}`, { value });
  }
  return ofBatch(value, place);
});

const byName = record(measure, 'functions by name');
const metrics: Field<NonNullable<TrainerOptions<Module, string>['metrics']>> = custom('functions by name', (value, place) => {
  // The names of metrics in a list, as other libraries take them.
  if (Array.isArray(value)) throw place.refuse(`expected functions by name, got a list with ${show(value[0])}`, { value });
  const all = byName.read(value, place);
  if ('loss' in all) throw place.refuse('loss is measured anyway');
  return all as never;
});

const logger: Field<Logger> = custom('a function or an object with a method warn', (value, place) => {
  if (typeof value === 'function' || typeof (value as { warn?: unknown } | null | undefined)?.warn === 'function')
    return value as Logger;
  throw place.wrong('a function or an object with a method warn', value);
});

const positive = whole({ min: 1 });
const several = <T>(item: Field<T>): Field<T | readonly T[]> => either(list(item), item) as Field<T | readonly T[]>;
const penalty: Field<Regularizer> = custom('penalties such as regularize.l2()', (value, place) => {
  const { name, penalty: build } = (value ?? {}) as Partial<Regularizer>;
  if (typeof name === 'string' && typeof build === 'function') return value as Regularizer;
  throw place.wrong('penalties such as regularize.l2()', value);
});

const groupRules = list(options<GroupRule>()({ match, optimizer }));
const policy = made<ClipPolicy>('a policy such as clip.globalNorm()', checkClipPolicy);

const readTrainer = signature(
  'Trainer',
  {},
  options<TrainerOptions<Module, string>>()({
    model,
    loss: custom<Objective<Module>>('a function of a batch and the model', ofBatch),
    optimizer,
    clip: policy.optional(),
    parameters: several(match).optional(),
    groups: groupRules.default([]),
    guards: list(made<Guard>('guards such as guard.loss()', checkGuard)).default([]),
    rollback: rollback.default({}),
    lossScale: lossScale.optional(),
    regularize: several(penalty).default([]),
    ema: ema.optional(),
    plateau: plateau.optional(),
    constraints: constraintRules.default([]),
    prune: several(pruneRule).default([]),
    augment: made<AugmentOption>('augmentations such as augment.flip()', (_, value) =>
      checkAugmentation(value as AugmentOption),
    ).optional(),
    preprocess: made<PreprocessOption>('transforms by the names of arrays', (_, value) =>
      checkPreprocess(value as PreprocessOption),
    ).optional(),
    batchSize: positive.default(32),
    accumulate: positive.default(1),
    group: instance('a group of mpi.init()', Group).optional(),
    shards: positive.optional(),
    shardOptimizer: bool.default(false),
    syncBatchNorm: bool.default(false),
    compareEvery: positive.optional(),
    wire: choice('f32', 'bf16').optional(),
    checkpointed: several(pattern).optional(),
    precision: choice('f32', 'bf16').default('f32'),
    activations: choice('f32', 'bf16').default('f32'),
    dropLast: bool.default(false),
    seed: seed.default(0),
    threads: whole({ min: 1, max: MAX_THREADS }).optional(),
    metrics: metrics.default({}),
    predict: fn<NonNullable<TrainerOptions<Module, string>['predict']>>().optional(),
    logger: logger.optional(),
    debug: bool.default(false),
  }),
);

/** @throws OptionError for what no trainer is made of */
export function checkTrainerOptions(given: ArrayLike<unknown>): void {
  if (given[0] instanceof Module) {
    throw new OptionError(`Trainer: expected one object of options, { model, loss, optimizer }, got ${show(given[0])}`);
  }
  const { plateau, metrics, precision, activations, ...more } = readTrainer(given);
  checkGroup(more);
  if (activations === 'bf16' && precision !== 'bf16') {
    const text = `Trainer: option activations: 'bf16' goes with precision: 'bf16', whose products read them rounded anyway; got precision: '${precision}'`;
    throw new OptionError(text, { option: 'activations', precision });
  }
  if (plateau) checkMetric('Trainer', 'plateau.metric', plateau.metric, Object.keys(metrics));
}

function checkMetric(where: string, option: string, name: string, metrics: readonly string[]): void {
  choice('loss', ...metrics).read(name, new Place(where, 'option', option));
}

// ---- its methods -------------------------------------------------------------------------------------------------
/** What `asSource` and others look at. */
const data: Field<unknown> = custom('named arrays, { x, y }, or a source', (value) => value);
const weights = choice('model', 'ema').default('model');

/** How long a fit may take. */
export const seconds: Field<number> = number({ above: 0 });

const fitOptions = options<FitOptions<string>>()({
  batchSize: positive.optional(),
  shuffle: bool.default(true),
  sampling: choice('fixed', 'poisson').default('fixed'),
  microBatch: positive.optional(),
  steps: positive.optional(),
  epochs: positive.optional(),
  seconds: seconds.optional(),
  validation: data.optional() as never,
  validateEvery: positive.optional(),
  validateWeights: weights,
  earlyStop: options<EarlyStop<string>>()({
    patience: positive,
    minDelta: number({ min: 0 }).default(0),
    metric: text.default('loss'),
    mode: choice('min', 'max').optional(),
  }).optional(),
  signal: abortSignal.optional(),
  onEpoch: fn<NonNullable<FitOptions<string>['onEpoch']>>().optional(),
  onGuard: fn<NonNullable<FitOptions<string>['onGuard']>>().optional(),
  callbacks: callbacks.default([]),
  checkpoint: checkpoint.optional(),
  resume: text.optional(),
  sharded: bool.default(false),
  chunkSteps: positive.optional(),
  profile: either(bool, choice('balance')).default(false),
  record: recordTo.optional(),
  perLayer: bool.default(false),
  logger: logger.optional(),
});
const parametersOptions = options<ParametersOptions>()({ buffers: bool.default(false), weights });
const batchOptions = options<BatchOptions>()({ batchSize: positive.optional(), weights });
const drops = { dropout: bool.default(false), seed: seed.optional() };
const predictOptions = options<PredictOptions>()({ batchSize: positive.optional(), weights, ...drops });

const readFit = {
  fit: signature('Trainer.fit', { data }, fitOptions),
  fitSync: signature('Trainer.fitSync', { data }, fitOptions),
};

/** x and y as two arguments. */
function checkNoPair(method: string, { 1: second }: ArrayLike<unknown>): void {
  if (!Array.isArray(second) && !ArrayBuffer.isView(second)) return;
  const text = `Trainer.${method}: expected an object of options as second argument, got ${show(second)}: data are named arrays, { x, y }`;
  throw new OptionError(text, { value: second });
}

/** What a fit writes and reads. */
export interface FitFiles {
  readonly checkpoint: CheckpointRule | null;
  readonly resume: string | null;
}

/** @param metrics the names that validation gives, beside the loss */
export function checkFitOptions(method: 'fit' | 'fitSync', given: ArrayLike<unknown>, metrics: readonly string[]): FitFiles {
  checkNoPair(method, given);
  const { validation, validateEvery, earlyStop, checkpoint, resume, record, sampling, microBatch } = readFit[method](given);
  if (microBatch !== undefined && sampling !== 'poisson') {
    const text = `Trainer.${method}: option microBatch: it cuts steps of sampling: 'poisson'; others have micro-batches of batchSize rows`;
    throw new OptionError(text, { option: 'microBatch', value: microBatch });
  }
  const needs = validateEvery !== undefined ? 'validateEvery' : earlyStop ? 'earlyStop' : null;
  if (needs && !validation) throw new OptionError(`Trainer.${method}: ${needs} needs a validation set`, { option: needs });
  if (earlyStop) checkMetric(`Trainer.${method}`, 'earlyStop.metric', earlyStop.metric, metrics);
  const files = checkpoint ? 'checkpoint' : resume !== undefined ? 'resume' : null;
  if (files && method === 'fitSync') {
    throw new OptionError(`Trainer.fitSync: option ${files}: files are read and written beside a training: use fit`, {
      option: files,
    });
  }
  if (resume === 'auto' && !checkpoint) {
    const text = `Trainer.${method}: resume: 'auto' looks for the files of option checkpoint: give that too, or resume a file by its name`;
    throw new OptionError(text, { option: 'resume' });
  }
  const recorded = fileOf(record as string | RecordOptions | undefined);
  if (checkpoint && recorded !== undefined && checkpointFiles(checkpoint).some((file) => resolve(file) === resolve(recorded))) {
    throw new OptionError(`Trainer.${method}: option record: ${recorded} is a file of option checkpoint`, { option: 'record' });
  }
  return { checkpoint: checkpoint ?? null, resume: resume ?? null };
}

type Read<V> = (given: ArrayLike<unknown>) => V;
/** What `evaluate` and `predict` are asked for. */
export interface Asked {
  readonly batchSize: number | undefined;
  readonly weights: Weights;
}
interface Drops {
  readonly dropout: boolean;
  readonly seed: number | bigint | undefined;
}

/** @throws OptionError for a seed of nothing */
function computing<V extends Drops>(method: string, read: Read<V>): Read<V> {
  return (given) => {
    const found = read(given);
    if (found.seed === undefined || found.dropout) return found;
    throw new OptionError(`${method}: option seed: it keys what is dropped, and nothing is: it goes with dropout: true`, {
      option: 'seed',
    });
  };
}

const measuring = (method: 'evaluate' | 'evaluateSync'): Read<Asked> => {
  const read = signature(`Trainer.${method}`, { data }, batchOptions);
  return (given) => {
    checkNoPair(method, given);
    return read(given);
  };
};

/** What `gradients` is asked for. */
export type AskedOfGradients = Omit<AskedGradients, 'batchSize'> & { readonly batchSize: number | undefined };
const differentiating = (method: 'gradients' | 'gradientsSync'): Read<AskedOfGradients> => {
  const read = signature(
    `Trainer.${method}`,
    { data },
    options<GradientsOptions>()({
      batchSize: positive.optional(),
      mode: choice('train', 'eval').default('train'),
      penalties: bool.default(true),
    }),
  );
  return (given) => {
    checkNoPair(method, given);
    return read(given);
  };
};

const measuringPrecision = signature(
  'Trainer.precision',
  { data },
  options<PrecisionOptions>()({
    rows: positive.optional(),
    batches: positive.default(1),
    mode: choice('train', 'eval').default('train'),
    bf16: bool.optional(),
  }),
);

/** What `probe` is asked for. */
export interface AskedProbe {
  readonly batches: number;
  readonly batchSize: number | undefined;
}
const probing = (method: 'probe' | 'probeSync'): Read<AskedProbe> => {
  const fields = options<ProbeOptions>()({ batches: whole({ min: 3 }).default(32), batchSize: positive.optional() });
  const read = signature(`Trainer.${method}`, { data }, fields);
  return (given) => {
    checkNoPair(method, given);
    return read(given);
  };
};

/** What `exportOnnx` is asked for. */
export interface AskedOnnx {
  readonly inputs: OnnxInputs;
  readonly outputs: PredictorOptions<Module>['outputs'];
  readonly weights: Weights;
  readonly opset: number;
  readonly sizes: Readonly<Record<string, number>>;
  readonly externalData: boolean | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}
const onnxShape = options<OnnxShape>()({
  shape: list(either(whole({ min: 0 }), text)),
  dtype: choice('f32', 'f64', 'i32', 'u8').default('f32'),
});
/** A shape, or what arrays are read from, which are looked at where they are read. */
const onnxInput: Field<OnnxInputs> = custom('arrays, or { shape, dtype }, by name', (value, place) => {
  if (typeof value !== 'object' || value === null) throw place.wrong('arrays, or { shape, dtype }, by name', value);
  if (('data' in value && 'shape' in value) || Array.isArray(value) || ArrayBuffer.isView(value) || isShare(value))
    return value as OnnxInputs;
  if ('shape' in value && Array.isArray(value.shape)) return onnxShape.read(value, place) as OnnxInputs;
  const entries = Object.entries(value as Readonly<Record<string, unknown>>);
  if (entries.length === 0) throw place.wrong('arrays, or { shape, dtype }, by name', value);
  const read = ([name, one]: [string, unknown]): [string, unknown] => {
    const shaped = typeof one === 'object' && one !== null && 'shape' in one && !('data' in one);
    return [name, shaped ? onnxShape.read(one, place.key(name)) : one];
  };
  return Object.fromEntries(entries.map(read)) as OnnxInputs;
});

type Outputs = PredictorOptions<Module>['outputs'];
const outputs = custom<NonNullable<Outputs>>('a function of a batch and the model', ofBatch);

const readExportOnnx = signature(
  'Trainer.exportOnnx',
  { to: either(text, sink).optional() },
  options<OnnxOptions<Module>>()({
    inputs: onnxInput,
    outputs: outputs.optional(),
    weights,
    opset: whole({ min: OPSETS.least, max: OPSETS.most }).default(OPSETS.usual),
    sizes: record(whole({ min: 1 })).default({}),
    externalData: bool.optional(),
    metadata,
  }),
);
/** Where there is no place to write to, the options come first. */
function ofExport(given: ArrayLike<unknown>): AskedOnnx & { readonly to: string | ByteSink | undefined } {
  const [first] = given as readonly unknown[];
  const isOptions = given.length === 1 && typeof first === 'object' && first !== null && !isSink(first);
  return readExportOnnx(isOptions ? [undefined, first] : given);
}

interface AskedSave extends Required<SaveOptions> {
  readonly to: string | ByteSink | undefined;
}
const saveOptions = options<SaveOptions>()({ weightsOnly: bool.default(false), weights, metadata });
const readSave = signature('Trainer.save', { to: either(either(text, sink), saveOptions).optional() }, saveOptions);
/** Where there is no place to write to, the options come first. */
function ofSave(given: ArrayLike<unknown>): AskedSave {
  const { to, ...rest } = readSave(given);
  if (typeof to !== 'object' || isSink(to)) return { to, ...rest };
  if (given.length === 1) return { to: undefined, ...to };
  throw new OptionError('Trainer.save: expected a file or a stream before the options, got two objects of options', {
    value: given[0],
  });
}

const readReport = signature('Trainer.report', { to: either(text, runPageOptions).optional() }, runPageOptions);
/** Where there is no file, the options come first. */
function ofReport(given: ArrayLike<unknown>): AskedReport {
  const { to, ...rest } = readReport(given) as unknown as { readonly to: string | AskedPage | undefined } & AskedPage;
  if (typeof to !== 'object') return { to, ...rest };
  if (given.length === 1) return { to: undefined, ...to };
  throw new OptionError('Trainer.report: expected a file before the options, got two objects of options', { value: given[0] });
}
type AskedReport = AskedPage & { readonly to: string | undefined };

type AskedOfRun = Asked & Drops & { readonly output: NonNullable<Outputs> };

const running = (method: 'run' | 'runSync'): Read<AskedOfRun> => {
  const given = options<RunOptions>()({ batchSize: positive.optional(), weights, ...drops });
  return computing(`Trainer.${method}`, signature(`Trainer.${method}`, { output: outputs, batch: data }, given));
};

/** What each method is given, by its name. */
export const readMethod: {
  readonly [K in 'evaluate' | 'evaluateSync']: Read<Asked>;
} & {
  readonly [K in 'predict' | 'predictSync']: Read<Asked & Drops>;
} & {
  readonly [K in 'run' | 'runSync']: Read<AskedOfRun>;
} & {
  readonly predictor: Read<{ readonly outputs: Outputs; readonly weights: Weights }>;
} & {
  readonly [K in 'gradients' | 'gradientsSync']: Read<AskedOfGradients>;
} & {
  readonly [K in 'probe' | 'probeSync']: Read<AskedProbe>;
} & {
  readonly [K in 'readParameters' | 'readParametersSync']: Read<Required<ParametersOptions>>;
} & {
  readonly [K in 'writeParameters' | 'writeParametersSync']: Read<Written>;
} & {
  readonly inspect: Read<{ readonly match: Pattern | undefined }>;
  readonly precision: Read<AskedPrecision>;
  readonly report: Read<AskedReport>;
  readonly exportOnnx: Read<AskedOnnx & { readonly to: string | ByteSink | undefined }>;
  readonly save: Read<AskedSave>;
  readonly savePruned: Read<Required<SavePrunedOptions>>;
  readonly load: Read<Required<Omit<LoadOptions, keyof Foreign>> & Foreign>;
} & {
  readonly [K in 'restore' | 'restoreSync']: Read<{ readonly snapshot: TakenSnapshot }>;
} & {
  readonly change: Read<Changes>;
} & {
  readonly [K in
    | 'step'
    | 'stepSync'
    | 'snapshot'
    | 'snapshotSync'
    | 'advise'
    | 'resetCarried'
    | 'sparsity'
    | 'dispose']: Read<unknown>;
} = {
  step: signature('Trainer.step', { batch: data }),
  stepSync: signature('Trainer.stepSync', { batch: data }),
  change: signature(
    'Trainer.change',
    {},
    options<ChangeOptions<Module>>()({
      optimizer: optimizer.optional(),
      groups: groupRules.optional(),
      clip: policy.optional(),
      parameters: several(match).optional(),
      lr: perStep({ min: 0 }).optional() as never,
      freeze: several(match).optional(),
      unfreeze: several(match).optional(),
    }),
  ),
  evaluate: measuring('evaluate'),
  evaluateSync: measuring('evaluateSync'),
  predict: computing('Trainer.predict', signature('Trainer.predict', { inputs: data }, predictOptions)),
  predictSync: computing('Trainer.predictSync', signature('Trainer.predictSync', { inputs: data }, predictOptions)),
  run: running('run'),
  runSync: running('runSync'),
  predictor: signature(
    'Trainer.predictor',
    {},
    options<PredictorOptions<Module>>()({
      outputs: outputs.optional(),
      weights,
    }),
  ),
  gradients: differentiating('gradients'),
  gradientsSync: differentiating('gradientsSync'),
  probe: probing('probe'),
  probeSync: probing('probeSync'),
  inspect: signature('Trainer.inspect', { batch: data }, options<InspectOptions>()({ match: pattern.optional() })),
  precision(given) {
    checkNoPair('precision', given);
    return measuringPrecision(given);
  },
  readParameters: signature('Trainer.readParameters', {}, parametersOptions),
  readParametersSync: signature('Trainer.readParametersSync', {}, parametersOptions),
  writeParameters: signature('Trainer.writeParameters', { values: data }, writeOptions(weights)),
  writeParametersSync: signature('Trainer.writeParametersSync', { values: data }, writeOptions(weights)),
  exportOnnx: ofExport,
  save: ofSave,
  savePruned: signature(
    'Trainer.savePruned',
    { file: text },
    options<SavePrunedOptions>()({ metadata, keepConstant: bool.default(false) }),
  ),
  load: signature(
    'Trainer.load',
    { from: either(text, bytes) },
    options<LoadOptions>()({
      strict: bool.default(true),
      skipMismatched: bool.default(false),
      rename: rename.optional(),
      transpose: transpose.default([]),
      maxBytes: weightsBytes,
    }),
  ),
  snapshot: signature('Trainer.snapshot', {}),
  snapshotSync: signature('Trainer.snapshotSync', {}),
  restore: signature('Trainer.restore', { snapshot }),
  restoreSync: signature('Trainer.restoreSync', { snapshot }),
  advise: signature('Trainer.advise', {}, adviseOptions),
  report: ofReport,
  resetCarried: signature('Trainer.resetCarried', {}),
  sparsity: signature('Trainer.sparsity', {}),
  dispose: signature('Trainer.dispose', {}),
};

const predictorCall = options<Omit<PredictOptions, 'weights'>>()({ batchSize: positive.optional(), ...drops });

/** What each method of a predictor is given, by its name. */
export const readPredictor: {
  readonly [K in 'predict' | 'predictSync']: Read<Omit<Asked, 'weights'> & Drops>;
} & {
  readonly [K in 'update' | 'updateSync' | 'dispose']: Read<unknown>;
} = {
  predict: computing('Predictor.predict', signature('Predictor.predict', { inputs: data }, predictorCall)),
  predictSync: computing('Predictor.predictSync', signature('Predictor.predictSync', { inputs: data }, predictorCall)),
  update: signature('Predictor.update', {}),
  updateSync: signature('Predictor.updateSync', {}),
  dispose: signature('Predictor.dispose', {}),
};
