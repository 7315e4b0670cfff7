// properties.test.ts: what holds of clipping for any gradients: random shapes, sizes, thresholds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { FAMILIES, type Grads, MORE_FAMILIES, norm, seenBy } from './kit.ts';

const RUNS = { numRuns: 40 };
/** A few tensors of any length from 0 on, elements over the whole range of f32. */
const gradients: fc.Arbitrary<Float32Array[]> = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 70 }), fc.integer(), fc.integer({ min: -100, max: 90 })).map(([length, seed, exponent]) => {
    let s = seed | 0;
    return Float32Array.from({ length }, () => {
      s = (Math.imul(s, 1664525) + 1013904223) | 0;
      return (s / 2 ** 31) * 2 ** exponent;
    });
  }),
  { minLength: 1, maxLength: 4 },
);
const family = fc.constantFrom(...FAMILIES, ...MORE_FAMILIES);
/** Those that leave alone what is small enough. */
const hard = family.filter((f) => f.least([Float32Array.of(1)]) < Infinity);
/** One unit in the last place of an f32. */
const ulp = (v: number): number => 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(v))) - 23);
const factor = fc.double({ min: 1e-3, max: 0.999, noNaN: true });

test('bits are untouched where the policy does not bite', () => {
  fc.assert(
    fc.property(hard, gradients, fc.double({ min: 1.0001, max: 1e3, noNaN: true }), (f, grads, more) => {
      const c = norm(grads, 1) * more;
      const { seen, report } = seenBy(f.make(c), grads);
      // What SGD makes of 0 and -0 is 0.
      expect(seen).toEqual(grads.map((g) => g.map((v) => v + 0)));
      expect(report.clipped).toBe(false);
    }),
    RUNS,
  );
});

test('after clipping the norm is the threshold at most', () => {
  fc.assert(
    fc.property(gradients, factor, fc.constantFrom(1, 2, 3, 7.5, Infinity), (grads, part, p) => {
      const c = norm(grads, p) * part;
      const { seen, report } = seenBy(clip.globalNorm(c, { p }), grads);
      // Rounding may take the norm 2^-23 above the threshold, which is up to two units of an element.
      // Elements below 2^-126 are rounded to multiples of 2^-149.
      const slack = 2 ** -22 * c + grads.reduce((n, g) => n + g.length, 0) * 2 ** -149;
      expect(Math.abs(norm(seen, p) - c)).toBeLessThanOrEqual(slack);
      expect(report.normAfter).toBeLessThanOrEqual(c * (1 + 1e-12));
    }),
    RUNS,
  );
});

test('scaling gradients and threshold by a power of two scales the result', () => {
  const middling = gradients.map((gs) => gs.map((g) => g.map((v) => (Math.abs(v) < 1e-20 || Math.abs(v) > 1e20 ? 0.5 : v))));
  fc.assert(
    fc.property(family, middling, factor, fc.integer({ min: -20, max: 20 }), (f, grads, part, k) => {
      const c = Math.fround(norm(grads, Infinity) * part);
      const scaled = grads.map((g) => g.map((v) => v * 2 ** k));
      const want = seenBy(f.make(c), grads).seen.map((g) => g.map((v) => v * 2 ** k));
      // Powers with exponents that are no whole numbers, and our tanh, round differently at another scale, by the last digits.
      const close = (a: number, b: number): boolean => a === b || Math.abs(a - b) <= 2 ** -22 * Math.abs(b);
      const got = seenBy(f.make(c * 2 ** k), scaled).seen;
      expect(
        got.every((g, t) =>
          g.every((v, i) => (f.name.includes('3.5') || f.ulps > 1 ? close(v, want[t]![i]!) : v === want[t]![i])),
        ),
      ).toBe(true);
    }),
    RUNS,
  );
});

test('clipping twice changes no element by more than two units in its last place', () => {
  fc.assert(
    fc.property(hard, gradients, factor, (f, grads, part) => {
      const c = norm(grads, Infinity) * part;
      const once = seenBy(f.make(c), grads).seen;
      const twice = seenBy(f.make(c), once).seen;
      // Elements below 2^-126 have fewer digits, and so may a norm of them.
      const small = Math.max(...once.flatMap((g) => [...g].map(Math.abs))) < 2 ** -110;
      const close = (a: number, b: number): boolean => Math.abs(a - b) <= (small ? 2 ** -149 + 1e-6 * Math.abs(b) : 2 * ulp(b));
      expect(twice.every((g, t) => g.every((v, i) => close(v, once[t]![i]!)))).toBe(true);
    }),
    RUNS,
  );
});

test('a chain is its policies one after the other', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...FAMILIES), factor), { minLength: 1, maxLength: 3 }),
      gradients,
      (parts, grads) => {
        const size = norm(grads, Infinity);
        const policies = parts.map(([f, part]) => f.make(size * part));
        let step: Grads = grads;
        for (const p of policies) step = seenBy(p, step).seen;
        const chained = seenBy(clip.chain(...policies), grads).seen;
        // One after the other rounds to f32 in between, and so measures a norm with another last digit.
        const close = (a: number, b: number): boolean => Math.abs(a - b) <= 5e-7 * Math.abs(b) + 2 ** -148;
        expect(chained.every((g, t) => g.every((v, i) => close(v, step[t]![i]!)))).toBe(true);
      },
    ),
    RUNS,
  );
});

test('one tensor: per tensor and global are the same', () => {
  fc.assert(
    fc.property(gradients, factor, fc.constantFrom(1, 2, 3, Infinity), ([g], part, p) => {
      const c = norm([g!], p) * part;
      const [a, b] = [seenBy(clip.globalNorm(c, { p }), [g!]), seenBy(clip.perTensorNorm(c, { p }), [g!])];
      expect(a.seen).toEqual(b.seen);
      expect(a.report.scale).toBe(b.report.scale);
      expect(a.report.norm).toBe(b.report.norm);
    }),
    RUNS,
  );
});

test('the order of tensors moves the norm by one unit in the last place at most', () => {
  fc.assert(
    fc.property(gradients, fc.constantFrom(1, 2, 3, Infinity), (grads, p) => {
      const [a, b] = [grads, [...grads].reverse()].map((gs) => seenBy(clip.globalNorm(1, { p }), gs).report.norm) as [
        number,
        number,
      ];
      expect(Math.abs(a - b)).toBeLessThanOrEqual((p === 3 ? 4 : 1) * 2 ** -52 * Math.max(a, b));
    }),
    RUNS,
  );
});
