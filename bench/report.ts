// report.ts: from the rounds of several engines to medians, spreads and ratios.

import { type Sample, short, summarize } from '../lib/cli/bench/sample.ts';
import { median } from '../lib/cli/format.ts';

export { type Sample, short, summarize };

/** How many times longer `theirs` takes: the median over rounds, so that drift of the machine cancels out. */
export function ratio(theirs: readonly Sample[], ours: readonly Sample[]): number {
  return median(theirs.map((t, round) => t.median_ms / ours[round]!.median_ms));
}

/** A row as one aligned line for people: the names first, then `key value` pairs. */
export function humanLine(row: Readonly<Record<string, unknown>>): string {
  const { peer, suite: _, ...rest } = row;
  const pairs = Object.entries(rest).map(([key, value]) => `${key} ${value}`);
  return `${String(peer).padEnd(14)}${pairs.join('  ')}`;
}
