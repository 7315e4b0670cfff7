// svg.ts: line charts and strips, as SVG that takes the width there is, with names and ticks as text beside it that stays as large as text is. Colors are CSS
// classes, so that one picture serves light and dark pages.
import { visible } from '../errors/visible.ts';
import { short } from '../text/format.ts';
import { extent, isDrawn, linearScale, logScale, type Scale, smooth, tickText } from './scale.ts';

export interface SVGSeries {
  /** Color class, such as `s0`. */
  readonly style: string;
  readonly label: string;
  /** From the first step to the last, as far apart as each other. */
  readonly values: readonly number[];
  /** What is drawn strongly over them, from the first step to the last too. Default: their running median. */
  readonly trend?: readonly number[];
  /** The step of each value, where they are few: they are drawn as points that a line joins. */
  readonly at?: readonly number[];
}

export interface ChartOptions {
  readonly title: string;
  readonly unit: string;
  readonly log?: boolean;
  /** The first and the last step. Default: from 0, one for each value. */
  readonly first?: number;
  readonly last?: number;
}

// What a chart is drawn in: stretched to the width that there is.
const INNER = 770;
const HEIGHT = 246;
// More points than this along x would only make the file longer.
const MOST_POINTS = 1200;

/** Text within a page: characters of markup by their names, control characters but ends of lines and tabs escaped. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return visible(text, '\n\t').replace(/[&<>"']/g, (c) => names[c]!);
}

/**
 * A line for each series over the steps: faint as measured, strong as a running median. Where lines lie on each other they take turns, so that all colors
 * are seen. What it shows stands in words too, for who does not see it.
 */
export function lineChart(series: readonly SVGSeries[], { title, unit, log = false, first = 0, last }: ChartOptions): string {
  const dense = series.filter((s) => s.at === undefined);
  const sparse = series.filter((s) => s.at !== undefined);
  const steps = Math.max(2, ...dense.map((s) => s.values.length));
  const end = last ?? first + steps - 1;
  const trends = dense.map((s) => s.trend ?? smooth(s.values, Math.max(3, Math.round(steps / 40))));
  const [min, max] = extent(
    series.map((s) => s.values),
    log,
  ) ?? [log ? 0.1 : 0, 1];
  const y = (log ? logScale : linearScale)(min, max, 6);
  const placeY = (value: number): number => HEIGHT * (1 - y.at(value));
  const placed =
    (length: number) =>
    (i: number, value: number): string =>
      `${px((INNER * i) / Math.max(1, length - 1))} ${px(placeY(value))}`;
  const drawn = turns(trends, placeY, log);
  const lines = dense.map((s, i) => {
    const raw = `<path class="${s.style} raw" d="${path(s.values, placed(Math.max(2, s.values.length)), log)}"/>`;
    return `${raw}\n<path class="${s.style} trend" d="${path(drawn[i]!, placed(Math.max(2, drawn[i]!.length)), log)}"/>`;
  });
  const x = axis(first, end);
  const points = sparse.map(({ style, values, at }) => {
    const place = (i: number, value: number): string => `${px(INNER * x.at(at![i]!))} ${px(placeY(value))}`;
    const dots = values.flatMap((value, i) => (isDrawn(value, log) ? [`M${place(i, value)}h0`] : []));
    const line = path(values, place, log);
    return `<path class="${style} trend" d="${line}"/>\n<path class="${style} dots" d="${dots.length <= MOST_DOTS ? dots.join('') : ''}"/>`;
  });
  const said = series.map((s) => seriesText(s, log)).join('; ');
  return [
    '<div class="plot">',
    `<div class="unit" aria-hidden="true">${escapeHtml(unit)}</div>`,
    ...yAxis(y),
    '<div class="area">',
    `<svg viewBox="0 0 ${INNER} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(`${title}, ${unit}, by step: ${said}`)}">`,
    ...y.ticks.map((tick) => `<line class="grid" x1="0" x2="${INNER}" y1="${px(placeY(tick))}" y2="${px(placeY(tick))}"/>`),
    `<line class="axis" x1="0" x2="${INNER}" y1="${HEIGHT}" y2="${HEIGHT}"/>`,
    ...lines,
    ...points,
    '</svg></div>',
    ...xAxis(x),
    '</div>',
    series.length > 1 ? keys(series) : '',
  ].join('\n');
}

