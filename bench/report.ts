// report.ts: from the rounds of several engines to medians, spreads and ratios.

/** What one engine measured in one round. */
export interface Sample {
  readonly median_ms: number;
  readonly min_ms: number;
  /** Calls timed. */
  readonly n: number;
}

export interface Summary extends Sample {
  /** (slowest - fastest round) / median round, in percent: how much to trust the figure. */
  readonly spread: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

export function summarize(rounds: readonly Sample[]): Summary {
  const medians = rounds.map((r) => r.median_ms);
  const middle = median(medians);
  return {
    median_ms: middle,
    min_ms: Math.min(...rounds.map((r) => r.min_ms)),
    n: rounds.reduce((sum, r) => sum + r.n, 0),
    spread: (100 * (Math.max(...medians) - Math.min(...medians))) / middle,
  };
}

/** How many times longer `theirs` takes: the median over rounds, so that drift of the machine cancels out. */
export function ratio(theirs: readonly Sample[], ours: readonly Sample[]): number {
  return median(theirs.map((t, round) => t.median_ms / ours[round]!.median_ms));
}

/** Four significant digits: more is noise. */
export function short(value: number): number {
  return Number(value.toPrecision(4));
}

/** A row as one aligned line for people: the names first, then `key value` pairs. */
export function humanLine(row: Readonly<Record<string, unknown>>): string {
  const { peer, suite: _, ...rest } = row;
  const pairs = Object.entries(rest).map(([key, value]) => `${key} ${value}`);
  return `${String(peer).padEnd(14)}${pairs.join('  ')}`;
}
