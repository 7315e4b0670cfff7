// charts.ts: performance profiles, diagrams of critical differences, and cost beside quality, as SVG.
import { STYLES } from '../../pages/page.ts';
import { linearScale, logScale } from '../../pages/scale.ts';
import { escapeHtml, px } from '../../pages/svg.ts';
import { type Profile, shareAt } from '../statistics/profiles.ts';
import { groupsOf } from '../statistics/ranks.ts';
import type { Ranking, Row } from '../summary.ts';
import { apart, axes, BOTTOM, LEFT, svg, TOP, WIDTH } from './frame.ts';

const NAMES = 130;
const INNER = WIDTH - LEFT - NAMES;

/** Lines of a profile, each with its name at the right end. @param most largest ratio that is shown */
export function profileChart(profiles: readonly { readonly name: string; readonly profile: Profile }[], most: number): string {
  const height = 340;
  const bottom = height - BOTTOM;
  const x = logScale(1, Math.max(2, most), 6);
  const y = linearScale(0, 1, 5);
  const placeX = (ratio: number): number => LEFT + INNER * Math.min(1, x.at(ratio));
  const placeY = (share: number): number => TOP + (bottom - TOP) * (1 - y.at(share));
  const ends = apart(
    profiles.map(({ profile }) => placeY(shareAt(profile, x.max))),
    15,
    TOP,
    bottom,
  );
  const drawn = profiles.map(({ name, profile }, i) => {
    const style = STYLES[i % STYLES.length]!;
    const steps = profile.ratios.flatMap((ratio, k) =>
      ratio <= x.max ? [`H${px(placeX(ratio))}V${px(placeY(profile.shares[k]!))}`] : [],
    );
    const line = `M${px(placeX(1))} ${px(placeY(shareAt(profile, 1)))}${steps.join('')}H${px(placeX(x.max))}`;
    const text = `<text class="label ${style}" x="${LEFT + INNER + 8}" y="${px(ends[i]!)}" dy="0.32em">${escapeHtml(name)}</text>`;
    return `<path class="${style} trend" d="${line}"/>${text}`;
  });
  const frame = { x, y, inner: INNER, height, xName: 'at most so many times the least', yName: 'share of problems' };
  return svg(height, 'performance profiles', [...axes(frame), ...drawn]);
}

/** Mean ranks on a line, the best to the left; those that a bar joins do not differ by more than chance (Demsar 2006). */
export function differenceChart({ names, ranks, difference, n }: Ranking): string {
  const order = ranks.map((_, i) => i).sort((a, b) => ranks[a]! - ranks[b]!);
  const k = names.length;
  const half = Math.ceil(k / 2);
  const sorted = order.map((i) => ranks[i]!);
  const groups = groupsOf(sorted, difference);
  const side = 175;
  const axisY = 52;
  const at = (rank: number): number => side + ((WIDTH - 2 * side) * (rank - 1)) / Math.max(1, k - 1);
  const barsTop = axisY + 12;
  const namesTop = barsTop + 8 * groups.length + 14;
  const height = namesTop + 18 * half + 6;
  const ticks = Array.from({ length: k }, (_, i) => {
    const place = px(at(i + 1));
    return `<line class="axis" x1="${place}" x2="${place}" y1="${axisY - 5}" y2="${axisY}"/><text x="${place}" y="${axisY - 9}" text-anchor="middle">${i + 1}</text>`;
  });
  const width = (at(2) - at(1)) * difference;
  const measure = `<path class="s0 trend" d="M${side} 14H${px(side + width)}"/><text x="${px(side + width + 8)}" y="18">critical difference ${difference.toFixed(2)}, ${n} networks with an optimizer</text>`;
  const bars = groups.map(([from, to], g) => {
    const y = barsTop + 8 * g;
    return `<path class="s7 trend" stroke-width="4" d="M${px(at(sorted[from]!) - 3)} ${y}H${px(at(sorted[to]!) + 3)}"/>`;
  });
  const labels = order.map((way, i) => {
    const isLeft = i < half;
    const y = namesTop + 18 * (isLeft ? i : k - 1 - i);
    const place = at(sorted[i]!);
    const end = isLeft ? side - 12 : WIDTH - side + 12;
    const text = `${names[way]} ${sorted[i]!.toFixed(2)}`;
    const line = `<path class="axis" d="M${px(place)} ${axisY}V${px(y)}H${px(end)}"/>`;
    return `${line}<text class="label" x="${px(end + (isLeft ? -4 : 4))}" y="${px(y)}" dy="0.32em" text-anchor="${isLeft ? 'end' : 'start'}">${escapeHtml(text)}</text>`;
  });
  const axis = `<line class="axis" x1="${px(at(1))}" x2="${px(at(k))}" y1="${axisY}" y2="${axisY}"/>`;
  return svg(height, 'mean ranks and the critical difference', [measure, axis, ...ticks, ...bars, ...labels]);
}

/** Each way as a point with its interval: work to the right, the geometric mean of its scores upwards. */
export function costChart(rows: readonly Row[]): string {
  const height = 360;
  const bottom = height - BOTTOM;
  const inner = WIDTH - LEFT - 20;
  const x = logScale(1, Math.max(2, ...rows.map((row) => row.work)), 6);
  const [least, most] = [Math.min(1, ...rows.map((row) => row.low)), Math.max(...rows.map((row) => row.high))];
  // A logarithmic axis has few ticks unless it spans much.
  const y = (most / least > 8 ? logScale : linearScale)(least, most, 6);
  const placeX = (work: number): number => LEFT + NAMES + (inner - 2 * NAMES) * x.at(work);
  const placeY = (mean: number): number => TOP + (bottom - TOP) * (1 - y.at(mean));
  // Those of one work stand above each other: their names go beside them, of those at the left end to the left.
  const columns = new Map<string, Row[]>();
  for (const row of rows) columns.set(row.work.toFixed(1), [...(columns.get(row.work.toFixed(1)) ?? []), row]);
  const drawn = [...columns.values()].flatMap((column) => {
    const names = apart(
      column.map((row) => placeY(row.mean)),
      13,
      TOP,
      bottom,
    );
    return column.map((row, i) => {
      const style = row.name === 'auto' ? 's0' : row.runs > 1 ? 's2' : 's1';
      const [cx, cy] = [px(placeX(row.work)), px(placeY(row.mean))];
      const bar = `<path class="${style} raw" d="M${cx} ${px(placeY(row.low))}V${px(placeY(row.high))}"/>`;
      const isFirst = row.work < 1.1;
      const place = `x="${px(placeX(row.work) + (isFirst ? -8 : 8))}" y="${px(names[i]!)}"${isFirst ? ' text-anchor="end"' : ''}`;
      const text = `<text class="small" ${place} dy="0.32em">${escapeHtml(row.policy)}</text>`;
      return `${bar}<circle class="${style} mark" cx="${cx}" cy="${cy}" r="3.5"><title>${escapeHtml(row.name)}</title></circle>${text}`;
    });
  });
  const frame = { x: { ...x, at: (v: number) => (placeX(v) - LEFT) / inner }, y, inner, height };
  return svg(height, 'cost beside quality', [
    ...axes({ ...frame, xName: 'work: steps in all over those of one run', yName: 'geometric mean of scores' }),
    ...drawn,
  ]);
}
