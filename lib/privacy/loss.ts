// loss.ts: the privacy loss of one step as masses at multiples of a width: no less private than the step, or no more, as one asks.
// With a row in the data x is of P = (1 - q) N(0, sigma^2) + q N(1, sigma^2), without it of Q = N(0, sigma^2); the loss is log P(x) / Q(x), which grows with x.
import { exp, expm1, log, log1p } from '../math/index.ts';
import { lossAt } from './rdp.ts';

/** What P and Q have at losses of `at` widths from the origin. Seen from without the row, losses have the other sign and Q the part of P. */
export interface Losses {
  readonly origin: number;
  readonly at: number[];
  readonly p: number[];
  readonly q: number[];
}

/** What is made, and how fine. */
export interface Grid {
  /** Between two losses that a mass may have. */
  readonly width: number;
  /** Cells of the tails may be as wide as this: of the order of what is composed depends how much that matters. */
  readonly widest: number;
  /** The same, as a part of the loss there. */
  readonly part: number;
  /** How many sigma of the normal distributions are looked at: what lies beyond is nobody's. */
  readonly reach: number;
}

/** Nodes and weights of Gauss and Legendre on [-1, 1]: positive nodes, of pairs. */
const FOUR = [0.33998104358485626, 0.6521451548625461, 0.8611363115940526, 0.34785484513745385];
const EIGHT = [
  ...[0.1834346424956498, 0.362683783378362, 0.525532409916329, 0.31370664587788727],
  ...[0.7966664774136267, 0.22238103445337448, 0.9602898564975363, 0.10122853629037626],
];

/** One step: densities and the loss along x. */
class Mechanism {
  readonly q: number;
  readonly low: number;
  readonly high: number;
  readonly #sigma: number;
  readonly #inverse: number;
  readonly #piece: number;

  constructor(q: number, sigma: number, reach: number) {
    this.q = q;
    this.#sigma = sigma;
    this.#inverse = 0.5 / sigma / sigma;
    this.low = -reach * sigma;
    this.high = 1 + reach * sigma;
    // Over half a sigma the densities bend, over half its square the loss does.
    this.#piece = Math.min(sigma, sigma * sigma) / 2;
  }

