// configured.ts: a network of the laboratory that a configuration of `gradclip train` describes.
import { createHash } from 'node:crypto';
import { basename, dirname, resolve } from 'node:path';
import { OptionError } from '../../errors.ts';
import type { PlannedWorkload } from '../../lab/cell.ts';
import type { LabData, LabKind } from '../../lab/workload.ts';
import { readConfig, type TrainConfig } from '../config/config.ts';
import { type DataSet, shareOut } from '../config/data.ts';
import { checkConfig, makeTrainer, readRaw } from '../config/trainer.ts';
import { ignorantOf } from './ignorant.ts';

const KINDS: Readonly<Record<TrainConfig['model']['type'], LabKind>> = {
  ...{ mlp: 'dense', charRnn: 'recurrent', gpt: 'transformer', lenet: 'image', resnet20: 'image', ncf: 'recommendation' },
};

/** Some digits of what something says: equal ones say the same. */
export const digest = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12);

/**
 * The data are read now, and shared out by the configuration's own seed: a seed of the laboratory is one of weights and batches. Files that it writes are
 * those of `train` alone.
 * @throws OptionError, DataError
 */
export async function configured(file: string): Promise<PlannedWorkload> {
  const read = await readConfig(file);
  const config: TrainConfig = { ...read, clip: [], threads: 1 };
  const refuse = (key: string, why: string): OptionError => new OptionError(`${file}: ${key}: ${why}`, { file, option: key });
  for (const key of ['seconds', 'earlyStop', 'plateau'] as const) {
    if (config[key] !== null) throw refuse(key, 'expected nothing: all runs of the laboratory have the same steps and rates');
  }
  const { validation } = config.data.split;
  if (validation === 0) throw refuse('data.split.validation', 'expected some rows, by which thresholds are chosen');
  const transforms = checkConfig(config);
  const raw = await readRaw(config, resolve(dirname(file), config.data.dir));
  const data = shareOut(raw, transforms, BigInt(config.seed));
  const { train, validation: judged, test } = data.sources;
  if (test === null) throw refuse('data.split.test', 'expected some rows, by which runs are scored');
  const own: LabData = { train, validation: judged!, test };
  return {
    name: basename(file, '.json'),
    kind: KINDS[config.model.type],
    made: digest([config, data.counts]),
    steps: stepsOf(config, data),
    optimizers: ['own'],
    data: () => own,
    ignorant: () => ignorantOf(config, data, test),
    trainer(_, clip, seed) {
      const trainer = makeTrainer(config, data, seed);
      trainer.change({ clip });
      return trainer;
    },
  };
}

/** Updates of a whole training. */
function stepsOf({ steps, epochs, batchSize, accumulate, dropLast }: TrainConfig, { sources }: DataSet): number {
  const { whole, tail } = sources.train.epoch(batchSize);
  const inEpochs =
    epochs === null ? Number.POSITIVE_INFINITY : epochs * Math.ceil((whole + Number(tail > 0 && !dropLast)) / accumulate);
  return Math.min(steps ?? Number.POSITIVE_INFINITY, inEpochs);
}
