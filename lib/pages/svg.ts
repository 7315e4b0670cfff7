// svg.ts: line charts and strips as SVG text. Colors are CSS classes, so that one picture serves light and dark pages.
import { visible } from '../errors/visible.ts';
import { extent, linearScale, logScale, type Scale, smooth, tickText } from './scale.ts';

export interface SVGSeries {
  /** Color class, such as `s0`. */
  readonly style: string;
  readonly label: string;
  readonly values: readonly number[];
}

export interface ChartOptions {
  readonly title: string;
  readonly unit: string;
  readonly log?: boolean;
}

const WIDTH = 960;
const LEFT = 60;
const RIGHT = 130;
const TOP = 14;
const BOTTOM = 40;
const INNER = WIDTH - LEFT - RIGHT;
const HEIGHT = 300;
// More points than this along x would only make the file longer.
const MOST_POINTS = 1200;

/** Text within a page: characters of markup by their names, control characters but ends of lines and tabs escaped. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return visible(text, '\n\t').replace(/[&<>"']/g, (c) => names[c]!);
}

/**
 * A line for each series over the steps: faint as measured, strong as a running median; its name stands at its end. Where lines lie on each other they take
 * turns, so that all colors are seen.
 */
export function lineChart(series: readonly SVGSeries[], { title, unit, log = false }: ChartOptions): string {
  const steps = Math.max(2, ...series.map((s) => s.values.length));
  const trends = series.map((s) => smooth(s.values, Math.max(3, Math.round(steps / 40))));
  const [min, max] = extent(
    series.map((s) => s.values),
    log,
  ) ?? [log ? 0.1 : 0, 1];
  const y = (log ? logScale : linearScale)(min, max, 6);
  const x = stepScale(steps);
  const inner = HEIGHT - TOP - BOTTOM;
  const place = (i: number, value: number): string => `${px(x(i))} ${px(TOP + inner * (1 - y.at(value)))}`;
  const drawn = turns(trends, (value) => TOP + inner * (1 - y.at(value)), log);
  const lines = series.map((s, i) => {
    const raw = `<path class="${s.style} raw" d="${path(s.values, place, log)}"/>`;
    return `${raw}\n<path class="${s.style} trend" d="${path(drawn[i]!, place, log)}"/>`;
  });
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(`${title}, ${unit}, by step`)}">`,
    ...yAxis(y, inner, unit),
    ...stepAxis(steps, TOP + inner),
    ...lines,
    ...endLabels(series, trends, (value) => TOP + inner * (1 - y.at(value))),
    '</svg>',
  ].join('\n');
}

// Lines nearer than this lie on each other: their strokes are 2.2 wide.
const NEAR = 1.6;
// How long a line has its turn, along x.
const TURN = 16;

/** The lines, each without the values where it lies on others whose turn it is. */
function turns(lines: readonly (readonly number[])[], placeY: (value: number) => number, log: boolean): number[][] {
  const places = lines.map((line) => line.map((v) => (Number.isFinite(v) && !(log && v <= 0) ? placeY(v) : Number.NaN)));
  const steps = Math.max(2, ...lines.map((line) => line.length));
  const x = stepScale(steps);
  // A turn has a part of each line within it, however few the steps are.
  const turn = Math.max(TURN, 2 * (INNER / (steps - 1)));
  return lines.map((line, i) =>
    line.map((value, step) => {
      const here = places[i]![step]!;
      const together = places.flatMap((other, k) => (Math.abs(other[step]! - here) < NEAR ? [k] : []));
      if (together.length < 2) return value;
      const now = together[Math.floor((x(step) - LEFT) / turn) % together.length];
      // The first value of the next turn belongs to both, so that there is no gap.
      const before = step === 0 ? now : together[Math.floor((x(step - 1) - LEFT) / turn) % together.length];
      return now === i || before === i ? value : Number.NaN;
    }),
  );
}

export interface Lane {
  readonly style: string;
  readonly label: string;
  /** To the right of the lane. */
  readonly note: string;
  /** For each step from 0, nothing, to 1: how strong its mark is. */
  readonly marks: readonly number[];
}

// Marks come in so many strengths, so that neighbors of the same one are drawn as one.
const STRENGTHS = 6;

