// gradclip.ts: gradclip as an engine.
import type { Precision } from '../ours.ts';
import { option, type Served, serve } from './serve.ts';

type Open = (cell: string, threads: number, precision: Precision) => Promise<Served | string>;
const SUITES: Readonly<Record<string, () => Promise<Open>>> = {
  step: async () => (await import('./step.ts')).stepCell,
  'clip-step': async () => (await import('../../lib/cli/bench/clip-step.ts')).clipCell,
  generate: async () => (await import('./generate.ts')).generateCell,
  policies: async () => (await import('./policies.ts')).policiesCell,
  gan: async () => (await import('./gan.ts')).ganCell,
  serve: async () => (await import('./requests.ts')).requestsCell,
  ops: async () => (await import('./ops.ts')).opCell,
  kernels: async () => (await import('./kernels.ts')).kernelCell,
  mpi: async () => (await import('./mpi.ts')).mpiCell,
  privacy: async () => {
    const { privacyCell } = await import('./privacy.ts');
    return (cell, threads) => privacyCell(cell, threads);
  },
  gemm: async () => (await import('./gemm.ts')).gemmCell,
};

const open = await SUITES[option('--suite')]!();
const precision = option('--precision', 'f32') as Precision;
await serve((cell) => open(cell, Number(option('--threads')), precision), option('--cell'));
