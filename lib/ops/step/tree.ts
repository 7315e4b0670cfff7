// tree.ts: the tree by which the micro-batches of a step are summed. Twin: place_in_tree in accumulate.h.

/** Where a micro-batch stands in the tree of its step: so many sums of those before it wait, the last `joins` of which it completes. */
export interface TreePlace {
  readonly held: number;
  readonly joins: number;
}

/**
 * The sum over n micro-batches is that over the first n - floor(n / 2) plus that over the others, each made in the same way. A sum of
 * halves, so that 2^k hosts that take equal parts of them, in order, each make a subtree of it, and all of them together the same bits.
 */
export function placeInTree(micro: number, micros: number): TreePlace {
  let [at, n, held, joins] = [micro, micros, 0, 0];
  while (n > 1) {
    const left = n - Math.floor(n / 2);
    if (at < left) {
      n = left;
      joins = 0;
    } else {
      at -= left;
      n -= left;
      held++;
      joins++;
    }
  }
  return { held, joins };
}

/** Partial sums that wait at once, at most, when up to `micros` micro-batches are summed: floor(log2(micros)), and one at least. */
export function levelsOf(micros: number): number {
  return Math.max(1, 31 - Math.clz32(micros));
}

/** The most micro-batches of which so many partial sums wait at most. */
export const mostOf = (levels: number): number => 2 * (1 << levels) - 1;
