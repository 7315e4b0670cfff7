// draw.ts: a token drawn from what a model predicts: temperature, then the k likeliest, then those that make up a share p.
import { philox4x32, philoxKey } from '../../ir/philox.ts';
import { exp } from '../../math/index.ts';

export interface Drawing {
  readonly temperature: number;
  readonly topK: number | null;
  readonly topP: number;
}

/** Tokens that may be drawn, in ascending order, and weights in proportion to their probabilities. */
export interface Likely {
  readonly tokens: readonly number[];
  readonly weights: readonly number[];
}

/** softmax(logits / temperature) of the `topK` largest, and of these of the likeliest that make up `topP`; the temperature is not 0. */
export function likely(logits: Float32Array, { temperature, topK, topP }: Drawing): Likely {
  const tokens = largest(logits, topK ?? logits.length);
  const most = tokens.reduce((a, i) => Math.max(a, logits[i]!), Number.NEGATIVE_INFINITY);
  const weights = tokens.map((i) => exp((logits[i]! - most) / temperature));
  return { tokens, weights: topP < 1 ? ofShare(weights, topP) : weights };
}

/** A token drawn by a number in [0, 1). */
export function draw(logits: Float32Array, how: Drawing, at: number): number {
  const likeliest = argmax(logits);
  if (how.temperature === 0) return likeliest;
  const { tokens, weights } = likely(logits, how);
  let left = at * weights.reduce((a, b) => a + b, 0);
  const found = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  // Rounding may leave a little of `at` beyond the last.
  return found >= 0 ? tokens[found]! : likeliest;
}

/** The first of the largest. */
function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** Where the k largest values stand, in ascending order; of equal ones the first. */
function largest(values: Float32Array, k: number): number[] {
  const all = Array.from(values, (_, i) => i);
  if (k >= values.length) return all;
  const least = Float32Array.from(values).sort().at(-k)!;
  const above = all.reduce((n, i) => n + Number(values[i]! > least), 0);
  let equals = k - above;
  return all.filter((i) => values[i]! > least || (values[i] === least && equals-- > 0));
}

/** The likeliest that make up `share` of all weights, of equal ones the first; 0 in place of the others. */
function ofShare(weights: readonly number[], share: number): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  // All of these together are at most half of what goes: they are not sorted, which of a large vocabulary would take longer than the model.
  const bound = ((1 - share) * total) / (2 * weights.length);
  const order = [...weights.keys()].filter((i) => weights[i]! > bound);
  order.sort((a, b) => weights[b]! - weights[a]! || a - b);
  let sum = 0;
  const last = order.findIndex((i) => {
    sum += weights[i]!;
    return sum >= share * total;
  });
  const kept = new Set(last < 0 ? order : order.slice(0, last + 1));
  return weights.map((weight, i) => (kept.has(i) ? weight : 0));
}

/** Third counter word, "samp": keeps these draws apart from all others. */
const SAMPLE = 0x73616d70;

/** The i-th uniform number of a row of a batch, in [0, 1). */
export function uniform(seed: bigint, row: number, i: number): number {
  const words = new Uint32Array(4);
  philox4x32(words, i, row, SAMPLE, 0, ...philoxKey(seed));
  return words[0]! / 2 ** 32;
}
