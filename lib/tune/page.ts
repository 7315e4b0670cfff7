// page.ts: a search as one HTML page: the outcome, learning curves by rung, each parameter beside what came of it, and all trials.
import { log10 } from '../math/index.ts';
import { page } from '../pages/page.ts';
import { extent, linearScale, logScale, type Scale, tickText } from '../pages/scale.ts';
import { escapeHtml, keys, px } from '../pages/svg.ts';
import { scrolling, tableHtml } from '../pages/table.ts';
import { percent, short } from '../text/format.ts';
import { importanceOf } from './importance.ts';
import type { TuneResult, TuneTrial } from './result.ts';
import { type Domain, placeOf, type Space } from './space.ts';
import { statusText, valueText } from './table.ts';

const CSS = `
.grid2 { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); gap: 20px; }
circle { stroke: var(--page); stroke-width: 0.8; } circle.out { fill: var(--s7); opacity: 0.55; } circle.fin { fill: var(--s2); } circle.top { fill: var(--s0); }
path.out { stroke: var(--s7); stroke-width: 1; opacity: 0.4; } path.fin { stroke: var(--s2); stroke-width: 2; } path.top { stroke: var(--s0); stroke-width: 3; }
tr.out > * { color: var(--soft); } tr.top th { font-weight: 700; } figure svg text { font-size: 14px; }
@media (max-width: 600px) { .wide svg { min-width: 560px; } figure svg text { font-size: 16px; } }
`;

export interface TunePageOptions {
  readonly title: string;
  /** Lines on what was sought, and how. */
  readonly facts: readonly string[];
  readonly space: Space;
  readonly metric: string;
}

const BOX = { width: 460, height: 280, left: 58, right: 14, top: 12, bottom: 42 } as const;

/** The page of a search. */
export function tunePage(result: TuneResult, { title, facts, space, metric }: TunePageOptions): string {
  const { trials, verdict, warnings } = result;
  const key = keys([
    { style: 's0', label: 'best' },
    { style: 's2', label: 'finalists' },
    { style: 's7', label: 'out' },
  ]);
  const importance = importanceOf(trials, space);
  const charts = Object.entries(space).map(([name, domain]) =>
    figure(scatter(trials, name, domain, metric), name, importance.get(name) ?? null),
  );
  const body = [
    `<h1>${escapeHtml(title)}</h1>`,
    ...facts.map((line) => `<p class="soft">${escapeHtml(line)}</p>`),
    '<h2>Outcome</h2>',
    ...verdict.map((line) => `<p>${escapeHtml(line)}</p>`),
    ...warnings.map((line) => `<p class="soft">${escapeHtml(line)}</p>`),
    `<h2>Learning curves</h2>`,
    `<figure><figcaption>${escapeHtml(metric)} on the validation rows where trials were compared, with the first seed.</figcaption>`,
    key,
    `${scrolling('Learning curves', curves(trials, metric), 'wide')}</figure>`,
    '<h2>Each parameter</h2>',
    `<p class="soft">Every trial after its first rung: what a parameter was, and what came of it. The part of the ranks that goes with the parameter alone stands beside its name, less what chance would give.</p>`,
    `<div class="grid2">${charts.join('\n')}</div>`,
    '<h2>Trials</h2>',
    rows(trials, metric),
  ];
  return page(title, body.join('\n'), { css: CSS });
}

const classOf = (trial: TuneTrial, trials: readonly TuneTrial[]): string =>
  trial === trials[0] ? 'top' : trial.status === 'finalist' ? 'fin' : 'out';

/** By logarithm where all is above 0 and spreads over more than one power of ten. */
function valueScale(values: readonly number[]): Scale {
  const [min, max] = extent([values]) ?? [0, 1];
  return min > 0 && max / min > 10 ? logScale(min, max, 5) : linearScale(min, max, 5);
}

/** Steps by their logarithm, since each rung has several times as many. */
function curves(trials: readonly TuneTrial[], metric: string): string {
  const all = trials.flatMap(({ rungs }) => rungs);
  if (all.length === 0) return '';
  const wide = { ...BOX, width: 700 };
  const y = valueScale(all.map(({ value }) => value));
  const steps = all.map(({ step }) => step);
  const x = logScale(Math.max(1, Math.min(...steps)), Math.max(...steps), 6);
  const place = ({ step, value }: { readonly step: number; readonly value: number }): string =>
    `${px(wide.left + x.at(Math.max(1, step)) * (wide.width - wide.left - wide.right))} ${px(heightOf(y, value))}`;
  // The best lies over the others.
  const lines = [...trials].reverse().map((trial) => {
    const { rungs } = trial;
    const name = `<title>${escapeHtml(`trial ${trial.number}`)}</title>`;
    if (rungs.length === 1) {
      const [cx, cy] = place(rungs[0]!).split(' ');
      return `<circle class="${classOf(trial, trials)}" cx="${cx}" cy="${cy}" r="3">${name}</circle>`;
    }
    return `<path class="${classOf(trial, trials)}" d="M${rungs.map(place).join('L')}">${name}</path>`;
  });
  const marks = x.ticks.map((tick) => ({ at: x.at(tick), text: tickText(tick) }));
  return svg(wide, `${metric} by step`, [...axes(wide, y, marks, 'steps'), ...lines]);
}

