// tastes.ts: whether a user takes an item, by tastes of a few dimensions.
import type { Arrays } from '../../train/feed/source.ts';
import { bell, below, type Draw } from './draws.ts';

/** How many pairs of how many users and items. */
export interface TastesOptions {
  readonly rows: number;
  readonly users: number;
  readonly items: number;
  /** Draws a user, an item: below that many. Default: all are equally frequent. */
  readonly pick?: (next: Draw, count: number) => number;
}

/** Pairs { user, item } and y, 1 where the user takes the item. @param drawn draws the tastes @param next draws the pairs */
export function tastes(
  drawn: Draw,
  next: Draw,
  { rows, users, items, pick = below }: TastesOptions,
): Arrays & { y: Float32Array } {
  const vectors = (n: number): number[][] => Array.from({ length: n }, () => [0, 1, 2].map(() => bell(drawn)));
  const [of, to] = [vectors(users), vectors(items)];
  const user = Int32Array.from({ length: rows }, () => pick(next, users));
  const item = Int32Array.from({ length: rows }, () => pick(next, items));
  const y = Float32Array.from({ length: rows }, (_, r) => {
    const product = of[user[r]!]!.reduce((s, v, k) => s + v * to[item[r]!]![k]!, 0);
    return product + 0.3 * bell(next) > 0 ? 1 : 0;
  });
  return { user, item, y };
}
