// plot.ts: curves in a terminal, in Braille dots (two by four a character), with a y axis.
import { cellMeans, extent, linearScale, logScale, type Scale, tickText } from './scale.ts';

export interface TerminalSeries {
  readonly values: readonly number[];
  readonly paint: (text: string) => string;
}

export interface PlotOptions {
  /** Characters, axis included. */
  readonly width: number;
  readonly height: number;
  /** Steps along x, of which the series may have covered only the first part. */
  readonly total: number;
  readonly log?: boolean;
}

const AXIS = 8;
// Bit of each dot in a Braille character, by row and column.
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/** Lines of text: axis labels to the left, dots to the right. */
export function plot(series: readonly TerminalSeries[], options: PlotOptions): string[] {
  const { height, total, log = false } = options;
  const width = Math.max(4, options.width - AXIS - 2);
  const columns = 2 * width;
  const curves = series.map(({ values }) => cellMeans(values, total, columns, log));
  const [min, max] = extent(curves, log) ?? [log ? 0.1 : 0, 1];
  const y: Scale = (log ? logScale : linearScale)(min, max, Math.max(2, Math.floor(height / 3)));
  const cells = new Uint8Array(width * height);
  const owner = new Int8Array(width * height).fill(-1);
  const dot = (column: number, row: number, who: number): void => {
    const cell = (row >> 2) * width + (column >> 1);
    cells[cell]! |= DOTS[row & 3]![column & 1]!;
    owner[cell] = who;
  };
  const rowOf = (value: number): number => Math.round((1 - y.at(value)) * (4 * height - 1));
  for (const [who, curve] of curves.entries()) {
    let last: number | null = null;
    for (let column = 0; column < columns; column++) {
      const value = curve[column]!;
      if (Number.isNaN(value)) continue;
      const row = rowOf(value);
      // Fill the way from the value before, so that steep parts stay a line.
      const [from, to]: [number, number] =
        last === null ? [row, row] : last < row ? [last + 1, row] : [row, Math.max(row, last - 1)];
      for (let r = from; r <= to; r++) dot(column, r, who);
      last = row;
    }
  }
  const labels = new Map(y.ticks.map((tick) => [rowOf(tick) >> 2, tickText(tick)]));
  return Array.from({ length: height }, (_, row) => {
    const label = (labels.get(row) ?? '').padStart(AXIS);
    return `${label} ${labels.has(row) ? '┤' : '│'}${paintRow(row, width, cells, owner, series)}`;
  });
}

/** The x axis below a plot: its first and its last step. */
export function xAxis(width: number, total: number, name: string): string {
  const end = `${total} ${name}`;
  return `${' '.repeat(AXIS)} └${'─'.repeat(Math.max(1, width - AXIS - 3 - end.length))} ${end}`;
}

function paintRow(row: number, width: number, cells: Uint8Array, owner: Int8Array, series: readonly TerminalSeries[]): string {
  let line = '';
  for (let x = 0; x < width; ) {
    const who = owner[row * width + x]!;
    let text = '';
    for (; x < width && owner[row * width + x] === who; x++) {
      const bits = cells[row * width + x]!;
      text += bits === 0 ? ' ' : String.fromCharCode(0x2800 + bits);
    }
    line += who < 0 ? text : series[who]!.paint(text);
  }
  return line;
}
