// beside.ts: what stands beside the optimizer in a configuration: averages, plateau, penalties, loss scale, guards.
import { OptionError } from '../errors.ts';
import type { Module } from '../nn/module.ts';
import * as guard from '../train/guard.ts';
import type { TrainerOptions } from '../train/options.ts';
import * as regularize from '../train/regularize.ts';
import type { Named, TrainConfig } from './config.ts';
import { choice, number, within } from './schema.ts';

type Beside = Pick<TrainerOptions<Module>, 'ema' | 'plateau' | 'regularize' | 'lossScale' | 'guards' | 'rollback'>;
type Penalty = (options: Record<string, unknown>, path: string) => regularize.Regularizer;

const weight = (value: unknown, path: string): number => number({ min: 0 })(value, path);
const penalty =
  (make: (w: number, options: object) => regularize.Regularizer): Penalty =>
  ({ weight: w, ...options }, path) =>
    make(weight(w, `${path}.weight`), options);

const PENALTIES: Readonly<Record<string, Penalty>> = {
  l1: penalty(regularize.l1),
  l2: penalty(regularize.l2),
  groupLasso: penalty(regularize.groupLasso),
  elasticNet: ({ l1, l2, ...options }, path) =>
    regularize.elasticNet(weight(l1, `${path}.l1`), weight(l2, `${path}.l2`), options),
};
const GUARDS: Readonly<Record<string, (options: never) => guard.Guard>> = {
  loss: guard.loss,
  outputs: guard.outputs,
  finite: guard.finite,
  exploding: guard.exploding,
  vanishing: guard.vanishing,
};

/** What a Trainer takes of it. @throws OptionError that begins with the place */
export function makeBeside({ ema, plateau, regularize: penalties, lossScale, guards, rollback }: TrainConfig): Beside {
  return {
    ...(ema && { ema }),
    ...(plateau && { plateau }),
    ...(lossScale !== null && { lossScale }),
    ...(rollback && { rollback }),
    ...(penalties.length > 0 && {
      regularize: penalties.map((config, i) => {
        const place = penalties.length > 1 ? `regularize[${i}]` : 'regularize';
        return within(place, (path) => {
          const { type, ...options } = config;
          return PENALTIES[choice(...Object.keys(PENALTIES))(type, `${path}.type`)]!(options, path);
        });
      }),
    }),
    ...(guards.length > 0 && { guards: guards.map((config, i) => within(`guards[${i}]`, (path) => guardOf(config, path))) }),
  };
}

function guardOf({ type, ...options }: Named, path: string): guard.Guard {
  return GUARDS[choice(...Object.keys(GUARDS))(type, `${path}.type`)]!(options as never);
}

/** @throws OptionError where what is asked for does not go together */
export function checkBeside({ data, loss, plateau, labelSmoothing }: TrainConfig): void {
  if (plateau && data.split.validation === 0) {
    throw new OptionError('data.split.validation: expected some rows, for plateau to look at, got nothing');
  }
  if (labelSmoothing > 0 && loss !== 'crossEntropy') {
    throw new OptionError(`labelSmoothing: expected the loss crossEntropy, got ${loss}`);
  }
}
