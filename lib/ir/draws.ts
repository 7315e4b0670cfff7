// draws.ts: random whole numbers below a bound, as loaders need them.
import { philox4x32, philoxKey } from './philox.ts';

// Third counter word: tells this use of Philox from the others (see PHILOX_TAG).
const TAG = 0x77696e64; // 'wind'

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
