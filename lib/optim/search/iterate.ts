// iterate.ts: a step of L-BFGS, as torch.optim.LBFGS takes it: directions by the two loops over the pairs, fixed steps or a line search, and when it ends.
import { type Evaluated, MOST_PAIRS, type SearchRule, type Space } from './space.ts';
import type { Standing } from './standing.ts';
import { strongWolfe } from './wolfe.ts';

// A pair of less curvature tells nothing but rounding.
const LEAST_CURVATURE = 1e-10;

/**
 * Iterations of one step: the parameters end at the last point that is finite.
 * @param lr of the step
 * @param first what was found where they are
 */
export function* iterate<E>(
  space: Space<E>,
  { maxIter, maxEval, toleranceGrad, toleranceChange, lineSearch }: SearchRule,
  lr: number,
  standing: Standing,
  first: Evaluated,
): Generator<E, void, unknown> {
  let now = first;
  let evaluations = 1;
  standing.evaluations++;
  standing.unseen = false;
  if (now.largest <= toleranceGrad) return;
  for (let iteration = 1; ; iteration++) {
    standing.iterations++;
    yield* direct(space, standing);
    const { slope, largest, sum } = (yield* space.do({ kind: 'begin' })) as { slope: number; largest: number; sum: number };
    const before = now.loss;
    let t = standing.iterations === 1 ? Math.min(1, 1 / sum) * lr : lr;
    // Where it does not go, there is no pair.
    standing.t = 0;
    if (!(slope <= -toleranceChange)) return;
    if (lineSearch === 'strongWolfe') {
      const found = yield* strongWolfe(space, { t, slope, from: now, largest, most: maxEval - evaluations });
      now = found;
      t = found.t;
      evaluations += found.evaluations;
      standing.evaluations += found.evaluations;
    } else {
      yield* space.do({ kind: 'move' }, { t });
      // After the last iteration the next step evaluates there, on its own batch.
      if (iteration < maxIter) {
        now = yield* space.evaluate();
        evaluations++;
        standing.evaluations++;
        if (now.loss === Number.POSITIVE_INFINITY) {
          yield* space.do({ kind: 'back' });
          standing.forget();
          return;
        }
      }
    }
    standing.t = t;
    standing.unseen = lineSearch === 'none' && iteration === maxIter;
    if (iteration === maxIter || evaluations >= maxEval || now.largest <= toleranceGrad) return;
    if (Math.abs(t) * largest <= toleranceChange || Math.abs(now.loss - before) < toleranceChange) return;
  }
}

/** The next direction, by the pairs and the one that the last iteration gives. */
function* direct<E>(space: Space<E>, standing: Standing): Generator<E, void, unknown> {
  if (standing.iterations === 1) {
    standing.forget();
    standing.iterations = 1;
    yield* space.do({ kind: 'downhill' });
    return;
  }
  const { ys, yy } = (yield* space.do({ kind: 'pair' }, { t: standing.t }, [standing.free])) as { ys: number; yy: number };
  if (ys > LEAST_CURVATURE && Number.isFinite(ys) && Number.isFinite(yy)) standing.add(ys, yy);
  const { places, rho } = standing;
  const parts = partsOf(places);
  const alphas: number[] = [];
  for (const part of parts) {
    const given = Object.fromEntries(part.map((place, i) => [`rho.${i}`, rho[place]!]));
    const found = yield* space.do({ kind: 'down', pairs: part.length }, given, part);
    for (const i of part.keys()) alphas.push(found[`alpha.${i}`]!);
  }
  let done = places.length;
  let { scale } = standing;
  for (const newestFirst of parts.reverse()) {
    const part = [...newestFirst].reverse();
    const given = part.map((place, i) => [[`rho.${i}`, rho[place]!] as const, [`alpha.${i}`, alphas[done - 1 - i]!] as const]);
    yield* space.do({ kind: 'up', pairs: part.length }, { scale, ...Object.fromEntries(given.flat()) }, part);
    done -= part.length;
    scale = 1;
  }
}

/** As few tasks as there may be, of as equal lengths: each length is a program of its own. */
function partsOf(places: readonly number[]): number[][] {
  const count = Math.ceil(places.length / MOST_PAIRS);
  return Array.from({ length: count }, (_, k) =>
    places.slice(Math.floor((k * places.length) / count), Math.floor(((k + 1) * places.length) / count)),
  );
}
