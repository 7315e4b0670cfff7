// train-view.ts: what `gradclip train` shows: a line per epoch, a progress bar on a terminal, a line now and then elsewhere.

import type { Group } from '../../mpi/index.ts';
import { valueLine } from '../../pages/evaluation-page.ts';
import { count, duration, percent, short } from '../../text/format.ts';
import { percentDone, perSecond, progressLine, Recent, timeLeft } from '../../text/progress.ts';
import type { AutoResult, EpochEnd, GuardEvent, Metrics } from '../../train/flow/progress.ts';
import type { TrainingWarning } from '../../train/flow/warnings.ts';
import type { Callback, CallbackRun, StepReports } from '../../train/watch/callback.ts';
import type { TrainConfig } from '../config/config.ts';
import type { DataSet } from '../config/data.ts';
import { unknownLine } from '../config/tables.ts';
import type { Screen } from '../screen.ts';
import type { Outcome } from './train.ts';

export interface Setting {
  readonly config: TrainConfig;
  readonly data: DataSet;
  readonly seed: number | bigint;
  /** Steps of an epoch. */
  readonly perEpoch: number;
  readonly accumulate: number;
  readonly parameters: number;
  /** Who trains together; null: this process alone. */
  readonly group: Group | null;
  /** What is validated on. */
  readonly on: 'test' | 'validation';
}

/** Between two pictures of the bar, and between two lines where there is none. */
const FRAME_MS = 100;
const LINE_MS = 10_000;

export class TrainView implements Callback<string> {
  readonly #screen: Screen;
  readonly #setting: Setting;
  readonly #started: number = performance.now();
  /** Of the whole run, less those that were done before. */
  #total = 0;
  #told: number = performance.now();
  #steps = 0;
  #rows = 0;
  readonly #loss = new Recent();

  constructor(screen: Screen, setting: Setting) {
    this.#screen = screen;
    this.#setting = setting;
  }

