// progress.ts: `callbacks.progress`: how far a run has come: a bar on a terminal, a line now and then elsewhere.
import { styleText } from 'node:util';
import { visible } from '../errors/visible.ts';
import { custom, type Field, number, options, optionsOnly, text } from '../options/index.ts';
import { isLive, type TextStream, wantsColor } from '../text/color.ts';
import { count, counted, duration, fit, percent, short } from '../text/format.ts';
import { type Paint, percentDone, perSecond, progressLine, Recent, timeLeft } from '../text/progress.ts';
import type { EpochEnd, FitResult, Metrics } from '../train/flow/progress.ts';
import type { Callback, CallbackRun, StepReports } from '../train/watch/callback.ts';
import { type Following, sink } from './sink.ts';

/** Options of `callbacks.progress`. */
export interface ProgressOptions {
  /** Where it is written, such as a terminal or an open file. Default: `process.stderr`, as it is when a run begins. */
  readonly stream?: TextStream;
  /** What the run is called: before each line. Default: nothing. */
  readonly label?: string;
  /** Where lines cannot be drawn again, in files and pipes: seconds from one to the next. Default 10. */
  readonly seconds?: number;
}

const stream: Field<TextStream> = custom('a stream with a method write', (value, place) => {
  if (typeof (value as { write?: unknown } | null | undefined)?.write === 'function') return value as TextStream;
  throw place.wrong('a stream with a method write', value);
});

const readProgress = optionsOnly(
  'callbacks.progress',
  options<ProgressOptions>()({ stream: stream.optional(), label: text.optional(), seconds: number({ min: 0 }).default(10) }),
);

/** Between two pictures of a bar, and between two lines of epochs that stay above it. */
const FRAME_MS = 100;
const STAYS_MS = 1000;

/**
 * Show how far a run has come. On a terminal: a bar with loss, steps and rows a second and the time left, above it a line for each epoch, though not more than
 * one a second. Elsewhere: a line every 10 seconds. At the end, on both: a line with what the run came to. Colors and bars follow `NO_COLOR`,
 * `FORCE_COLOR` and `TERM`, and what does not fit a narrow terminal is left out.
 *
 * ```ts
 * await trainer.fit(data, { epochs: 10, callbacks: [callbacks.progress()] });
 * ```
 * @throws OptionError
 * @see tqdm
 */
export function progress(options: ProgressOptions = {}): Callback {
  const { stream, label, seconds } = readProgress(arguments) as { stream?: TextStream; label?: string; seconds: number };
  return sink({ where: 'callbacks.progress', ifFails: 'warn' }, (run) => {
    return new Progress(run, stream ?? process.stderr, label ?? null, 1000 * seconds);
  });
}

class Progress implements Following {
  readonly #run: CallbackRun;
  readonly #stream: TextStream;
  readonly #label: string;
  readonly #everyMs: number;
  readonly #live: boolean;
  readonly #paint: Paint;
  readonly #started: number = performance.now();
  /** What of the run was done when it began. */
  readonly #from: number;
  readonly #loss = new Recent();
  #steps = 0;
  #rows = 0;
  #skipped = 0;
  #clipped = 0;
  #validation: Metrics<string> | null = null;
  /** When a bar was drawn, and a line written, last. */
  #drawn = 0;
  #said: number = performance.now();
  /** A bar stands in the last line. */
  #barred = false;

  constructor(run: CallbackRun, stream: TextStream, label: string | null, everyMs: number) {
    this.#run = run;
    this.#stream = stream;
    this.#label = label === null ? '' : `${visible(label)}: `;
    this.#everyMs = everyMs;
    const { env } = process;
    this.#live = isLive(stream, env);
    const colors = wantsColor(stream, env);
    this.#paint = (style, text) => (colors && text !== '' ? styleText(style, text, { validateStream: false }) : text);
    this.#from = this.#part(this.#started) ?? 0;
  }

