// verdict.ts: what a cell of suite step comes to: how many times as fast as the best peer in any precision, and how near to what the machine
// can do.
import { isOurs, ratioPrefix } from './ours.ts';
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

/** The rows of ours: in each precision that was asked for. */
export function ourRows(rows: readonly Row[]): readonly Row[] {
  return rows.filter(({ peer }) => peer === 'gradclip' || peer === 'gradclip-bf16');
}

/** The rows of others that take part in a comparison: those that were compared with this row of ours, but no other state of it. */
export function rivals(rows: readonly Row[], ours: Row): readonly Row[] {
  const name = `${ratioPrefix(ours.precision)}ratio`;
  return rows.filter((row) => typeof row[name] === 'number' && !isOurs(row.peer));
}

/** The fastest peer in any precision, or in f32, by the ratio of neighboring rounds; null where there is none. */
export function bestPeer(rows: readonly Row[], ours: Row, precision: 'any' | 'f32' = 'any'): Best | null {
  const prefix = ratioPrefix(ours.precision);
  const able = rivals(rows, ours).filter((row) => precision === 'any' || row.precision === undefined);
  const ways = able.flatMap((row): Best[] => {
    const of = (way: Best['way'], time: string, key: string): Best[] => {
      const name = `${prefix}${key}`;
      const [ms, ratio, low, high] = [time, name, `${name}_low`, `${name}_high`].map((key) => row[key] as number | undefined);
      if (ms === undefined || ratio === undefined) return [];
      return [{ peer: row.peer, way, ms, ratio, between: low === undefined || high === undefined ? null : [low, high] }];
    };
    return [...of('step', 'median_ms', 'ratio'), ...of('chunk', 'chunk_ms', 'chunk_ratio')];
  });
  return ways.sort((a, b) => a.ratio - b.ratio)[0] ?? null;
}

/** One line for each row of ours among those of a cell. */
export function verdict(rows: readonly Row[]): string[] {
  return ourRows(rows).map((ours) => {
    const [best, plain] = [bestPeer(rows, ours), bestPeer(rows, ours, 'f32')];
    const peers = rivals(rows, ours).map((row) => row.peer);
    const compared = best ? `${beside(best)}, the best of ${peers.join(', ')}` : 'no peer to compare with';
    const inF32 = plain && plain.peer !== best?.peer ? `; ${beside(plain)}, the best in f32` : '';
    const { workload, threads, precision } = ours;
    const way = precision ? ` in ${precision}` : '';
    return `${workload}${way}, ${threads} thread${threads === 1 ? '' : 's'}: ${compared}${inF32}${shareOfFloor(ours)}`;
  });
}

function beside({ peer, way, ratio, between }: Best): string {
  const interval = between ? ` (${between[0]} to ${between[1]} with 95 % confidence)` : '';
  return `${ratio} times as fast as ${peer}${way === 'chunk' ? ' with as many steps a call' : ''}${interval}`;
}

function shareOfFloor({ floor_percent, floor_ms, peak_gflops, bf16_peak_gflops, stream_gbytes }: Row): string {
  if (floor_percent === undefined) return '';
  const dots = bf16_peak_gflops === undefined ? '' : `, ${bf16_peak_gflops} GF/s of bf16 products`;
  return `; at ${floor_percent} % of its floor of ${floor_ms} ms, with ${peak_gflops} GF/s of fma${dots} and ${stream_gbytes} GB/s`;
}
