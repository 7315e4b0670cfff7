// making.ts: a trial of `gradclip tune`: the trainer of a configuration with other values. Threads of a search import it.
import type { Params } from '../../tune/pool.ts';
import type { Space } from '../../tune/space.ts';
import type { Trial, TrialFit } from '../../tune/trial.ts';
import { checkConfig, type TrainConfig } from '../config/config.ts';
import { type RawData, shareOut } from '../config/data.ts';
import { checkConfig as checkMade, makeTrainer, readRaw } from '../config/trainer.ts';
import { applied, type RawConfig } from '../config/tuning.ts';

/** Where a thread finds this: in dist, or in the bundle, whose files lie beside one another. */
export const MAKING: string = new URL('./making.js', import.meta.url).href;

/** What trials of one search have in common; a thread is sent it. */
export interface Making {
  readonly raw: RawConfig;
  /** Keys and what they may be, as `space` says it, without what passes no thread. */
  readonly space: Space;
  /** Folder of the data. */
  readonly dir: string;
  /** Of a trial. */
  readonly threads: number | null;
}

/** Files are read once in each thread. */
const data = new WeakMap<Making, Promise<RawData>>();

export function configOf({ raw, space }: Pick<Making, 'raw' | 'space'>, params: Params): TrainConfig {
  return checkConfig(applied(raw, space, params).raw);
}

/** What is read is the same for all trials. */
export function rawDataOf(making: Making): Promise<RawData> {
  const known = data.get(making) ?? readRaw(checkConfig({ ...making.raw, tune: undefined }), making.dir);
  data.set(making, known);
  return known;
}

/** What a search calls. */
export async function make(params: Params, seed: number, making: Making): Promise<Trial> {
  const config = { ...configOf(making, params), threads: making.threads };
  const transforms = checkMade(config);
  const raw = await rawDataOf(making);
  const shares = shareOut(raw, transforms, BigInt(seed));
  const { train, validation } = shares.sources;
  const trainer = makeTrainer(config, shares, seed);
  const { earlyStop, plateau, ema } = config;
  const weights = ema === null ? 'model' : 'ema';
  const fit: TrialFit = {
    ...((earlyStop || plateau) && { validation: validation!, validateWeights: weights }),
    ...(earlyStop && { earlyStop }),
    ...(ema && { validateWeights: weights }),
  };
  return { trainer, data: train, validation: validation!, fit };
}
