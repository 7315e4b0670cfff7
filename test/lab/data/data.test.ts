// data.test.ts: the laboratory's random numbers against other ways to make them, and its tasks solved by whoever knows how.
import { expect, test } from 'vitest';
import { below, congruential, draws, normal, student } from '../../../lib/lab/data/draws.ts';
import { entropy, numbersOf, variance } from '../../../lib/lab/data/ignorant.ts';
import { flat, images } from '../../../lib/lab/data/images.ts';
import { adding, copying, ORDER_SYMBOLS, ORDERS, temporalOrder } from '../../../lib/lab/data/sequences.ts';
import { tastes } from '../../../lib/lab/data/tastes.ts';
import { classesOf, taught, teacher } from '../../../lib/lab/data/teacher.ts';
import { LETTERS, text } from '../../../lib/lab/data/text.ts';
import { texts, zipf } from '../../../lib/lab/data/zipf.ts';
import { windows } from '../../../lib/train/feed/source.ts';

const many = (count: number, one: () => number): Float64Array => Float64Array.from({ length: count }, one);
const mean = (values: ArrayLike<number>): number =>
  (Array.prototype.reduce.call(values, (a, b) => (a as number) + b, 0) as number) / values.length;

test('the congruential generator, in whole numbers of any size', () => {
  const next = congruential(12345);
  let state = 12345n;
  for (let i = 0; i < 1000; i++) {
    state = (state * 1664525n + 1013904223n) % 2n ** 32n;
    expect(next()).toBe(Number(state >> 8n) / 2 ** 24);
  }
});

test('numbers of a seed and a purpose: even, and nothing to do with those of others', () => {
  const of = (seed: number, purpose: string): Float64Array => many(20_000, draws(seed, purpose));
  const sequences = [of(0, 'train'), of(1, 'train'), of(0, 'test'), of(2 ** 40, 'train'), of(0, 'niart')];
  for (const [k, values] of sequences.entries()) {
    expect(mean(values)).toBeCloseTo(0.5, 1.9);
    const counts = new Array<number>(20).fill(0);
    for (const v of values) counts[Math.floor(v * 20)]!++;
    // Chi-squared of 19 degrees of freedom: beyond 50 once in 7,000.
    expect(counts.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)).toBeLessThan(50);
    for (const other of sequences.slice(0, k)) {
      const correlation = mean(values.map((v, i) => (v - 0.5) * (other[i]! - 0.5))) * 12;
      expect(Math.abs(correlation)).toBeLessThan(4 / Math.sqrt(20_000));
    }
  }
  expect(of(3, 'x')).toEqual(of(3, 'x'));
});

test('normal numbers and those of Student with two degrees of freedom have their distributions', () => {
  const next = draws(1, 'numbers');
  const share = (values: Float64Array, bound: number): number => values.filter((v) => v < bound).length / values.length;
  const normals = many(40_000, () => normal(next));
  // Of the normal distribution's tables.
  for (const [at, part] of [
    [-2, 0.02275],
    [-1, 0.15866],
    [0, 0.5],
    [0.5, 0.69146],
    [1.96, 0.975],
  ] as const) {
    expect(Math.abs(share(normals, at) - part)).toBeLessThan(0.008);
  }
  const students = many(40_000, () => student(next, 2));
  for (const t of [-10, -3, -1, 0, 0.5, 2, 6]) {
    expect(Math.abs(share(students, t) - (0.5 + t / (2 * Math.sqrt(2 + t * t))))).toBeLessThan(0.008);
  }
});

