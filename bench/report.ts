// report.ts: rows of figures, and how they are printed.
import { ratio, ratioInterval, type Sample, short, summarize } from '../lib/cli/bench/sample.ts';

export { ratio, ratioInterval, type Sample, short, summarize };

/** The figures of one engine in one cell. */
export interface Row {
  readonly peer: string;
  readonly suite: string;
  readonly threads: number;
  readonly [key: string]: unknown;
}

/** A row as one aligned line for people: the names first, then `key value` pairs. */
export function humanLine(row: Row): string {
  const { peer, suite: _, ...rest } = row;
  const pairs = Object.entries(rest).map(([key, value]) => `${key} ${value}`);
  return `${peer.padEnd(14)}${pairs.join('  ')}`;
}
