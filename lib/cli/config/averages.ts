// averages.ts: which weights of a checkpoint a command takes: those that were trained, or the averages beside them.
import { CheckpointError } from '../../errors.ts';
import { choice } from '../../options/index.ts';
import type { NdArray } from '../../train/feed/source.ts';
import type { Weights } from '../../train/options.ts';
import { PREFIX } from '../../train/state/checkpoint.ts';
import type { Arguments, Flag } from '../args.ts';

/** Where nobody says, the average is taken that validation and test of the training took. */
export const WEIGHTS: Flag = {
  value: 'WHICH',
  help: 'weights to take: those that were trained, or their average; without it the average, where key ema of the training has kept one',
  takes: choice('model', 'ema').optional(),
};

export const weightsAsked = (args: Arguments): Weights | undefined => args.choice('weights');

/** Begins the names of averages, before that of what they are of. */
const AVERAGE = `${PREFIX}ema.`;

/** Weights by name, and which they are. */
export interface Chosen<T extends NdArray> {
  readonly tensors: ReadonlyMap<string, T>;
  readonly weights: Weights;
}

/** @throws CheckpointError for averages that a file does not have */
export function weightsIn<T extends NdArray>(
  file: string,
  tensors: ReadonlyMap<string, T>,
  asked: Weights | undefined,
): Chosen<T> {
  const averages = [...tensors].filter(([name]) => name.startsWith(AVERAGE));
  if (asked === 'ema' && averages.length === 0) {
    const message = `${file}: expected averages of the weights, which a training with key ema keeps, got none`;
    throw new CheckpointError(message, { file });
  }
  if (asked === 'model' || averages.length === 0) return { tensors, weights: 'model' };
  // What was not trained has no average.
  return {
    tensors: new Map([...tensors, ...averages.map(([name, x]) => [name.slice(AVERAGE.length), x] as const)]),
    weights: 'ema',
  };
}