  onStart({ counters: { epoch, batch } }: CallbackRun): void {
    const { config, data, seed, perEpoch, accumulate, parameters, group } = this.#setting;
    const done = epoch * perEpoch + Math.ceil(batch / accumulate);
    const { epochs, steps } = config;
    const whole = Math.min(epochs === null ? Infinity : epochs * perEpoch, steps ?? Infinity);
    this.#total = Math.max(0, whole - done);
    const { train, validation, test } = data.counts;
    this.#screen.emit({
      event: 'start',
      seed: Number(seed),
      parameters,
      rows: { train, validation, test },
      steps: Number.isFinite(this.#total) ? this.#total : null,
      resumedAt: done,
      ...(group && { processes: group.size, library: group.library }),
    });
    const shares = [
      `${count(train)} train`,
      validation > 0 && `${count(validation)} validate`,
      test > 0 && `${count(test)} test`,
    ];
    const what = data.tokenizer === null ? 'rows' : 'characters';
    const together = group
      ? `${count(group.size)} ${group.size === 1 ? 'process' : 'processes'}${group.library ? ` of ${group.library}` : ''}; `
      : '';
    const { seconds } = config;
    const length = [
      Number.isFinite(this.#total) && `${count(this.#total)} steps`,
      seconds !== null && `${seconds} s${Number.isFinite(this.#total) ? ' at most' : ''}`,
    ];
    this.#screen.say(
      `seed ${seed}: ${count(parameters)} parameters; ${together}${what}: ${shares.filter(Boolean).join(', ')}; ${length.filter(Boolean).join(', ')}`,
    );
    if (done > 0) this.#screen.say(`going on from step ${count(done)}`);
  }

  onSteps(steps: StepReports): void {
    this.#steps += steps.length;
    this.#rows += steps.rows;
    for (const loss of steps.numbers('loss')) this.#loss.add(loss);
    const now = performance.now();
    if (now - this.#told < (this.#screen.live ? FRAME_MS : LINE_MS)) return;
    this.#told = now;
    if (this.#screen.live) this.#screen.redraw([this.#bar(now)]);
    else
      this.#screen.note(
        `step ${count(this.#steps)}${Number.isFinite(this.#total) ? ` of ${count(this.#total)}` : ''}, loss ${short(this.#loss.mean)}, ${this.#left(now)}`,
      );
  }

  onEpoch({ epoch, loss, steps, clipped, skipped, validation }: EpochEnd<string>): void {
    const { config, on } = this.#setting;
    if (!this.#screen.live) this.#told = performance.now();
    const measured =
      validation === null ? {} : { [`${on}Loss`]: validation.loss, [`${on}Accuracy`]: validation.accuracy ?? null };
    this.#screen.emit({ event: 'epoch', epoch, loss, ...measured, steps, clipped, skipped });
    const { epochs } = config;
    const of = epochs === null ? '' : `/${epochs}`;
    const parts = [
      `epoch ${String(epoch).padStart(String(epochs ?? '').length)}${of}`,
      `loss ${loss.toFixed(4)}`,
      validation && `${on} loss ${validation.loss.toFixed(4)}`,
      validation?.accuracy !== undefined && `accuracy ${percent(validation.accuracy, 1, 2)}`,
      `clipped ${percent(clipped, steps, 0)}`,
      `skipped ${count(skipped)}`,
    ];
    this.#screen.say(parts.filter(Boolean).join('  '));
  }

  onGuard({ guard, action, name, value, attempt }: GuardEvent): void {
    this.#screen.emit({ event: 'guard', guard, action, name, value, attempt });
    const found = value === null ? name : `${name} is ${short(value)}`;
    this.#screen.note(`batch ${count(attempt)}: ${guard}: ${found} (${action})`);
  }

  warning({ code, message, details }: TrainingWarning): void {
    this.#screen.emit({ event: 'warning', code, message, ...details });
    this.#screen.note(`warning: ${message}`);
  }

  /** Categories of a table that the rows which train do not have. */
  unknown({ file, ...unknown }: DataSet['unknown'][number]): void {
    this.#screen.emit({ event: 'warning', code: 'unknown-categories', file, ...unknown });
    this.#screen.note(`warning: ${file}: ${unknownLine(unknown)}`);
  }

  /** The bar goes away; lines may follow. */
  pause(): void {
    this.#screen.redraw([]);
  }

  end(outcome: Outcome): void {
    const { fit, within, validation, test, values, ms, checkpoint, epochs, seed, stopped, sparsity } = outcome;
    this.#screen.emit({
      event: 'result',
      seed: Number(seed),
      stopReason: fit.tried === 0 && !stopped ? 'done before' : fit.stopReason,
      epochs,
      steps: fit.tried,
      applied: fit.applied,
      clipped: fit.clipped,
      skipped: fit.skipped,
      nonFinite: fit.nonFinite,
      loss: fit.epochs.at(-1)?.loss ?? fit.last?.loss ?? null,
      ...(validation && { validationLoss: validation.loss, validationAccuracy: validation.accuracy ?? null }),
      testLoss: test?.loss ?? null,
      testAccuracy: test?.accuracy ?? null,
      ...(values && { testRmse: values.rmse, testMae: values.mae, testR2: values.r2 }),
      seconds: ms / 1000,
      checkpoint,
      ...(sparsity !== null && { sparsity }),
      ...(fit.auto && { auto: fit.auto }),
    });
    const say = (text: string): void => this.#screen.say(text);
    const steps = fit.tried;
    const ended = { earlyStop: 'stopped improving after', seconds: 'time over after' } as Partial<Record<string, string>>;
    const how = stopped ? 'stopped after' : (ended[fit.stopReason] ?? 'done:');
    say(`${how} ${count(steps)} steps in ${duration(ms)}, ${percent(fit.clipped, steps)} clipped, ${count(fit.skipped)} skipped`);
    if (fit.auto) say(thresholdLine(fit.auto, steps));
    if (fit.nonFinite.length > 0) say(`not finite: the gradient of ${fit.nonFinite.join(', ')}`);
    // An epoch that is over has told it.
    if (validation && within) say(this.#measured('validation', validation));
    if (test?.accuracy !== undefined)
      say(this.#screen.paint('bold', `test accuracy ${(100 * test.accuracy).toFixed(2)} %, loss ${test.loss.toFixed(4)}`));
    else if (test) say(this.#screen.paint('bold', `test loss ${test.loss.toFixed(4)}`));
    if (values) say(`test ${valueLine(values)}, in the units of the labels`);
    if (sparsity !== null) say(`pruned: ${percent(sparsity, 1)} of the weights that may be`);
    if (checkpoint !== null) say(`checkpoint: ${checkpoint}`);
  }

  #measured(on: string, { loss, accuracy }: Metrics<string>): string {
    return `${on} loss ${loss.toFixed(4)}${accuracy === undefined ? '' : `, accuracy ${percent(accuracy, 1, 2)}`}`;
  }

  /** What is done, of steps or of the time, whichever ends first. */
  #part(now: number): number {
    const { seconds } = this.#setting.config;
    const time = seconds === null ? 0 : (now - this.#started) / (1000 * seconds);
    return Math.min(1, Math.max(this.#steps / this.#total, time));
  }

  #bar(now: number): string {
    const part = this.#part(now);
    const words = [
      `${percentDone(part)}  loss ${short(this.#loss.mean)}`,
      perSecond(this.#steps, now - this.#started, 'steps'),
      this.#left(now),
      perSecond(this.#rows, now - this.#started, 'rows'),
    ];
    return progressLine(part, words, this.#screen.columns - 1, (style, text) => this.#screen.paintLive(style, text));
  }

  #left(now: number): string {
    return timeLeft(now - this.#started, 0, this.#part(now));
  }
}

/** Where the threshold has come to. */
function thresholdLine({ decisions, extra, judgedBy }: AutoResult, steps: number): string {
  const last = decisions.at(-1);
  if (!last) return `threshold: its own, nothing was decided; trials: ${count(Math.round(extra))} steps`;
  const judge = { validation: 'judged on the validation set', batches: 'judged by the loss of batches', given: 'as given' }[
    judgedBy
  ];
  const moved = `threshold: ${short(last.threshold)} from step ${count(last.step)} on, ${count(decisions.length)} decisions, ${judge}`;
  return `${moved}; trials: ${count(Math.round(extra))} steps, ${percent(extra, steps)} more`;
}
