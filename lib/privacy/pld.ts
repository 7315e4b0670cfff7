// pld.ts: epsilon by the distribution of the privacy loss, with a bound above and one below: steps that are a little less private, and a little more.
import { expm1, log, pow } from '../math/index.ts';
import { LONGEST, type Part, solve } from './compose.ts';
import { type Grid, type Losses, optimistic, pessimistic } from './loss.ts';
import { composed, epsilonOf, type Phase } from './rdp.ts';

/** How far the bounds may be apart, as a part of epsilon, about. */
const APART = 1e-5;
/** A transform of this length takes no time to speak of. */
const CHEAP = 262_144;
/** How far, for a look at where epsilon is. */
export const ROUGHLY: number = 1e-3;
/** Of delta, so much is for what lies far out in the densities. */
const FAR = 1e-7;
/** Beyond, where nothing is private, and for the smallest of deltas, Rényi's bound stands for both ways. */
const LARGEST = 1e4;
const SMALLEST = 1e-200;

/** Phases that say something, and what is known of them by moments. */
interface Known {
  readonly phases: readonly Phase[];
  readonly epsilon: number;
  readonly order: number;
  readonly grid: Grid;
}

function known(given: readonly Phase[], delta: number, apart: number): Known | null {
  const phases = given.filter(({ q, steps }) => q > 0 && steps > 0);
  const { epsilon, order } = epsilonOf(composed(phases), delta);
  const steps = phases.reduce((sum, phase) => sum + phase.steps, 0);
  if (epsilon > LARGEST || delta < SMALLEST || steps > 1e10) return null;
  // The spread of all losses together: where epsilon is far below it, it is near 0, and what it is in units of the spread is what one asks.
  const spread = Math.sqrt(phases.reduce((sum, phase) => sum + phase.steps * varianceOf(phase), 0));
  const like = Math.max(Math.min(epsilon, 4 * spread), 1e-12);
  const tilt = Math.min(order - 1, 100);
  // A step that is rounded adds some w^2 / 8 to the second moment: t (1 + t) / 8 w^2 to the log of that at t, over t to epsilon.
  const wanted = Math.sqrt((8 * apart * like) / (steps * (1 + tilt)));
  // Finer where that costs little, no finer than what fits into the longest transform.
  const about = 16 * Math.max(spread, epsilon / 8);
  const width = roundDown(Math.max(about / (LONGEST / 2), Math.min(wanted, Math.max(wanted / 8, about / CHEAP))));
  const reach = Math.sqrt(2 * (log(steps) - log(FAR) - log(delta)));
  return {
    phases,
    epsilon,
    order,
    grid: { width, widest: Math.sqrt(apart / 16) / (1 + tilt), part: Math.sqrt(apart / 16), reach },
  };
}

/** About the variance of a loss, from that of the ratio of the densities: for small ones they are the same. */
function varianceOf({ q, sigma }: Phase): number {
  return Math.min(q * q * expm1(Math.min(1 / sigma / sigma, 500)), 1 / sigma / sigma);
}

/** To a power of the root of 2: so as steps are added the width stays, mostly, and epsilon grows. */
function roundDown(width: number): number {
  return pow(2, Math.floor(2 * (log(width) / log(2))) / 2);
}

/** Of the sum, what it looks like with the row and without it. */
type Both = readonly [Part[], Part[]];

function partsOf({ phases }: Known, make: (q: number, sigma: number, grid: Grid) => Losses, grid: Grid): Both {
  const made = phases.map(({ q, sigma, steps }) => ({ ...make(q, sigma, grid), steps }));
  return [
    made.map(({ origin, at, p, steps }) => partOf(origin, at, p, steps)),
    made.map((one) => {
      const back = one.at.map((a) => -a);
      return partOf(-one.origin, back, one.q, one.steps);
    }),
  ];
}

function partOf(origin: number, at: readonly number[], mass: readonly number[], steps: number): Part {
  const there = at.flatMap((a, i) => (mass[i]! > 0 ? [[a, log(mass[i]!)] as const] : []));
  return { origin, at: Float64Array.from(there, ([a]) => a), logs: Float64Array.from(there, ([, m]) => m), steps };
}

/** The larger one, of a row that is added and of one that is taken away. */
function largest(k: Known, delta: number, up: boolean): number {
  const guess = Math.max(k.order - 1, 0.1);
  const all = (make: typeof pessimistic, grid: Grid, upper: boolean, hints: readonly (number | null)[]): (number | null)[] =>
    partsOf(k, make, grid).map((one, i) => solve(one, grid.width, delta, upper, guess, hints[i]!));
  const { width, widest, part, reach } = k.grid;
  const rough = all(pessimistic, { width: 16 * width, widest: 16 * widest, part: 16 * part, reach }, true, [null, null]);
  const hints = rough.map((one) => 0.9 * Math.min(one ?? k.epsilon, k.epsilon));
  for (let wider = 1; wider < 64; wider *= 2) {
    const found = all(up ? pessimistic : optimistic, { ...k.grid, width: wider * width }, up, hints);
    if (found.every((one) => one !== null)) return Math.max(...found);
  }
  return up ? Infinity : 0;
}

/** Whether the two cannot be distinguished but with delta: their total variation is less, by Pinsker, and chi^2 for the divergence of Kullback and Leibler. */
function hidden(phases: readonly Phase[], delta: number): boolean {
  const squares = phases.reduce(
    (sum, { q, sigma, steps }) => sum + (q > 0 && steps > 0 ? steps * q * q * expm1(1 / sigma / sigma) : 0),
    0,
  );
  return Math.sqrt(squares / 2) <= delta;
}

/** No less than the true epsilon, and no more than Rényi's. */
export function upperEpsilon(phases: readonly Phase[], delta: number, apart: number = APART): number {
  if (hidden(phases, delta)) return 0;
  const k = known(phases, delta, apart);
  if (!k) return epsilonOf(composed(phases), delta).epsilon;
  // What is not looked at counts as if it gave all away.
  return Math.min(largest(k, delta * (1 - 2 * FAR), true), k.epsilon);
}

/** No more than the true epsilon. */
export function lowerEpsilon(phases: readonly Phase[], delta: number): number {
  if (hidden(phases, delta)) return 0;
  const k = known(phases, delta, APART);
  return k ? Math.min(largest(k, delta, false), k.epsilon) : 0;
}
