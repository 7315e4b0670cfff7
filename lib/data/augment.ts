// augment.ts: changes of images that a trainer makes to each batch it trains on, and to no other: `augment: [shift(2), flip()]`.
import { OptionError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { type AugmentOptions, augment, type Border, checkAugment } from '../ops/augment.ts';
import { cast } from '../ops/elementwise.ts';
import { noise as noiseOp } from '../ops/random.ts';
import { checkChoice, checkNumber, checkOptions, show } from '../options.ts';

/** One kind of change; plain JSON. */
export interface Augmentation {
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

/** Move each image by up to `by` places, up or down and left or right. @param options.fill value of what is left free; default 0 */
export function shift(by: number, options: { readonly fill?: number } = {}): Augmentation {
  checkOptions('shift', options, ['fill']);
  checkNumber('shift', 'by', by, { min: 0, integer: true });
  return made('shift', { shift: by, ...options });
}

/**
 * Pad each image on all sides and take a window of its own size out of it at random. As `torchvision.transforms.RandomCrop(size, padding)`.
 * @param options.border what the padding is: `fill` (constant, default 0), the nearest value (edge), or the image mirrored (reflect)
 */
export function crop(padding: number, options: { readonly border?: Border; readonly fill?: number } = {}): Augmentation {
  checkOptions('crop', options, ['border', 'fill']);
  checkNumber('crop', 'padding', padding, { min: 0, integer: true });
  return made('crop', { shift: padding, ...options });
}

/** Mirror each image, left to right (`horizontal`, the default) or top to bottom. @param options.probability default 0.5 */
export function flip(
  axis: 'horizontal' | 'vertical' = 'horizontal',
  options: { readonly probability?: number } = {},
): Augmentation {
  checkChoice('flip', 'axis', axis, ['horizontal', 'vertical']);
  checkOptions('flip', options, ['probability']);
  return made('flip', { [axis]: options.probability ?? 0.5 });
}

/**
 * Blank out a square of `size` places a side, its middle anywhere in the image (DeVries and Taylor 2017).
 * @param options.probability default 1
 * @param options.fill default 0
 */
export function cutout(size: number, options: { readonly probability?: number; readonly fill?: number } = {}): Augmentation {
  checkOptions('cutout', options, ['probability', 'fill']);
  const { probability, ...rest } = options;
  checkNumber('cutout', 'size', size, { min: 0, integer: true });
  return made('cutout', { cutout: size, ...(probability !== undefined && { cutoutProbability: probability }), ...rest });
}

/** Add normal noise to each value, in the units in which the images come. Images of bytes become f32. */
export function noise(std: number): Augmentation {
  checkNumber('noise', 'std', std, { min: 0 });
  return { type: 'noise', options: {}, std };
}

function made(type: Augmentation['type'], options: AugmentOptions): Augmentation {
  checkAugment(type, options);
  return { type, options };
}

/** What several come to: first they are moved, then mirrored, blanked out, and noise is added. @throws OptionError if two say the same */
export function planOf(where: string, given: Augmentation | readonly Augmentation[]): AugmentPlan {
  const list = Array.isArray(given) ? (given as readonly Augmentation[]) : [given as Augmentation];
  let plan: AugmentPlan = { options: {}, std: 0 };
  for (const one of list) {
    if (typeof one !== 'object' || one === null || typeof one.options !== 'object') {
      throw new OptionError(`${where}: expected changes of images such as augment.flip(), got ${show(one)}`, { where });
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
