// share.ts: which micro-batches of a step are whose, where several processes train together.

/** Some micro-batches of a step, one after the other. */
export interface Share {
  readonly base: number;
  readonly share: number;
}

/**
 * Those of one process among `size`. Of 2^k processes each has a subtree of the tree by which micro-batches are summed (ops/step/tree.ts), so that all of
 * them make the sum of one; of others each has as many as the next, or one more.
 */
export function shareOf(rank: number, size: number, micros: number): Share {
  if ((size & (size - 1)) !== 0) {
    const from = (r: number): number => Math.floor((micros * r) / size);
    return { base: from(rank), share: from(rank + 1) - from(rank) };
  }
  let [base, share] = [0, micros];
  for (let half = size / 2; half >= 1; half /= 2) {
    const left = share - Math.floor(share / 2);
    if (rank & half) [base, share] = [base + left, share - left];
    else share = left;
  }
  return { base, share };
}
