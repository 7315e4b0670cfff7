// recording.ts: the steps of a training as they are kept: the last ones in memory for `advise`, all of them in a file where `fit` is asked to.
import { OptionError } from '../errors.ts';
import type { RecordHeader } from '../history/history.ts';
import type { StepLog } from '../history/log.ts';
import { Recorder } from '../history/write.ts';
import type { Reports } from '../optim/report.ts';
import { checkBoolean, checkOptions, show } from '../options.ts';

export interface RecordOptions {
  readonly file: string;
  /** With the 2-norm of each parameter's gradient, before the clip. Default false. */
  readonly perLayer?: boolean;
}

export function checkRecord(where: string, record: unknown): void {
  if (record === undefined || (typeof record === 'string' && record !== '')) return;
  if (typeof record !== 'object' || record === null) {
    throw new OptionError(`${where}: option record: expected the name of a file, or { file, perLayer }, got ${show(record)}`, {
      option: 'record',
    });
  }
  checkOptions(`${where}: record`, record, ['file', 'perLayer']);
  const { file, perLayer = false } = record as RecordOptions;
  if (typeof file !== 'string' || file === '') {
    throw new OptionError(`${where}: record: option file: expected the name of a file, got ${show(file)}`, { option: 'file' });
  }
  checkBoolean(`${where}: record`, 'perLayer', perLayer);
}

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
