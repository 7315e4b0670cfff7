// result.ts: what a search ends with: its trials, the best of them, and whether that is more than noise.
import { short } from '../text/format.ts';
import type { Params } from './pool.ts';
import { holm, pairedTest } from './statistics.ts';

/** A trial at one moment of its training. */
export interface TuneRung {
  /** Steps that it had. */
  readonly step: number;
  /** Of the metric that is compared, on the validation set. */
  readonly value: number;
}

/** A whole training of a trial with one seed. */
export interface TuneSeed {
  /** What `make` was given. */
  readonly seed: number;
  /** Of the metric, at the end of the training; NaN where it diverged. */
  readonly value: number;
}

/** One trial: its parameters, and how far it came. */
export interface TuneTrial<P = Params> {
  /** From 0, in the order in which they began. */
  readonly number: number;
  /** What `make` was given. */
  readonly params: P;
  /** `finalist`: trained to the end, with all seeds; `out`: others were better when they were compared; `diverged`, or `failed` where its parameters made no trainer. */
  readonly status: 'finalist' | 'out' | 'diverged' | 'failed';
  /** Why it ended before its time; null where it did not. */
  readonly reason: string | null;
  /** Where it was compared with others, in order. */
  readonly rungs: readonly TuneRung[];
  /** Its whole trainings. */
  readonly seeds: readonly TuneSeed[];
  /** Of the metric: of a finalist the mean over its seeds, else of its last rung; NaN where there is none. */
  readonly value: number;
  /** Loss and metrics on the validation set at its last rung; null where it diverged. */
  readonly metrics: Readonly<Record<string, number>> | null;
  /** Steps that it took, of all seeds together. */
  readonly steps: number;
  /** Steps of a whole training of it. */
  readonly length: number;
  /** The part of the steps of its first seed that the policy clipped, from 0 to 1. */
  readonly clipped: number;
  /** Seconds that it took on its thread. */
  readonly seconds: number;
}

/** Another finalist beside the best one, seed by seed. */
export interface TuneComparison {
  /** Number of the trial that is compared with the best one. */
  readonly trial: number;
  /** Seeds that both were trained with, but for the first: that one chose them. */
  readonly pairs: number;
  /** Mean over these seeds of what it is worse by than the best one. */
  readonly worse: number;
  /** Where that mean lies, with a confidence of 95 %. */
  readonly interval: readonly [low: number, high: number];
  /** Probability of a difference as large where there is none, by a paired test, with Holm's correction for several finalists; NaN for fewer than two pairs. */
  readonly p: number;
}

/** What `tune` ends with. `P`: the parameters. */
export interface TuneResult<P = Params> {
  /** The best one: with the best mean over all seeds. Whether that is more than noise, `comparisons` tell. */
  readonly best: TuneTrial<P>;
  /** All trials, the best first. */
  readonly trials: readonly TuneTrial<P>[];
  /** The other finalists beside the best one. */
  readonly comparisons: readonly TuneComparison[];
  /** Numbers of the finalists that differ from the best one by no more than noise, with the best one; one alone where it is better than all. */
  readonly tied: readonly number[];
  /** The outcome in words, a line each. */
  readonly verdict: readonly string[];
  /** Why the search ended. */
  readonly stopReason: 'trials' | 'steps' | 'seconds' | 'space';
  /** Steps of all trainings together. */
  readonly steps: number;
  /** Seconds that it took, with those of the calls that it goes on with. */
  readonly seconds: number;
  /** What may not be as it was meant. */
  readonly warnings: readonly string[];
}

/** Differences are believed below this. */
export const ALPHA = 0.05;

