// augment.ts: what users have for augmentation of images: `augment`.
export { type Augmentation, crop, cutout, flip, noise, shift } from '../data/augment.ts';
export type { Border } from '../ops/image/augment.ts';