test('what knowing nothing costs: no constant costs less', () => {
  const labels = Int32Array.from([0, 0, 0, 3, 3, 7, 0, 0]);
  const shares = [5 / 8, 2 / 8, 1 / 8];
  expect(entropy(labels)).toBeCloseTo(-shares.reduce((sum, p) => sum + p * Math.log(p), 0), 14);
  // Cross-entropy of other shares.
  for (const [a, b] of [
    [0.6, 0.3],
    [0.65, 0.25],
    [0.62, 0.24],
  ] as const) {
    const of = -(5 * Math.log(a) + 2 * Math.log(b) + Math.log(1 - a - b)) / 8;
    expect(entropy(labels)).toBeLessThan(of);
  }
  const targets = [1, 10, 2, 10, 6, 40];
  expect(variance(targets, 2)).toBeCloseTo(((1 - 3) ** 2 + (2 - 3) ** 2 + (6 - 3) ** 2 + 2 * 10 ** 2 + 20 ** 2) / 6, 12);
  for (const c of [2.9, 3.1]) {
    const of = ((1 - c) ** 2 + (2 - c) ** 2 + (6 - c) ** 2) / 3;
    expect(variance([1, 2, 6])).toBeLessThan(of);
  }
  expect(numbersOf(windows(Uint8Array.of(1, 2, 3, 4), { length: 2 }), 'tokens')).toEqual(Uint8Array.of(1, 2, 3, 4));
  expect(() => numbersOf({ x: [1, 2] }, 'y')).toThrow('expected an array y');
});

test('adding: the sum of the two that are marked, one in each half', () => {
  const { x, y } = adding(draws(2, 'rows'), { rows: 200, length: 12 });
  const [values, sums] = [x.data as Float32Array, y.data as Float32Array];
  for (let r = 0; r < 200; r++) {
    const marked = Array.from({ length: 12 }, (_, t) => t).filter((t) => values[(r * 12 + t) * 2 + 1] === 1);
    expect(marked).toHaveLength(2);
    expect(marked[0]).toBeLessThan(6);
    expect(marked[1]).toBeGreaterThanOrEqual(6);
    expect(sums[r]).toBeCloseTo(values[(r * 12 + marked[0]!) * 2]! + values[(r * 12 + marked[1]!) * 2]!, 6);
  }
});

test('temporal order: the two symbols that count tell the answer', () => {
  const { x, y } = temporalOrder(draws(3, 'rows'), { rows: 400, length: 20 });
  const seen = new Set<number>();
  for (let r = 0; r < 400; r++) {
    const row = Array.from((x.data as Int32Array).subarray(r * 20, r * 20 + 20));
    const found = row.filter((symbol) => symbol >= 4);
    expect(found).toHaveLength(2);
    expect(Math.max(...row)).toBeLessThan(ORDER_SYMBOLS);
    expect(row.findIndex((s) => s >= 4)).toBeLessThan(4);
    expect(y[r]).toBe(2 * (found[0]! - 4) + (found[1]! - 4));
    seen.add(y[r]!);
  }
  expect(seen.size).toBe(ORDERS);
});

test('copying: the first symbols are the answer', () => {
  const { x, y } = copying(draws(4, 'rows'), { rows: 50, kept: 3, kinds: 5, blanks: 4 });
  expect([x.shape, y.shape]).toEqual([
    [50, 11],
    [50, 3],
  ]);
  for (let r = 0; r < 50; r++) {
    const row = Array.from((x.data as Int32Array).subarray(r * 11, r * 11 + 11));
    const said = Array.from((y.data as Int32Array).subarray(r * 3, r * 3 + 3));
    expect(row).toEqual([...said.map((s) => s + 2), 0, 0, 0, 0, 1, 0, 0, 0]);
  }
});

test('images: whoever knows the patterns tells most kinds', () => {
  const options = { rows: 300, channels: 1, size: 8, classes: 4 };
  const { x, y } = images(draws(5, 'shared'), draws(5, 'a'), options);
  // Means of the rows of each kind, of other images: the nearest in direction.
  const learned = images(draws(5, 'shared'), draws(5, 'b'), { ...options, rows: 2000 });
  const means = Array.from({ length: 4 }, () => new Float64Array(64));
  for (let r = 0; r < 2000; r++) for (let i = 0; i < 64; i++) means[learned.y[r]!]![i]! += learned.x.data[r * 64 + i]!;
  let right = 0;
  for (let r = 0; r < 300; r++) {
    const like = means.map((m) => {
      const product = m.reduce((sum, v, i) => sum + v * x.data[r * 64 + i]!, 0);
      return product / Math.sqrt(m.reduce((sum, v) => sum + v * v, 0));
    });
    if (like.indexOf(Math.max(...like)) === y[r]) right++;
  }
  expect(right / 300).toBeGreaterThan(0.8);
  expect(flat({ x, y }).x.shape).toEqual([300, 64]);
});

