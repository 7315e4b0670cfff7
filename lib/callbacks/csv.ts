// csv.ts: `callbacks.csv`: a table of a run that grows with it: a row for each step and validation, or for each epoch.
import { closeSync, fstatSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { visible } from '../errors/visible.ts';
import { DataError, GradclipError } from '../errors.ts';
import { file } from '../io/fields.ts';
import { Appender, cut, endOfLines, readAt, wholeLines } from '../io/file/append.ts';
import { notRegular } from '../io/file/file.ts';
import { writeError } from '../io/file/write.ts';
import { MAX_LINE } from '../io/limits.ts';
import type { Report } from '../optim/apply/report.ts';
import { choice, options, signature, text } from '../options/index.ts';
import { unreadable } from '../train/flow/kept.ts';
import type { Metrics } from '../train/flow/progress.ts';
import type { Callback, CallbackRun } from '../train/watch/callback.ts';
import { type Following, type IfFails, ifFails, sink } from './sink.ts';

/** Options of `callbacks.csv`. */
export interface CSVLogOptions {
  /** What has a row: each step, and each validation in a row of its own; or each epoch, with its validation. Default 'steps'. */
  readonly rows?: 'steps' | 'epochs';
  /** Under which its state is kept: of two in one run, each needs its own. Default 'csv'. */
  readonly name?: string;
  /** What becomes of the run where the file takes no more, as on a full disk: `warn` or `stop`. Default 'warn'. */
  readonly ifFails?: IfFails;
}

const readCSV = signature(
  'callbacks.csv',
  { file },
  options<CSVLogOptions>()({ rows: choice('steps', 'epochs').default('steps'), name: text.default('csv'), ifFails }),
);

type Rows = 'steps' | 'epochs';
type Cell = number | string | boolean | null | undefined;

/** What a table begins with: whoever has others did not write it. */
const FIRST: Readonly<Record<Rows, string>> = { steps: 'step,attempt,epoch,loss,', epochs: 'epoch,step,loss,' };
/** Where a row of a step has its `attempt` and its `loss`, which no validation has. */
const [ATTEMPT, LOSS] = [1, 3];
// What is read of a file to see what it is.
const BLOCK = 1 << 16;

/**
 * Write a table of the run, with a header, while it goes on: for a spreadsheet, or pandas. A row for each step has `step` (updates before it), `attempt`
 * (batches drawn before it), `epoch`, `loss`, `learning_rate` (several with several groups of parameters: `learning_rate_0`), `grad_norm` before the
 * clip, `grad_norm_clipped` after it, `threshold`, `scale`, `clipped`, `clipped_fraction`, `skipped`, `non_finite` (the first tensor whose gradient is not),
 * and where there are such things `penalty`, `loss_scale`, `sparsity`. A validation has a row of its own: `step`, `attempt`, `epoch`, and `validation_loss` with metrics
 * behind it. What is not there is an empty cell; numbers have all their digits, and are `NaN`, `inf` and `-inf` where they are not finite.
 *
 * ```ts
 * await trainer.fit(data, { epochs: 10, callbacks: [callbacks.csv('run.csv')] });
 * ```
 *
 * A run that goes on appends, and rows of steps that it takes once more, of a run that was given up, are cut off first, and so is a row that was not
 * written to its end; a run from its very start begins the table anew. A checkpoint is never ahead of the table.
 * @param file that is written; a file that is no such table is left alone
 * @throws OptionError; by a run, before its first step, DataError where it cannot be written or is another file, and BusyError while it follows another one
 * @see keras.callbacks.CSVLogger
 */
export function csv(file: string, options: CSVLogOptions = {}): Callback {
  const { rows, name, ifFails } = readCSV(arguments) as Required<CSVLogOptions>;
  /** Batches drawn before the last validation that has a row; what the next run takes up of it. */
  let validated: number | null = null;
  let taken: number | null = null;

  const follow = (run: CallbackRun): Following => {
    validated = taken;
    taken = null;
    const table = open(file, rows, run, validated);
    const { measures } = run;
    const write = (cells: () => readonly Cell[][]): void => table.add(() => cells().map(lineOf).join(''));
    const measured = (metrics: Metrics<string> | null): Cell[] => measures.map((measure) => metrics?.[measure]);
    const settled = (): Promise<void> | undefined => (table.isBehind && !run.sync ? table.caughtUp() : undefined);
    const shared = {
      checkpoint: () => (run.sync ? undefined : table.flush()),
      end: () => (run.sync ? table.closeSync() : table.close()),
    };
    if (rows === 'epochs') {
      return {
        ...shared,
        epoch({ epoch, loss, steps, clipped, skipped, validation }) {
          const { step } = run.counters;
          write(() => [[epoch, step, loss, steps, clipped, skipped, ...measured(validation)]]);
          return settled();
        },
      };
    }
    // What a step has, and no validation.
    const none = new Array<null>(columnsOf(rows, run).length - 3 - measures.length).fill(null);
    const unmeasured = measures.map(() => null);
    return {
      ...shared,
      steps(steps) {
        const { epoch } = run.counters;
        // Rates are read before a validation may change them.
        const rates = Array.from(steps.numbers('step'), (step) => run.ratesAt(step));
        write(() => [...steps].map((report, i) => [...cellsOf(report, epoch, rates[i]!), ...unmeasured]));
        return settled();
      },
      validation(metrics) {
        const { step, attempt, epoch } = run.counters;
        validated = attempt;
        write(() => [[step, attempt, epoch, ...none, ...measured(metrics)]]);
      },
    };
  };

  const keeping = {
    name,
    state: () => ({ validated }),
    restore(state: unknown): void {
      const { validated } = (state ?? {}) as { readonly validated?: unknown };
      if (validated !== null && !Number.isSafeInteger(validated)) throw unreadable(name);
      taken = validated as number | null;
    },
  };
  return sink({ where: 'callbacks.csv', ifFails, alone: true }, follow, keeping);
}

function columnsOf(rows: Rows, { counters, measures, ratesAt }: CallbackRun): string[] {
  const validation = measures.map((name) => `validation_${name}`);
  if (rows === 'epochs') return ['epoch', 'step', 'loss', 'steps', 'clipped', 'skipped', ...validation];
  const groups = ratesAt(counters.step).length;
  const rates = groups === 1 ? ['learning_rate'] : Array.from({ length: groups }, (_, i) => `learning_rate_${i}`);
  return [
    ...['step', 'attempt', 'epoch', 'loss', ...rates, 'grad_norm', 'grad_norm_clipped', 'threshold', 'scale', 'clipped'],
    ...['clipped_fraction', 'skipped', 'non_finite', 'penalty', 'loss_scale', 'sparsity', ...validation],
  ];
}

/** As many as there are columns before those of validations. */
function cellsOf(r: Report, epoch: number, rates: readonly number[]): Cell[] {
  return [
    ...[r.step, r.attempt, epoch, r.loss, ...rates, r.norm, r.normAfter, r.threshold, r.scale, r.clipped],
    ...[r.clippedFraction, r.skipped, r.nonFinite, r.penalty, r.lossScale, r.sparsity],
  ];
}

const lineOf = (cells: readonly Cell[]): string => `${cells.map(cellText).join()}\n`;

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'boolean') return cell ? '1' : '0';
  if (typeof cell === 'number')
    return Number.isNaN(cell) ? 'NaN' : Math.abs(cell) === Infinity ? (cell > 0 ? 'inf' : '-inf') : `${cell}`;
  // No end of a line within a cell: rows are lines.
  const shown = visible(cell);
  return /[",]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
}

