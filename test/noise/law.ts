// law.ts: whether numbers are draws of a standard normal law, and independent of each other: moments, Kolmogorov and Smirnov, tails, correlations.
import { Graph } from '../../lib/ir/graph.ts';
import { erfc, exp } from '../../lib/math/index.ts';
import { GAUSSIAN_NOISE, SECRET_KEY } from '../../lib/ops/gradient/gaussian-noise.ts';
import { runNode } from '../run-node.ts';

/** Where numbers are drawn: of which run, step and tensor. */
export interface Place {
  /** Of the run: 256 secret bits, or the seed. */
  readonly secret?: Int32Array;
  readonly seed?: bigint;
  readonly attempt?: number;
  readonly key?: number;
}

/** So many numbers, as the noise of zeros. */
export function drawn(count: number, { secret, seed = 1n, attempt = 0, key = 0 }: Place, threads = 2): Float32Array {
  const graph = new Graph('train');
  const ins = [graph.input('x', { dtype: 'f32', shape: [count] }, 'feed'), graph.scalar(1, 'f64')];
  if (secret) ins.push(graph.input('secret', SECRET_KEY, 'feed'));
  const { node } = graph.add(GAUSSIAN_NOISE, ins, { key }).out;
  const data = [new Float32Array(count), Float64Array.of(1), ...(secret ? [secret] : [])];
  return runNode(node, data, { seed, attempt, threads })[0] as Float32Array;
}

/** One figure, and how far it is from what is expected in deviations of what draws of the law would give. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly expected: number;
  readonly off: number;
}
const figure = (what: string, value: number, expected: number, deviation: number): Figure => ({
  ...{ what, value, expected },
  off: (value - expected) / deviation,
});

/** Beyond this many deviations no figure of true draws is, once in 300 million. */
export const FAR = 5.9;
export const faultsOf = (figures: readonly Figure[]): readonly Figure[] => figures.filter(({ off }) => !(Math.abs(off) < FAR));

/** The normal distribution function. */
export const below = (x: number): number => erfc(-x / Math.SQRT2) / 2;

/** Of the eight first moments: that of order k has the mean (k - 1)!! or 0, and the variance of a mean of x^k. */
function moments(x: Float32Array): Figure[] {
  const sums = new Float64Array(9);
  for (const value of x) {
    let power = 1;
    for (let k = 1; k <= 8; k++) {
      power *= value;
      sums[k] = sums[k]! + power;
    }
  }
  const mean = (k: number): number => (k % 2 ? 0 : k < 2 ? 1 : (k - 1) * mean(k - 2));
  return [1, 2, 3, 4, 5, 6, 7, 8].map((k) => {
    const deviation = Math.sqrt((mean(2 * k) - mean(k) * mean(k)) / x.length);
    return figure(`mean of x^${k}`, sums[k]! / x.length, mean(k), deviation);
  });
}

/** The largest distance between the share of draws below x and the law, and how likely one as large is (Kolmogorov 1933). */
export function kolmogorov(x: Float32Array): { readonly distance: number; readonly likely: number } {
  const sorted = x.slice().sort();
  let distance = 0;
  for (let i = 0; i < sorted.length; i++) {
    const p = below(sorted[i]!);
    distance = Math.max(distance, (i + 1) / sorted.length - p, p - i / sorted.length);
  }
  const lambda = distance * Math.sqrt(sorted.length);
  let likely = 0;
  for (let k = 1; k <= 100; k++) likely += (k % 2 ? 2 : -2) * exp(-2 * k * k * lambda * lambda);
  // Where all but the first terms cancel, it is certain.
  return { distance, likely: lambda < 0.3 ? 1 : Math.min(1, Math.max(0, likely)) };
}

/** How many are beyond 1, 2, 3, 4 and 5 deviations on either side. */
function tails(x: Float32Array): Figure[] {
  return [1, 2, 3, 4, 5].flatMap((t) =>
    [-1, 1].map((side) => {
      const p = below(-t);
      let count = 0;
      for (const value of x) if (side * value > t) count++;
      // Of few: a count as far as this is at most as likely as one of the deviation of 1 more.
      return figure(`${side < 0 ? 'below -' : 'above '}${t}`, count, x.length * p, Math.sqrt(x.length * p * (1 - p)) + 1);
    }),
  );
}

/** How numbers of two lists go together, and how their squares do: those of Box and Muller's pairs have one radius. */
export function together(what: string, a: Float32Array, b: Float32Array): Figure[] {
  const n = Math.min(a.length, b.length);
  let [sum, squares] = [0, 0];
  for (let i = 0; i < n; i++) {
    const [x, y] = [a[i]!, b[i]!];
    sum += x * y;
    squares += (x * x - 1) * (y * y - 1);
  }
  return [figure(what, sum / n, 0, 1 / Math.sqrt(n)), figure(`${what}, squares`, squares / n, 0, 2 / Math.sqrt(n))];
}

/** All of it for one list. */
export function lawOf(x: Float32Array): Figure[] {
  const { distance, likely } = kolmogorov(x);
  const ks: Figure = { what: 'Kolmogorov-Smirnov', value: distance, expected: 0, off: likely > 1e-7 ? 0 : Infinity };
  const lags = [1, 2, 16, 32, 512].flatMap((lag) => together(`${lag} apart`, x, x.subarray(lag)));
  return [...moments(x), ...tails(x), ks, ...lags];
}

/** Numbers of one place and of others that differ from it in one thing, and how these go together. */
export function lawAt(count: number, place: Place): { readonly x: Float32Array; readonly figures: Figure[] } {
  const x = drawn(count, place);
  const { attempt = 0, key = 0, secret, seed = 1n } = place;
  const others: Readonly<Record<string, Place>> = {
    'another step': { ...place, attempt: attempt + 1 },
    'another tensor': { ...place, key: key + 1 },
    'another run': secret
      ? { ...place, secret: secret.map((word, i) => (i === 7 ? word ^ 1 : word)) }
      : { ...place, seed: seed + 1n },
  };
  const beside = Object.entries(others).flatMap(([what, other]) => together(what, x, drawn(count, other)));
  return { x, figures: [...lawOf(x), ...beside] };
}