  steps(steps: StepReports): void {
    for (const loss of steps.numbers('loss')) this.#loss.add(loss);
    this.#steps += steps.length;
    this.#rows += steps.rows;
    this.#clipped += countOf(steps.numbers('clipped'));
    this.#skipped += countOf(steps.numbers('skipped'));
    const now = performance.now();
    if (this.#live) {
      if (now - this.#drawn >= FRAME_MS) this.#draw(now);
    } else if (now - this.#said >= this.#everyMs) this.#say(this.#words(now).join(', '), now);
  }

  validation(metrics: Metrics<string>): void {
    this.#validation = metrics;
  }

  epoch({ epoch, loss, clipped, steps, validation }: EpochEnd<string>): void {
    const now = performance.now();
    if (!this.#live || now - this.#said < STAYS_MS) return;
    const { epochs } = this.#run.extent;
    const parts = [
      `epoch ${count(epoch)}${epochs === null ? '' : `/${count(epochs)}`}`,
      `loss ${short(loss)}`,
      validation && validationText(validation),
      `clipped ${percent(clipped, steps, 0)}`,
    ];
    this.#say(parts.filter(Boolean).join('  '), now);
    this.#draw(now);
  }

  end(result: FitResult<string> | null, error: unknown): void {
    const now = performance.now();
    const ended = { earlyStop: 'stopped improving', seconds: 'time over', stopped: 'stopped', endOfData: 'end of the data' };
    const how = result ? ((ended as Partial<Record<string, string>>)[result.stopReason] ?? 'done') : failure(error);
    const measured = result?.best ?? this.#validation;
    const parts = [
      `${how}: ${counted(this.#steps, 'step')} in ${duration(now - this.#started)}`,
      `loss ${short(this.#loss.mean)}`,
      measured && `${result?.best ? 'best ' : ''}${validationText(measured)}`,
      `${percent(this.#clipped, this.#steps)} clipped`,
      `${count(this.#skipped)} skipped`,
    ];
    this.#say(parts.filter(Boolean).join(', '), now);
  }

  /** Of the whole run, the part that is done, of steps or of the time; null: nobody knows. */
  #part(now: number): number | null {
    const { tried, steps, secondsLeft } = this.#run.extent;
    const parts: number[] = [];
    if (steps !== null && steps > 0) parts.push(tried / steps);
    if (secondsLeft !== null) {
      const past = (now - this.#started) / 1000;
      parts.push(past / Math.max(past + secondsLeft, 1e-9));
    }
    return parts.length === 0 ? null : Math.min(1, Math.max(...parts));
  }

  /** In a line of its own, where no bar can be drawn. */
  #words(now: number): string[] {
    const { tried, steps, epochs } = this.#run.extent;
    const { epoch } = this.#run.counters;
    const part = this.#part(now);
    return [
      `step ${count(tried)}${steps === null ? '' : ` of ${count(steps)}`}`,
      ...(epochs === null || epochs > 1 ? [`epoch ${count(epoch + 1)}`] : []),
      `loss ${short(this.#loss.mean)}`,
      ...(this.#validation ? [validationText(this.#validation)] : []),
      this.#rate(now, this.#steps, 'steps'),
      this.#rate(now, this.#rows, 'rows'),
      ...(part === null ? [] : [timeLeft(now - this.#started, this.#from, part)]),
    ];
  }

  #rate(now: number, n: number, unit: string): string {
    return perSecond(n, now - this.#started, unit);
  }

  #draw(now: number): void {
    this.#drawn = now;
    const part = this.#part(now);
    const first = part === null ? `step ${count(this.#run.extent.tried)}` : percentDone(part);
    const words = [
      `${this.#label}${first}  loss ${short(this.#loss.mean)}`,
      this.#rate(now, this.#steps, 'steps'),
      ...(part === null ? [] : [timeLeft(now - this.#started, this.#from, part)]),
      ...(this.#validation ? [validationText(this.#validation)] : []),
      this.#rate(now, this.#rows, 'rows'),
    ];
    // A line as wide as the terminal would go on in the next one.
    const line = progressLine(part, words, this.#columns - 1, this.#paint);
    this.#stream.write(`${CLEAR}${line}`);
    this.#barred = true;
  }

  /** In place of the bar, and staying. */
  #say(line: string, now: number): void {
    this.#said = now;
    const shown = `${this.#label}${line}`;
    this.#stream.write(`${this.#barred ? CLEAR : ''}${this.#live ? fit(shown, this.#columns) : shown}\n`);
    this.#barred = false;
  }

  get #columns(): number {
    const { columns } = this.#stream;
    return columns !== undefined && columns > 0 ? columns : 80;
  }
}

/** How many flags are set. */
const countOf = (flags: Float64Array): number => flags.reduce((sum, flag) => sum + flag, 0);

/** To the begin of the line, which is emptied. */
const CLEAR = '\r\x1b[2K';

function validationText({ loss, ...metrics }: Metrics<string>): string {
  const parts = Object.entries({ loss, ...metrics }).map(([name, value]) => `${visible(name)} ${short(value)}`);
  return `validation ${parts.join(', ')}`;
}

function failure(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  return `ended by ${visible(String(code ?? name ?? 'an error'))}`;
}
