// ncf-data.ts: implicit feedback made up from a seed: which items each user took. Items are popular by a power law, and users and items have a hidden
// taste in common, which a model can find and a list of what is popular cannot.
import { random } from './random.ts';

export interface Feedback {
  readonly users: number;
  readonly items: number;
  /** Per user the items taken, all different; the last one is left out of training. */
  readonly taken: readonly Int32Array[];
  /** How often each item was taken, without those left out. */
  readonly popularity: Int32Array;
}

export interface FeedbackOptions {
  readonly users: number;
  readonly items: number;
  /** Items that each user takes. */
  readonly each: number;
  readonly seed?: number;
}

const TASTES = 8;

export function feedback({ users, items, each, seed = 1 }: FeedbackOptions): Feedback {
  if (each < 2 || each >= items) throw new Error(`each: expected 2 to ${items - 1} items a user, got ${each}`);
  const next = random(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  const tastes = Float64Array.from({ length: items * TASTES }, normal);
  const popularity = new Int32Array(items);
  const taken = Array.from({ length: users }, () => {
    const own = Float64Array.from({ length: TASTES }, normal);
    // Each item waits for a time that is exponential in its weight; those that come first are taken (Efraimidis and Spirakis 2006).
    const waits = Float64Array.from({ length: items }, (_, i) => {
      let liking = 0;
      for (let k = 0; k < TASTES; k++) liking += own[k]! * tastes[i * TASTES + k]!;
      const weight = Math.exp(0.8 * liking) / (i + 10);
      return -Math.log(next()) / weight;
    });
    const last = Float64Array.from(waits).sort()[each - 1]!;
    const list = Int32Array.from({ length: items }, (_, i) => i).filter((i) => waits[i]! <= last);
    // Any of them is left out, not the most likely one.
    const out = Math.floor(next() * each);
    [list[out], list[each - 1]] = [list[each - 1]!, list[out]!];
    for (const i of list.subarray(0, each - 1)) popularity[i]!++;
    return list;
  });
  return { users, items, taken, popularity };
}
