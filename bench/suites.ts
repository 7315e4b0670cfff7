// suites.ts: what each suite measures: its cells, its peers, and the row it prints for an engine.
import { readdirSync } from 'node:fs';
import { CLIP_CELLS } from '../lib/cli/bench/clip-step.ts';
import { clipStepRow, type Rounds, stepRow } from '../lib/cli/bench/rows.ts';
import type { Info } from './engine.ts';
import { short, summarize } from './report.ts';
import type { Reference } from './workload.ts';

export type { Rounds };

export interface Suite {
  readonly cells: readonly string[];
  /** Peers asked for by a plain --peers. */
  readonly peers: readonly string[];
  /** The variant whose ratio is printed, given an engine's variants. */
  main(variants: readonly string[]): string;
  /** Which variants are timed. */
  variants(info: Info, overhead: boolean): readonly string[];
  row(cell: string, info: Info, rounds: Rounds): Record<string, unknown>;
  /** What an engine computes wrongly, if anything. The suites without it leave that to the engine. */
  check?(cell: string, info: Info): Promise<string | null>;
}

/** The names of bench/workloads/*.ts. */
function workloadNames(): string[] {
  const files = readdirSync(new URL('./workloads/', import.meta.url));
  return files.filter((file) => file.endsWith('.js')).map((file) => file.slice(0, -3));
}

/** Relative distance that f32 may put between an engine and PyTorch in f64. */
const TOLERANCE = { loss: 1e-5, norm: 1e-3 } as const;

async function checkStep(cell: string, info: Info): Promise<string | null> {
  const { WORKLOAD } = (await import(`./workloads/${cell}.js`)) as { WORKLOAD: { reference: Reference } };
  for (const key of ['loss', 'norm'] as const) {
    const expected = WORKLOAD.reference[key];
    const far = info[key]?.some((value, i) => !(Math.abs(value / expected[i]! - 1) <= TOLERANCE[key]));
    if (far) return `expected ${key} ${expected.join(', ')} in its first steps, got ${info[key]!.join(', ')}`;
  }
  return null;
}

const step: Suite = {
  cells: workloadNames(),
  peers: ['torch', 'jax', 'tf', 'tf-xla', 'tfjs'],
  main: () => 'step',
  variants: (_, overhead) => (overhead ? ['step', 'noclip'] : ['step']),
  row: stepRow,
  check: checkStep,
};

const clipStep: Suite = {
  cells: CLIP_CELLS,
  peers: ['torch', 'jax'],
  main: () => 'global_norm_step',
  variants: (info) => info.variants,
  row: clipStepRow,
};

const SIZES =
  '64x64x64 128x128x128 256x256x256 512x512x512 1024x1024x1024 2048x2048x2048 64x256x784 64x10x128 256x4096x1024 1024x4096x256 768x512x128 32x1024x256';

const gemm: Suite = {
  cells: ['nn', 'nt', 'tn'].flatMap((trans) => SIZES.split(' ').map((size) => `${trans}/${size}`)),
  peers: ['blas'],
  main: (variants) => variants[0]!,
  variants: (info) => info.variants,
  row(cell, info, rounds) {
    const flops =
      2 *
      cell
        .split('/')[1]!
        .split('x')
        .reduce((product, size) => product * Number(size), 1);
    const rates = [...rounds].map(([name, samples]) => [`${name}_gflops`, short(flops / summarize(samples).median_ms / 1e6)]);
    return { trans: info.trans, m: info.m, n: info.n, k: info.k, ...Object.fromEntries(rates) };
  },
};

export const SUITES: Readonly<Record<string, Suite>> = { step, 'clip-step': clipStep, gemm };
