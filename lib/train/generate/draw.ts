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
  readonly tokens: Int32Array;
  readonly weights: Float64Array;
}

/** softmax(logits / temperature) of the `topK` largest, and of these of the likeliest that make up `topP`; the temperature is not 0. */
export function likely(logits: Float32Array, { temperature, topK, topP }: Drawing): Likely {
  const tokens = topK === null || topK >= logits.length ? Int32Array.from(logits.keys()) : largest(logits, topK);
  const most = logits[argmax(logits)]!;
  const weights = new Float64Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) weights[i] = exp((logits[tokens[i]!]! - most) / temperature);
  if (topP >= 1) return { tokens, weights };
  const kept = ofShare(weights, topP);
  return { tokens: kept.map((i) => tokens[i]!), weights: Float64Array.from(kept, (i) => weights[i]!) };
}

/** A token drawn by a number in [0, 1). */
export function draw(logits: Float32Array, how: Drawing, at: number): number {
  const likeliest = argmax(logits);
  if (how.temperature === 0) return likeliest;
  const { tokens, weights } = likely(logits, how);
  let left = at * sumOf(weights);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i]!;
    if (left < 0) return tokens[i]!;
  }
  // Rounding may leave a little of `at` beyond the last.
  return likeliest;
}

// Vocabularies may be large, and a token of them is drawn in a small part of the time that the model takes: plain loops over typed arrays.

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}

/** The first of the largest. */
function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** Where values lie above `least`, and where the first `equals` of those lie that are it; in ascending order. */
function from(values: Float32Array | Float64Array, least: number, equals: number): Int32Array {
  const found = new Int32Array(values.length);
  let n = 0;
  let left = equals;
  for (let i = 0; i < values.length; i++) {
    if (values[i]! > least || (values[i] === least && left-- > 0)) found[n++] = i;
  }
  return found.slice(0, n);
}

/** Where the k largest lie; of equal ones the first. */
function largest(values: Float32Array, k: number): Int32Array {
  const sorted = values.slice().sort();
  const least = sorted.at(-k)!;
  let equals = 0;
  while (equals < k && sorted.at(equals - k) === least) equals++;
  return from(values, least, equals);
}

/** Where the largest lie that make up `share` of all, one at least; of equal ones the first. */
function ofShare(weights: Float64Array, share: number): Int32Array {
  const total = sumOf(weights);
  // All below are together at most half of what goes: they need not be sorted.
  const bound = ((1 - share) * total) / (2 * weights.length);
  const sorted = weights.filter((weight) => weight > bound).sort();
  const wanted = share * total;
  let sum = 0;
  let equals = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = sorted.length - 1; i >= 0 && (sum < wanted || equals === 0); i--) {
    equals = sorted[i] === least ? equals + 1 : 1;
    least = sorted[i]!;
    sum += least;
  }
  return from(weights, least, equals);
}

/** Third counter word, "samp": keeps these draws apart from all others. */
const SAMPLE = 0x73616d70;

/** The i-th uniform number of a row of a batch, in [0, 1). */
export function uniform(seed: bigint, row: number, i: number): number {
  const words = new Uint32Array(4);
  philox4x32(words, i, row, SAMPLE, 0, ...philoxKey(seed));
  return words[0]! / 2 ** 32;
}
