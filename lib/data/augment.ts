// augment.ts: augmentation of images, for each batch that a trainer trains on, and to no other: `augment: [shift(2), flip()]`.
import { OptionError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { cast } from '../ops/elementwise/elementwise.ts';
import { type AugmentOptions, augment, type Border } from '../ops/image/augment.ts';
import { noise as noiseOp } from '../ops/random.ts';
import { choice, number, options, show, signature, whole } from '../options/index.ts';

/** One kind of change; plain JSON. */
export interface Augmentation {
  /** Which change it is, by the name of the function that made it. */
  readonly type: 'shift' | 'crop' | 'flip' | 'cutout' | 'noise';
  /** What the op takes of it. */
  readonly options: AugmentOptions;
  /** Deviation of the noise. */
  readonly std?: number;
}

/** Several changes in one. */
export interface AugmentPlan {
  readonly options: AugmentOptions;
  readonly std: number;
}

const fill = number().default(0);
/** Places of an image. */
const places = whole({ min: 0, max: 2 ** 20 });
const probability = number({ min: 0, max: 1 });

const readShift = signature('augment.shift', { by: places }, options<{ readonly fill?: number }>()({ fill }));

/**
 * Move each image by up to `by` places, up or down and left or right.
 * @param options.fill value of what is left free; default 0
 * @throws OptionError
 */
export function shift(by: number, options: { readonly fill?: number } = {}): Augmentation {
  readShift(arguments);
  return { type: 'shift', options: { shift: by, ...options } };
}

const readCrop = signature(
  'augment.crop',
  { padding: places },
  options<{ readonly border?: Border; readonly fill?: number }>()({
    border: choice('constant', 'edge', 'reflect').default('constant'),
    fill,
  }),
);

/**
 * Pad each image on all sides by so many pixels, and take a window of its own size out of it at random.
 * @param options.border what the padding is: `fill` ('constant', the default), the nearest value ('edge'), or the image mirrored
 * ('reflect')
 * @param options.fill value of a constant border; default 0
 * @throws OptionError
 * @see torchvision.transforms.RandomCrop
 */
export function crop(padding: number, options: { readonly border?: Border; readonly fill?: number } = {}): Augmentation {
  readCrop(arguments);
  return { type: 'crop', options: { shift: padding, ...options } };
}

const readFlip = signature(
  'augment.flip',
  { axis: choice('horizontal', 'vertical').default('horizontal') },
  options<{ readonly probability?: number }>()({ probability: probability.default(0.5) }),
);

/**
 * Mirror each image, left to right (`horizontal`, the default) or top to bottom.
 * @param options.probability of each image to be mirrored; default 0.5
 * @throws OptionError
 * @see torchvision.transforms.RandomHorizontalFlip
 */
export function flip(axis?: 'horizontal' | 'vertical', options: { readonly probability?: number } = {}): Augmentation {
  const { axis: along, probability } = readFlip(arguments);
  return { type: 'flip', options: { [along]: probability } };
}

const readCutout = signature(
  'augment.cutout',
  { size: places },
  options<{ readonly probability?: number; readonly fill?: number }>()({ probability: probability.default(1), fill }),
);

/**
 * Blank out a square of `size` pixels a side, its middle anywhere in the image.
 * @param options.probability of each image to lose a square; default 1
 * @param options.fill value in the square; default 0
 * @throws OptionError
 * @see DeVries and Taylor 2017, Improved Regularization of Convolutional Neural Networks with Cutout
 */
export function cutout(size: number, options: { readonly probability?: number; readonly fill?: number } = {}): Augmentation {
  readCutout(arguments);
  const { probability, ...rest } = options;
  return {
    type: 'cutout',
    options: { cutout: size, ...(probability !== undefined && { cutoutProbability: probability }), ...rest },
  };
}

const readNoise = signature('augment.noise', { std: number({ min: 0 }) });

/**
 * Add normal noise to each value, in the units in which the images come. Images of bytes become f32.
 * @param std standard deviation of the noise
 * @throws OptionError
 */
export function noise(std: number): Augmentation {
  readNoise(arguments);
  return { type: 'noise', options: {}, std };
}

/** What several come to: first they are moved, then mirrored, blanked out, and noise is added. @throws OptionError if two say the same */
export function planOf(where: string, given: Augmentation | readonly Augmentation[]): AugmentPlan {
  const list = Array.isArray(given) ? (given as readonly Augmentation[]) : [given as Augmentation];
  let plan: AugmentPlan = { options: {}, std: 0 };
  for (const one of list) {
    if (typeof one !== 'object' || one === null || typeof one.options !== 'object') {
      throw new OptionError(`${where}: expected augmentations such as augment.flip(), got ${show(one)}`, { where });
    }
    for (const [key, value] of Object.entries(one.options)) {
      const before = plan.options[key as keyof AugmentOptions];
      if (before === undefined || (key === 'fill' && before === value)) continue;
      const what = key === 'fill' ? `fill ${before} and ${value}` : `two changes of one kind (${one.type})`;
      throw new OptionError(`${where}: expected each kind once and one fill, got ${what}`, { where, type: one.type });
    }
    if (one.std !== undefined && plan.std > 0) {
      throw new OptionError(`${where}: expected each kind once and one fill, got two changes of one kind (noise)`, { where });
    }
    plan = { options: { ...plan.options, ...one.options }, std: one.std ?? plan.std };
  }
  return plan;
}

/** Images changed, where the graph trains; of the same dtype where it does not. */
export function augmentImages(x: Tensor, { options, std }: AugmentPlan): Tensor {
  const changed = Object.keys(options).length > 0 ? augment(x, options) : x;
  return std > 0 ? noiseOp(cast(changed, 'f32'), std) : changed;
}
