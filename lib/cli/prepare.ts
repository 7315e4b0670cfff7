// prepare.ts: transforms and changes of images, from a configuration to what a Trainer takes.
import * as augment from '../data/augment.ts';
import * as preprocess from '../data/preprocess.ts';
import { checkOptions } from '../options.ts';
import type { DataConfig, Named, TrainConfig } from './config.ts';
import { choice, number, within } from './schema.ts';

type Options = Readonly<Record<string, unknown>>;

const TRANSFORMS: Readonly<Record<string, (options: never) => preprocess.Unfitted>> = {
  standardize: preprocess.standardize,
  minMax: preprocess.minMax,
  oneHot: preprocess.oneHot,
};

const AUGMENTATIONS: Readonly<Record<string, (options: Options, path: string) => augment.Augmentation>> = {
  shift: ({ by, ...rest }, path) => augment.shift(number()(by, `${path}.by`), rest),
  crop: ({ padding, ...rest }, path) => augment.crop(number()(padding, `${path}.padding`), rest),
  flip: ({ axis, ...rest }) => augment.flip(axis as never, rest),
  cutout: ({ size, ...rest }, path) => augment.cutout(number()(size, `${path}.size`), rest),
  noise({ std, ...rest }, path) {
    checkOptions(path, rest, []);
    return augment.noise(number()(std, `${path}.std`));
  },
};

/** The transforms of x and of y, null where there is none. @throws OptionError that begins with the place */
export function makeTransforms({ preprocess: { x, y }, data }: Pick<TrainConfig, 'preprocess' | 'data'>): {
  readonly x: preprocess.Unfitted | null;
  readonly y: preprocess.Unfitted | null;
} {
  return { x: pipeline([...divided(data), ...transforms(x, 'preprocess.x')]), y: pipeline(transforms(y, 'preprocess.y')) };
}

/** @throws OptionError that begins with the place */
export function makeAugment({ augment: configs }: Pick<TrainConfig, 'augment'>): readonly augment.Augmentation[] {
  return configs.map(({ type, ...options }, i) => {
    return within(`augment[${i}]`, (path) => {
      const name = choice(...Object.keys(AUGMENTATIONS))(type, `${path}.type`);
      return AUGMENTATIONS[name]!(options, path);
    });
  });
}

function transforms(configs: readonly Named[], key: string): preprocess.Unfitted[] {
  return configs.map(({ type, ...options }, i) => {
    return within(`${key}[${i}]`, (path) => {
      const name = choice(...Object.keys(TRANSFORMS))(type, `${path}.type`);
      return TRANSFORMS[name]!(options as never);
    });
  });
}

function divided(data: DataConfig): preprocess.Unfitted[] {
  if (data.type === 'text' || data.divideBy === 1) return [];
  return [preprocess.minMax({ per: 'all', from: [0, data.divideBy] })];
}

const pipeline = (steps: preprocess.Unfitted[]): preprocess.Unfitted | null =>
  steps.length > 1 ? preprocess.pipeline(...steps) : (steps[0] ?? null);
