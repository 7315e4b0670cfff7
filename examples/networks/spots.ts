// spots.ts: eight spots around 0, which the generative networks of the examples learn to put points on, and how well they do.
import type { NdArray } from 'gradclip';
import { f32 } from './network.ts';

const SPOTS = Array.from({ length: 8 }, (_, i) => [Math.cos((i * Math.PI) / 4), Math.sin((i * Math.PI) / 4)] as const);
const NOISE = 0.05;

/** Points [rows, 2], each near one of the spots. */
export function points(rows: number, uniform: () => number, gauss: () => number): NdArray<Float32Array> {
  const data = new Float32Array(2 * rows);
  for (let i = 0; i < rows; i++) {
    const [a, b] = SPOTS[Math.floor(uniform() * SPOTS.length)]!;
    data.set([a + NOISE * gauss(), b + NOISE * gauss()], 2 * i);
  }
  return f32(data, rows, 2);
}

/** Mean distance of points [n, 2] from the nearest spot, and the spots that are the nearest of at least 2 % of them. */
export function judged(made: ArrayLike<number>): { readonly distance: number; readonly spots: number } {
  const rows = made.length / 2;
  const counts = SPOTS.map(() => 0);
  let sum = 0;
  for (let i = 0; i < rows; i++) {
    const far = SPOTS.map(([a, b]) => Math.hypot(made[2 * i]! - a, made[2 * i + 1]! - b));
    const least = Math.min(...far);
    sum += least;
    counts[far.indexOf(least)]!++;
  }
  return { distance: sum / rows, spots: counts.filter((n) => n >= 0.02 * rows).length };
}
