// recording.ts: the steps of a training as they are recorded: the last ones in memory for `advise`, all of them in a file where `fit` is asked to.
import type { AutoDecision } from '../../clip/clip.ts';
import type { RecordHeader } from '../../history/history.ts';
import type { StepLog } from '../../history/log.ts';
import { Recorder } from '../../history/write.ts';
import type { Reports } from '../../optim/apply/report.ts';
import { bool, either, type Field, options, text } from '../../options/index.ts';
import type { Wait } from '../flow/effect.ts';
import type { Running } from '../flow/running.ts';
import type { Watcher } from './watcher.ts';

/** What the record of a fit is written to: `record` of `Trainer.fit`. */
export interface RecordOptions {
  /** The file that is written, or appended to by a trainer that goes on. */
  readonly file: string;
  /** Write the 2-norm of each parameter's gradient, before the clip, with every step. Default false. */
  readonly perLayer?: boolean;
}

/** The name of a file, or that with what is recorded. */
export const recordTo: Field<string | RecordOptions, unknown> = either(
  text,
  options<RecordOptions>()({ file: text, perLayer: bool.default(false) }),
);

export const fileOf = (record: string | RecordOptions | undefined): string | undefined =>
  typeof record === 'object' ? record.file : record;

export const isPerLayer = (record: string | RecordOptions | undefined): boolean =>
  typeof record === 'object' && record.perLayer === true;

/** The last steps in memory; all of them in a file, where one is given. */
export class Recording implements Watcher {
  readonly name = 'record';
  readonly #log: StepLog;
  readonly #names: readonly string[];
  readonly #recorder: Recorder | null;
  readonly #sync: boolean;
  readonly #decisions: () => readonly AutoDecision[];
  readonly #begun: () => number;
  /** Decisions that the file has. */
  #decided = 0;

  /**
   * The file is opened.
   * @param header asked for where there is a file
   * @param names of the trained parameters
   * @param decisions of a policy that finds its threshold, so far
   */
  constructor(
    record: string | RecordOptions | undefined,
    header: () => RecordHeader,
    log: StepLog,
    names: readonly string[],
    running: Running,
    decisions: () => readonly AutoDecision[] = () => [],
  ) {
    const { counters, blocks: sync } = running;
    this.#decisions = decisions;
    this.#begun = () => running.course.tried;
    this.#log = log;
    this.#names = names;
    this.#sync = sync;
    const file = fileOf(record);
    this.#recorder = file === undefined ? null : new Recorder({ file, header: header(), attempt: counters.attempt, sync });
  }

  /** What was decided after the last step that the file has is written anew: it goes on behind that step. */
  start(): void {
    const begun = this.#begun();
    this.#decided = this.#decisions().filter(({ decided }) => decided < begun).length;
  }

  steps(reports: Reports): void {
    this.#log.add(reports, this.#names);
    this.#decide();
    this.#recorder?.add(reports);
  }

  /** The last decision comes after the last step. */
  end(): void {
    this.#decide();
  }

  #decide(): void {
    if (!this.#recorder) return;
    const decisions = this.#decisions();
    for (; this.#decided < decisions.length; this.#decided++)
      this.#recorder.addDecision(this.#decided, decisions[this.#decided]!);
  }

  /** Waits for a disk that is far behind. */
  settled(): Wait {
    return this.#recorder?.isBehind && !this.#sync ? this.#recorder.caughtUp() : undefined;
  }

  /** A checkpoint is not ahead of the record: whoever goes on from it would leave a gap. */
  flush(): Wait {
    return this.#sync ? undefined : this.#recorder?.flush();
  }

  close(): Wait {
    return this.#sync ? this.#recorder?.closeSync() : this.#recorder?.close();
  }
}
