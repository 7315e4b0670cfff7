// format.ts: numbers, durations and tables as people read them.
import { visible } from '../errors/visible.ts';

/** Thousands separated by commas: 235,146. */
export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** 1 step, 2 steps. */
export function counted(n: number, unit: string): string {
  return `${count(n)} ${unit}${n === 1 ? '' : 's'}`;
}

/** 1.2 KiB, 34 MiB. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** Three significant digits, without a long row of zeros: 0.253, 12.4, 1,530, 3.2e6, 4e-7. */
export function short(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? '-' : x > 0 ? '∞' : '-∞';
  const size = Math.abs(x);
  if (size === 0) return '0';
  if (size >= 1e5 || size < 1e-3) return x.toExponential(1).replace('e+', 'e').replace('.0e', 'e');
  if (size >= 1000) return count(Math.round(x));
  return x.toPrecision(3);
}

export function percent(part: number, whole: number, digits = 1): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(digits)} %`;
}

/** 850 ms, 12.3 s, 4:05 min, 2:03:10 h. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)} h` : `${m}:${two(s)} min`;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colors are control sequences
const COLORS = /\x1b\[[0-9;]*m/g;

/** Columns that a text takes on a terminal, where control characters are escaped, for text whose characters are one column wide. */
export function width(text: string): number {
  return [...visible(text.replace(COLORS, ''))].length;
}

/** As much of a text as fits `columns`. Colors stay, so that those that were begun are ended. */
export function fit(text: string, columns: number): string {
  let left = columns;
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colors are control sequences
      .split(/(\x1b\[[0-9;]*m)/)
      .map((part, i) => {
        if (i % 2 === 1) return part;
        const shown = [...part].slice(0, left);
        left -= shown.length;
        return shown.join('');
      })
      .join('')
  );
}

/** Columns aligned, to the left or to the right, two blanks between them. */
export function table(rows: readonly (readonly string[])[], align: readonly ('left' | 'right')[]): string[] {
  const widths = align.map((_, i) => rows.reduce((most, row) => Math.max(most, width(row[i] ?? '')), 0));
  return rows.map((row) => {
    const cells = row.map((cell, i) => {
      const space = ' '.repeat(widths[i]! - width(cell));
      return align[i] === 'right' ? space + cell : cell + space;
    });
    return cells.join('  ').trimEnd();
  });
}
