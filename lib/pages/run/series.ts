// series.ts: what is drawn of a run's digest: curves that are thinned to a page's width, and how fast it went.
import type { Curve } from '../../history/run/curves.ts';
import type { Digest } from '../../history/run/digest.ts';
import { extent, smooth } from '../scale.ts';
import type { SVGSeries } from '../svg.ts';

/** The first and the last step of the axis. */
export function span({ first, length }: Digest): { readonly first: number; readonly last: number } {
  const from = Number.isFinite(first) ? first : 0;
  return { first: from, last: from + Math.max(1, length - 1) };
}

/** Whether anything is known of a column. */
export const has = (curve: Curve): boolean => curve.mean.some((value) => Number.isFinite(value));

/** A column as it was measured, from the least to the largest of each place, with the median of a window of means over it. */
export function measured(digest: Digest, column: string, style: string, label: string): SVGSeries {
  const { stride, min, max, mean } = digest.curves.curve(column, digest.length);
  const values = stride === 1 ? [...mean] : Array.from({ length: 2 * min.length }, (_, i) => (i % 2 === 0 ? min : max)[i >> 1]!);
  return { style, label, values, trend: smooth([...mean], Math.max(3, Math.round(mean.length / 40))) };
}

/** A column that stays what it is between the steps at which it was looked at, such as a learning rate. */
export function held(digest: Digest, column: string, style: string, label: string): SVGSeries {
  const { mean } = digest.curves.curve(column, digest.length);
  let last = mean.find((value) => Number.isFinite(value)) ?? Number.NaN;
  const values = Array.from(mean, (value) => {
    if (Number.isFinite(value)) last = value;
    return last;
  });
  return { style, label, values, trend: values };
}

/** A column as it is, with gaps where nothing is known. */
export function plain(digest: Digest, column: string, style: string, label: string): SVGSeries {
  const values = [...digest.curves.curve(column, digest.length).mean];
  return { style, label, values, trend: values };
}

/** What was measured on the validation set, after so many steps each. */
export function validated(digest: Digest, metric: string, style: string, label: string): SVGSeries {
  const { first } = span(digest);
  const known = digest.validations.filter(({ metrics }) => Object.hasOwn(metrics, metric));
  return {
    style,
    label,
    values: known.map(({ metrics }) => metrics[metric]!),
    at: known.map(({ at }) => first + Math.max(0, at - 1)),
  };
}

/** Names of what validations measured, the loss first. */
export function metricsOf({ validations }: Digest): string[] {
  const names = new Set(validations.flatMap(({ metrics }) => Object.keys(metrics)));
  return ['loss', ...names].filter((name, i, all) => names.has(name) && all.indexOf(name) === i);
}

/** By logarithm where all is above 0 and spreads over more than one power of ten. */
export function isWide(series: readonly SVGSeries[]): boolean {
  const [min, max] = extent(series.map(({ values }) => values)) ?? [0, 1];
  return min > 0 && max / min > 10;
}

/** Parts of the time that a speed is of. */
const PARTS = 100;

/** Steps a second, along the run; null where the time is not known. */
export function speedOf(digest: Digest, style: string): SVGSeries | null {
  const { first, last } = span(digest);
  const [time, timed] = ['time', 'timed'].map((name) => digest.curves.curve(name, digest.length).max) as [
    Float64Array,
    Float64Array,
  ];
  const { stride } = digest.curves;
  const least = digest.ms / PARTS;
  const [values, at]: [number[], number[]] = [[], []];
  let from = { ms: 0, steps: 0 };
  for (let i = 0; i < time.length; i++) {
    const to = { ms: time[i]!, steps: timed[i]! };
    if (!Number.isFinite(to.ms) || to.ms - from.ms < least || to.ms <= from.ms) continue;
    values.push((1000 * (to.steps - from.steps)) / (to.ms - from.ms));
    at.push(Math.min(last, first + (i + 1) * stride - 1));
    from = to;
  }
  return values.length === 0 ? null : { style, label: 'steps a second', values, at };
}
