// rdp.ts: Rényi differential privacy of the Gaussian mechanism on a Poisson sample (Mironov, Talwar, Zhang 2019), and epsilon from that.
import { exp, expm1, log, log1p } from '../math/index.ts';

/** Of so many steps: each row is in a batch with probability q, and noise of sigma times the clip is added to the sum. */
export interface Phase {
  readonly q: number;
  readonly sigma: number;
  readonly steps: number;
}

/** Those of Opacus, and larger ones, without which epsilon would stay above about 0.1. */
export const ORDERS: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => 1 + (i + 1) / 10),
  ...Array.from({ length: 52 }, (_, i) => i + 12),
  ...[64, 80, 96, 128, 192, 256, 384, 512, 768, 1024],
];

/** Below this sigma, where no privacy is left, an order that is no whole number takes the chord between its neighbors, which lies above. */
const LEAST_SIGMA = 0.1;

/**
 * The Rényi divergence of an order between the sums with a row and without it, the larger of both directions, to 1e-12.
 * @param order above 1
 */
export function rdpOf(q: number, sigma: number, order: number): number {
  if (q === 0) return 0;
  const inverse = 0.5 / sigma / sigma;
  if (!(inverse < 1e300)) return Infinity;
  if (q === 1) return order * inverse;
  return softplus(logMoment(q, sigma, inverse, order)) / (order - 1);
}

/** log(A - 1), where A is the mean of (1 - q + q L)^order and L the ratio of the densities of N(1, sigma^2) and N(0, sigma^2), over the latter. */
function logMoment(q: number, sigma: number, inverse: number, order: number): number {
  if (Number.isInteger(order)) return byTerms(q, inverse, order);
  if (sigma >= LEAST_SIGMA) return byIntegral(q, sigma, inverse, order);
  // log A is convex in the order, and 0 at order 1.
  const low = Math.floor(order);
  const [below, above] = [low === 1 ? 0 : softplus(byTerms(q, inverse, low)), softplus(byTerms(q, inverse, low + 1))];
  const chord = below + (order - low) * (above - below);
  return chord > 40 ? chord : log(expm1(chord));
}

/**
 * A binomial sum. Terms 0 and 1 of A are those of the binomial law itself, whose sum is 1: without them and with expm1 for exp all terms of A - 1 are
 * positive, so nothing cancels where q is tiny.
 */
function byTerms(q: number, inverse: number, order: number): number {
  const [logQ, logRest] = [log(q), log1p(-q)];
  const terms = new Float64Array(order - 1);
  let choose = log(order); // log of order over k
  for (let k = 2; k <= order; k++) {
    choose += log((order - k + 1) / k);
    terms[k - 2] = choose + k * logQ + (order - k) * logRest + logExpm1((k * k - k) * inverse);
  }
  return logSum(terms);
}

/**
 * A - 1 is the mean of (1 + u)^order - 1 - order u, u = q (L - 1), since the mean of L is 1: an integrand that is never negative. It is analytic but for
 * places at pi sigma^2 from the real line and more, so the sum over equal steps is as good as exact (Trefethen, Weideman 2014).
 */
function byIntegral(q: number, sigma: number, inverse: number, order: number): number {
  const step = Math.min(sigma / 3, (2 * Math.PI * Math.PI * sigma * sigma) / 45);
  const from = -12 * sigma;
  const terms = new Float64Array(Math.ceil((order + 24 * sigma) / step));
  for (let i = 0; i < terms.length; i++) {
    const x = from + i * step;
    terms[i] = logRise(q, (2 * x - 1) * inverse, order) - x * x * inverse;
  }
  return logSum(terms) + log(step / (sigma * Math.sqrt(2 * Math.PI)));
}

/** log((1 + u)^order - 1 - order u), u = q (e^ratio - 1). */
function logRise(q: number, ratio: number, order: number): number {
  const logU = ratio > 30 ? log(q) + ratio : 0;
  const u = ratio > 30 ? exp(Math.min(logU, 600)) : q * expm1(ratio);
  const t = order * u;
  if (Math.abs(t) < 0.5) {
    // The binomial series from its second term.
    let sum = 1;
    let term = 1;
    for (let k = 2; Math.abs(term) > 1e-17; k++) {
      term *= ((order - k) / (k + 1)) * u;
      sum += term;
    }
    return log(order * (order - 1) * 0.5 * u * u * sum);
  }
  const power = order * lossAt(q, ratio);
  if (power < 40) return log(expm1(power) - t);
  return power + (logU > 600 ? 0 : log1p(-(1 + t) * exp(-power)));
}

/** log(1 - q + q e^ratio): the privacy loss where the densities have this log ratio. */
export function lossAt(q: number, ratio: number): number {
  if (q === 1 || ratio > 600) return log(q) + ratio; // of a q from 1e-100 the rest is nothing
  const u = q * expm1(ratio);
  return u < -0.5 ? log(1 - q + q * exp(ratio)) : log1p(u);
}

/** log(1 + e^x). */
function softplus(x: number): number {
  return x > 40 ? x : log1p(exp(x));
}

/** log(e^x - 1), x >= 0. */
function logExpm1(x: number): number {
  return x > 40 ? x : log(expm1(x));
}

/** The log of the sum of what these are logs of. */
function logSum(terms: Float64Array): number {
  const most = terms.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(most)) return most;
  let sum = 0;
  for (const term of terms) sum += exp(term - most);
  return most + log(sum);
}

/** What divergences that have been added up over steps, one for each of `ORDERS`, come to (Balle et al. 2020; Canonne, Kamath, Steinke 2020). */
export function epsilonOf(divergences: ArrayLike<number>, delta: number): { readonly epsilon: number; readonly order: number } {
  let [epsilon, order] = [Infinity, ORDERS[0]!];
  for (const [i, a] of ORDERS.entries()) {
    const e = divergences[i]! + restOf(a, delta);
    if (e < epsilon) [epsilon, order] = [e, a];
  }
  return { epsilon: Math.max(0, epsilon), order };
}

/** What epsilon has beside the divergence of an order. */
export function restOf(order: number, delta: number): number {
  return log1p(-1 / order) - (log(delta) + log(order)) / (order - 1);
}

/** Divergences of one step at all `ORDERS`. Those that were asked for last are kept: a trainer asks after every step. */
export function curveOf(q: number, sigma: number): Float64Array {
  const key = `${q} ${sigma}`;
  let curve = curves.get(key);
  if (!curve) {
    curve = Float64Array.from(ORDERS, (order) => rdpOf(q, sigma, order));
    if (curves.size >= 16) curves.delete(curves.keys().next().value!);
    curves.set(key, curve);
  }
  return curve;
}
const curves = new Map<string, Float64Array>();

/** Divergences of all phases together, at `ORDERS`. */
export function composed(phases: readonly Phase[]): Float64Array {
  const sums = new Float64Array(ORDERS.length);
  for (const { q, sigma, steps } of phases) {
    if (steps === 0) continue;
    const curve = curveOf(q, sigma);
    for (const [i, rdp] of curve.entries()) sums[i] = sums[i]! + steps * rdp;
  }
  return sums;
}
