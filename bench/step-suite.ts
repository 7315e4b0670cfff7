// step-suite.ts: the suite of whole training steps: verified against PyTorch in f64, compared with the peers, and with what the machine can do.
import { readdirSync } from 'node:fs';
import { stepRow } from '../lib/cli/bench/rows.ts';
import { median } from '../lib/text/format.ts';
import type { Info } from './engine.ts';
import { barsOf, ratios } from './figures.ts';
import { PRECISIONS } from './ours.ts';
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

/** Relative distance that a precision may put between an engine and PyTorch in f64: in bf16 a factor is off by up to 2^-9. */
const TOLERANCE = { f32: { loss: 1e-5, norm: 1e-3 }, bf16: { loss: 1e-3, norm: 1e-2 } } as const;

/** Of steps one by one, and of the first steps of a call that takes many. */
export async function checkStep(cell: string, info: Info): Promise<string | null> {
  const WORKLOAD = await loadWorkload(cell);
  const tolerance = TOLERANCE[info.precision ?? 'f32'];
  for (const key of ['loss', 'norm'] as const) {
    const expected = WORKLOAD.reference[key];
    for (const found of [info[key], info[`chunk_${key}`] as readonly number[] | undefined]) {
      const far = found?.some((value, i) => !(Math.abs(value / expected[i]! - 1) <= tolerance[key]));
      if (far) return `expected ${key} ${expected.join(', ')} in its first steps, got ${found!.join(', ')}`;
    }
  }
  return null;
}

// `awaited`: one step at a time, reports read. `fit_each`: a fit of one step at a time. To a peer both are its single steps.
const SINGLE = ['awaited', 'fit_each'];
/** What the machine does at most, in bf16 too where that is what we compute in, and products alone: of 1024 cubed, and the largest of the workload. */
const BOUNDS = ['fma', 'dot', 'stream', 'square', 'product'];
const SQUARE_FLOPS = 2 * 1024 ** 3;

const flopsOf = (sizes: unknown): number => 2 * (sizes as readonly number[]).reduce((a, b) => a * b, 1);

/** Products as shares of what fma in registers did in the same rounds, or the products of pairs in bf16 where ours has them. */
function productShares(theirs: Rounds, ours: Rounds, info: Info): Record<string, number> {
  const most = ours.get('dot') ?? ours.get('fma');
  const mostFlops = Number(ours.has('dot') ? info.dot_flops : info.fma_flops);
  const flops = { square: SQUARE_FLOPS, product: info.product ? flopsOf(info.product) : 0 };
  const shares = (['square', 'product'] as const).flatMap((name) => {
    const samples = theirs.get(name);
    return most && samples ? [[`${name}_percent`, short(100 * (flops[name] / mostFlops) * ratio(most, samples))]] : [];
  });
  return Object.fromEntries(shares) as Record<string, number>;
}

/** Least time of a step, round by round, with so many bytes, and our share of it. */
function floor(rounds: Rounds, info: Info, bytes: number): { readonly ms: number; readonly percent: number } {
  const figures = info as unknown as Record<string, number>;
  /** What so much work takes at the rate of a probe, in each round. */
  const at = (probe: string, work: number, of: string): readonly number[] =>
    rounds.get(probe)?.map((sample) => (work / figures[of]!) * sample.median_ms) ?? [];
  const parts = [
    at('fma', figures.flops!, 'fma_flops'),
    at('dot', figures.bf16_flops!, 'dot_flops'),
    at('stream', bytes, 'stream_bytes'),
  ];
  const steps = rounds.get('step')!;
  const least = steps.map((_, i) => parts.reduce((sum, part) => sum + (part[i] ?? 0), 0));
  return { ms: short(median(least)), percent: short(100 * median(least.map((ms, i) => ms / steps[i]!.median_ms))) };
}

/** What bounds our step: floors, and what they are made of. */
function boundsRow(info: Info, rounds: Rounds): Record<string, number> {
  const [fma, dot, stream] = [rounds.get('fma'), rounds.get('dot'), rounds.get('stream')];
  if (!fma || !stream) return {};
  const rate = (flops: unknown, probe: readonly Sample[]): number => short(Number(flops) / summarize(probe).median_ms / 1e6);
  const low = dot && { bf16_gflop: short(Number(info.bf16_flops) / 1e9), bf16_peak_gflops: rate(info.dot_flops, dot) };
  const [least, whole] = [floor(rounds, info, Number(info.update_bytes)), floor(rounds, info, Number(info.bytes))];
  return {
    gflop: short(Number(info.flops) / 1e9),
    update_mb: short(Number(info.update_bytes) / 1e6),
    all_mb: short(Number(info.bytes) / 1e6),
    peak_gflops: rate(info.fma_flops, fma),
    ...low,
    stream_gbytes: rate(info.stream_bytes, stream),
    floor_ms: least.ms,
    floor_percent: least.percent,
    floor_all_ms: whole.ms,
    floor_all_percent: whole.percent,
    ...productShares(rounds, rounds, info),
  };
}

export const step: Suite = {
  cells: workloadNames(),
  precisions: PRECISIONS,
  peers: [
    ...['torch', 'torch-default', 'torch-compile', 'torch-autotune', 'torch-bf16', 'torch-bf16-compile'],
    ...['jax', 'jax-bf16', 'tf', 'tf-bf16', 'tf-default', 'tf-xla', 'tfjs', 'jaxjs'],
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
    const { precision } = info;
    return { ...stepRow(cell, info, rounds), ...(precision && { precision }), ...steps, ...boundsRow(info, rounds) };
  },
  compare: (theirs, ours) =>
    ratios(theirs, ours, [
      ['ratio', 'step', 'step'],
      ['chunk_ratio', 'chunk', 'step'],
      ...SINGLE.map((variant) => [`${variant}_ratio`, 'step', variant] as const),
    ]),
  shares: productShares,
  bars(row) {
    const bar = (key: string, way: string) =>
      barsOf(row, String(row.workload), { [key]: 'A training step, ms (less is better)' }, `${row.peer}${way}`);
    return [
      ...bar('median_ms', ''),
      ...bar('chunk_ms', `, ${row.chunk_steps} steps a call`),
      ...bar('awaited_ms', ', each step awaited'),
    ];
  },
  check: (cell, { info }) => checkStep(cell, info),
  verdict,
  tables: stepTables,
};
