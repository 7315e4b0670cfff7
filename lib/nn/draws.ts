// draws.ts: the random numbers of initial values: keyed by seed and parameter name, so order and neighbours do not matter.

import type { Draws } from './init.ts';

/** Third counter word: keeps these draws apart from those of the ops. */
const INIT = 0x696e6974;

/** The draws of the parameter called `name` under `seed` (its low 64 bits). */
export function drawsFor(seed: bigint, name: string): Draws {
  const key = [Number(BigInt.asUintN(32, seed)), Number(BigInt.asUintN(32, seed >> 32n))] as const;
  const hash = fnv1a(name);
  const words = new Uint32Array(4);
  let block = -1;
  const word = (i: number): number => {
    if (i >>> 2 !== block) {
      block = i >>> 2;
      philox4x32(words, block, 0, INIT, hash, key[0], key[1]);
    }
    return words[i & 3]!;
  };
  return {
    uniform: (i) => (word(i) >>> 8) / 2 ** 24,
    // Box-Muller: elements 2j and 2j + 1 are the cosine and sine of one pair. Math.log and the like are V8's own everywhere.
    normal(i) {
      const radius = Math.sqrt(-2 * Math.log((word(i & ~1) + 0.5) / 2 ** 32));
      const angle = (2 * Math.PI * word(i | 1)) / 2 ** 32;
      return radius * (i & 1 ? Math.sin(angle) : Math.cos(angle));
    },
  };
}

/** FNV-1a, 32 bits, over UTF-16 units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
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

/** The upper 32 bits of the 64-bit product of two unsigned words. */
function mulHigh(a: number, b: number): number {
  const bu = b >>> 0;
  const low = (a & 0xffff) * (bu & 0xffff);
  const mid = (a >>> 16) * (bu & 0xffff) + (low >>> 16);
  const mid2 = (a & 0xffff) * (bu >>> 16) + (mid % 0x10000);
  return ((a >>> 16) * (bu >>> 16) + Math.floor(mid / 0x10000) + Math.floor(mid2 / 0x10000)) | 0;
}
