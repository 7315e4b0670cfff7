// rows.ts: what is printed of a cell: one record of figures, the same here and in the project's own benchmark.
import { median } from '../../text/format.ts';
import { bootstrap } from '../../tune/statistics.ts';
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

/**
 * A policy or an optimizer in one place: the times without and with it, and its cost round by round: the median, quartiles, and between what the
 * median lies with 95 % confidence. `passes_ms`: what it would take to read the gradients as often as the program reads and writes them more.
 */
export function policiesRow(cell: string, info: Info, rounds: Rounds): Record<string, unknown> {
  const [kind, place, name] = cell.split('/');
  const [without, made, read] = [rounds.get('without')!, rounds.get('with')!, rounds.get('read')];
  const times = quartiles(made.map((s) => s.median_ms));
  const costs = made.map((s, round) => 100 * (s.median_ms / without[round]!.median_ms - 1));
  const [q1, middle, q3] = quartiles(costs);
  const [low, high] = bootstrap(costs, median).interval;
  const { variants: _, loss: __, norm: ___, norm_after: ____, clipped: _____, read_bytes, ...facts } = info;
  const passes = read && {
    extra_ms: short(median(made.map((s, round) => s.median_ms - without[round]!.median_ms))),
    passes_ms: short(Number(facts.extra_passes) * summarize(read).median_ms),
    read_gbytes: short(Number(read_bytes) / summarize(read).median_ms / 1e6),
  };
  return {
    ...{ kind, place, name },
    without_ms: short(summarize(without).median_ms),
    with_ms: short(times[1]),
    with_q1_ms: short(times[0]),
    with_q3_ms: short(times[2]),
    cost_percent: short(middle),
    cost_q1_percent: short(q1),
    cost_q3_percent: short(q3),
    cost_low_percent: short(low),
    cost_high_percent: short(high),
    ...passes,
    rounds: made.length,
    n: summarize(made).n,
    ...facts,
  };
}
