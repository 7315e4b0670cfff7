// checkpoint-files.ts: which checkpoints a run writes on its way, and which files they are.
import { basename, dirname, extname, join } from 'node:path';
import { either, type Field, number, options, text, whole } from '../../options/index.ts';
import { metadata } from './checkpoint.ts';

/** So many steps, or seconds, whichever comes first. */
export interface Every {
  /** Steps from one checkpoint to the next. */
  readonly steps?: number;
  /** Seconds from one checkpoint to the next. */
  readonly seconds?: number;
}

/** When and where a fit writes checkpoints: `checkpoint` of `Trainer.fit`. */
export interface CheckpointOptions {
  /**
   * File of the newest checkpoint. Those before it have their number before the extension: `run.1.safetensors`,
   * `run.2.safetensors`.
   */
  readonly file: string;
  /** From one checkpoint to the next; there is one at the end of the run anyway. Default `{ seconds: 60 }`. */
  readonly every?: Every;
  /** How many files there are, the newest among them. Default 1. */
  readonly keep?: number;
  /** Further pairs of texts for the header of the files. Default: none. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What is read of them. */
export interface CheckpointRule {
  readonly file: string;
  readonly every: Every;
  readonly keep: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** From one checkpoint to the next, where nobody says. */
export const SECONDS = 60;
export const MOST_KEPT = 1000;

export const every: Field<Every> = options<Every>()({
  steps: whole({ min: 1 }).optional(),
  seconds: number({ above: 0 }).optional(),
}).map(
  ({ steps, seconds }): Every =>
    steps === undefined && seconds === undefined
      ? { seconds: SECONDS }
      : { ...(steps !== undefined && { steps }), ...(seconds !== undefined && { seconds }) },
);
export const kept: Field<number> = whole({ min: 1, max: MOST_KEPT });
const rule = options<CheckpointOptions>()({
  file: text,
  every: every.default({ seconds: SECONDS }),
  keep: kept.default(1),
  metadata,
});

/** The name of a file, or that with how often it is written. */
export const checkpoint: Field<string | CheckpointOptions, CheckpointRule> = either(
  text.map((file): CheckpointRule => ({ file, every: { seconds: SECONDS }, keep: 1, metadata: {} })),
  rule,
) as Field<string | CheckpointOptions, CheckpointRule>;

/** The files of `keep` checkpoints, the newest first. */
export function checkpointFiles({ file, keep }: Pick<CheckpointRule, 'file' | 'keep'>): string[] {
  const extension = extname(file);
  const stem = join(dirname(file), basename(file, extension));
  return [file, ...Array.from({ length: keep - 1 }, (_, i) => `${stem}.${i + 1}${extension}`)];
}

/** Writes state that was copied to a file, and calls `ready` before that takes the place of another. */
export type WriteCheckpoint = (file: string, ready?: () => Promise<void>) => Promise<void>;