/** Points that are drawn as such: more would lie on each other. */
const MOST_DOTS = 200;

/** What has which color. */
export function keys(series: readonly Pick<SVGSeries, 'style' | 'label'>[]): string {
  const items = series.map(
    ({ style, label }) => `<li><span class="chip ${style}"></span><span class="label">${escapeHtml(label)}</span></li>`,
  );
  return `<ul class="keys">${items.join('')}</ul>`;
}

/** A series in words. */
function seriesText({ label, values }: SVGSeries, log: boolean): string {
  const known = values.filter((value) => isDrawn(value, log));
  const range = extent([known]);
  if (!range) return `${label}: no value`;
  return `${label}: ${short(known[0]!)} at first, ${short(known.at(-1)!)} at last, from ${short(range[0])} to ${short(range[1])}`;
}

// Lines nearer than this lie on each other: their strokes are 2.2 wide.
const NEAR = 1.6;
// How long a line has its turn, along x.
const TURN = 16;

/** The lines, each without the values where it lies on others whose turn it is. */
function turns(lines: readonly (readonly number[])[], placeY: (value: number) => number, log: boolean): number[][] {
  const places = lines.map((line) => line.map((v) => (isDrawn(v, log) ? placeY(v) : Number.NaN)));
  const steps = Math.max(2, ...lines.map((line) => line.length));
  const x = (step: number): number => (INNER * step) / (steps - 1);
  // A turn has a part of each line within it, however few the steps are.
  const turn = Math.max(TURN, 2 * (INNER / (steps - 1)));
  return lines.map((line, i) =>
    line.map((value, step) => {
      const here = places[i]![step]!;
      const together = places.flatMap((other, k) => (Math.abs(other[step]! - here) < NEAR ? [k] : []));
      if (together.length < 2) return value;
      const now = together[Math.floor(x(step) / turn) % together.length];
      // The first value of the next turn belongs to both, so that there is no gap.
      const before = step === 0 ? now : together[Math.floor(x(step - 1) / turn) % together.length];
      return now === i || before === i ? value : Number.NaN;
    }),
  );
}

export interface Lane {
  readonly style: string;
  readonly label: string;
  /** Beside its name. */
  readonly note: string;
  /** For each place from 0, nothing, to 1: how strong its mark is. */
  readonly marks: readonly number[];
}

// Marks come in so many strengths, so that neighbors of the same one are drawn as one.
const STRENGTHS = 6;
/** Height of a lane, and of what is drawn in it: its name stands over that. */
const LANE = 42;
const BAR = 18;

/** For each series a lane with a mark at each step where something happened. */
export function strip(lanes: readonly Lane[], { title, first = 0, last }: Omit<ChartOptions, 'unit' | 'log'>): string {
  const steps = Math.max(2, ...lanes.map((l) => l.marks.length));
  const height = lanes.length * LANE;
  const rows = lanes.map(({ style, marks }, i) => {
    const y = i * LANE + LANE - BAR;
    const width = INNER / Math.max(2, marks.length);
    const bars = runs(marks).map(({ from, to, strength }) => {
      const start = width * from;
      return `<rect x="${px(start)}" y="${y}" width="${px(Math.max(1, width * to - start))}" height="${BAR}" opacity="${opacity(strength)}"/>`;
    });
    return `<rect class="lane" x="0" y="${y}" width="${INNER}" height="${BAR}"/><g class="${style} mark">${bars.join('')}</g>`;
  });
  const names = lanes.map(({ style, label, note }, i) => {
    const text = `<span class="chip ${style}"></span>${escapeHtml(label)}: ${escapeHtml(note)}`;
    return `<span class="lane-name" style="top:${i * LANE}px">${text}</span>`;
  });
  const said = lanes.map(({ label, note }) => `${label}: ${note}`).join('; ');
  return [
    '<div class="plot lanes">',
    `<div class="area" style="height:${height}px">`,
    `<svg viewBox="0 0 ${INNER} ${height}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(`${title}, by step: ${said}`)}">`,
    ...rows,
    '</svg>',
    `<div aria-hidden="true">${names.join('')}</div>`,
    '</div>',
    ...xAxis(axis(first, last ?? first + steps - 1)),
    '</div>',
  ].join('\n');
}

