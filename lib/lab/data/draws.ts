// draws.ts: random numbers of the laboratory's data: generators of their own, whose bits are the same on any machine and in any version of trainers.
import { cos, log } from '../../math/index.ts';

/** The next number, in [0, 1). */
export type Draw = () => number;

/** A linear congruential generator: what the tables of the docs were made with. Neighboring seeds are alike: see `draws`. */
export function congruential(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Low bits repeat soon.
    return (state >>> 8) / 2 ** 24;
  };
}

/** The final mix of MurmurHash3: each bit of the word changes half of what comes out. */
function mixed(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * The generator sfc32 (Doty-Humphrey 2010, PractRand), begun by a seed and a purpose: each purpose of each seed has numbers that have nothing to do with
 * those of others.
 */
export function draws(seed: number, purpose: string): Draw {
  let a = mixed(seed ^ 0x9e3779b9);
  let b = mixed(Math.floor(seed / 2 ** 32) ^ a);
  let c = b;
  for (let i = 0; i < purpose.length; i++) c = mixed(c ^ Math.imul(purpose.charCodeAt(i), 0x01000193));
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}

/** About normal, mean 0 and variance 1/2: the sum of six numbers. Never beyond 3. */
export const bell = (next: Draw): number => next() + next() + next() + next() + next() + next() - 3;

/** Normal, mean 0 and variance 1 (Box and Muller 1958). */
export const normal = (next: Draw): number => Math.sqrt(-2 * log(1 - next())) * cos(2 * Math.PI * next());

/** Student's t with `freedom` degrees of freedom, a whole number: a normal number over the root of a mean of squares of others. */
export function student(next: Draw, freedom: number): number {
  const top = normal(next);
  let squares = 0;
  for (let k = 0; k < freedom; k++) {
    const other = normal(next);
    squares += other * other;
  }
  return top / Math.sqrt(squares / freedom);
}

/** A whole number below `count`. */
export const below = (next: Draw, count: number): number => Math.floor(next() * count);

/** Numbers of one kind. */
export function filled(count: number, one: () => number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = one();
  return out;
}
