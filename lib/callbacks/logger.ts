// logger.ts: `callbacks.logger`: what happens in a run as lines of a log: of pino, bunyan, winston or a console.
import { Console } from 'node:console';
import { bool, custom, type Field, number, options, signature } from '../options/index.ts';
import { count, counted, duration, short } from '../text/format.ts';
import type { FitResult, Metrics } from '../train/flow/progress.ts';
import type { Callback, CallbackRun, StepReports } from '../train/watch/callback.ts';
import { type Following, type IfFails, ifFails, sink } from './sink.ts';
import { columnsOf, StepWindow } from './window.ts';

/** What is used of a logger: an object of fields, then a message, or the other way round. */
export interface LogTarget {
  /** Takes what goes as it should. */
  info(...given: never[]): unknown;
  /** Takes what somebody should look at. */
  warn(...given: never[]): unknown;
  /** Takes the error that a run has ended with. Default: `warn` takes it. */
  error?(...given: never[]): unknown;
}

/** Options of `callbacks.logger`. */
export interface LoggerOptions {
  /** Seconds from one line about steps to the next; Infinity: there is none. Default 10. */
  readonly seconds?: number;
  /**
   * Whether the logger takes the message first and fields behind it, as consoles and winston do, where pino and bunyan take it last. Default: true of
   * consoles, and of what has `transports`, as winston's.
   */
  readonly messageFirst?: boolean;
  /** What becomes of the run where the logger fails: `warn` or `stop`. Default 'warn'. */
  readonly ifFails?: IfFails;
}

const target: Field<LogTarget> = custom('a logger with methods info and warn', (value, place) => {
  const { info, warn } = (value ?? {}) as Partial<LogTarget>;
  if (typeof info === 'function' && typeof warn === 'function') return value as LogTarget;
  throw place.wrong('a logger with methods info and warn', value);
});

const readLogger = signature(
  'callbacks.logger',
  { target },
  options<LoggerOptions>()({
    seconds: number({ min: 0, infinite: true }).default(10),
    messageFirst: bool.optional(),
    ifFails,
  }),
);

type Fields = Readonly<Record<string, unknown>>;
type Level = 'info' | 'warn' | 'error';
type Say = (level: Level, fields: Fields, message: string) => void;

/**
 * Log what happens in a run: that it begins, steps every 10 seconds, each validation and epoch, what guards find and what warnings there are (`warn`), and how it
 * ends, with an error as `error` and in field `err`. Each line has an `event` and its numbers as fields, and a message for people.
 *
 * ```ts
 * await trainer.fit(data, { epochs: 10, callbacks: [callbacks.logger(pino())] });
 * ```
 * @param target pino, bunyan, winston, `console`, or what has such methods
 * @throws OptionError
 * @see lightning.pytorch.loggers.Logger
 */
export function logger(target: LogTarget, options: LoggerOptions = {}): Callback {
  const { seconds, ifFails, ...read } = readLogger(arguments);
  const messageFirst = read.messageFirst ?? takesMessageFirst(target);
  const say: Say = (level, fields, message) => {
    const given = messageFirst ? [message, fields] : [fields, message];
    if (level === 'error' && typeof target.error !== 'function') target.warn(...(given as never[]));
    else target[level]!(...(given as never[]));
  };
  return sink({ where: 'callbacks.logger', ifFails }, (run) => following(run, say, 1000 * seconds));
}

function takesMessageFirst(target: LogTarget): boolean {
  return target === (console as unknown) || target instanceof Console || 'transports' in target;
}

function following(run: CallbackRun, say: Say, everyMs: number): Following {
  const started = performance.now();
  let said = started;
  const window = new StepWindow();
  const { tried, steps, epochs } = run.extent;
  const { step, epoch } = run.counters;
  const length = [steps !== null && counted(steps, 'step'), epochs !== null && counted(epochs, 'epoch')]
    .filter(Boolean)
    .join(', ');
  const from = tried > 0 ? `, going on from step ${count(tried)}` : '';
  say(
    'info',
    { event: 'start', step, epoch, steps, epochs, resumedAt: tried },
    `training begins${length && `: ${length}`}${from}`,
  );
  return {
    steps(reports: StepReports) {
      const columns = columnsOf(reports);
      for (let i = 0; i < columns.length; i++) window.add(columns, i);
      const now = performance.now();
      if (now - said < everyMs) return;
      said = now;
      const { step, epoch } = run.counters;
      const means = window.means;
      const rate = run.ratesAt(Math.max(0, step - 1)).at(-1);
      const message = `step ${count(step)}: loss ${short(means.loss!)}, ${short(means.steps_per_second ?? Number.NaN)} steps/s`;
      say('info', { event: 'steps', step, epoch, steps: window.steps, ...means, learning_rate: rate }, message);
      window.clear();
    },
    validation(metrics) {
      const { step, epoch } = run.counters;
      say('info', { event: 'validation', step, epoch, ...metrics }, `validation: ${measured(metrics)}`);
    },
    epoch({ epoch, loss, steps, clipped, skipped }) {
      const { step } = run.counters;
      const message = `epoch ${count(epoch)} is over: loss ${short(loss)}`;
      say('info', { event: 'epoch', step, epoch, loss, steps, clipped, skipped }, message);
    },
    guard({ guard, action, name, value, attempt, step }) {
      const found = value === null ? name : `${name} is ${short(value)}`;
      say('warn', { event: 'guard', step, attempt, guard, action, name, value }, `${guard}: ${found} (${action})`);
    },
    warning({ code, message, details }) {
      say('warn', { event: 'warning', step: details.step, code }, message);
    },
    end(result, error) {
      const { step, epoch } = run.counters;
      const ms = performance.now() - started;
      const where = { step, epoch, seconds: ms / 1000 };
      if (result) say('info', { event: 'end', ...where, ...outcome(result) }, `training has ended: ${ending(result, ms)}`);
      else say('error', { event: 'end', ...where, err: error }, `training has ended with an error after ${duration(ms)}`);
    },
  };
}

function outcome({ stopReason, tried, applied, clipped, skipped, last, best }: FitResult<string>): Fields {
  return { stopReason, tried, applied, clipped, skipped, loss: last?.loss ?? null, ...(best && { best }) };
}

const ending = ({ stopReason, tried }: FitResult<string>, ms: number): string =>
  `${counted(tried, 'step')} in ${duration(ms)} (${stopReason})`;

const measured = (metrics: Metrics<string>): string =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${short(value)}`)
    .join(', ');
