// ranks.ts: tests that go by ranks alone: Friedman and Nemenyi for several ways on several problems, Wilcoxon for two, Spearman's correlation.
import { OptionError } from '../../errors.ts';
import { mean } from '../../history/numbers.ts';
import { chiSquareP, fisherP, normalBelow, rangeQ } from './distributions.ts';

/** Ranks from 1, the least first; equal values share the mean of theirs. */
export function ranksOf(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) ranks[order[i]!] = (from + 1 + to) / 2;
    from = to;
  }
  return ranks;
}

/** How many equal values there are of each, where there are several: the sum of t^3 - t. */
function tiesOf(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts.values()].reduce((sum, t) => sum + (t * t * t - t), 0);
}

/** Whether several ways differ at all. */
export interface Friedman {
  /** Mean rank of each way. */
  readonly ranks: readonly number[];
  /** Problems. */
  readonly n: number;
  /** Friedman's statistic, corrected for ties, and its probability where all are alike. */
  readonly chiSquare: number;
  readonly p: number;
  /** The less conservative one of Iman and Davenport (1980). */
  readonly f: number;
  readonly pOfF: number;
}

/**
 * Friedman's test (1937), as Demsar (2006) has it for comparisons of several algorithms on several data sets.
 * @param costs a row for each problem, in it a cost for each way: less is better
 */
export function friedman(costs: readonly (readonly number[])[]): Friedman {
  const [n, k] = [costs.length, costs[0]?.length ?? 0];
  if (n < 2 || k < 2) throw new OptionError(`friedman: expected two problems and two ways at least, got ${n} and ${k}`, { n, k });
  const all = costs.map(ranksOf);
  const ranks = Array.from({ length: k }, (_, j) => mean(all.map((row) => row[j]!)));
  const ties = costs.reduce((sum, row) => sum + tiesOf(row), 0);
  const spread = ranks.reduce((sum, r) => sum + (r - (k + 1) / 2) * (r - (k + 1) / 2), 0);
  const raw = ((12 * n) / (k * (k + 1))) * spread;
  const correction = 1 - ties / (n * k * (k * k - 1));
  const chiSquare = correction > 0 ? raw / correction : 0;
  const f = ((n - 1) * chiSquare) / (n * (k - 1) - chiSquare);
  return { ranks, n, chiSquare, p: chiSquareP(chiSquare, k - 1), f, pOfF: fisherP(f, k - 1, (k - 1) * (n - 1)) };
}

/** The difference of mean ranks of `ways` on `problems` that is more than chance with confidence 1 - p (Nemenyi 1963): of any two of them. */
export function nemenyi(ways: number, problems: number, p: number = 0.05): number {
  return (rangeQ(p, ways) / Math.SQRT2) * Math.sqrt((ways * (ways + 1)) / (6 * problems));
}

/** Groups of ways whose mean ranks are no further apart than the difference, the longest ones, as lines of a diagram have them. @param ranks in rising order */
export function groupsOf(ranks: readonly number[], difference: number): (readonly [from: number, to: number])[] {
  const groups: [number, number][] = [];
  for (let from = 0; from < ranks.length; from++) {
    let to = from;
    while (to + 1 < ranks.length && ranks[to + 1]! - ranks[from]! <= difference) to++;
    if (to > from && (groups.at(-1)?.[1] ?? -1) < to) groups.push([from, to]);
  }
  return groups;
}

/** The signed-rank test of pairs (Wilcoxon 1945): differences of 0 are left out, equal ones share ranks, the probability is that of the normal limit. */
export function wilcoxon(
  a: readonly number[],
  b: readonly number[],
): { readonly w: number; readonly p: number; readonly n: number } {
  const differences = a.map((x, i) => x - b[i]!).filter((d) => d !== 0);
  const n = differences.length;
  if (n === 0) return { w: 0, p: 1, n };
  const sizes = differences.map((d) => Math.abs(d));
  const ranks = ranksOf(sizes);
  const above = ranks.reduce((sum, rank, i) => sum + (differences[i]! > 0 ? rank : 0), 0);
  const below = (n * (n + 1)) / 2 - above;
  const w = Math.min(above, below);
  const variance = (n * (n + 1) * (2 * n + 1)) / 24 - tiesOf(sizes) / 48;
  const z = (w - (n * (n + 1)) / 4) / Math.sqrt(variance);
  return { w, p: Math.min(1, 2 * normalBelow(z)), n };
}

/** Spearman's correlation of ranks; NaN where one of the two does not vary. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranksOf(a), ranksOf(b)];
  const middle = (a.length + 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - middle, y[i]! - middle];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xy / Math.sqrt(xx * yy);
}
