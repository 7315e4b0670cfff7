// range.test.ts: counts of what formats lose, beside numbers that are rounded one by one, by rules of their own.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FORMAT_NAMES, type FormatName, infiniteFrom, Range, zeroTo } from '../../../lib/train/precision/range.ts';

/** Digits, exponent of the smallest number with all digits, and of the largest. */
const RULES = { f32: [24, -126, 127], bf16: [8, -126, 127], f16: [11, -14, 15] } as const;

/** Half to even. */
const toEven = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/** A size, rounded to a format: f64 scales by powers of two without loss where nothing is below 2^-1022. */
function rounded(size: number, name: FormatName): number {
  const [digits, least, most] = RULES[name];
  let e = 0;
  while (2 ** (e + 1) <= size) e++;
  while (2 ** e > size) e--;
  const unit = 2 ** (Math.max(e, least) - digits + 1);
  const found = toEven(size / unit) * unit;
  return found >= 2 ** most * 2 ? Infinity : found;
}

function shares(values: readonly number[], name: FormatName, power: number) {
  const sizes = values.filter((v) => v !== 0 && Number.isFinite(v)).map((v) => Math.abs(v) * 2 ** power);
  const share = (count: number): number => count / Math.max(1, sizes.length);
  return {
    lost: share(sizes.filter((v) => rounded(v, name) === 0).length),
    below: share(sizes.filter((v) => v < 2 ** RULES[name][1]).length),
    above: share(sizes.filter((v) => rounded(v, name) === Infinity).length),
  };
}

/** Sizes where something happens, and their neighbors. */
const EDGES = FORMAT_NAMES.flatMap((name) => [zeroTo(name), infiniteFrom(name), 2 ** RULES[name][1]]);
const number = fc.oneof(
  fc.tuple(fc.double({ min: 1, max: 2, noNaN: true }), fc.integer({ min: -200, max: 200 })).map(([m, e]) => m * 2 ** e),
  fc.tuple(fc.constantFrom(...EDGES), fc.constantFrom(1, 1 - 2 ** -53, 1 + 2 ** -52, -1)).map(([at, by]) => at * by),
  fc.constantFrom(0, -0, NaN, Infinity, -Infinity),
);

it('counts what rounding one by one finds, times any power of two', () => {
  fc.assert(
    fc.property(fc.array(number, { maxLength: 40 }), fc.integer({ min: 0, max: 100 }), (values, power) => {
      const range = new Range();
      const half = values.length >> 1;
      range.add(Float64Array.from(values.slice(0, half)));
      range.add(Float64Array.from(values.slice(half)));
      for (const name of FORMAT_NAMES) expect(range.held(name, power)).toEqual(shares(values, name, power));
      const sizes = values.map(Math.abs).filter((v) => v > 0 && v < Infinity);
      expect([range.elements, range.counted]).toEqual([values.length, sizes.length]);
      expect([range.largest, range.smallest]).toEqual([Math.max(0, ...sizes), Math.min(Infinity, ...sizes)]);
    }),
    { numRuns: 1000 },
  );
});

it('rounds as the typed arrays do, at the edges of f32', () => {
  for (const name of FORMAT_NAMES) {
    const [zero, infinite] = [zeroTo(name), infiniteFrom(name)];
    expect([rounded(zero, name), rounded(infinite, name)]).toEqual([0, Infinity]);
    expect(rounded(zero * (1 + 2 ** -52), name)).toBeGreaterThan(0);
    expect(rounded(infinite * (1 - 2 ** -53), name)).toBeLessThan(Infinity);
  }
  for (const x of EDGES.flatMap((at) => [at, at * (1 + 2 ** -52), at * (1 - 2 ** -53)])) {
    expect(rounded(x, 'f32')).toBe(Math.fround(x));
  }
  // Known of f16: 65,504 is its largest number, 2^-24 its smallest.
  expect([infiniteFrom('f16'), zeroTo('f16')]).toEqual([65520, 2 ** -25]);
});

it('takes arrays of f32, and parts of arrays', () => {
  const range = new Range();
  const all = Float64Array.of(9, 1e-3, 0, NaN, 7e4, 9);
  expect(range.add(all.subarray(1, 5))).toEqual({ largest: 7e4, smallest: 1e-3, notFinite: 1 });
  expect(range.add(Float32Array.of(2, 0))).toEqual({ largest: 2, smallest: 2, notFinite: 0 });
  expect([range.elements, range.zeros, range.notFinite, range.counted]).toEqual([6, 2, 1, 3]);
  expect(range.held('f16')).toEqual({ lost: 0, below: 0, above: 1 / 3 });
  expect(range.room('f16', 100)).toBe(0);
  expect(range.room('f32', 100)).toBe(100);
});

it('shares are 0 where nothing is counted', () => {
  const range = new Range();
  range.add(Float64Array.of(0, NaN));
  for (const name of FORMAT_NAMES) expect(range.held(name)).toEqual({ lost: 0, below: 0, above: 0 });
  expect(range.smallest).toBe(Infinity);
});
