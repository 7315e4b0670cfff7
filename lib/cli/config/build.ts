// build.ts: from a configuration to what a Trainer takes: model, loss, optimizer and policy.

import type { ClipPolicy } from '../../clip/index.ts';
import type { Augmentation } from '../../data/augment.ts';
import * as preprocess from '../../data/preprocess.ts';
import { OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { accuracy } from '../../metrics/index.ts';
import { bceWithLogits, crossEntropy, huber, l1, mse, weightedMean } from '../../nn/loss/index.ts';
import type { Module } from '../../nn/module/module.ts';
import { cast, equal } from '../../ops/elementwise/elementwise.ts';
import { argmax } from '../../ops/reduce/reduce.ts';
import { reshape } from '../../ops/shape/shape.ts';
import type { Optimizer } from '../../optim/index.ts';
import * as optim from '../../optim/index.ts';
import { number, Place } from '../../options/index.ts';
import type { Batch } from '../../train/feed/source.ts';
import type { TrainerOptions, Weights } from '../../train/options.ts';
import type { Measure, Objective } from '../../train/step/step.ts';
import type { Named, TrainConfig } from './config.ts';
import { type DataSet, type Preparing, ROW_WEIGHT } from './data.ts';
import { makeModel, outputsOf } from './models.ts';
import { make, makeAll, within } from './named.ts';
import { AUGMENTATIONS, CONSTRAINTS, GUARDS, inOrder, OPTIMIZERS, PENALTIES, PRUNES, SCHEDULES, TRANSFORMS } from './rooms.ts';

/** A model with its loss and what is measured of it beside. */
export interface Task {
  readonly model: Module;
  readonly loss: Objective<Module>;
  readonly metrics: Readonly<Record<string, Measure<Module>>>;
  readonly predict: (batch: Batch, model: Module) => Tensor;
}

const REGRESSION = { mse, l1, huber, bceWithLogits } as const;

/** @throws OptionError where the data and the model do not go together */
export function makeTask(config: TrainConfig, data: DataSet): Task {
  const { loss, labelSmoothing } = config;
  const model = makeModel(config.model, data);
  // A mean divides by the sum of what its rows weigh, for classes times the weight of the class of each.
  const counted = (batch: Batch): { sampleWeight?: Tensor } => (data.weighted ? { sampleWeight: weightIn(batch) } : {});
  const outputs = (x: Tensor, net: Module): Tensor => outputsOf(config, net, x);
  const predict: Task['predict'] = ({ x }, net) => outputs(x, net);
  if (loss !== 'crossEntropy') {
    const column = ({ x }: Batch, net: Module): Tensor => reshape(outputs(x, net), [x.shape[0]!]);
    const objective: Task['loss'] = (batch, net) => REGRESSION[loss](column(batch, net), batch.y, counted(batch));
    return { model, loss: objective, metrics: {}, predict: column };
  }
  const weight = weightsOf(config, data);
  const options = { labelSmoothing, ...(weight && { weight }) };
  return {
    model,
    loss: (batch, net) => crossEntropy(outputs(batch.x, net), batch.y, { ...options, ...counted(batch) }),
    metrics: {
      accuracy: (batch, net) =>
        data.weighted
          ? weightedMean(isRight(outputs(batch.x, net), batch.y), weightIn(batch))
          : accuracy(outputs(batch.x, net), batch.y),
    },
    predict,
  };
}

/** Of the rows of a batch. */
const weightIn = (batch: Batch): Tensor => (batch as unknown as Readonly<Record<string, Tensor>>)[ROW_WEIGHT]!;

/** 1 for each row whose largest logit is its label. */
function isRight(logits: Tensor, labels: Tensor): Tensor {
  return equal(cast(argmax(logits), 'f32'), cast(labels, 'f32'));
}

/** Of classes. */
function weightsOf({ classWeights }: TrainConfig, { classes }: DataSet): readonly number[] | null {
  if (classWeights !== 'balanced') return classWeights;
  if (classes === null)
    throw new OptionError('classWeights: expected a weight for each class; classes of a text are not counted');
  // What rows weigh that have weights of their own.
  const rows = classes.reduce((a, b) => a + b, 0);
  const there = classes.filter((n) => n > 0).length;
  return classes.map((n) => (n === 0 ? 0 : rows / (there * n)));
}

/** Several policies apply in order; none means measured only. */
export function makePolicy(configs: readonly Named[]): ClipPolicy {
  return inOrder(configs, 'clip');
}

/** The schedule, if there is one, begins at the optimizer's `lr`. */
export function makeOptimizer({ lookahead: around, ...config }: Named, schedule: Named | null, path = 'optimizer'): Optimizer {
  const lr =
    schedule === null ? {} : { lr: makeSchedule(schedule, number({ min: 0 }).read(config.lr, new Place('', '', `${path}.lr`))) };
  const made = make(OPTIMIZERS, { ...(config as Named), ...lr }, path);
  return around === undefined ? made : within(`${path}.lookahead`, () => optim.lookahead(made, around as object));
}

/** `warmup` steps up to `lr`, then what `type` says. (That of inverseSqrt is its own.) */
function makeSchedule({ warmup, ...config }: Named, lr: number): (step: number) => number {
  const own = config.type === 'inverseSqrt';
  const named = { ...config, ...(own && warmup !== undefined && { warmup }) } as Named;
  const then = make(SCHEDULES, named, 'schedule', lr);
  return warmup === undefined || own
    ? then
    : within('schedule', () => optim.schedule.warmup({ steps: warmup as number, to: then }));
}

/** Which weights are measured: an average, where one is kept, by option `ema` or by an optimizer. */
export function measuredWeights({ ema, optimizer, schedule, groups }: TrainConfig): Weights {
  const optimizers = [optimizer, ...groups.map((group) => group.optimizer)];
  const kept = ema !== null || optimizers.some((one) => makeOptimizer(one, schedule).average !== undefined);
  return kept ? 'ema' : 'model';
}

type Beside = Pick<
  TrainerOptions<Module, string>,
  | 'ema'
  | 'plateau'
  | 'regularize'
  | 'lossScale'
  | 'guards'
  | 'rollback'
  | 'constraints'
  | 'prune'
  | 'groups'
  | 'parameters'
  | 'dropLast'
  | 'syncBatchNorm'
  | 'checkpointed'
  | 'precision'
  | 'activations'
>;

/** The options beside optimizer and policy. @throws OptionError that begins with the place */
export function makeBeside(config: TrainConfig): Beside {
  const { ema, plateau, lossScale, rollback } = config;
  return {
    ...(ema && { ema }),
    ...(plateau && { plateau }),
    ...(lossScale !== null && { lossScale }),
    ...(rollback && { rollback }),
    regularize: makeAll(PENALTIES, config.regularize, 'regularize'),
    guards: makeAll(GUARDS, config.guards, 'guards'),
    constraints: config.constraints.map(({ match, ...one }, i) => ({
      match: match as string,
      constraint: make(CONSTRAINTS, one as Named, `constraints[${i}]`),
    })),
    prune: makeAll(PRUNES, config.prune, 'prune'),
    groups: config.groups.map(({ match, optimizer }, i) => ({
      match,
      optimizer: makeOptimizer(optimizer, config.schedule, `groups[${i}].optimizer`),
    })),
    ...(config.parameters.length > 0 && { parameters: config.parameters }),
    dropLast: config.dropLast,
    syncBatchNorm: config.syncBatchNorm,
    precision: config.precision,
    activations: config.activations,
    ...(config.checkpointed.length > 0 && { checkpointed: config.checkpointed }),
  };
}

/** @throws OptionError that begins with the place */
export function makeAugment({ augment }: Pick<TrainConfig, 'augment'>): readonly Augmentation[] {
  return makeAll(AUGMENTATIONS, augment, 'augment');
}

/** The transforms of x and of y, null where there is none. @throws OptionError that begins with the place */
export function makeTransforms({ preprocess: { x, y }, data }: Pick<TrainConfig, 'preprocess' | 'data'>): Preparing {
  const divided =
    data.type === 'text' || data.type === 'table' || data.divideBy === 1
      ? []
      : [preprocess.minMax({ per: 'all', from: [0, data.divideBy] })];
  return {
    x: pipeline([...divided, ...makeAll(TRANSFORMS, x, 'preprocess.x')]),
    y: pipeline(makeAll(TRANSFORMS, y, 'preprocess.y')),
  };
}

const pipeline = (steps: preprocess.Unfitted[]): preprocess.Unfitted | null =>
  steps.length > 1 ? preprocess.pipeline(...steps) : (steps[0] ?? null);
