// char-rnn.ts: the text that a character-level network writes.
import { philox4x32, philoxKey } from '../ir/philox.ts';
import type { NdArray } from '../train/source.ts';

/** Gives the logits [1, characters] that follow a window of characters [1, time]. */
export type Predict = (window: NdArray) => Promise<NdArray>;

export interface SampleOptions {
  readonly count: number;
  readonly temperature: number;
  readonly seed: bigint;
}

/** Characters that go on from `prompt`, one by one: each is drawn from what the model predicts after the last `prompt.length` of them. */
export async function sampleText(predict: Predict, prompt: Uint8Array | Int32Array, options: SampleOptions): Promise<number[]> {
  const window = prompt.slice();
  const out: number[] = [];
  for (let i = 0; i < options.count; i++) {
    const { data } = await predict({ data: window, shape: [1, window.length] });
    const next = draw(data as Float32Array, options.temperature, uniform(options.seed, i));
    out.push(next);
    window.copyWithin(0, 1);
    window[window.length - 1] = next;
  }
  return out;
}

/** An index drawn from softmax(logits / temperature), by a number in [0, 1). Without finite logits any index is as good: the first. */
export function draw(logits: Float32Array, temperature: number, at: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = Array.from(logits, (logit) => Math.exp((logit - most) / temperature));
  let left = at * weights.reduce((a, b) => a + b, 0);
  const index = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return Math.max(0, index);
}

/** Third counter word, "samp": keeps these draws apart from all others. */
const SAMPLE = 0x73616d70;

/** The i-th uniform number of a seed, in [0, 1). */
function uniform(seed: bigint, i: number): number {
  const words = new Uint32Array(4);
  philox4x32(words, i, 0, SAMPLE, 0, ...philoxKey(seed));
  return words[0]! / 2 ** 32;
}
