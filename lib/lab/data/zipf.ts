// zipf.ts: words whose frequencies fall as 1 / rank (Zipf 1935), in short texts of some topics.
import type { NdArray } from '../../data/arrays.ts';
import { below, type Draw, normal } from './draws.ts';

/** How many texts, of how many words out of how many, about how many topics. */
export interface ZipfOptions {
  readonly rows: number;
  readonly words: number;
  readonly length: number;
  readonly topics: number;
}

/** Where a number in [0, 1) falls among `count` words of frequencies 1, 1/2, 1/3, .... */
export function zipf(count: number): (at: number) => number {
  const ends = new Float64Array(count);
  let sum = 0;
  for (let k = 0; k < count; k++) ends[k] = sum += 1 / (k + 1);
  return (at) => {
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at * sum < ends[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** x [rows, length] words, y [rows] the topic that the words together speak most of. @param drawn draws what each word speaks of @param next the texts */
export function texts(drawn: Draw, next: Draw, options: ZipfOptions): { readonly x: NdArray; readonly y: Int32Array } {
  const { rows, words, length, topics } = options;
  const speaks = Float32Array.from({ length: words * topics }, () => normal(drawn));
  // Which words are frequent is no matter of their number.
  const names = Int32Array.from({ length: words }, (_, k) => k);
  for (let k = words - 1; k > 0; k--) {
    const other = below(drawn, k + 1);
    [names[k], names[other]] = [names[other]!, names[k]!];
  }
  const pick = zipf(words);
  const x = new Int32Array(rows * length);
  const y = new Int32Array(rows);
  const sums = new Float64Array(topics);
  for (let r = 0; r < rows; r++) {
    sums.fill(0);
    for (let t = 0; t < length; t++) {
      const word = names[pick(next())]!;
      x[r * length + t] = word;
      for (let k = 0; k < topics; k++) sums[k]! += speaks[word * topics + k]!;
    }
    for (let k = 1; k < topics; k++) if (sums[k]! > sums[y[r]!]!) y[r] = k;
  }
  return { x: { data: x, shape: [rows, length] }, y };
}
