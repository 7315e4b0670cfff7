// sample.ts: timings: samples of a call, and what several rounds of them come to.
import { median } from '../../text/format.ts';

/** What was measured in one round. */
export interface Sample {
  readonly median_ms: number;
  readonly min_ms: number;
  /** Calls timed. */
  readonly n: number;
}

export interface Summary extends Sample {
  /** (slowest - fastest round) / median round, in percent: how much to trust the figure. */
  readonly spread: number;
}

/** What can be timed of one cell, ready: verified and warmed up. */
export interface Cell {
  readonly info: { readonly [key: string]: unknown; readonly params?: number };
  readonly variants: Readonly<Record<string, (seconds: number) => Sample | Promise<Sample>>>;
  /** Frees what it holds, where it holds much. */
  dispose?(): void | Promise<void>;
}

export function summarize(rounds: readonly Sample[]): Summary {
  const medians = rounds.map((r) => r.median_ms);
  const middle = median(medians);
  return {
    median_ms: middle,
    min_ms: Math.min(...rounds.map((r) => r.min_ms)),
    n: rounds.reduce((sum, r) => sum + r.n, 0),
    spread: (100 * (Math.max(...medians) - Math.min(...medians))) / middle,
  };
}

/** How many times longer `theirs` takes: the median over rounds, so that drift of the machine cancels out. */
export function ratio(theirs: readonly Sample[], ours: readonly Sample[]): number {
  return median(theirs.map((t, round) => t.median_ms / ours[round]!.median_ms));
}

/**
 * Between what the true `ratio` lies with a confidence of at least 95 %: two of the ratios in order, such that a coin shows so few heads or tails in
 * 2.5 % of as many tosses at most. It assumes nothing of how ratios are spread. null below 6 rounds, which cannot tell.
 */
export function ratioInterval(theirs: readonly Sample[], ours: readonly Sample[]): readonly [low: number, high: number] | null {
  const sorted = theirs.map((t, round) => t.median_ms / ours[round]!.median_ms).sort((a, b) => a - b);
  const n = sorted.length;
  let chance = 1; // of so many heads in n tosses, beginning with none
  for (let i = 0; i < n; i++) chance /= 2;
  let rank = 0;
  for (let sum = chance; sum <= 0.025; sum += chance) {
    rank++;
    chance = (chance * (n - rank + 1)) / rank;
  }
  return rank > 0 ? [sorted[rank - 1]!, sorted[n - rank]!] : null;
}

/** First quartile, median and third quartile, between neighbors where they fall between. */
export function quartiles(values: readonly number[]): readonly [number, number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number): number => {
    const place = q * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
    return low + (place - Math.floor(place)) * (high - low);
  };
  return [at(0.25), at(0.5), at(0.75)];
}

/** Four significant digits: more is noise. */
export function short(value: number): number {
  return Number(value.toPrecision(4));
}

/** Time a synchronous call again and again. `inner`: how many units one call does; the sample is per unit. */
export function sampleCalls(call: () => unknown, inner: number, seconds: number): Sample {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  while (times.length === 0 || (performance.now() < end && times.length < 20_000)) {
    const start = performance.now();
    call();
    times.push((performance.now() - start) / inner);
  }
  return sampleOf(times, inner);
}

/** Times per unit, of calls of `inner` units each. */
export function sampleOf(times: readonly number[], inner: number): Sample {
  return { median_ms: median(times), min_ms: times.reduce((a, b) => Math.min(a, b)), n: times.length * inner };
}
