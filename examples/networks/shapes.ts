// shapes.ts: drawings of 16 x 16 pixels for the networks of this folder: a circle, a square, a triangle or a cross, somewhere, of some size, in noise.
import type { NdArray } from 'gradclip';
import { normal, random } from '../random.ts';
import { f32, i32 } from './network.ts';

export const SIDE = 16;
export const KINDS = 4;
const PIXELS = SIDE * SIDE;

/** Whether a place, as seen from the center of a shape and in units of its radius, is within it. */
const WITHIN: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => x * x + y * y <= 1,
  (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.85,
  (x, y) => y <= 0.8 && 2 * Math.abs(x) <= y + 1,
  (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 1 && Math.min(Math.abs(x), Math.abs(y)) <= 0.35,
];

/** Drawings. */
export interface Shapes {
  /** f32 [n, 1, SIDE, SIDE] */
  readonly x: NdArray<Float32Array>;
  /** Which shape each is: i32 [n]. */
  readonly kind: NdArray<Int32Array>;
  /** 1 where the shape is: f32 [n, 1, SIDE, SIDE]. */
  readonly mask: NdArray<Float32Array>;
}

/** @param noise standard deviation of what is added to each pixel */
export function shapes(count: number, seed: number, noise = 0.3): Shapes {
  const uniform = random(seed);
  const gauss = normal(uniform);
  const x = new Float32Array(count * PIXELS);
  const mask = new Float32Array(count * PIXELS);
  const kind = new Int32Array(count);
  for (let n = 0; n < count; n++) {
    const which = Math.floor(KINDS * uniform());
    kind[n] = which;
    const radius = 3.5 + 2.5 * uniform();
    const [cx, cy] = [radius + (SIDE - 1 - 2 * radius) * uniform(), radius + (SIDE - 1 - 2 * radius) * uniform()];
    const bright = 0.6 + 0.6 * uniform();
    for (let p = 0; p < PIXELS; p++) {
      const inside = WITHIN[which]!(((p % SIDE) - cx) / radius, (Math.floor(p / SIDE) - cy) / radius);
      mask[n * PIXELS + p] = Number(inside);
      x[n * PIXELS + p] = bright * Number(inside) + noise * gauss();
    }
  }
  return { x: f32(x, count, 1, SIDE, SIDE), kind: i32(kind, count), mask: f32(mask, count, 1, SIDE, SIDE) };
}