/** The finalists beside the first of them. */
export function comparisonsOf(finalists: readonly TuneTrial[], mode: 'min' | 'max'): TuneComparison[] {
  const [best, ...others] = finalists;
  if (!best) return [];
  const sign = mode === 'min' ? 1 : -1;
  const tests = others.map((other) => {
    const pairs = other.seeds.slice(1).flatMap(({ seed, value }) => {
      const beside = best.seeds.slice(1).find((one) => one.seed === seed);
      return beside && Number.isFinite(value) && Number.isFinite(beside.value)
        ? [[sign * value, sign * beside.value] as const]
        : [];
    });
    if (pairs.length === 0)
      return { trial: other.number, pairs: 0, worse: Number.NaN, interval: [-Infinity, Infinity] as const, p: Number.NaN };
    const test = pairedTest(
      pairs.map(([a]) => a),
      pairs.map(([, b]) => b),
    );
    return { trial: other.number, pairs: pairs.length, worse: test.mean, interval: test.interval, p: test.p };
  });
  const corrected = holm(tests.map(({ p }) => p));
  return tests.map((test, i) => ({ ...test, p: corrected[i]! }));
}

/** Those that differ from the best one by no more than noise; who diverged with a seed is worse than noise. */
export function tiedOf(finalists: readonly TuneTrial[], comparisons: readonly TuneComparison[]): number[] {
  const [best] = finalists;
  if (!best) return [];
  const same = comparisons.filter(({ trial, p, worse }) => {
    const { seeds } = finalists.find(({ number }) => number === trial)!;
    return seeds.every(({ value }) => Number.isFinite(value)) && !(p < ALPHA && worse > 0);
  });
  return [best.number, ...same.map(({ trial }) => trial)];
}

/** Where finalists are nothing but the one that is left. */
interface Told {
  readonly metric: string;
  readonly finalists: readonly TuneTrial[];
  readonly comparisons: readonly TuneComparison[];
  readonly tied: readonly number[];
  /** The parameters that the search began with, as trial 0. */
  readonly given: TuneTrial | null;
  readonly mode: 'min' | 'max';
}

export const paramsText = (params: Params): string =>
  Object.entries(params)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? value : JSON.stringify(value)}`)
    .join(', ');

/** The outcome in words. */
export function verdictOf({ metric, finalists, comparisons, tied, given, mode }: Told): string[] {
  const [best, ...others] = finalists;
  if (!best) return [];
  const seeds = best.seeds.length;
  const over = seeds > 1 ? `, mean of ${seeds} seeds` : '';
  const lines = [`Best: trial ${best.number} (${paramsText(best.params)}): ${metric} ${short(best.value)}${over}.`];
  if (others.length === 0) lines.push('One finalist alone: nothing to compare it with.');
  else if (comparisons.every(({ pairs }) => pairs < 2)) {
    lines.push('Too few further seeds to tell a difference from noise: the order of the finalists may be chance.');
  } else if (tied.length > 1) {
    const names = tied.map((n) => `trial ${n}`).join(', ');
    lines.push(`No difference beyond noise between ${names}.`);
  } else
    lines.push(
      `Better than ${others.length === 1 ? 'the other finalist' : `all ${others.length} other finalists`} by more than noise.`,
    );
  for (const { trial, pairs, worse, interval, p } of comparisons) {
    if (pairs < 2) continue;
    const where = `95 % interval ${signed(interval[0])} to ${signed(interval[1])}`;
    lines.push(
      `Trial ${trial} is worse by ${signed(worse)} over ${pairs} further seeds (${where}, p ${Number.isNaN(p) ? '-' : p.toPrecision(2)}).`,
    );
  }
  if (given && given.number !== best.number) lines.push(givenLine(given, best, metric, mode));
  return lines;
}

function givenLine(given: TuneTrial, best: TuneTrial, metric: string, mode: 'min' | 'max'): string {
  const last = given.rungs.at(-1);
  if (!last) return `Trial 0, as it stood: ${given.reason ?? given.status}.`;
  if (given.status === 'finalist') return `Trial 0, as it stood: ${metric} ${short(given.value)}, among the finalists.`;
  const beside = best.rungs.find(({ step }) => step === last.step);
  const then =
    beside && (mode === 'min' ? beside.value < last.value : beside.value > last.value)
      ? `; the best one had ${short(beside.value)} then`
      : '';
  return `Trial 0, as it stood: ${metric} ${short(last.value)} after ${last.step} steps, out there${then}.`;
}

const signed = (x: number): string => (Number.isFinite(x) && x > 0 ? `+${short(x)}` : short(x));
