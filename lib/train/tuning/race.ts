// race.ts: branches that train side by side under different factors, and which of them go on: pure, of what they told.
import { mean } from '../../history/numbers.ts';
import type { TunerRules } from './rules.ts';

/** A factor that falls to 0 by the end of the run, in pieces. */
export interface Fall {
  readonly top: number;
  piece: number;
}

/** One way to go on. */
export interface Branch {
  factor: number;
  alive: boolean;
  /** It cannot go on: losses that are not finite, too many skips. */
  failed: boolean;
  /** Of this leg. */
  losses: number[];
  /** At the end of the last leg it was in; null: none that is finite. */
  score: number | null;
  /** Of the race. */
  norms: number[];
  /** Steps of the race whose gradient was changed. */
  clipped: number;
  readonly fall: Fall | null;
  /** What factor it had from which step on. */
  readonly course: [step: number, factor: number][];
}

/** JSON, as all that a tuner knows. */
export interface Race {
  readonly kind: 'first' | 'again' | 'last';
  readonly from: number;
  /** Steps of each leg, and how many branches go on after it. */
  readonly legs: readonly number[];
  readonly keep: readonly number[];
  leg: number;
  end: number;
  /** Which one is the run. */
  main: number;
  readonly branches: Branch[];
}

/** Of the branches of a race, one after the other. */
export interface Measured {
  /** On blocks of the validation set, the same for all; of a branch that is out, none. Null where nothing was asked for. */
  readonly losses: readonly (readonly number[])[] | null;
  /** How far its weights are from where they were when the race began: the 2-norm of the difference. */
  readonly moved: readonly number[];
}

/** What came of a leg. */
export interface Verdict {
  /** Those that go on, the new main one first. */
  readonly keep: readonly number[];
  readonly dropped: readonly number[];
  /** The mean loss of each branch; null of one that is out, or has none that is finite. */
  readonly losses: readonly (number | null)[];
  /** Whose loss is the lowest. */
  readonly best: number;
}

/** What a verdict goes by, beside the race. */
interface Terms {
  /** Loss before the first step of the run. */
  readonly start: number;
  /** What is left of the run, from 1 to 0. */
  readonly left: number;
  readonly rules: TunerRules;
}

/**
 * At the end of a leg. Losses are compared pair by pair, on the same batches or blocks, and the differences that are largest do not count: tails of losses are
 * heavy where those of gradients are. What a smaller threshold gains by smaller steps alone it has borrowed from later, so a larger one goes on where it is behind
 * by little, the less the further the run is; where both move as far (Adam's steps do not depend on the size of gradients), the better one does.
 */
export function judge(
  { branches, main, leg, keep: counts }: Race,
  { losses, moved }: Measured,
  { start, left, rules }: Terms,
): Verdict {
  const seen = branches.map((b, i) => (losses ? losses[i]! : b.losses.slice(-Math.ceil(b.losses.length * rules.tail))));
  const alive = [...branches.keys()].filter((i) => branches[i]!.alive);
  const whole = alive.filter((i) => !branches[i]!.failed && seen[i]!.length > 0 && seen[i]!.every(Number.isFinite));
  const pacer = seen[whole.includes(main) ? main : (whole[0] ?? main)]!;
  const scores = branches.map((_, i) =>
    whole.includes(i) ? mean(pacer) + trimmedMean(minus(seen[i]!, pacer), rules.trim) : null,
  );
  const score = (i: number): number => scores[i] ?? Number.POSITIVE_INFINITY;
  const byScore = [...alive].sort((a, b) => score(a) - score(b));
  const best = byScore[0]!;
  // Of losses that have fallen by orders of magnitude, what is left of them is the measure.
  const gained = Math.min(Math.max(0, start - score(best)), Math.abs(score(best)));
  const allowed = (i: number): number => {
    if (left <= 0) return 0;
    const borrowed = Math.max(0, 1 - moved[best]! / moved[i]!);
    const error = rules.errors * standardError(minus(seen[i]!, seen[best]!));
    return borrowed * left * rules.tolerance * gained + Math.min(error, rules.noise * Math.abs(start));
  };
  const near = whole
    .filter((i) => score(i) <= score(best) + allowed(i))
    .sort((a, b) => branches[b]!.factor - branches[a]!.factor);
  const keep: number[] = [];
  // One of those that were not clipped at all is as good as another.
  const idle = (i: number): boolean => branches[i]!.clipped === 0;
  for (const i of [...near.slice(0, 1), best, ...near, ...byScore]) {
    const known = keep.includes(i) || (idle(i) && keep.some(idle));
    if (!known && keep.length < counts[leg]!) keep.push(i);
  }
  const means = branches.map((_, i) => (whole.includes(i) ? mean(seen[i]!) : null));
  return { keep, dropped: alive.filter((i) => !keep.includes(i)), losses: means, best };
}

const minus = (a: readonly number[], b: readonly number[]): number[] => a.map((x, k) => x - b[k]!);

/** Without this share of the smallest, and of the largest. */
function trimmedMean(values: readonly number[], share: number): number {
  const off = Math.floor(values.length * share);
  return mean([...values].sort((a, b) => a - b).slice(off, values.length - off));
}

function standardError(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((x) => (x - middle) * (x - middle))) / values.length);
}
