// ours.ts: this project as an engine: in each precision, of this checkout and of another.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Precision } from '../lib/ir/op.ts';
import type { Launch } from './engine.ts';
import type { Peer } from './peers.ts';

export type { Precision };

/** Of the operands of our products. */
export const PRECISIONS: readonly Precision[] = ['f32', 'bf16'];

/** Whether it is this project in some state and precision, whatever it is beside. */
export const isOurs = (peer: string): boolean => /^(gradclip|before)(-bf16)?$/.test(peer);

/** What names of ratios to ours in that precision begin with. */
export const ratioPrefix = (precision: unknown): string => (precision === 'bf16' ? 'bf16_' : '');

/** This project's engine of some checkout, in each of the precisions. */
export function engines(name: string, script: string, precisions: readonly Precision[]): Launch[] {
  return precisions.map((precision) => ({
    peer: precision === 'f32' ? name : `${name}-${precision}`,
    command: process.execPath,
    args: [script, ...(precision === 'f32' ? [] : ['--precision', precision])],
    ...(precision !== 'f32' && { precision }),
  }));
}

/** Another checkout of this project as a peer in each precision. @throws Error where it is not built */
export function checkout(folder: string, precisions: readonly Precision[]): Peer[] {
  const engine = resolve(folder, 'dist/bench/engines/gradclip.js');
  if (!existsSync(engine)) throw new Error(`--against: no ${engine}: run npm ci there`);
  const { version } = JSON.parse(readFileSync(resolve(folder, 'package.json'), 'utf8')) as { version: string };
  return engines('before', engine, precisions).map((launch) => ({ ...launch, version }));
}
