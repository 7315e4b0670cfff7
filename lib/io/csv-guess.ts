// csv-guess.ts: what the first line of a CSV file says of it where no option does: its delimiter, and whether it names columns.
import { parseDecimal } from './decimal.ts';

const QUOTE = 34;
const DOT = 46;

/** Tab, bar or semicolon where the line has one outside quotes, else comma. */
export function guessDelimiter(bytes: Uint8Array, from: number, to: number): string {
  const there = new Set<number>();
  let quoted = false;
  for (let at = from; at < to; at++) {
    if (bytes[at] === QUOTE) quoted = !quoted;
    else if (!quoted) there.add(bytes[at]!);
  }
  return ['\t', '|', ';'].find((d) => there.has(d.charCodeAt(0))) ?? ',';
}

/** What stands for a missing value elsewhere (in pandas, mostly), and so names no column. */
const MISSING = /^(|#?n\/?a|<na>|-?nan|null|none|\?|-+|\.+|[+-]?inf(inity)?)$/i;

export const isMissing = (cell: string): boolean => MISSING.test(cell);

/**
 * What a first line is, by its cells and which of them are read.
 *
 * - `header`: one of them is a name.
 * - `row`: all are numbers, or stand for a missing one.
 * - `counts`: they are 0, 1, 2, ..., as a data frame writes columns without names: the rows below tell (`isDecimal`).
 * - `mixed`: a name beside numbers that name nothing, such as 1.5 or -2.
 */
export function firstLine(cells: readonly string[], read: readonly number[]): 'header' | 'row' | 'counts' | 'mixed' {
  const isNumber = (i: number): boolean => !Number.isNaN(parseDecimal(Buffer.from(cells[i]!), 0, Buffer.byteLength(cells[i]!)));
  if (read.some((i) => !isNumber(i) && !isMissing(cells[i]!))) {
    return read.every((i) => !isNumber(i) || /^\d+$/.test(cells[i]!)) ? 'header' : 'mixed';
  }
  // The column of an index has no name.
  const first = cells[0] === '' ? 1 : 0;
  const counted = read.filter((i) => i >= first);
  return counted.length > 1 && counted.every((i) => cells[i] === String(i - first)) ? 'counts' : 'row';
}

/** Whether a number is written as one that need not be whole: with a dot or an exponent. */
export function isDecimal(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] === DOT || (bytes[at]! | 32) === 101) return true;
  return false;
}
