// heat-map.ts: counts in rows and columns as a picture: the more, the stronger the color. As SVG text; colors are CSS classes.
import { count } from '../text/format.ts';
import { escapeHtml, px } from './svg.ts';
import { scrolling } from './table.ts';

export interface HeatMapOptions {
  /** What it shows, for readers that hear it. */
  readonly title: string;
  /** What rows and columns are. */
  readonly rowsAre: string;
  readonly columnsAre: string;
  /** From the first row on, which is at the top. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** Whether each cell tells its count. */
  readonly numbers: boolean;
  /** Whether a color is of the share of its row, or of the largest count. */
  readonly per: 'row' | 'all';
}

/** Most that it is wide; on a narrow screen it is no narrower than LEAST, if it is wider at all. */
const WIDTH = 720;
const LEAST = 560;
const TOP = 56;
const BOTTOM = 14;
/** Names of more characters are cut. */
const MOST_NAME = 18;
/** Rules of a page that has one. */
export const HEAT_MAP_CSS = `
.heat rect { fill: var(--s2); } .heat rect.empty { fill: var(--panel); }
.heat text.number { fill: var(--ink); }
`;

/** A cell for each count, darker for more. The color is never so strong that a number in it could not be read. */
export function heatMap(counts: readonly (readonly number[])[], options: HeatMapOptions): string {
  const { title, rowsAre, columnsAre, rows, columns, numbers, per } = options;
  const longest = Math.max(rowsAre.length, ...rows.map((name) => cut(name, MOST_NAME).length));
  const left = 24 + 9 * longest;
  const side = Math.min(72, (WIDTH - left - 8) / columns.length);
  const width = Math.ceil(left + Math.max(columns.length * side, 9 * columnsAre.length) + 8);
  const high = Math.min(side, 44);
  const bottom = TOP + rows.length * high;
  const most = Math.max(1, ...counts.map((row) => Math.max(...row)));
  const cells = counts.flatMap((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((n, j) => {
      const share = n / (per === 'row' ? Math.max(1, sum) : most);
      const at = `x="${px(left + j * side)}" y="${px(TOP + i * high)}"`;
      const size = `width="${px(Math.max(1, side - 2))}" height="${px(Math.max(1, high - 2))}"`;
      const look = n === 0 ? 'class="empty"' : `opacity="${(0.08 + 0.37 * share).toFixed(3)}"`;
      const said = `${options.rows[i]}, ${columnsAre} ${columns[j]}: ${count(n)}`;
      const number =
        numbers && side >= 26
          ? `<text class="number" x="${px(left + (j + 0.5) * side - 1)}" y="${px(TOP + (i + 0.5) * high)}" dy="0.32em" text-anchor="middle">${count(n).length * 8 < side ? count(n) : short(n)}</text>`
          : '';
      return `<g><title>${escapeHtml(said)}</title><rect ${at} ${size} ${look}/>${number}</g>`;
    });
  });
  // Names that would lie on each other are left out.
  const everyRow = Math.ceil(16 / high);
  const everyColumn = Math.ceil(Math.max(...columns.map((name) => cut(name, 9).length * 8), 8) / side);
  const beside = rows.map((name, i) =>
    i % everyRow === 0
      ? `<text x="${left - 8}" y="${px(TOP + (i + 0.5) * high)}" dy="0.32em" text-anchor="end">${escapeHtml(cut(name, MOST_NAME))}</text>`
      : '',
  );
  const above = columns.map((name, j) =>
    j % everyColumn === 0
      ? `<text x="${px(left + (j + 0.5) * side - 1)}" y="${TOP - 8}" text-anchor="middle">${escapeHtml(cut(name, 9))}</text>`
      : '',
  );
  const picture = [
    `<svg class="heat" style="max-width: ${width}px; min-width: ${Math.min(width, LEAST)}px" viewBox="0 0 ${width} ${px(bottom + BOTTOM)}" role="img" aria-label="${escapeHtml(title)}">`,
    `<text class="label" x="${left}" y="16">${escapeHtml(columnsAre)}</text>`,
    `<text class="label" x="${left - 8}" y="${TOP - 8}" text-anchor="end">${escapeHtml(rowsAre)}</text>`,
    ...above,
    ...beside,
    ...cells,
    '</svg>',
  ];
  return scrolling(title, picture.join('\n'));
}

const cut = (name: string, most: number): string => (name.length > most ? `${name.slice(0, most - 1)}…` : name);

/** Within a cell. */
const short = (n: number): string => (n < 10_000 ? String(n) : `${Math.round(n / 1000)}k`);
