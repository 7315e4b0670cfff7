// halton.ts: points that fill a cube evenly, however many of them are taken: a Halton sequence, its digits shuffled by a seed.
import { permutation } from '../ir/philox.ts';

/** A base for each dimension. */
const PRIMES: readonly number[] = [
  2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127,
  131,
];
/** Dimensions that there may be. */
export const MAX_DIMENSIONS: number = PRIMES.length;

/** x in [0, 1) whose digits are those of `index` in reverse order. @param shuffled what a digit at a place becomes */
export function radicalInverse(index: number, base: number, shuffled: (digit: number, place: number) => number): number {
  let value = 0;
  let scale = 1 / base;
  let rest = index;
  // Where all digits are 0, shuffled ones go on as far as f64 tells them apart.
  for (let place = 0; scale > 2 ** -53; place++) {
    value += shuffled(rest % base, place) * scale;
    rest = Math.floor(rest / base);
    scale /= base;
  }
  return Math.min(value, 1 - 2 ** -53);
}

/**
 * Points in [0, 1)^d. In each dimension the first b^k have one number in each of b^k equal parts, b being its base; which comes when, the seed decides.
 * @see Owen 2017, A randomized Halton algorithm in R
 */
export class Halton {
  readonly #orders: readonly (readonly Int32Array[])[];

  constructor(dimensions: number, seed: bigint) {
    this.#orders = PRIMES.slice(0, dimensions).map((base, d) => {
      let places = 0;
      for (let scale = 1 / base; scale > 2 ** -53; scale /= base) places++;
      return Array.from({ length: places }, (_, place) => permutation(base, seed, d * 64 + place));
    });
  }

  /** The point of this number, from 0. */
  at(index: number): number[] {
    return this.#orders.map((orders, d) => radicalInverse(index, PRIMES[d]!, (digit, place) => orders[place]![digit]!));
  }
}
