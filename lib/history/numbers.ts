// numbers.ts: quantiles and what is made of them.

/** The q-quantile of sorted values, linear between neighbors, as numpy and torch have it by default. NaN if there are none. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const [a, b] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!];
  return a === b ? a : a + (at - low) * (b - a);
}

export function sorted(values: Iterable<number>): Float64Array {
  return Float64Array.from(values).sort();
}

export function median(values: Iterable<number>): number {
  return quantile(sorted(values), 0.5);
}

/** Median of the distances from the median. */
export function mad(values: readonly number[], middle: number = median(values)): number {
  return median(values.map((v) => Math.abs(v - middle)));
}

export function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
