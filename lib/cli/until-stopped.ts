// until-stopped.ts: reads a training to its end, and stops it after its step when the command is told to stop.
import type { Report } from '../optim/report.ts';
import type { FitResult, Run } from '../train/index.ts';

export async function untilStopped<K extends string>(
  run: Run<K>,
  signal: AbortSignal,
  onReport: (report: Report) => void,
): Promise<FitResult<K>> {
  const stop = (): void => run.stop();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    for await (const report of run) onReport(report);
    return await run;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
