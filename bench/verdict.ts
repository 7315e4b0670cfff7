// verdict.ts: what a cell of suite step comes to: how many times as fast as the best peer, and how near to what the machine can do.
import type { Row } from './report.ts';

/** A peer in the way in which it is fastest: one dispatch a step (`step`), or many steps a call (`chunk`). */
export interface Best {
  readonly peer: string;
  readonly way: 'step' | 'chunk';
  readonly ms: number;
  readonly ratio: number;
  /** What the ratio lies between with 95 % confidence; null where there were too few rounds to tell. */
  readonly between: readonly [low: number, high: number] | null;
}

/** The rows of others that take part in a comparison: those that were compared with ours, but no earlier state of it. */
export function rivals(rows: readonly Row[]): readonly Row[] {
  return rows.filter((row) => typeof row.ratio === 'number' && row.peer !== 'before');
}

/** The fastest peer of one cell, by the ratio of neighboring rounds; null where there is none. */
export function bestPeer(rows: readonly Row[]): Best | null {
  const ways = rivals(rows).flatMap((row): Best[] => {
    const of = (way: Best['way'], time: string, name: string): Best[] => {
      const [ms, ratio, low, high] = [time, name, `${name}_low`, `${name}_high`].map((key) => row[key] as number | undefined);
      if (ms === undefined || ratio === undefined) return [];
      return [{ peer: row.peer, way, ms, ratio, between: low === undefined || high === undefined ? null : [low, high] }];
    };
    return [...of('step', 'median_ms', 'ratio'), ...of('chunk', 'chunk_ms', 'chunk_ratio')];
  });
  return ways.sort((a, b) => a.ratio - b.ratio)[0] ?? null;
}

/** One line on the rows of a cell; null where ours is not among them. */
export function verdict(rows: readonly Row[]): string | null {
  const ours = rows.find((row) => row.peer === 'gradclip');
  if (!ours) return null;
  const best = bestPeer(rows);
  const interval = best?.between ? ` (${best.between[0]} to ${best.between[1]} with 95 % confidence)` : '';
  const way = best?.way === 'chunk' ? ' with as many steps a call' : '';
  const compared = best
    ? `${best.ratio} times as fast as ${best.peer}${way}${interval}, the best of ${rivals(rows)
        .map((row) => row.peer)
        .join(', ')}`
    : 'no peer to compare with';
  const { floor_percent, floor_ms, peak_gflops, stream_gbytes } = ours;
  const share =
    floor_percent === undefined
      ? ''
      : `; at ${floor_percent} % of its floor of ${floor_ms} ms, with ${peak_gflops} GF/s of fma and ${stream_gbytes} GB/s`;
  return `${ours.workload}, ${ours.threads} thread${ours.threads === 1 ? '' : 's'}: ${compared}${share}`;
}
