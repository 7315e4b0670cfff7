// rows.ts: what is printed of a cell: one record of figures, the same here and in the project's own benchmark.
import { ratio, type Sample, short, summarize } from './sample.ts';

export type Rounds = ReadonlyMap<string, readonly Sample[]>;
type Info = { readonly [key: string]: unknown; readonly params?: number };

/** Whole steps with a clip; where they were also timed without one, its cost; and by themselves, what it takes to await each. */
export function stepRow(cell: string, info: Info, rounds: Rounds): Record<string, unknown> {
  const { median_ms, min_ms, n, spread } = summarize(rounds.get('step')!);
  const without = rounds.get('noclip');
  const overhead = without && {
    noclip_ms: short(summarize(without).median_ms),
    overhead_percent: short(100 * (ratio(rounds.get('step')!, without) - 1)),
  };
  const single = ['awaited', 'fit_each'].flatMap((name) => {
    const samples = rounds.get(name);
    return samples ? [[`${name}_ms`, short(summarize(samples).median_ms)] as const] : [];
  });
  const times = { median_ms: short(median_ms), min_ms: short(min_ms), n, spread_percent: short(spread) };
  return { workload: cell, params: info.params, ...times, ...overhead, ...Object.fromEntries(single) };
}

/** The optimizer phase by itself: a time for each policy. */
export function clipStepRow(cell: string, info: Info, rounds: Rounds): Record<string, unknown> {
  const [name, optimizer] = cell.split('/');
  const times = [...rounds].map(([variant, samples]) => [`${variant}_ms`, short(summarize(samples).median_ms)]);
  const spread = Math.max(...[...rounds.values()].map((samples) => summarize(samples).spread));
  const { params, tensors } = info;
  return { case: name, optimizer, params, tensors, ...Object.fromEntries(times), spread_percent: short(spread) };
}
