// importance.ts: how much of what trials came to goes with one parameter alone.

import type { TuneTrial } from './result.ts';
import { placeOf, type Space } from './space.ts';

/** Parts that the range of a number is cut into. */
const BINS = 4;

/**
 * Of each parameter, the part of the variance of ranks after the first rung that lies between values of it (numbers: between quarters of its range), less what
 * chance alone would give: adjusted as the epsilon squared of an analysis of variance, at least 0. Ranks, since losses that diverge have no variance. Null for
 * fewer than 8 trials.
 */
export function importanceOf(trials: readonly TuneTrial[], space: Space): ReadonlyMap<string, number | null> {
  const score = ({ rungs }: TuneTrial): number => rungs[0]?.value ?? Infinity;
  const inOrder = [...trials].sort((a, b) => score(a) - score(b) || 0);
  const ranks = new Map(inOrder.map((trial, i) => [trial, i]));
  return new Map(
    Object.entries(space).map(([name, domain]) => {
      const bins = new Map<number, number[]>();
      for (const trial of trials) {
        const place = placeOf(domain, trial.params[name]);
        if (place === null) continue;
        const bin = domain.kind === 'choice' ? Math.round(place * 1e6) : Math.min(BINS - 1, Math.floor(place * BINS));
        bins.set(bin, [...(bins.get(bin) ?? []), ranks.get(trial)!]);
      }
      return [name, explained([...bins.values()])];
    }),
  );
}

/** Epsilon squared of groups of numbers. */
export function explained(groups: readonly (readonly number[])[]): number | null {
  const all = groups.flat();
  const n = all.length;
  if (n < 8 || groups.length < 2 || n <= groups.length) return null;
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const squares = (values: readonly number[], from: number): number =>
    values.reduce((sum, x) => sum + (x - from) * (x - from), 0);
  const total = squares(all, mean(all));
  if (total === 0) return null;
  const within = groups.reduce((sum, group) => sum + squares(group, mean(group)), 0);
  const chance = (within / (n - groups.length)) * (groups.length - 1);
  return Math.max(0, (total - within - chance) / total);
}
