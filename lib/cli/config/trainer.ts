// trainer.ts: the trainer that a configuration describes, and the data that it trains on.
import { OptionError } from '../../errors.ts';
import type { Group } from '../../mpi/group.ts';
import type { Module } from '../../nn/module/module.ts';
import type { Transforms } from '../../train/feed/prepare.ts';
import type { TrainerOptions } from '../../train/options.ts';
import { Trainer } from '../../train/trainer.ts';
import { makeAugment, makeBeside, makeOptimizer, makePolicy, makeTask, makeTransforms, type Task } from './build.ts';
import type { TrainConfig } from './config.ts';
import { type DataSet, type LabelsRead, type Preparing, type RawData, readData } from './data.ts';
import { classesOf, sized } from './models.ts';

/** What a configuration asks for is made once, so that it is refused before anything is read. @returns the transforms of its data */
export function checkConfig(config: TrainConfig): Preparing {
  makePolicy(config.clip);
  makeOptimizer(config.optimizer, config.schedule);
  makeBeside(config);
  makeAugment(config);
  return makeTransforms(config);
}

/**
 * Read the data that it names.
 * @param dir folder that its paths start from
 * @throws DataError; OptionError where its augmentations are not for such rows
 */
export async function readRaw(config: TrainConfig, dir: string): Promise<RawData> {
  const labels: LabelsRead =
    config.loss === 'crossEntropy' ? { type: 'i32', classes: classesOf(config.model) } : { type: 'f32', classes: null };
  const raw = await readData(config.data, dir, labels);
  if (config.augment.length > 0 && raw.kind === 'table' && raw.table.x.shape.length < 3) {
    const got = `rows of [${raw.table.x.shape.slice(1)}]`;
    throw new OptionError(`augment: expected images, got ${got}; data.shape says what a row's values are`, { path: 'augment' });
  }
  return raw;
}

/** With the sizes of the model that the data say, where the configuration leaves them to them. */
export const sizedConfig = (config: TrainConfig, data: DataSet): TrainConfig => ({ ...config, model: sized(config.model, data) });

/** The model with its loss, optimizer, policy and all that is beside them. @param group who trains together; null: this process alone */
export function makeTrainer(
  configured: TrainConfig,
  data: DataSet,
  seed: number | bigint,
  group: Group | null = null,
): Trainer<Module, string> {
  const config = sizedConfig(configured, data);
  const { shards, wire, shardOptimizer, compareEvery } = config;
  const given = Object.entries({ shards, wire, compareEvery }).filter(([, value]) => value !== null);
  const together = group && { group, shardOptimizer, ...(Object.fromEntries(given) as Partial<TrainerOptions<Module, string>>) };
  return new Trainer({ ...makeTask(config, data), ...optionsOf(config, data.preprocess, seed), ...together });
}

/** What a configuration says beside model, loss and metrics. */
export function optionsOf(
  config: TrainConfig,
  preprocess: Transforms,
  seed: number | bigint,
): Omit<TrainerOptions<Module, string>, keyof Task> {
  const { batchSize, accumulate, threads } = config;
  return {
    optimizer: makeOptimizer(config.optimizer, config.schedule),
    clip: makePolicy(config.clip),
    ...makeBeside(config),
    preprocess,
    augment: makeAugment(config),
    batchSize,
    accumulate,
    seed,
    ...(threads === null ? {} : { threads }),
  };
}
