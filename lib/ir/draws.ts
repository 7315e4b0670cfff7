// draws.ts: random whole numbers below a bound, and rows that are drawn independently, as loaders need them.
import { log, log1p } from '../math/index.ts';
import { philox4x32, philoxKey } from './philox.ts';

// Third counter word: tells this use of Philox from the others (see PHILOX_TAG).
const TAG = 0x77696e64; // 'wind'
const ROWS_TAG = 0x706f6973; // 'pois'

/**
 * Fill `out` with whole numbers below `bound` (at most 2^31), each equally likely to within bound / 2^53. The i-th depends on seed,
 * attempt and i only.
 */
export function uniformIntegers(out: Int32Array, bound: number, seed: bigint, attempt: number): void {
  const [k0, k1] = philoxKey(seed);
  const words = new Uint32Array(4);
  const high = Math.floor(attempt / 2 ** 32);
  for (let i = 0; i < out.length; i++) {
    if ((i & 1) === 0) philox4x32(words, i >> 1, attempt >>> 0, TAG, high, k0, k1);
    const [hi, lo] = (i & 1) === 0 ? [words[0]!, words[1]!] : [words[2]!, words[3]!];
    const fraction = (hi * 2 ** 21 + (lo >>> 11)) / 2 ** 53;
    out[i] = Math.min(bound - 1, Math.floor(fraction * bound));
  }
}

/** Gives numbers in (0, 1]: multiples of 2^-53, each equally likely. */
export type Uniform = () => number;

/** Of two random words. */
export const uniformOf = (high: number, low: number): number => (high * 2 ** 21 + (low >>> 11) + 1) / 2 ** 53;

/** The k-th number depends on seed, attempt and k only. */
export function uniforms(seed: bigint, attempt: number): Uniform {
  const [k0, k1] = philoxKey(seed);
  const words = new Uint32Array(4);
  const high = Math.floor(attempt / 2 ** 32);
  let used = 0;
  return () => {
    const second = (used & 1) === 1;
    if (!second) philox4x32(words, used >>> 1, attempt >>> 0, ROWS_TAG, high, k0, k1);
    used++;
    return second ? uniformOf(words[2]!, words[3]!) : uniformOf(words[0]!, words[1]!);
  };
}

/**
 * Rows below n, in ascending order: each is among them with probability q, whatever the others are. What is drawn are the gaps from one to the next, so it
 * takes as long as there are rows in it.
 * @param q in (0, 1]
 */
export function rowsDrawn(n: number, q: number, uniform: Uniform): Int32Array {
  const rows: number[] = [];
  // A gap of k rows or more has probability (1 - q)^k.
  const each = log1p(-q);
  for (let row = Math.floor(log(uniform()) / each); row < n; row += 1 + Math.floor(log(uniform()) / each)) rows.push(row);
  return Int32Array.from(rows);
}

// Natural logarithm of 2^-100.
const NEVER = -69.3;

/** So many of n rows, or fewer, are drawn in all but one of 2^100 draws (Bernstein's bound). */
export function mostDrawn(n: number, q: number): number {
  const third = -NEVER / 3;
  return Math.min(n, Math.ceil(n * q + third + Math.sqrt(third * third - 2 * NEVER * n * q * (1 - q))));
}