/** For each series a lane with a mark at each step where something happened. */
export function strip(lanes: readonly Lane[], title: string): string {
  const lane = 26;
  const steps = Math.max(2, ...lanes.map((l) => l.marks.length));
  const height = TOP + lanes.length * lane + BOTTOM;
  const x = stepScale(steps);
  const rows = lanes.map(({ style, label, note, marks }, i) => {
    const y = TOP + i * lane;
    const bars = runs(marks).map(({ from, to, strength }) => {
      const start = x(from);
      return `<rect x="${px(start)}" y="${y}" width="${px(Math.max(1, x(to) - start))}" height="${lane - 8}" opacity="${opacity(strength)}"/>`;
    });
    const text = `<text class="label ${style}" x="${LEFT + INNER + 10}" y="${y + 13}">${escapeHtml(note)}<title>${escapeHtml(label)}</title></text>`;
    return `<rect class="lane" x="${LEFT}" y="${y}" width="${INNER}" height="${lane - 8}"/><g class="${style} mark">${bars.join('')}</g>${text}`;
  });
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(title)}">`,
    ...stepAxis(steps, TOP + lanes.length * lane - 4),
    ...rows,
    '</svg>',
  ].join('\n');
}

function stepScale(steps: number): (step: number) => number {
  return (step) => LEFT + (INNER * step) / (steps - 1);
}

function yAxis(y: Scale, inner: number, unit: string): string[] {
  const lines = y.ticks.map((tick) => {
    const at = px(TOP + inner * (1 - y.at(tick)));
    const text = y.log && (tick >= 1e4 || tick < 1e-2) ? power(tick) : tickText(tick);
    const grid = `<line class="grid" x1="${LEFT}" x2="${LEFT + INNER}" y1="${at}" y2="${at}"/>`;
    return `${grid}<text class="tick" x="${LEFT - 8}" y="${at}" dy="0.32em" text-anchor="end">${text}</text>`;
  });
  const middle = TOP + inner / 2;
  return [
    ...lines,
    `<text class="unit" transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${escapeHtml(unit)}</text>`,
  ];
}

/** 10 to a power; 2 and 5 times it as they are. */
function power(tick: number): string {
  const [factor, exponent] = tick.toExponential().split('e') as [string, string];
  return `${factor === '1' ? '' : `${factor}·`}10<tspan class="power" dy="-0.45em">${Number(exponent)}</tspan>`;
}

function stepAxis(steps: number, bottom: number): string[] {
  const x = stepScale(steps);
  const ticks = linearScale(0, steps - 1, 6).ticks.filter((tick) => tick <= steps && Number.isInteger(tick));
  return [
    `<line class="axis" x1="${LEFT}" x2="${LEFT + INNER}" y1="${px(bottom)}" y2="${px(bottom)}"/>`,
    ...ticks.map((tick) => {
      const at = px(Math.min(LEFT + INNER, x(tick)));
      return `<text class="tick" x="${at}" y="${px(bottom + 16)}" text-anchor="middle">${tick}</text>`;
    }),
    `<text class="unit" x="${LEFT + INNER / 2}" y="${px(bottom + 33)}" text-anchor="middle">step</text>`,
  ];
}

/** Names at the ends of the lines, moved apart where they would cover each other. */
function endLabels(series: readonly SVGSeries[], trends: readonly number[][], placeY: (value: number) => number): string[] {
  const GAP = 16;
  const ends = series.map((s, i) => {
    const last = trends[i]!.findLast((value) => Number.isFinite(value));
    return { s, y: last === undefined ? TOP : placeY(last) };
  });
  ends.sort((a, b) => a.y - b.y);
  for (let i = 1; i < ends.length; i++) ends[i]!.y = Math.max(ends[i]!.y, ends[i - 1]!.y + GAP);
  let floor = HEIGHT - BOTTOM;
  for (const end of ends.toReversed()) {
    end.y = Math.min(end.y, floor);
    floor = end.y - GAP;
  }
  return ends.map(({ s, y }) => {
    return `<text class="label ${s.style}" x="${LEFT + INNER + 10}" y="${px(y)}" dy="0.32em">${escapeHtml(s.label)}</text>`;
  });
}

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
      if (!Number.isFinite(value) || (log && value <= 0)) continue;
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

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
