// figures.ts: what suites make of rounds and rows: ratios between engines, and bars.
import { type Row, ratio, ratioInterval, short } from './report.ts';
import type { Bar, Rounds } from './suite.ts';

/** Their variant over ours, where both were timed, and what it lies between with 95 % confidence: [name of the figure, theirs, ours]. */
export function ratios(
  theirs: Rounds,
  ours: Rounds,
  pairs: readonly (readonly [string, string, string])[],
): Record<string, number> {
  const found = pairs.flatMap(([name, t, o]) => {
    const [a, b] = [theirs.get(t), ours.get(o)];
    if (!a || !b) return [];
    const interval = ratioInterval(a, b);
    const ends = interval ? [[`${name}_low`, short(interval[0])] as const, [`${name}_high`, short(interval[1])] as const] : [];
    return [[name, short(ratio(a, b))] as const, ...ends];
  });
  return Object.fromEntries(found);
}

/** Bars for those figures of a row that it has: key -> chart. */
export function barsOf(row: Row, group: string, charts: Readonly<Record<string, string>>, label: string = row.peer): Bar[] {
  return Object.entries(charts).flatMap(([key, chart]) => {
    const value = row[key];
    return typeof value === 'number' ? [{ chart, group, label, value }] : [];
  });
}
