// exit.ts: what ends a command, as an exit code.
import { CheckpointError, DataError, GuardError, IndexError, NonFiniteError, OptionError, SkipError } from '../errors.ts';
import type { StopCause } from './io.ts';

export const EXIT = { ok: 0, runtime: 1, usage: 2, diverged: 3, data: 4, sigint: 130, sigterm: 143 } as const;

/** For --help. */
export const EXIT_CODES: readonly string[] = [
  '0 done, 1 failed, 2 wrong usage or configuration, 3 diverged (loss or gradient not finite, nothing but spikes, or a guard stopped it),',
  '4 unusable data or checkpoint, 130 interrupted, 143 terminated',
];

export function exitCodeOf(error: unknown): number {
  if (error instanceof OptionError) return EXIT.usage;
  if (error instanceof NonFiniteError || error instanceof GuardError || error instanceof SkipError) return EXIT.diverged;
  if (error instanceof DataError || error instanceof IndexError || error instanceof CheckpointError) return EXIT.data;
  return EXIT.runtime;
}

/** Of a command that was stopped before its end. */
export function exitCodeOfStop(cause: StopCause): number {
  return cause === 'SIGINT' ? EXIT.sigint : cause === 'SIGTERM' ? EXIT.sigterm : EXIT.runtime;
}