  lossOf(x: number): number {
    return lossAt(this.q, (2 * x - 1) * this.#inverse);
  }

  /** Where the loss is so large, within what is looked at. */
  place(loss: number): number {
    // NaN where no loss is so small.
    const ratio = this.q === 1 || loss > 600 ? loss - log(this.q) : log1p(expm1(loss) / this.q);
    const x = ratio / this.#inverse / 2 + 0.5;
    return x > this.low ? Math.min(x, this.high) : this.low;
  }

  densityOfQ(x: number): number {
    return exp(-x * x * this.#inverse) / (this.#sigma * Math.sqrt(2 * Math.PI));
  }
  densityOfP(x: number): number {
    return (1 - this.q) * this.densityOfQ(x) + this.q * this.densityOfQ(x - 1);
  }

  /** Nodes between two places, each with its weight. */
  nodes(from: number, to: number, visit: (x: number, weight: number) => void): void {
    const pieces = Math.ceil((to - from) / this.#piece);
    const half = (to - from) / pieces / 2;
    const rule = half < this.#piece / 16 ? FOUR : EIGHT;
    for (let i = 0; i < pieces; i++) {
      const middle = from + (2 * i + 1) * half;
      for (let j = 0; j < rule.length; j += 2) {
        const off = rule[j]! * half;
        const weight = rule[j + 1]! * half;
        visit(middle - off, weight);
        visit(middle + off, weight);
      }
    }
  }
}

/** How many widths a cell at a loss has: one near 0, where most steps are, more where losses are large. */
function widthsAt(loss: number, { width, widest, part }: Grid): number {
  return Math.max(1, Math.floor(Math.min(part * Math.abs(loss), widest) / width));
}

/**
 * No more private than the step: what lies between two losses is shared out to both, so that P and Q keep what they have (Doroshenko et al. 2022, Connect
 * the Dots). To let an outcome show which of two it was takes privacy away.
 */
export function pessimistic(q: number, sigma: number, grid: Grid): Losses {
  const { width, reach } = grid;
  const m = new Mechanism(q, sigma, reach);
  // The least loss there is: where q is small, most of Q lies next to it.
  const origin = q === 1 ? 0 : log1p(-q);
  const found: Losses = { origin, at: [], p: [], q: [] };
  let at = Math.floor((m.lossOf(m.low) - origin) / width);
  let [restP, restQ] = [0, 0]; // what the cell before gave to where this one begins
  for (let from = m.low; from < m.high; ) {
    const start = origin + at * width;
    const end = at + widthsAt(start, grid);
    const to = m.place(origin + end * width);
    const h = (end - at) * width;
    const whole = -expm1(-h);
    let [leftP, rightP, leftQ, rightQ] = [0, 0, 0, 0];
    m.nodes(from, to, (x, weight) => {
      const beyond = Math.min(Math.max(m.lossOf(x) - start, 0), h);
      const p = weight * m.densityOfP(x);
      const toRight = p * (-expm1(-beyond) / whole);
      rightP += toRight;
      leftP += p - toRight;
      const off = weight * m.densityOfQ(x);
      const toLeft = off * (-expm1(beyond - h) / whole);
      leftQ += toLeft;
      rightQ += off - toLeft;
    });
    add(found, at, restP + leftP, restQ + leftQ);
    [restP, restQ] = [rightP, rightQ];
    [at, from] = [end, to];
  }
  add(found, at, restP, restQ);
  return found;
}

/**
 * No less private than the step: what lies between two places is one outcome, whose loss is that of all of them together; the places are such that this is a
 * multiple of the width. Who learns less of what came out has more privacy.
 */
export function optimistic(q: number, sigma: number, grid: Grid): Losses {
  const { width, reach } = grid;
  const m = new Mechanism(q, sigma, reach);
  const sums = (from: number, to: number): { p: number; off: number } => {
    let [p, off] = [0, 0];
    m.nodes(from, to, (x, weight) => {
      p += weight * m.densityOfP(x);
      off += weight * m.densityOfQ(x);
    });
    return { p, off };
  };
  // The first one has the losses of a width, and its own is where the others are counted from: where q is small, that is most of Q.
  const first = m.place(m.lossOf(m.low) + width);
  const begin = sums(m.low, first);
  const origin = log(begin.p / begin.off);
  const found: Losses = { origin, at: [0], p: [begin.p], q: [begin.off] };
  for (let from = first; from < m.high; ) {
    const steps = (m.lossOf(from) - origin) / width;
    const least = Math.floor(steps + 1e-6) + 1;
    const at = least + widthsAt(origin + least * width, grid) - 1;
    const to = balance(m, from, origin + at * width);
    const { p, off } = sums(from, to ?? m.high);
    if (to === null || to <= from) {
      // The rest together has a smaller loss. Rounded to where it is less, for both who look.
      add(found, Math.floor(steps - 1e-6), p, 0);
      add(found, at, 0, off);
      break;
    }
    add(found, at, p, off);
    from = to;
  }
  return found;
}

/** The place up to which outcomes have a loss together; null where even all of them have a smaller one. */
function balance(m: Mechanism, from: number, loss: number): number | null {
  // P - Q e^loss, over e^loss where that is small: it begins below 0.
  const over = (x: number): number => {
    const beyond = m.lossOf(x) - loss;
    return loss > 0 ? -m.densityOfP(x) * expm1(-beyond) : m.densityOfQ(x) * expm1(beyond);
  };
  const between = (a: number, b: number): number => {
    let sum = 0;
    if (b > a)
      m.nodes(a, b, (x, weight) => {
        sum += weight * over(x);
      });
    return sum;
  };
  const middle = m.place(loss);
  const wanted = -between(from, middle);
  // Up to where it is enough, then by Newton's rule within.
  let low = middle;
  let at = Math.min(2 * middle - from, m.high);
  let have = between(middle, at);
  while (have < wanted && at < m.high) {
    low = at;
    at = Math.min(at + Math.max(at - middle, middle - from), m.high);
    have += between(low, at);
  }
  if (have < wanted) return null;
  let high = at;
  for (let i = 0; i < 100; i++) {
    const off = have - wanted;
    if (off > 0) high = at;
    else low = at;
    if (Math.abs(off) <= 1e-14 * wanted || high - low <= 1e-15 * Math.abs(high)) break;
    let next = at - off / over(at);
    if (!(next > low && next < high)) next = (low + high) / 2;
    have += next >= at ? between(at, next) : -between(next, at);
    at = next;
  }
  return at;
}

function add(losses: Losses, at: number, p: number, q: number): void {
  losses.at.push(at);
  losses.p.push(p);
  losses.q.push(q);
}
