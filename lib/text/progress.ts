// progress.ts: how far something has come, in one line: a bar where it can be drawn again, and words.
import { duration, fit, short, width } from './format.ts';

/** Color what is drawn, or leave it as it is. */
export type Paint = (style: 'cyan' | 'dim', text: string) => string;

/** Columns of the longest bar, of the shortest that is drawn, and those that are left to the words. */
const LONGEST = 40;
const SHORTEST = 10;
const WORDS = 60;

/** A mean over about the last 20 numbers, of those that are finite: the loss of a single step says little. */
export class Recent {
  /** NaN before there is any. */
  mean: number = Number.NaN;

  add(value: number): void {
    if (Number.isFinite(value)) this.mean = Number.isNaN(this.mean) ? value : 0.95 * this.mean + 0.05 * value;
  }
}

/** A part of 1, in percent, of a width that does not change. */
export const percentDone = (part: number): string => `${String(Math.floor(100 * part)).padStart(3)} %`;

/** So many a second. @param ms in which there were `n` */
export const perSecond = (n: number, ms: number, unit: string): string => `${short((1000 * n) / Math.max(ms, 1e-3))} ${unit}/s`;

/** How long it will take until all is done. @param ms since `from` was done, a part of 1 as `part` is */
export function timeLeft(ms: number, from: number, part: number): string {
  return `${duration(ms * Math.max(0, (1 - part) / Math.max(part - from, 1e-9)))} left`;
}

/**
 * A bar with words behind it, cut where the terminal ends: there is no bar where it would be short, and of the words those stay that come first.
 * @param part of 1 that is done; null: nobody knows, and there is no bar
 * @param columns of the terminal
 */
export function progressLine(part: number | null, words: readonly string[], columns: number, paint: Paint): string {
  const room = Math.min(LONGEST, columns - WORDS);
  const length = part === null || room < SHORTEST ? 0 : room;
  const full = Math.round((part ?? 0) * length);
  const bar = length === 0 ? '' : `${paint('cyan', '━'.repeat(full))}${paint('dim', '━'.repeat(length - full))} `;
  let line = bar;
  for (const [i, word] of words.entries()) {
    const more = i === 0 ? word : `  ${word}`;
    if (i > 0 && width(line) + width(more) > columns) break;
    line += more;
  }
  return fit(line, columns);
}
