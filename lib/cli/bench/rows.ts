// rows.ts: what is printed of a cell: one record of figures, the same here and in the project's own benchmark.
import { quartiles, ratio, type Sample, short, summarize } from './sample.ts';

export type Rounds = ReadonlyMap<string, readonly Sample[]>;
type Info = { readonly [key: string]: unknown; readonly params?: number };

/** Whole steps with a clip; where they were also timed without one, its cost; and alone, what it takes to await each. */
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
  const memory = typeof info.memory_mib === 'number' ? { memory_mib: info.memory_mib } : {};
  return { workload: cell, params: info.params, ...times, ...overhead, ...Object.fromEntries(single), ...memory };
}

/** The optimizer phase alone: a time for each policy. */
export function clipStepRow(cell: string, info: Info, rounds: Rounds): Record<string, unknown> {
  const [name, optimizer] = cell.split('/');
  const times = [...rounds].map(([variant, samples]) => [`${variant}_ms`, short(summarize(samples).median_ms)]);
  const spread = Math.max(...[...rounds.values()].map((samples) => summarize(samples).spread));
  const { params, tensors } = info;
  return { case: name, optimizer, params, tensors, ...Object.fromEntries(times), spread_percent: short(spread) };
}

/** A policy or an optimizer in one place: the times without and with it, and its cost round by round, as quartiles. */
export function policiesRow(cell: string, info: Info, rounds: Rounds): Record<string, unknown> {
  const [kind, place, name] = cell.split('/');
  const [without, made] = [rounds.get('without')!, rounds.get('with')!];
  const times = quartiles(made.map((s) => s.median_ms));
  const costs = quartiles(made.map((s, round) => 100 * (s.median_ms / without[round]!.median_ms - 1)));
  const { variants: _, loss: __, norm: ___, norm_after: ____, ...facts } = info;
  return {
    ...{ kind, place, name },
    without_ms: short(summarize(without).median_ms),
    with_ms: short(times[1]),
    with_q1_ms: short(times[0]),
    with_q3_ms: short(times[2]),
    cost_percent: short(costs[1]),
    cost_q1_percent: short(costs[0]),
    cost_q3_percent: short(costs[2]),
    rounds: made.length,
    n: summarize(made).n,
    ...facts,
  };
}
