// recording.ts: a training as it is recorded: its last steps in memory for `advise`, all of it thinned for `report`, and all of them in a file where `fit` is
// asked to.
import type { AutoDecision } from '../../clip/clip.ts';
import type { RecordHeader } from '../../history/history.ts';
import type { StepLog } from '../../history/log.ts';
import type { Digest } from '../../history/run/digest.ts';
import type { RunEvent } from '../../history/run/events.ts';
import { Recorder } from '../../history/write.ts';
import { machineText } from '../../native/machine.ts';
import type { Reports } from '../../optim/apply/report.ts';
import { bool, either, type Field, options, text } from '../../options/index.ts';
import type { Wait } from '../flow/effect.ts';
import type { EpochEnd, GuardEvent, Metrics } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { ChunkFacts, Watcher } from './watcher.ts';

/** What the record of a fit is written to: `record` of `Trainer.fit`. */
export interface RecordOptions {
  /** The file that is written, or appended to by a trainer that goes on. */
  readonly file: string;
  /** Write the 2-norm of each parameter's gradient, before the clip, with every step. Default false. */
  readonly perLayer?: boolean;
  /** Also write the machine, and the time at most once a second: two records of one run are not the same bytes then. Default false. */
  readonly clock?: boolean;
}

/** The name of a file, or that with what is recorded. */
export const recordTo: Field<string | RecordOptions, unknown> = either(
  text,
  options<RecordOptions>()({ file: text, perLayer: bool.default(false), clock: bool.default(false) }),
);

export const fileOf = (record: string | RecordOptions | undefined): string | undefined =>
  typeof record === 'object' ? record.file : record;

export const isPerLayer = (record: string | RecordOptions | undefined): boolean =>
  typeof record === 'object' && record.perLayer === true;

const hasClock = (record: string | RecordOptions | undefined): boolean => typeof record === 'object' && record.clock === true;

/** Between two times in a record. */
const CLOCK_MS = 1000;
/** Learning rates of a chunk that are asked for where they are only drawn. */
const MOST_RATES = 64;

/** What steps are recorded in, and what they are recorded of. */
export interface RecordingInit {
  readonly record: string | RecordOptions | undefined;
  /** Asked for where there is a file. */
  readonly header: () => RecordHeader;
  readonly log: StepLog;
  readonly digest: Digest;
  /** Of the trained parameters. */
  readonly names: readonly string[];
  readonly running: Running;
  /** Of a policy that finds its threshold, so far. */
  readonly decisions: () => readonly AutoDecision[];
  /** The learning rate of each group in a step. */
  readonly ratesAt: (step: number) => readonly number[];
}

export class Recording implements Watcher {
  readonly name = 'record';
  readonly #init: RecordingInit;
  readonly #recorder: Recorder | null;
  readonly #sync: boolean;
  readonly #clock: boolean;
  /** When the fit has begun; when the time was last written. */
  readonly #begun: number = performance.now();
  #told = Number.NEGATIVE_INFINITY;
  /** Decisions that the file has, and that the digest has. */
  #decided = 0;

  /** The file is opened. */
  constructor(init: RecordingInit) {
    const { record, header, running, digest, names } = init;
    const { counters, blocks: sync } = running;
    this.#init = init;
    this.#sync = sync;
    this.#clock = hasClock(record);
    digest.begin(names);
    const file = fileOf(record);
    this.#recorder = file === undefined ? null : new Recorder({ file, header: header(), attempt: counters.attempt, sync });
  }

  /** What was decided after the last step that the file has is written anew: it goes on behind that step. */
  start(): void {
    const begun = this.#init.running.course.tried;
    this.#decided = this.#init.decisions().filter(({ decided }) => decided < begun).length;
    if (this.#clock) this.#time({ machine: machineText() });
  }

  steps(reports: Reports, { step }: ChunkFacts): void {
    const { log, digest, names, ratesAt } = this.#init;
    log.add(reports, names);
    this.#decide();
    if (this.#recorder) {
      const rates = ratesOf(reports, step, ratesAt);
      digest.addReports(reports, step, (i) => rates[i]!);
      this.#recorder.add(reports, rates);
    } else {
      // Read once in a while: a chunk may have thousands of steps, and they are drawn only.
      const stride = Math.ceil(reports.length / MOST_RATES);
      digest.addReports(reports, step, (i, updates) => (i % stride === 0 ? ratesAt(updates) : null));
    }
    digest.time(performance.now() - this.#begun);
    if (this.#clock && reports.length > 0 && performance.now() - this.#told >= CLOCK_MS) this.#time({});
  }

  validation(metrics: Metrics<string>): void {
    const { attempt, step } = this.#init.running.counters;
    this.#tell({ event: 'validation', attempt, step, metrics: { ...metrics } });
  }

  epoch({ epoch, loss, steps, clipped, skipped }: EpochEnd<string>): void {
    const { attempt, step } = this.#init.running.counters;
    this.#tell({ event: 'epoch', attempt, step, epoch, loss, steps, clipped, skipped });
  }

  guard({ guard, action, name, value, attempt, step }: GuardEvent): void {
    const event: RunEvent = { event: 'guard', attempt, step, guard, action, name, value };
    this.#init.digest.event(event);
    // What was found in a step that is reported stands in its line.
    if (value === null) this.#recorder?.addEvent(event);
  }

  /** The last decision comes after the last step. */
  end(): void {
    this.#decide();
    this.#init.digest.time(performance.now() - this.#begun);
  }

  #tell(event: RunEvent): void {
    this.#init.digest.event(event);
    this.#recorder?.addEvent(event);
  }

  #time(more: { readonly machine?: string }): void {
    this.#told = performance.now();
    const { attempt } = this.#init.running.counters;
    this.#recorder?.addEvent({ event: 'clock', attempt, time: Date.now(), ...more });
  }

  #decide(): void {
    const decisions = this.#init.decisions();
    for (; this.#decided < decisions.length; this.#decided++) {
      this.#init.digest.decision(decisions[this.#decided]!);
      this.#recorder?.addDecision(this.#decided, decisions[this.#decided]!);
    }
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

/** The learning rates of each step. @param step updates before the first */
function ratesOf(reports: Reports, step: number, ratesAt: (step: number) => readonly number[]): (readonly number[])[] {
  const { values, start, stride } = reports.strided('skipped');
  let updates = step;
  return Array.from({ length: reports.length }, (_, i) => {
    const rates = ratesAt(updates);
    if (!(start < values.length && values[start + i * stride] !== 0)) updates++;
    return rates;
  });
}
