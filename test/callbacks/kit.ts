// kit.ts: what tests of ready-made callbacks share: folders, a trainer, and what a run told by its own reports.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Callback, type EpochEnd, optim, type Report } from '../../lib/index.ts';
import type { Trainer } from '../../lib/train/trainer.ts';
import { type ClassifierOptions, classifier, type MLP, points } from '../train/models.ts';

/** Seven steps an epoch. */
type Points = ReturnType<typeof points>;
export const data: Points = points(56);
export const validation: Points = points(24, 6, 9);

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'gradclip-seen-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

export const make = <K extends string = never>(more: ClassifierOptions<K> = {}): Trainer<MLP, K> =>
  classifier<K>({ batchSize: 8, optimizer: optim.adamw({ lr: 0.05 }), ...more });

/** What a run told, in order, seen by a callback of its own. */
export interface Seen {
  readonly reports: Report[];
  readonly validations: { readonly step: number; readonly loss: number }[];
  readonly epochs: EpochEnd[];
  readonly chunks: number[];
}

export function seeing(): { readonly seen: Seen; readonly callback: Callback } {
  const seen: Seen = { reports: [], validations: [], epochs: [], chunks: [] };
  const callback: Callback = {
    onSteps: (steps) => {
      seen.reports.push(...steps);
      seen.chunks.push(steps.length);
    },
    onValidation: ({ loss }, { counters }) => void seen.validations.push({ step: counters.step, loss }),
    onEpoch: (end) => void seen.epochs.push(end),
  };
  return { seen, callback };
}
