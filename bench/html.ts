// html.ts: a benchmark as one HTML file that needs nothing else: bars for each group of figures, and the rows as a table.
import { page } from '../lib/pages/page.ts';
import { escapeHtml } from '../lib/pages/svg.ts';
import { tableHtml } from '../lib/pages/table.ts';
import { type Facts, factLines } from './facts.ts';
import type { Row } from './report.ts';
import type { Bar, Suite } from './suite.ts';

const CSS = `
.bars { display: grid; grid-template-columns: minmax(0, max-content) minmax(160px, 1fr); gap: 4px 14px; align-items: center; font-size: 14px; margin: 10px 0 22px; }
.bars h3 { grid-column: 1 / -1; font-size: 15px; margin: 8px 0 0; }
.track { display: flex; align-items: center; gap: 8px; font-variant-numeric: tabular-nums; }
.bar { height: 14px; min-width: 2px; border-radius: 2px; background: var(--soft); opacity: 0.55; }
.ours .bar { background: var(--s0); opacity: 1; } .ours { font-weight: 600; }
.rows { font-size: 13px; }
`;

export function htmlPage(suite: Pick<Suite, 'bars'>, facts: Facts, rows: readonly Row[]): string {
  const bars = rows.flatMap((row) => suite.bars(row));
  const charts = [...groups(bars, (bar) => bar.chart)].map(([title, all]) => {
    const parts = [...groups(all, (bar) => bar.group)].map(([name, group]) => barGroup(name, group));
    return `<h2>${escapeHtml(title)}</h2>\n${parts.join('\n')}`;
  });
  const name = `gradclip bench: ${rows[0]?.suite ?? 'nothing'}`;
  const body = [
    `<h1>${escapeHtml(name)}</h1>`,
    ...factLines(facts).map((line) => `<p class="soft">${escapeHtml(line)}</p>`),
    ...charts,
    '<h2>Every figure</h2>',
    `<p class="soft">Medians over alternating rounds. <code>spread_percent</code> is the distance between the slowest and the fastest round;
a <code>ratio</code> says how many times longer the peer takes.</p>`,
    table(rows),
  ];
  return page(name, body.join('\n'), { css: CSS });
}

/** Bars of one group, the longest over the whole width. */
function barGroup(name: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map((bar) => bar.value));
  const lines = bars.map(({ label, value }) => {
    const ours = label.startsWith('gradclip') ? ' ours' : '';
    const width = ((100 * value) / most).toFixed(1);
    return `<div class="name${ours}">${escapeHtml(label)}</div><div class="track${ours}"><div class="bar" aria-hidden="true" style="width: calc((100% - 90px) * ${Number(width) / 100})"></div>${value}</div>`;
  });
  return `<div class="bars"><h3>${escapeHtml(name)}</h3>\n${lines.join('\n')}\n</div>`;
}

function table(rows: readonly Row[]): string {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) => key !== 'suite');
  return tableHtml({
    ...{ caption: 'Every figure', unseen: true, style: 'rows' },
    head: keys.map((key) => key.replaceAll('_', ' ')),
    rows: rows.map((row) => keys.map((key) => String(row[key] ?? ''))),
  });
}

/** In order of first appearance. */
function groups<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const item of list) {
    const known = found.get(keyOf(item));
    if (known) known.push(item);
    else found.set(keyOf(item), [item]);
  }
  return found;
}
