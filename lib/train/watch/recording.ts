// recording.ts: the steps of a training as they are kept: the last ones in memory for `advise`, all of them in a file where `fit` is asked to.
import type { RecordHeader } from '../../history/history.ts';
import type { StepLog } from '../../history/log.ts';
import { Recorder } from '../../history/write.ts';
import type { Reports } from '../../optim/report.ts';
import { bool, either, type Field, options, text } from '../../options/index.ts';

export interface RecordOptions {
  readonly file: string;
  /** With the 2-norm of each parameter's gradient, before the clip. Default false. */
  readonly perLayer?: boolean;
}

/** The name of a file, or that with what is recorded. */
export const recordTo: Field<string | RecordOptions, unknown> = either(
  text,
  options<RecordOptions>()({ file: text, perLayer: bool.default(false) }),
);

export const isPerLayer = (record: string | RecordOptions | undefined): boolean =>
  typeof record === 'object' && record.perLayer === true;

export interface RecordingContext {
  readonly record: string | RecordOptions | undefined;
  /** Asked for where there is a file. */
  readonly header: () => RecordHeader;
  readonly log: StepLog;
  /** Names of the trained parameters. */
  readonly names: readonly string[];
  /** Batches drawn so far. */
  readonly attempt: number;
  readonly sync: boolean;
}

/** Where the reports of a training go. */
export interface Recording {
  add(reports: Reports): void;
  /** Waits for a disk that is far behind. */
  caughtUp(): Promise<void>;
}

/** Do `work`, which gives its result or a promise of it, with a record that is open meanwhile. The error of the work counts, if both fail. */
export function recording<R>(c: RecordingContext, work: (recording: Recording) => R): R {
  const { record, header, log, names, attempt, sync } = c;
  const file = typeof record === 'object' ? record.file : record;
  const recorder = file === undefined ? null : new Recorder({ file, header: header(), attempt, sync });
  const add = (reports: Reports): void => {
    log.add(reports, names);
    recorder?.add(reports);
  };
  const kept: Recording = { add, caughtUp: async () => recorder?.caughtUp() };
  if (!recorder) return work(kept);
  let result: R;
  try {
    result = work(kept);
  } catch (error) {
    recorder.close().catch(() => {});
    throw error;
  }
  if (!(result instanceof Promise)) {
    recorder.closeSync();
    return result;
  }
  const done = async (value: unknown): Promise<unknown> => {
    await recorder.close();
    return value;
  };
  const failed = async (error: unknown): Promise<never> => {
    await recorder.close().catch(() => {});
    throw error;
  };
  return result.then(done, failed) as R;
}
