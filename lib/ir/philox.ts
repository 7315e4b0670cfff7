// philox.ts: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), the source of all randomness.
// Counter-based: a word is a function of the seed and of where it is used, so neither threads nor order matter. Of the four
// counter words the third tells the uses apart: it is a tag of four letters.

/** Third counter words. random.h has the same for dropout, noise, random numbers and single ones, augment.h, stage.h and gaussian_noise.h for their own, mixed with the upper half of `attempt`. */
type Use = 'dropout' | 'permutation' | 'init' | 'round' | 'uniform' | 'noise' | 'augment' | 'random' | 'gaussian';
export const PHILOX_TAG: Readonly<Record<Use, number>> = {
  dropout: 0x64726f70,
  permutation: 0x7065726d,
  init: 0x696e6974,
  round: 0x726e6420,
  uniform: 0x756e6966,
  noise: 0x6e6f6973,
  augment: 0x6175676d,
  random: 0x72616e64,
  gaussian: 0x67617573,
};

/** The key of a seed: its low 64 bits as two words. */
export function philoxKey(seed: bigint): readonly [number, number] {
  return [Number(BigInt.asUintN(32, seed)), Number(BigInt.asUintN(32, seed >> 32n))];
}

/** Four 32-bit random words into `out`, from a counter of four words and a key of two. */
export function philox4x32(out: Uint32Array, c0: number, c1: number, c2: number, c3: number, key0: number, key1: number): void {
  let k0 = key0;
  let k1 = key1;
  for (let round = 0; round < 10; round++) {
    const lo0 = Math.imul(0xd2511f53, c0);
    const hi0 = mulHigh(0xd2511f53, c0);
    const lo1 = Math.imul(0xcd9e8d57, c2);
    const hi1 = mulHigh(0xcd9e8d57, c2);
    c0 = hi1 ^ c1 ^ k0;
    c1 = lo1;
    c2 = hi0 ^ c3 ^ k1;
    c3 = lo0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The upper 32 bits of the 64-bit product of two unsigned words, as a signed number. In 16-bit parts, which stay integers. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const m1 = (Math.imul(ah, bl) + (Math.imul(al, bl) >>> 16)) | 0;
  const m2 = (Math.imul(al, bh) + (m1 & 0xffff)) | 0;
  return (Math.imul(ah, bh) + (m1 >>> 16) + (m2 >>> 16)) | 0;
}

/**
 * The order of epoch `epoch` (from 0) over `n` rows: all numbers below n, every order equally likely. Fisher-Yates with integers
 * that are exactly uniform (Lemire 2019). n must be below 2^31.
 */
export function permutation(n: number, seed: bigint, epoch: number): Int32Array {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  const [k0, k1] = philoxKey(seed);
  const high = Math.floor(epoch / 2 ** 32);
  const words = new Uint32Array(4);
  let used = 0;
  let bound = n;
  while (bound > 1) {
    if ((used & 3) === 0) philox4x32(words, used / 4, epoch >>> 0, PHILOX_TAG.permutation, high, k0, k1);
    const w = words[used++ & 3]!;
    // The low half of w * bound tells whether w lies in the incomplete last stretch: then another word is drawn.
    const low = Math.imul(w, bound) >>> 0;
    if (low < bound && low < (2 ** 32 - bound) % bound) continue;
    const pick = mulHigh(w, bound);
    bound--;
    const last = order[bound]!;
    order[bound] = order[pick]!;
    order[pick] = last;
  }
  return order;
}