/** @throws DataError */
function open(file: string, rows: Rows, run: CallbackRun, validated: number | null): Appender {
  const named = (error: unknown): unknown => tableError(file, error);
  let fd: number;
  try {
    fd = openSync(file, 'a+');
  } catch (error) {
    throw named(error);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw notRegular(file, stat);
    const header = lineOf(columnsOf(rows, run));
    const end = keptPart(file, fd, stat.size, header, rows, run, validated);
    if (end < stat.size) cut(file, fd, end);
    const table = new Appender({ place: resolve(file), fd, position: end, sync: run.sync, whole: wholeLines, error: named });
    if (end === 0) table.addNow(header);
    return table;
  } catch (error) {
    closeSync(fd);
    throw named(error);
  }
}

/** Bytes of the file that stay. A run from its very start keeps none; a file of another kind is left alone. */
function keptPart(
  file: string,
  fd: number,
  size: number,
  header: string,
  rows: Rows,
  { counters: { attempt, epoch } }: CallbackRun,
  validated: number | null,
): number {
  const begin = readAt(fd, 0, Math.min(size, Math.max(BLOCK, Buffer.byteLength(header))));
  const end = begin.indexOf(10) + 1;
  const first = begin.toString('utf8', 0, end);
  // A run was killed while it wrote the header.
  if (end === 0 && header.startsWith(begin.toString('utf8'))) return 0;
  if (!Object.values(FIRST).some((columns) => first.startsWith(columns))) {
    throw new DataError(`${file}: expected a table of a run, or no file, got another one: it is left as it is`, { file });
  }
  if (attempt === 0) return 0;
  if (first !== header) {
    const [had, has] = [first.trimEnd(), header.trimEnd()];
    throw new DataError(`${file}: expected the columns ${has} to go on with, got ${had}: give another file`, { file });
  }
  const stays = (line: string): boolean => {
    const cells = line.split(',', LOSS + 1);
    if (rows === 'epochs') return isCount(cells[0]) && Number(cells[0]) <= epoch;
    const at = Number(cells[ATTEMPT]);
    return isCount(cells[ATTEMPT]) && (at < attempt || (at === attempt && cells[LOSS] === '' && validated === attempt));
  };
  const tooLong = (): Error => new DataError(`${file}: expected lines of at most ${MAX_LINE} bytes to go on with`, { file });
  return Math.max(end, endOfLines(fd, size, MAX_LINE, stays, tooLong));
}

const isCount = (cell: string | undefined): boolean => cell !== undefined && /^\d+$/.test(cell);

function tableError(file: string, error: unknown): unknown {
  if (error instanceof GradclipError) return error;
  const named = writeError(file, error);
  return named instanceof DataError ? new DataError(named.message, named.details, { cause: error }) : named;
}
