// gradclip.ts: gradclip as an engine: a process that holds one cell and answers one JSON line a command, as the peers do.
import { createInterface } from 'node:readline';
import type { Cell } from '../../lib/cli/bench/sample.ts';

type Open = (cell: string, threads: number) => Promise<Cell>;
const SUITES: Readonly<Record<string, () => Promise<Open>>> = {
  step: async () => (await import('./step.ts')).stepCell,
  'clip-step': async () => (await import('../../lib/cli/bench/clip-step.ts')).clipCell,
  gemm: async () => (await import('./gemm.ts')).gemmCell,
};

const option = (name: string): string => process.argv[process.argv.indexOf(name) + 1]!;
const say = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);

const open = await SUITES[option('--suite')]!();
const { info, variants } = await open(option('--cell'), Number(option('--threads')));
say({ ...info, variants: Object.keys(variants) });
for await (const line of createInterface({ input: process.stdin })) {
  const { variant, seconds } = JSON.parse(line) as { variant: string; seconds: number };
  say(await variants[variant]!(seconds));
}
