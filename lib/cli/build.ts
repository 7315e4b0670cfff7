// build.ts: from a configuration to what a Trainer takes: model, loss, optimizer and policy.

import type { ClipPolicy } from '../clip/index.ts';
import * as clip from '../clip/index.ts';
import { OptionError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { accuracy } from '../metrics/index.ts';
import { bceWithLogits, crossEntropy, huber, l1, mse } from '../nn/loss/index.ts';
import type { Module } from '../nn/module.ts';
import { reshape } from '../ops/shape.ts';
import type { Optimizer } from '../optim/index.ts';
import * as optim from '../optim/index.ts';
import { OPTIMIZERS } from '../optim/list.ts';
import type { Batch } from '../train/source.ts';
import type { Measure, Objective } from '../train/step.ts';
import type { Named, TrainConfig } from './config.ts';
import type { DataSet } from './data.ts';
import { makeModel, outputsOf } from './models.ts';
import { choice, number, optional, within } from './schema.ts';

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
  const several = configs.length > 1;
  const made = configs.map((config, i) => within(several ? `clip[${i}]` : 'clip', (path) => policy(config, path)));
  return several ? clip.chain(...made) : (made[0] ?? clip.none());
}

type Make = (options: object) => ClipPolicy;
type MakeAt = (threshold: number | undefined, options: object) => ClipPolicy;
// `threshold` is the first argument: a norm, a part of a norm (agc), a factor (runningMean); of topK its fraction.
const { globalNorm, perTensorNorm, averageNorm, blockRms, axisNorm, rowMaxNorm, agc, greedyBudget, stochastic } = clip;
const { soft, softNorm, tanh, suppress, runningMean, topK } = clip;
const AT = {
  ...{ globalNorm, perTensorNorm, averageNorm, blockRms, axisNorm, rowMaxNorm, agc, greedyBudget, stochastic },
  ...{ soft, softNorm, tanh, suppress, runningMean, topK },
  value: (v: number | undefined, options: object) => clip.value((v ?? options) as never, v === undefined ? {} : options),
} as Readonly<Record<string, MakeAt>>;
const { none, zclip, quantile, adaGc, spikeSkip, adaGn, adaClip, normalize, sign, centralize, qsgd, oneBit } = clip;
const ALONE = {
  // Their first argument is which percentile.
  autoClip: ({ q, ...options }: { readonly q?: number }) => clip.autoClip(q, options),
  percentile: ({ q, ...options }: { readonly q?: number }) => clip.percentile(q, options),
  ...{ none, zclip, quantile, adaGc, spikeSkip, adaGn, adaClip, normalize, sign, centralize, qsgd, oneBit },
} as Readonly<Record<string, Make>>;

/** The types that key `clip` may have. */
export const POLICY_NAMES: readonly string[] = [...Object.keys(AT), ...Object.keys(ALONE)];

/** Those of them that find their own threshold, or have none. */
export const UNAIDED_NAMES: readonly string[] = Object.keys(ALONE).filter((name) => name !== 'none');

function policy({ type, threshold, ...options }: Named, path: string): ClipPolicy {
  const name = choice(...POLICY_NAMES)(type, `${path}.type`);
  if (name in ALONE) {
    if (threshold === undefined) return ALONE[name]!(options);
    if (name !== 'spikeSkip') throw new OptionError(`${path}.threshold: ${name} has no threshold`);
    return ALONE[name]!({ threshold, ...options });
  }
  return AT[name]!(optional(number({ min: 0 }), undefined)(threshold, `${path}.threshold`), options);
}

const { warmup: warmUp, ...all } = optim.schedule;
/** Those that begin at a learning rate, or lead to it; the others are made of functions and of other schedules. */
const SCHEDULES: Readonly<Record<string, (lr: number, options: never) => optim.schedule.Schedule>> = {
  constant: all.constant,
  step: all.step,
  multiStep: all.multiStep,
  linear: all.linear,
  exponential: all.exponential,
  polynomial: all.polynomial,
  cosine: all.cosine,
  cosineRestarts: all.cosineRestarts,
  oneCycle: all.oneCycle,
  cyclic: all.cyclic,
  inverseSqrt: all.inverseSqrt,
};

/** The schedule, if there is one, begins at the optimizer's `lr`. */
export function makeOptimizer(config: Named, schedule: Named | null): Optimizer {
  const { type, lookahead, ...options } = config;
  const make = OPTIMIZERS[choice(...Object.keys(OPTIMIZERS))(type, 'optimizer.type')]!;
  const lr = schedule === null ? {} : { lr: makeSchedule(schedule, number({ min: 0 })(options.lr, 'optimizer.lr')) };
  const made = within('optimizer', () => make({ ...options, ...lr }));
  return lookahead === undefined ? made : within('optimizer.lookahead', () => optim.lookahead(made, lookahead as object));
}

/** `warmup` steps up to `lr`, then what `type` says. (That of inverseSqrt is its own.) */
function makeSchedule({ type, warmup, ...options }: Named, lr: number): (step: number) => number {
  const name = choice(...Object.keys(SCHEDULES))(type, 'schedule.type');
  return within('schedule', () => {
    const own = name === 'inverseSqrt';
    const then = SCHEDULES[name]!(lr, { ...options, ...(own && warmup !== undefined && { warmup }) } as never);
    return warmup === undefined || own ? then : warmUp({ steps: warmup as number, to: then });
  });
}