test('text: each word is followed by three others at most', () => {
  const letters = 'abcdefghijklmnopqrstuvwxyz ';
  const made = Array.from(text(draws(6, 'text'), 20_000), (k) => letters[k]).join('');
  expect(LETTERS).toBe(letters.length);
  const after = new Map<string, Set<string>>();
  const words = made.split(' ');
  for (const [k, word] of words.slice(1).entries()) after.set(words[k]!, (after.get(words[k]!) ?? new Set()).add(word));
  expect(Math.max(...Array.from(after.values(), (set) => set.size))).toBe(3);
});

test('tastes: pairs of one user and one item agree, but for noise', () => {
  const { user, item, y } = tastes(draws(7, 'shared'), draws(7, 'rows'), { rows: 20_000, users: 8, items: 8 }) as Record<
    string,
    Int32Array
  >;
  const sums = new Map<number, number[]>();
  for (let r = 0; r < 20_000; r++) {
    const pair = user![r]! * 8 + item![r]!;
    sums.set(pair, [...(sums.get(pair) ?? []), y![r]!]);
  }
  expect(sums.size).toBe(64);
  const agreed = Array.from(sums.values(), (values) => Math.max(mean(values), 1 - mean(values)));
  expect(mean(agreed)).toBeGreaterThan(0.85);
});

test('a teacher says the same of the same row, with a variance of about 1', () => {
  const of = teacher(draws(8, 'shared'), 6, 20, 3);
  const { x, y } = taught(draws(8, 'rows'), of, { rows: 2000, inputs: 6, outputs: 3 });
  const out = new Float32Array(3);
  of(x, 6 * 17, out, 0);
  expect(out).toEqual(y.slice(51, 54));
  expect(variance(y, 3)).toBeGreaterThan(0.4);
  expect(variance(y, 3)).toBeLessThan(3);
  const classes = classesOf(y, 3);
  for (let r = 0; r < 2000; r++) expect(y[r * 3 + classes[r]!]).toBe(Math.max(...y.subarray(r * 3, r * 3 + 3)));
});

test('words come as 1 / rank, and what they speak of is the answer', () => {
  const pick = zipf(50);
  const counts = new Array<number>(50).fill(0);
  const next = draws(9, 'words');
  for (let i = 0; i < 100_000; i++) counts[pick(next())]!++;
  for (const rank of [2, 3, 5, 10, 40]) expect(counts[rank - 1]! / counts[0]!).toBeCloseTo(1 / rank, 1.7);
  expect([pick(0), pick(1 - 2 ** -32)]).toEqual([0, 49]);
  const { x, y } = texts(draws(9, 'shared'), draws(9, 'rows'), { rows: 4000, words: 50, length: 6, topics: 3 });
  // What a word speaks of is learned from single words' texts: perceptrons of the topics.
  const weights = Array.from({ length: 3 }, () => new Float64Array(50));
  const words = x.data as Int32Array;
  const guess = (r: number): number => {
    const sums = weights.map((w) => words.subarray(r * 6, r * 6 + 6).reduce((sum, word) => sum + w[word]!, 0));
    return sums.indexOf(Math.max(...sums));
  };
  for (let epoch = 0; epoch < 20; epoch++) {
    for (let r = 0; r < 3000; r++) {
      const guessed = guess(r);
      if (guessed === y[r]) continue;
      for (const word of words.subarray(r * 6, r * 6 + 6)) {
        weights[y[r]!]![word]! += 1;
        weights[guessed]![word]! -= 1;
      }
    }
  }
  let right = 0;
  for (let r = 3000; r < 4000; r++) if (guess(r) === y[r]) right++;
  expect(right / 1000).toBeGreaterThan(0.9);
});

test('whole numbers below a bound are all of them', () => {
  const next = draws(10, 'numbers');
  expect(new Set(many(1000, () => below(next, 7)))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]));
});
