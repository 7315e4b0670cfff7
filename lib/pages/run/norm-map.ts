// norm-map.ts: the norm of each parameter's gradient along a run, as a map of colors with the same as a table below it.
import type { Digest } from '../../history/run/digest.ts';
import type { Heat } from '../../history/run/heat.ts';
import { log } from '../../math/index.ts';
import { count, short } from '../../text/format.ts';
import { axis, escapeHtml, xAxis } from '../svg.ts';
import { tableHtml } from '../table.ts';
import { span } from './series.ts';

/** Parameters that have a row of their own. */
const MOST_SHOWN = 64;
/** Colors between the least norm and the largest, by their logarithm. */
const LEVELS = 10;
const ROW = 18;

export const NORM_MAP_CSS: string = `
.norm-map { display: grid; grid-template-columns: fit-content(42%) minmax(0, 1fr); column-gap: 10px; font-size: 13px; color: var(--soft); margin-top: 8px; }
.norm-map .rows span { display: block; height: ${ROW}px; line-height: ${ROW}px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; direction: rtl; text-align: right; }
.norm-map bdi { unicode-bidi: isolate; } .norm-map .area { position: relative; } .norm-map svg { height: 100%; shape-rendering: crispEdges; background: var(--panel); }
.norm-map .x { grid-column: 2; position: relative; height: 20px; } .norm-map .x span { position: absolute; top: 5px; transform: translateX(-50%); white-space: nowrap; }
.norm-map .x span:first-child { transform: none; } .norm-map .x span.last { transform: translateX(-100%); } .norm-map .name { grid-column: 2; text-align: center; }
${Array.from({ length: LEVELS }, (_, i) => `.norm-map .l${i}, .scale .l${i} { fill: color-mix(in srgb, var(--s0) ${10 * (i + 1)}%, var(--panel)); }`).join('\n')}
.norm-map .bad, .scale .bad { fill: var(--s5); } .norm-map path { stroke: none; }
.scale { display: flex; align-items: center; gap: 8px; font-size: 13px; color: var(--soft); margin-top: 6px; } .scale svg { width: 160px; height: 12px; flex: none; }
@media (max-width: 600px) { .norm-map .x .odd { display: none; } }
`;

interface Row {
  /** Its number among all parameters. */
  readonly k: number;
  readonly name: string;
  readonly means: readonly number[];
  readonly bad: number;
  /** Sum of the squares of the means: by which the largest are chosen. */
  readonly weight: number;
}

function rowsOf(heat: Heat): Row[] {
  return heat.names.map((name, k) => {
    const means = Array.from({ length: heat.cells }, (_, cell) => heat.mean(k, cell));
    const bad = Array.from({ length: heat.cells }, (_, cell) => heat.bad(k, cell)).reduce((a, b) => a + b, 0);
    return { k, name, means, bad, weight: means.reduce((s, m) => (Number.isFinite(m) ? s + m * m : s), 0) };
  });
}

/** The map, with its table; empty where no norms were measured. */
export function normMap(digest: Digest): string {
  const { heat } = digest;
  if (!heat || heat.cells === 0 || heat.names.length === 0) return '';
  const all = rowsOf(heat);
  const least = [...all].sort((a, b) => b.weight - a.weight)[MOST_SHOWN]?.weight ?? Number.NEGATIVE_INFINITY;
  const rows = all.filter(({ weight }) => weight > least).slice(0, MOST_SHOWN);
  const shown = rows.length > 0 ? rows : all.slice(0, MOST_SHOWN);
  const known = shown.flatMap(({ means }) => means.filter((m) => m > 0 && Number.isFinite(m)));
  const [low, high] = [
    known.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    known.reduce((a, b) => Math.max(a, b), 0),
  ];
  const left = heat.all > shown.length ? ` The ${shown.length} largest of ${count(heat.all)} parameters.` : '';
  const steps = heat.stride === 1 ? 'in each step' : `in the mean of ${count(heat.stride)} steps each`;
  const caption = `The 2-norm of each parameter's gradient before the clip, ${steps}, by its logarithm.${left}`;
  const height = shown.length * ROW;
  const from = span(digest).first + heat.from;
  const last = from + Math.max(1, heat.cells * heat.stride - 1);
  return [
    `<figure><figcaption>${escapeHtml(caption)}</figcaption>`,
    '<div class="norm-map">',
    `<div class="rows" aria-hidden="true">${shown.map(({ name }) => `<span title="${escapeHtml(name)}"><bdi>${escapeHtml(name)}</bdi></span>`).join('')}</div>`,
    `<div class="area" style="height:${height}px"><svg viewBox="0 0 ${heat.cells} ${shown.length}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(`Norms of ${shown.length} parameters along the run, from ${short(low)} to ${short(high)}; the table below has them in numbers`)}">`,
    ...paths(shown, heat, low, high),
    '</svg></div>',
    ...xAxis(axis(from, last)),
    '</div>',
    scale(
      low,
      high,
      shown.some(({ bad }) => bad > 0),
    ),
    '</figure>',
    `<details><summary>The same in numbers</summary>${numbers(shown)}</details>`,
  ].join('\n');
}

/** Neighbors of one color are one rectangle, and all of a color one path. */
function paths(rows: readonly Row[], heat: Heat, low: number, high: number): string[] {
  const drawn = new Map<string, string[]>();
  const level = (row: number, cell: number): string | null => {
    const mean = rows[row]!.means[cell]!;
    if (heat.bad(rows[row]!.k, cell) > 0) return 'bad';
    if (!(mean > 0) || !(high > 0)) return null;
    const part = high > low ? (log(mean) - log(low)) / (log(high) - log(low)) : 1;
    return `l${Math.min(LEVELS - 1, Math.max(0, Math.floor(part * LEVELS)))}`;
  };
  for (const row of rows.keys()) {
    for (let cell = 0; cell < heat.cells; ) {
      const style = level(row, cell);
      const begin = cell;
      do cell++;
      while (cell < heat.cells && level(row, cell) === style);
      if (style === null) continue;
      const list = drawn.get(style) ?? [];
      drawn.set(style, list);
      list.push(`M${begin} ${row}h${cell - begin}v1h${begin - cell}z`);
    }
  }
  return [...drawn].map(([style, parts]) => `<path class="${style}" d="${parts.join('')}"/>`);
}

function scale(low: number, high: number, bad: boolean): string {
  if (!(high > 0)) return '';
  const cells = Array.from({ length: LEVELS }, (_, i) => `<rect class="l${i}" x="${i}" y="0" width="1" height="1"/>`);
  const colors = `<svg viewBox="0 0 ${LEVELS} 1" preserveAspectRatio="none" aria-hidden="true">${cells.join('')}</svg>`;
  const wrong = bad
    ? `<svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true" style="width:16px"><rect class="bad" width="1" height="1"/></svg>not finite`
    : '';
  return `<div class="scale">${short(low)}${colors}${short(high)}${wrong}</div>`;
}

function numbers(rows: readonly Row[]): string {
  return tableHtml({
    caption: 'Norms by parameter: means of so many steps as a cell of the map has',
    head: ['parameter', 'at first', 'at last', 'least', 'largest', 'steps|not finite'],
    rows: rows.map(({ name, means, bad }) => {
      const known = means.filter(Number.isFinite);
      const least = known.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
      const cells = known.length === 0 ? ['-', '-', '-', '-'] : [known[0]!, known.at(-1)!, least, Math.max(...known)].map(short);
      return [name, ...cells, count(bad)];
    }),
  });
}
