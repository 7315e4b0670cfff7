// frame.ts: what charts of the laboratory have in common: a frame with two axes, small enough to be read on a phone.

import { type Scale, tickText } from '../../pages/scale.ts';
import { escapeHtml, px } from '../../pages/svg.ts';
import { scrolling } from '../../pages/table.ts';

export const WIDTH = 640;
export const LEFT = 52;
export const TOP = 12;
export const BOTTOM = 40;

/** Names at the ends of lines or beside points, moved apart where they would cover each other. @param places from the top */
export function apart(places: readonly number[], gap: number, top: number, bottom: number): number[] {
  const order = places.map((_, i) => i).sort((a, b) => places[a]! - places[b]!);
  const at = [...places];
  order.forEach((i, k) => {
    if (k > 0) at[i] = Math.max(at[i]!, at[order[k - 1]!]! + gap);
  });
  let floor = bottom;
  for (const i of order.toReversed()) {
    at[i] = Math.max(top, Math.min(at[i]!, floor));
    floor = at[i]! - gap;
  }
  return at;
}

export interface Frame {
  readonly x: Scale;
  readonly y: Scale;
  readonly inner: number;
  readonly height: number;
  readonly xName: string;
  readonly yName: string;
}

/** Grid, ticks and names of both axes. */
export function axes({ x, y, inner, height, xName, yName }: Frame): string[] {
  const bottom = height - BOTTOM;
  const at = (value: number): string => px(LEFT + inner * x.at(value));
  const rows = y.ticks.map((tick) => {
    const place = px(TOP + (bottom - TOP) * (1 - y.at(tick)));
    const grid = `<line class="grid" x1="${LEFT}" x2="${LEFT + inner}" y1="${place}" y2="${place}"/>`;
    return `${grid}<text x="${LEFT - 6}" y="${place}" dy="0.32em" text-anchor="end">${tickText(tick)}</text>`;
  });
  const columns = x.ticks.map((tick) => {
    const grid = `<line class="grid" x1="${at(tick)}" x2="${at(tick)}" y1="${TOP}" y2="${bottom}"/>`;
    return `${grid}<text x="${at(tick)}" y="${bottom + 16}" text-anchor="middle">${tickText(tick)}</text>`;
  });
  return [
    ...rows,
    ...columns,
    `<text class="unit" x="${LEFT + inner / 2}" y="${bottom + 33}" text-anchor="middle">${escapeHtml(xName)}</text>`,
    `<text class="unit" transform="translate(12 ${px((TOP + bottom) / 2)}) rotate(-90)" text-anchor="middle">${escapeHtml(yName)}</text>`,
  ];
}

/** @param about what it shows, for who does not see it */
export function svg(height: number, about: string, parts: readonly string[]): string {
  const open = `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(about)}">`;
  return scrolling(about, [open, ...parts, '</svg>'].join('\n'), 'chart');
}