const heightOf = (y: Scale, value: number): number => BOX.top + (1 - y.at(value)) * (BOX.height - BOX.top - BOX.bottom);

function scatter(trials: readonly TuneTrial[], name: string, domain: Domain, metric: string): string {
  const seen = trials.filter(({ rungs }) => rungs.length > 0);
  const y = valueScale(seen.map(({ rungs }) => rungs[0]!.value));
  const inner = BOX.width - BOX.left - BOX.right;
  const dots = [...seen].reverse().flatMap((trial) => {
    const at = placeOf(domain, trial.params[name]);
    if (at === null) return [];
    const { value } = trial.rungs[0]!;
    const told = `trial ${trial.number}: ${valueText(trial.params[name])}, ${metric} ${short(value)}`;
    const center = `cx="${px(BOX.left + at * inner)}" cy="${px(heightOf(y, value))}"`;
    return [
      `<circle class="${classOf(trial, trials)}" ${center} r="${trial.status === 'finalist' ? 5.5 : 4}"><title>${escapeHtml(told)}</title></circle>`,
    ];
  });
  return svg(BOX, `${metric} by ${name}`, [...axes(BOX, y, ticksOf(domain), ''), ...dots]);
}

interface Mark {
  readonly at: number;
  readonly text: string;
}

function ticksOf(domain: Domain): Mark[] {
  const { kind, values, log } = domain;
  const mark = (value: unknown, text: string): Mark[] => {
    const at = placeOf(domain, value);
    return at === null ? [] : [{ at, text }];
  };
  if (kind === 'choice') return values.flatMap((value) => mark(value, nameOf(value)));
  const [min, max] = values as [number, number];
  const scale = kind === 'log' || log ? logScale(min, max, 4) : linearScale(min, max, 4);
  const within = scale.ticks.filter((tick) => tick >= min * (1 - 1e-12) && tick <= max);
  // All ticks of a range below one power of ten; else its powers.
  const powers = within.filter((tick) => Math.abs(log10(tick) - Math.round(log10(tick))) < 1e-9);
  return ((kind === 'log' || log) && powers.length >= 2 ? powers : within).flatMap((tick) => mark(tick, tickText(tick)));
}

/** A value as short as it may be beneath an axis. */
function nameOf(value: unknown): string {
  const text = (value as { readonly type?: unknown } | null)?.type ?? valueText(value);
  return String(text).slice(0, 14);
}

function axes(box: { readonly width: number }, y: Scale, x: readonly Mark[], name: string): string[] {
  const [left, right, bottom] = [BOX.left, box.width - BOX.right, BOX.height - BOX.bottom];
  const grid = y.ticks.map((tick) => {
    const h = px(heightOf(y, tick));
    return `<line class="grid" x1="${left}" x2="${right}" y1="${h}" y2="${h}"/><text x="${left - 8}" y="${h}" dy="0.32em" text-anchor="end">${tickText(tick)}</text>`;
  });
  const marks = x.map(({ at, text }) => {
    const place = px(left + at * (right - left));
    const anchor = at > 0.97 ? 'end' : at < 0.03 ? 'start' : 'middle';
    return `<line class="axis" x1="${place}" x2="${place}" y1="${bottom}" y2="${bottom + 5}"/><text x="${place}" y="${bottom + 20}" text-anchor="${anchor}">${escapeHtml(text)}</text>`;
  });
  const label = name === '' ? [] : [`<text x="${right}" y="${BOX.height - 4}" text-anchor="end">${escapeHtml(name)}</text>`];
  return [...grid, `<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`, ...marks, ...label];
}

function svg(box: { readonly width: number; readonly height: number }, label: string, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${box.width} ${box.height}" role="img" aria-label="${escapeHtml(label)}">${parts.join('\n')}</svg>`;
}

function figure(chart: string, name: string, importance: number | null): string {
  const part = importance === null ? '' : ` <span class="soft">${percent(importance, 1, 0)} of the ranks</span>`;
  return `<figure><figcaption><strong>${escapeHtml(name)}</strong>${part}</figcaption>${chart}</figure>`;
}

function rows(trials: readonly TuneTrial[], metric: string): string {
  const names = Object.keys(trials[0]?.params ?? {});
  const lines = trials.map((trial) => {
    const spread = trial.seeds.length > 1 ? ` (${trial.seeds.map(({ value }) => short(value)).join(', ')})` : '';
    return [
      String(trial.number),
      ...names.map((name) => valueText(trial.params[name])),
      `${short(trial.value)}${spread}`,
      String(trial.rungs.at(-1)?.step ?? 0),
      percent(trial.clipped, 1, 0),
      statusText(trial),
    ];
  });
  const head = ['trial', ...names, metric, 'steps', 'clipped', 'how it ended'];
  return tableHtml({ caption: 'All trials', unseen: true, head, rows: lines, rowStyle: (i) => classOf(trials[i]!, trials) });
}
