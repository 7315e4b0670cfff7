// until-stopped.ts: waits for a training, and stops it after its step when the command is asked to stop.
import type { FitResult, Run } from '../../train/index.ts';

export async function untilStopped<K extends string>(run: Run<K>, signal: AbortSignal): Promise<FitResult<K>> {
  const stop = (): void => run.stop();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    return await run;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