interface Axis {
  /** 0 at the first step, 1 at the last. */
  at(step: number): number;
  readonly ticks: readonly number[];
}

export function axis(first: number, last: number): Axis {
  const span = Math.max(1, last - first);
  const ticks = linearScale(first, first + span, 6).ticks.filter((tick) => {
    return tick >= first && tick <= first + span * (1 + 1e-9) && Number.isInteger(tick);
  });
  return { ticks, at: (step) => (step - first) / span };
}

/** Ticks of the steps, and the name of the axis. Where there is little room, every second goes. */
export function xAxis({ at, ticks }: Axis): string[] {
  const texts = ticks.map((tick, i) => {
    const classes = [at(tick) > 0.97 && 'last', i % 2 === 1 && 'odd'].filter(Boolean).join(' ');
    return `<span${classes === '' ? '' : ` class="${classes}"`} style="left:${percent(at(tick))}">${stepText(tick)}</span>`;
  });
  return [`<div class="x" aria-hidden="true">${texts.join('')}</div>`, '<div class="name" aria-hidden="true">step</div>'];
}

/** 20, 5,000, 2 M. */
function stepText(tick: number): string {
  return tick >= 1e6 && tick % 1e5 === 0 ? `${tick / 1e6} M` : tick.toLocaleString('en-US');
}

/** The ticks, and one that is not seen and as wide as the widest. */
function yAxis(y: Scale): string[] {
  const texts = y.ticks.map((tick) => (y.log && (tick >= 1e4 || tick < 1e-2) ? power(tick) : tickText(tick)));
  const widest = texts.reduce((a, b) => (plainLength(b) > plainLength(a) ? b : a), '');
  const spans = y.ticks.map((tick, i) => `<span style="top:${percent(1 - y.at(tick))}">${texts[i]}</span>`);
  return [`<div class="y" aria-hidden="true"><span class="wide">${widest}</span>${spans.join('')}</div>`];
}

const plainLength = (html: string): number => html.replaceAll(/<[^>]*>/g, '').length;

/** 10 to a power; 2 and 5 times it as they are. */
function power(tick: number): string {
  const [factor, exponent] = tick.toExponential().split('e') as [string, string];
  return `${factor === '1' ? '' : `${factor}·`}10<sup>${Number(exponent)}</sup>`;
}

const percent = (part: number): string => `${Math.round(part * 1e4) / 100}%`;

/** A path that breaks where there is no value. Of many points, those between the least and the greatest of each place along x are left out. */
function path(values: readonly number[], place: (i: number, value: number) => string, log: boolean): string {
  const stride = Math.ceil((2 * values.length) / MOST_POINTS);
  const parts: string[] = [];
  let pen = 'M';
  const draw = (i: number): void => {
    parts.push(`${pen}${place(i, values[i]!)}`);
    pen = 'L';
  };
  for (let from = 0; from < values.length; from += stride) {
    let [low, high] = [-1, -1];
    for (let i = from; i < Math.min(from + stride, values.length); i++) {
      const value = values[i]!;
      if (!isDrawn(value, log)) continue;
      if (low < 0 || value < values[low]!) low = i;
      if (high < 0 || value > values[high]!) high = i;
    }
    if (low < 0) pen = 'M';
    else for (const i of new Set([Math.min(low, high), Math.max(low, high)])) draw(i);
  }
  return parts.join('');
}

interface Bar {
  readonly from: number;
  to: number;
  readonly strength: number;
}

/** Stretches of marks of one strength. */
function runs(marks: readonly number[]): Bar[] {
  const found: Bar[] = [];
  marks.forEach((mark, i) => {
    if (!(mark > 0)) return;
    const strength = Math.min(STRENGTHS, Math.ceil(mark * STRENGTHS));
    const last = found.at(-1);
    if (last?.to === i && last.strength === strength) last.to = i + 1;
    else found.push({ from: i, to: i + 1, strength });
  });
  return found;
}

/** A faint mark must still be seen. */
function opacity(strength: number): string {
  return (0.25 + (0.75 * strength) / STRENGTHS).toFixed(2);
}

export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
