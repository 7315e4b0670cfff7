// images.ts: images of some kinds, each with a pattern of its own, shifted and hidden in noise.
import type { NdArray } from '../../data/arrays.ts';
import type { Arrays } from '../../train/feed/source.ts';
import { bell, below, type Draw } from './draws.ts';

/** How many images of which size. */
export interface ImagesOptions {
  readonly rows: number;
  readonly channels: number;
  /** Height and width in pixels. */
  readonly size: number;
  readonly classes?: number;
  /** Draws the kind of an image. Default: all are equally frequent. */
  readonly kind?: (next: Draw) => number;
}

/** Images [rows, channels, size, size] and their kinds. @param drawn draws the kinds' patterns @param next draws the images */
export function images(
  drawn: Draw,
  next: Draw,
  { rows, channels, size, classes = 10, kind = (next) => below(next, classes) }: ImagesOptions,
): { readonly x: NdArray & { readonly data: Float32Array }; readonly y: Int32Array } {
  const width = channels * size * size;
  const patterns = Array.from({ length: classes }, () => Float32Array.from({ length: width }, () => bell(drawn)));
  const data = new Float32Array(rows * width);
  const y = new Int32Array(rows);
  for (let r = 0; r < rows; r++) {
    const at = kind(next);
    y[r] = at;
    const shift = below(next, 2);
    const strength = 0.4 + 0.6 * next();
    for (let i = 0; i < width; i++) data[r * width + i] = strength * patterns[at]![(i + shift) % width]! + bell(next);
  }
  return { x: { data, shape: [rows, channels, size, size] }, y };
}

/** The same as rows of numbers, [rows, channels * size * size]. */
export function flat({
  x: { data, shape },
  y,
}: ReturnType<typeof images>): { readonly x: NdArray; readonly y: Int32Array } & Arrays {
  return { x: { data, shape: [shape[0]!, data.length / shape[0]!] }, y };
}
