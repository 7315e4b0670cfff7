// rows.ts: what is printed of a cell: one record of figures, the same here and in the project's own benchmark.
import { type Sample, short, summarize } from './sample.ts';

export type Rounds = ReadonlyMap<string, readonly Sample[]>;
type Info = { readonly [key: string]: unknown; readonly params?: number };

/** Whole steps with a clip; where they were also timed without one, its cost. */
export function stepRow(cell: string, info: Info, rounds: Rounds): Record<string, unknown> {
  const { median_ms, min_ms, n, spread } = summarize(rounds.get('step')!);
  const without = rounds.get('noclip');
  const overhead = without && {
    noclip_ms: short(summarize(without).median_ms),
    overhead_percent: short(100 * (median_ms / summarize(without).median_ms - 1)),
  };
  const times = { median_ms: short(median_ms), min_ms: short(min_ms), n, spread_percent: short(spread) };
  return { workload: cell, params: info.params, ...times, ...overhead };
}

/** The optimizer phase by itself: a time for each policy. */
export function clipStepRow(cell: string, info: Info, rounds: Rounds): Record<string, unknown> {
  const [name, optimizer] = cell.split('/');
  const times = [...rounds].map(([variant, samples]) => [`${variant}_ms`, short(summarize(samples).median_ms)]);
  return { case: name, optimizer, params: info.params, tensors: info.tensors, ...Object.fromEntries(times) };
}
