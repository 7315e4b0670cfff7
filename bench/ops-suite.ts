// ops-suite.ts: the suite of single ops: verified against `ref`, compared with a stream over as many bytes and with PyTorch.
import { barsOf, ratios } from './figures.ts';
import { OP_CASES } from './ops.ts';
import { compareDigests } from './policies-suite.ts';
import { ratio, type Sample, short, summarize } from './report.ts';
import type { Suite } from './suite.ts';

export const opsSuite: Suite = {
  cells: [...OP_CASES.keys()],
  peers: ['torch'],
  variants: (info) => info.variants,
  more: ({ ins, gradient }) => ['--inputs', JSON.stringify(ins), ...(gradient ? ['--gradient'] : [])],
  row(cell, info, rounds) {
    const timed = (variant: string): readonly Sample[] => rounds.get(variant)!;
    const { median_ms, spread } = summarize(timed('op'));
    const { bytes, stream_bytes } = info as unknown as Record<string, number>;
    // A peer times the op alone.
    const beside = rounds.has('stream') && {
      gbytes: short(bytes! / median_ms / 1e6),
      stream: info.stream,
      stream_percent: short(100 * (bytes! / stream_bytes!) * ratio(timed('stream'), timed('op'))),
      stream_gbytes: short(stream_bytes! / summarize(timed('stream')).median_ms / 1e6),
    };
    return { op: cell, median_ms: short(median_ms), ...beside, spread_percent: short(spread) };
  },
  compare: (theirs, ours) => ratios(theirs, ours, [['ratio', 'op', 'op']]),
  bars: (row) =>
    barsOf(row, String(row.op), { stream_percent: 'Share of a stream over as many bytes, %', ratio: 'Times as long as ours' }),
  async check(cell, engine, ours) {
    if (ours === null || OP_CASES.get(cell)!.random) return null;
    return compareDigests(await ours.digest(), await engine.digest(), ['it', 'output']);
  },
};
