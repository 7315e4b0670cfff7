// guess.ts: what the first line of a CSV file means where no option says so: its delimiter, and whether it names columns.
import { parseDecimal } from './decimal.ts';

const QUOTE = 34;
const DOT = 46;

const DELIMITERS = ['\t', '|', ';', ','];

/**
 * The first of tab, bar, semicolon and comma that both lines have outside quotes, as often in one as in the other; else the first that the first line
 * has. A name may have a bar in it, and a number a decimal comma.
 * @param second null where there is none
 */
export function guessDelimiter(first: Uint8Array, second: Uint8Array | null, decimal: '.' | ','): string {
  const able = decimal === ',' ? DELIMITERS.slice(0, -1) : DELIMITERS;
  const [above, below] = [counts(first), second && counts(second)];
  const of = (numbers: Uint32Array, d: string): number => numbers[d.charCodeAt(0)]!;
  const there = able.filter((d) => of(above, d) > 0);
  return (below && there.find((d) => of(above, d) === of(below, d))) ?? there[0] ?? able.at(-1)!;
}

/** How often each byte is there outside quotes. */
function counts(bytes: Uint8Array): Uint32Array {
  const found = new Uint32Array(256);
  let quoted = false;
  for (const byte of bytes) {
    if (byte === QUOTE) quoted = !quoted;
    else if (!quoted) found[byte]!++;
  }
  return found;
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
export function firstLine(
  cells: readonly string[],
  read: readonly number[],
  dot: number = DOT,
): 'header' | 'row' | 'counts' | 'mixed' {
  const isNumber = (i: number): boolean => {
    const bytes = Buffer.from(cells[i]!);
    return !Number.isNaN(parseDecimal(bytes, 0, bytes.length, dot));
  };
  if (read.some((i) => !isNumber(i) && !isMissing(cells[i]!))) {
    return read.every((i) => !isNumber(i) || /^\d+$/.test(cells[i]!)) ? 'header' : 'mixed';
  }
  // The column of an index has no name.
  const first = cells[0] === '' ? 1 : 0;
  const counted = read.filter((i) => i >= first);
  return counted.length > 1 && counted.every((i) => cells[i] === String(i - first)) ? 'counts' : 'row';
}

/** Whether a number is written as one that need not be whole: with a dot (or what stands for it) or an exponent. */
export function isDecimal(bytes: Uint8Array, from: number, to: number, dot: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] === dot || (bytes[at]! | 32) === 101) return true;
  return false;
}
