// profiles.ts: performance profiles (Dolan and More 2002): of how many problems a way comes within a factor of the best.

/** The profile of one way: at ratios[i] and above, up to the next one, the share of problems is shares[i]. */
export interface Profile {
  readonly ratios: readonly number[];
  readonly shares: readonly number[];
}

/**
 * A profile for each way.
 * @param costs a row for each problem, in it a cost above 0 for each way: less is better
 */
export function profilesOf(costs: readonly (readonly number[])[]): Profile[] {
  const ratios = costs.map((row) => {
    const best = Math.min(...row);
    return row.map((cost) => cost / best);
  });
  return Array.from({ length: costs[0]?.length ?? 0 }, (_, j) => profileOf(ratios.map((row) => row[j]!)));
}

/** Of the ratios of one way to what is compared with. */
export function profileOf(values: readonly number[]): Profile {
  const order = [...values].sort((a, b) => a - b);
  const ratios: number[] = [];
  const shares: number[] = [];
  order.forEach((ratio, i) => {
    if (order[i + 1] === ratio) return;
    ratios.push(ratio);
    shares.push((i + 1) / order.length);
  });
  return { ratios, shares };
}

/** The share at a ratio. */
export function shareAt({ ratios, shares }: Profile, ratio: number): number {
  const above = ratios.findIndex((r) => r > ratio);
  const at = above < 0 ? ratios.length - 1 : above - 1;
  return at < 0 ? 0 : shares[at]!;
}
