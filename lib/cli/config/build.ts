// build.ts: from a configuration to what a Trainer takes: model, loss, optimizer and policy.

import type { ClipPolicy } from '../../clip/index.ts';
import * as clip from '../../clip/index.ts';
import type { Augmentation } from '../../data/augment.ts';
import * as preprocess from '../../data/preprocess.ts';
import { OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { accuracy } from '../../metrics/index.ts';
import { bceWithLogits, crossEntropy, huber, l1, mse } from '../../nn/loss/index.ts';
import type { Module } from '../../nn/module/module.ts';
import { reshape } from '../../ops/shape/shape.ts';
import type { Optimizer } from '../../optim/index.ts';
import * as optim from '../../optim/index.ts';
import { number, Place } from '../../options/index.ts';
import type { Batch } from '../../train/feed/source.ts';
import type { TrainerOptions } from '../../train/options.ts';
import type { Measure, Objective } from '../../train/step/step.ts';
import type { Named, TrainConfig } from './config.ts';
import type { DataSet, Preparing } from './data.ts';
import { makeModel, outputsOf } from './models.ts';
import { make, type Room, within } from './named.ts';
import { AUGMENTATIONS, CONSTRAINTS, GUARDS, OPTIMIZERS, PENALTIES, POLICIES, PRUNES, SCHEDULES, TRANSFORMS } from './rooms.ts';

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
  const weight = weightsOf(config, data);
  const model = makeModel(config.model, data);
  const outputs = (x: Tensor, net: Module): Tensor => outputsOf(config.model, net, x);
  const predict: Task['predict'] = ({ x }, net) => outputs(x, net);
  if (loss !== 'crossEntropy') {
    const column = ({ x }: Batch, net: Module): Tensor => reshape(outputs(x, net), [x.shape[0]!]);
    return { model, loss: (batch, net) => REGRESSION[loss](column(batch, net), batch.y), metrics: {}, predict: column };
  }
  return {
    model,
    loss: ({ x, y }, net) => crossEntropy(outputs(x, net), y, { labelSmoothing, ...(weight && { weight }) }),
    metrics: { accuracy: ({ x, y }, net) => accuracy(outputs(x, net), y) },
    predict,
  };
}

/** Of classes. */
function weightsOf({ classWeights }: TrainConfig, { classes }: DataSet): readonly number[] | null {
  if (classWeights !== 'balanced') return classWeights;
  if (classes === null)
    throw new OptionError('classWeights: expected a weight for each class; classes of a text are not counted');
  const rows = classes.reduce((a, b) => a + b, 0);
  const there = classes.filter((n) => n > 0).length;
  return classes.map((n) => (n === 0 ? 0 : rows / (there * n)));
}

/** Several policies apply in order; none means measured only. */
export function makePolicy(configs: readonly Named[]): ClipPolicy {
  const made = all(POLICIES, configs, 'clip');
  return made.length > 1 ? clip.chain(...made) : (made[0] ?? clip.none());
}

/** The schedule, if there is one, begins at the optimizer's `lr`. */
export function makeOptimizer({ lookahead: around, ...config }: Named, schedule: Named | null): Optimizer {
  const lr =
    schedule === null
      ? {}
      : { lr: makeSchedule(schedule, number({ min: 0 }).read(config.lr, new Place('', '', 'optimizer.lr'))) };
  const made = make(OPTIMIZERS, { ...(config as Named), ...lr }, 'optimizer');
  return around === undefined ? made : within('optimizer.lookahead', () => optim.lookahead(made, around as object));
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
    regularize: all(PENALTIES, config.regularize, 'regularize'),
    guards: all(GUARDS, config.guards, 'guards'),
    constraints: config.constraints.map(({ match, ...one }, i) => ({
      match: match as string,
      constraint: make(CONSTRAINTS, one as Named, `constraints[${i}]`),
    })),
    prune: all(PRUNES, config.prune, 'prune'),
    precision: config.precision,
    activations: config.activations,
    ...(config.checkpointed.length > 0 && { checkpointed: config.checkpointed }),
  };
}

/** @throws OptionError that begins with the place */
export function makeAugment({ augment }: Pick<TrainConfig, 'augment'>): readonly Augmentation[] {
  return all(AUGMENTATIONS, augment, 'augment');
}

/** The transforms of x and of y, null where there is none. @throws OptionError that begins with the place */
export function makeTransforms({ preprocess: { x, y }, data }: Pick<TrainConfig, 'preprocess' | 'data'>): Preparing {
  const divided =
    data.type === 'text' || data.divideBy === 1 ? [] : [preprocess.minMax({ per: 'all', from: [0, data.divideBy] })];
  return { x: pipeline([...divided, ...all(TRANSFORMS, x, 'preprocess.x')]), y: pipeline(all(TRANSFORMS, y, 'preprocess.y')) };
}

const pipeline = (steps: preprocess.Unfitted[]): preprocess.Unfitted | null =>
  steps.length > 1 ? preprocess.pipeline(...steps) : (steps[0] ?? null);

/** What each of a list names; the place of one that is alone has no index. */
function all<T>(room: Room<T>, configs: readonly Named[], key: string): T[] {
  return configs.map((config, i) => make(room, config, configs.length > 1 ? `${key}[${i}]` : key));
}
