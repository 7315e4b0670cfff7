// step-suite.ts: the suite of whole training steps: verified against PyTorch in f64, compared with the peers, and with what the machine can do.
import { readdirSync } from 'node:fs';
import { stepRow } from '../lib/cli/bench/rows.ts';
import { median } from '../lib/text/format.ts';
import type { Info } from './engine.ts';
import { barsOf, ratios } from './figures.ts';
import { ratio, type Sample, short, summarize } from './report.ts';
import { stepTables } from './step-tables.ts';
import type { Rounds, Suite } from './suite.ts';
import { verdict } from './verdict.ts';
import { loadWorkload } from './workload.ts';

/** The names of bench/workloads/. */
export function workloadNames(): string[] {
  const files = readdirSync(new URL('./workloads/', import.meta.url));
  return [...new Set(files.map((file) => file.replace(/(\.d)?\.[jt]s$/, '')))];
}

/** Relative distance that f32 may put between an engine and PyTorch in f64. */
const TOLERANCE = { loss: 1e-5, norm: 1e-3 } as const;

/** Of steps one by one, and of the first steps of a call that takes many. */
export async function checkStep(cell: string, info: Info): Promise<string | null> {
  const WORKLOAD = await loadWorkload(cell);
  for (const key of ['loss', 'norm'] as const) {
    const expected = WORKLOAD.reference[key];
    for (const found of [info[key], info[`chunk_${key}`] as readonly number[] | undefined]) {
      const far = found?.some((value, i) => !(Math.abs(value / expected[i]! - 1) <= TOLERANCE[key]));
      if (far) return `expected ${key} ${expected.join(', ')} in its first steps, got ${found!.join(', ')}`;
    }
  }
  return null;
}

// `awaited`: one step at a time, reports read. `fit_each`: a fit of one step at a time. To a peer both are its single steps.
const SINGLE = ['awaited', 'fit_each'];
/** What the machine does at most, and products alone: of 1024 cubed, and the largest of the workload. */
const BOUNDS = ['fma', 'stream', 'square', 'product'];
const SQUARE_FLOPS = 2 * 1024 ** 3;

const flopsOf = (sizes: unknown): number => 2 * (sizes as readonly number[]).reduce((a, b) => a * b, 1);

/** Products as shares of what fma in registers did in the same rounds. */
function productShares(theirs: Rounds, ours: Rounds, info: Info): Record<string, number> {
  const fma = ours.get('fma');
  const flops = { square: SQUARE_FLOPS, product: info.product ? flopsOf(info.product) : 0 };
  const shares = (['square', 'product'] as const).flatMap((name) => {
    const samples = theirs.get(name);
    return fma && samples ? [[`${name}_percent`, short(100 * (flops[name] / Number(info.fma_flops)) * ratio(fma, samples))]] : [];
  });
  return Object.fromEntries(shares) as Record<string, number>;
}

/** Least time of a step, round by round, with so many bytes, and our share of it. */
function floor(rounds: Rounds, info: Info, bytes: number): { readonly ms: number; readonly percent: number } {
  const [step, fma, stream] = ['step', 'fma', 'stream'].map((name): readonly Sample[] => rounds.get(name)!);
  const { flops, fma_flops, stream_bytes } = info as unknown as Record<string, number>;
  const least = fma!.map(
    (sample, i) => (flops! / fma_flops!) * sample.median_ms + (bytes / stream_bytes!) * stream![i]!.median_ms,
  );
  return { ms: short(median(least)), percent: short(100 * median(least.map((ms, i) => ms / step![i]!.median_ms))) };
}

/** What bounds our step: floors, and what they are made of. */
function boundsRow(info: Info, rounds: Rounds): Record<string, number> {
  const [fma, stream] = [rounds.get('fma'), rounds.get('stream')];
  if (!fma || !stream) return {};
  const [least, whole] = [floor(rounds, info, Number(info.update_bytes)), floor(rounds, info, Number(info.bytes))];
  return {
    gflop: short(Number(info.flops) / 1e9),
    update_mb: short(Number(info.update_bytes) / 1e6),
    all_mb: short(Number(info.bytes) / 1e6),
    peak_gflops: short(Number(info.fma_flops) / summarize(fma).median_ms / 1e6),
    stream_gbytes: short(Number(info.stream_bytes) / summarize(stream).median_ms / 1e6),
    floor_ms: least.ms,
    floor_percent: least.percent,
    floor_all_ms: whole.ms,
    floor_all_percent: whole.percent,
    ...productShares(rounds, rounds, info),
  };
}

export const step: Suite = {
  cells: workloadNames(),
  peers: [
    ...['torch', 'torch-default', 'torch-compile', 'torch-autotune'],
    ...['jax', 'tf', 'tf-default', 'tf-xla', 'tfjs', 'jaxjs'],
  ],
  variants(info, extra) {
    const wanted = ['step', 'chunk', ...(extra.has('overhead') ? ['noclip'] : []), ...(extra.has('awaited') ? SINGLE : [])];
    return [...wanted, ...BOUNDS].filter((variant) => info.variants.includes(variant));
  },
  part: (variant) => (BOUNDS.includes(variant) ? 0.25 : 1),
  more: ({ product, chunk }) => ['--product', (product as readonly number[]).join('x'), '--chunk', String(chunk)],
  row(cell, info, rounds) {
    const chunk = rounds.get('chunk');
    const steps = chunk ? { chunk_ms: short(summarize(chunk).median_ms), chunk_steps: info.chunk } : {};
    return { ...stepRow(cell, info, rounds), ...steps, ...boundsRow(info, rounds) };
  },
  compare: (theirs, ours, info) => ({
    ...ratios(theirs, ours, [
      ['ratio', 'step', 'step'],
      ['chunk_ratio', 'chunk', 'step'],
      ...SINGLE.map((variant) => [`${variant}_ratio`, 'step', variant] as const),
    ]),
    ...productShares(theirs, ours, info),
  }),
  bars(row) {
    const bar = (key: string, way: string) =>
      barsOf(row, String(row.workload), { [key]: 'A training step, ms (less is better)' }, `${row.peer}${way}`);
    return [
      ...bar('median_ms', ''),
      ...bar('chunk_ms', `, ${row.chunk_steps} steps a call`),
      ...bar('awaited_ms', ', each step awaited'),
    ];
  },
  check: checkStep,
  verdict,
  tables: stepTables,
};
