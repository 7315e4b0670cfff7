// wolfe.ts: a line search by the strong Wolfe conditions, as that of torch.optim.LBFGS: first a bracket, then ever smaller ones.
import type { Evaluated, Place, Space } from './space.ts';

// How much less the loss must be, and how much flatter, than what the slope at the beginning promises.
const C1 = 1e-4;
const C2 = 0.9;
// A bracket within which no element moves by more is not made smaller.
const NARROW = 1e-9;

/** A point of the line, and where its gradient lies. */
interface Point extends Evaluated {
  readonly t: number;
  readonly evaluations: number;
  at: Place;
}

interface Line {
  /** The first step that is tried. */
  readonly t: number;
  /** Where the line begins, the slope there, and the largest element of its direction. */
  readonly from: Evaluated;
  readonly slope: number;
  readonly largest: number;
  /** Evaluations at most, but the first one. */
  readonly most: number;
}

/** The parameters and vector `g` are then those of the point that is given. One whose loss is not finite counts as infinitely bad. */
export function* strongWolfe<E>(space: Space<E>, { t: first, from, slope, largest, most }: Line): Generator<E, Point, unknown> {
  const start: Point = { ...from, t: 0, slope, at: 'prev', evaluations: 0 };
  let evaluations = 0;
  let here = 0;
  /** Those whose gradients are kept. */
  let bracket: Point[] = [start];
  function* evaluate(t: number): Generator<E, Point, unknown> {
    const last = bracket.find((p) => p.at === 'g');
    if (last) {
      const to = bracket.some((p) => p.at === 'a') ? 'b' : 'a';
      yield* space.do({ kind: 'copy', from: 'g', to });
      last.at = to;
    }
    yield* space.do({ kind: 'move' }, { t });
    here = t;
    evaluations++;
    return { ...(yield* space.evaluate()), t, at: 'g', evaluations };
  }
  const tooHigh = ({ t, loss }: Point): boolean => loss > from.loss + C1 * t * slope;
  const isFlat = (p: Point): boolean => Math.abs(p.slope) <= -C2 * slope;

  let point = yield* evaluate(first);
  let tried = 0;
  let done = false;
  for (;;) {
    const before: Point = bracket[0]!;
    if (tried >= most) {
      bracket = [start, point];
      break;
    }
    if (tooHigh(point) || (tried > 1 && point.loss >= before.loss)) {
      bracket = [before, point];
      break;
    }
    if (isFlat(point)) {
      done = true;
      bracket = [point];
      break;
    }
    if (point.slope >= 0) {
      bracket = [before, point];
      break;
    }
    const t = cubic(before, point, [point.t + 0.01 * (point.t - before.t), point.t * 10]);
    bracket = [point];
    point = yield* evaluate(t);
    tried++;
  }

  const better = (): 0 | 1 => (bracket[0]!.loss <= bracket.at(-1)!.loss ? 0 : 1);
  let low = better();
  let stuck = false;
  while (!done && tried < most) {
    const [a, b] = bracket as [Point, Point];
    if (Math.abs(b.t - a.t) * largest < NARROW) break;
    const [least, greatest] = [Math.min(a.t, b.t), Math.max(a.t, b.t)];
    let t = cubic(a, b, [least, greatest]);
    // Near an end for the second time, it goes a tenth of the bracket away from there.
    const margin = 0.1 * (greatest - least);
    const near = Math.min(greatest - t, t - least) < margin;
    if (near && (stuck || t >= greatest || t <= least)) {
      t = Math.abs(t - greatest) < Math.abs(t - least) ? greatest - margin : least + margin;
      stuck = false;
    } else stuck = near;
    point = yield* evaluate(t);
    tried++;
    const high = low === 0 ? 1 : 0;
    if (tooHigh(point) || point.loss >= bracket[low]!.loss) {
      bracket[high] = point;
      low = better();
      continue;
    }
    if (isFlat(point)) done = true;
    else if (point.slope * (bracket[high]!.t - bracket[low]!.t) >= 0) bracket[high] = bracket[low]!;
    bracket[low] = point;
  }

  const found = bracket[low]!;
  if (found.at !== 'g') yield* space.do({ kind: 'copy', from: found.at, to: 'g' });
  if (found.t === 0) yield* space.do({ kind: 'back' });
  else if (found.t !== here) yield* space.do({ kind: 'move' }, { t: found.t });
  return { ...found, evaluations };
}

type Sloped = Pick<Point, 't' | 'loss' | 'slope'>;

/** Where the cubic through two points with these slopes is least, within bounds; the middle of them, where that is nowhere. */
export function cubic(a: Sloped, b: Sloped, [least, greatest]: readonly [number, number]): number {
  const d1 = a.slope + b.slope - (3 * (a.loss - b.loss)) / (a.t - b.t);
  const square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (least + greatest) / 2;
  const d2 = Math.sqrt(square);
  const [left, right] = a.t <= b.t ? [a, b] : [b, a];
  const t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2));
  if (Number.isNaN(t)) return (least + greatest) / 2;
  return Math.min(Math.max(t, least), greatest);
}
