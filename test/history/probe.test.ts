// probe.test.ts: what follows of the products of gradients: against plain definitions on numbers that are drawn, and by laws that are known.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OptionError } from '../../lib/errors.ts';
import { advise } from '../../lib/history/advise.ts';
import { noiseOf, type Products, student } from '../../lib/history/probe.ts';

const GOLDEN = JSON.parse(readFileSync(new URL('../golden/clip/probe.json', import.meta.url), 'utf8'));

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((s, v, i) => s + v * b[i]!, 0);
const meanOf = (rows: readonly (readonly number[])[]): number[] =>
  rows[0]!.map((_, i) => rows.reduce((s, r) => s + r[i]!, 0) / rows.length);
function productsOf(g: readonly number[][], c: readonly number[][]): Products[] {
  const [G, C] = [meanOf(g), meanOf(c)];
  return g.map((x, k): Products => {
    const y = c[k]!;
    return { gg: dot(x, x), cc: dot(y, y), gc: dot(x, y), gG: dot(x, G), gC: dot(x, C), cG: dot(y, G), cC: dot(y, C) };
  });
}
/** The product of two means, of pairs of different batches alone. */
function apart(a: readonly number[][], b: readonly number[][]): number {
  let sum = 0;
  for (const [i, x] of a.entries()) for (const [j, y] of b.entries()) if (i !== j) sum += dot(x, y);
  return sum / (a.length * (a.length - 1));
}

/** Numbers of a normal distribution, by a generator of its own. */
function normal(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

test('any gradients: signal, variance and cosine as the definitions say', () => {
  const gradient = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 4, maxLength: 4 });
  const cases = fc.array(gradient, { minLength: 3, maxLength: 8 });
  fc.assert(
    fc.property(cases, cases, (g, drawn) => {
      const c = g.map((x, k) => drawn[k % drawn.length]!.map((v, i) => 0.3 * v + 0.5 * x[i]!));
      const found = noiseOf(productsOf(g, c), 7);
      const size = g.reduce((s, x) => s + dot(x, x), 0) / g.length;
      const tolerance = 1e-9 * (1 + size);
      expect(Math.abs(found.signal - apart(g, g))).toBeLessThan(tolerance);
      const m = meanOf(g);
      const variance = g.reduce((s, x) => s + x.reduce((t, v, i) => t + (v - m[i]!) ** 2, 0), 0) / (g.length - 1);
      expect(Math.abs(found.variance - variance)).toBeLessThan(tolerance);
      expect(Math.abs(found.meanNorm - Math.sqrt(dot(m, m)))).toBeLessThan(Math.sqrt(tolerance));
      const [gg, cc] = [apart(g, g), apart(c, c)];
      if (gg > 1e-3 && cc > 1e-3) {
        const cosine = Math.max(-1, Math.min(1, apart(g, c) / Math.sqrt(gg * cc)));
        expect(found.cosine.value).toBeCloseTo(cosine, 6);
        expect(found.length).toBeCloseTo(apart(g, c) / gg, 6);
      }
      const { value, low, high } = found.noiseScale;
      if (value !== null) expect(low <= value && value <= high).toBe(true);
    }),
  );
});

test('of gradients with a known noise scale the interval holds it in about 95 of 100 cases, in more where noise is most of them', () => {
  const [n, size, rows] = [24, 60, 16];
  for (const [ratio, least, most] of [
    [0.2, 0.9, 0.99],
    [3, 0.9, 1],
    [30, 0.95, 1],
  ] as const) {
    const draw = normal(17 + ratio);
    // A signal of norm 1, and noise whose variances sum to the ratio.
    let held = 0;
    for (let k = 0; k < 200; k++) {
      const g = Array.from({ length: n }, () =>
        Array.from({ length: size }, () => 1 / Math.sqrt(size) + Math.sqrt(ratio / size) * draw()),
      );
      const { noiseScale } = noiseOf(productsOf(g, g), rows);
      if (noiseScale.low <= ratio * rows && ratio * rows <= noiseScale.high) held++;
    }
    expect(held / 200, `${ratio}`).toBeGreaterThanOrEqual(least);
    expect(held / 200, `${ratio}`).toBeLessThanOrEqual(most);
  }
});

test('noise that hides the gradient: no scale below infinity is told, and no cosine for certain', () => {
  const draw = normal(3);
  const g = Array.from({ length: 12 }, () => Array.from({ length: 50 }, () => draw()));
  const found = noiseOf(
    productsOf(
      g,
      g.map((x) => x.map(Math.sign)),
    ),
    4,
  );
  expect(found.noiseScale.high).toBe(Infinity);
  expect(found.noiseScale.low).toBeGreaterThan(4);
  expect(found.cosine.high - found.cosine.low).toBeGreaterThan(0.5);
  // Their means are alike all the same: they have the same noise.
  expect(found.plainCosine).toBeGreaterThan(0.6);
});

test('the ends: no noise, and no gradient', () => {
  const same = Array.from({ length: 4 }, () => [1, 2, 2]);
  expect(noiseOf(productsOf(same, same), 8)).toMatchObject({
    variance: 0,
    signal: 9,
    noiseScale: { value: 0, low: 0, high: 0 },
    cosine: { value: 1, low: 1, high: 1 },
    length: 1,
  });
  const zero = same.map((x) => x.map(() => 0));
  const found = noiseOf(productsOf(zero, zero), 8);
  expect(found).toMatchObject({ variance: 0, signal: 0, length: null, cosine: { value: 1 } });
  expect(found.noiseScale.value).toBe(null);
});

test("quantiles of Student's distribution to 1 percent, as SciPy has them", () => {
  for (const [degrees, wanted] of Object.entries(GOLDEN.student as Record<string, number>)) {
    expect(Math.abs(student(Number(degrees)) / wanted - 1), degrees).toBeLessThan(0.01);
  }
});

test('advise takes what probe gives, and nothing else', () => {
  for (const probe of [1, {}, { noiseScale: {} }, 'probe']) {
    expect(() => advise([1, 2, 3], { probe: probe as never })).toThrow(OptionError);
    expect(() => advise([1, 2, 3], { probe: probe as never })).toThrow('option probe: expected what probe gives');
  }
});
