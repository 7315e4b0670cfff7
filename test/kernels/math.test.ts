// math.test.ts: accuracy of the elementary functions and activations, in units in the last place against f64, over all magnitudes,
// and equal bits on every ISA with fma. The bounds are those that math.h states, with a little room.
import { describe, expect, it } from 'vitest';
import { Graph, type Node } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { erf } from '../../lib/math/index.ts';
import { addon } from '../../lib/native/addon.ts';
import { MAP } from '../../lib/ops/elementwise/map.ts';
import { rowOf } from '../../lib/ops/elementwise/maps.ts';
import { runNode } from '../run-node.ts';

const { isas } = addon();

/** A map of one step on inputs of `n` elements. */
function single(map: string, arity: number, n: number, dtype: 'f32' | 'f64'): Node {
  const g = new Graph();
  const ins = Array.from({ length: arity }, (_, i) => g.input(`x${i}`, { dtype, shape: [n] }, 'data'));
  return g.add(MAP, ins, { steps: [{ map, args: ins.map((_, i) => ({ in: i })) }], dtype, outDtype: dtype });
}

/** Distance in units in the last place of `bits` bits; results above the largest number count as infinite. */
function ulps(got: number, want: number, { bits, least, most }: { bits: number; least: number; most: number }): number {
  if (Number.isNaN(want)) return Number.isNaN(got) ? 0 : Infinity;
  if (Math.abs(want) > most && Math.abs(got) > most * (1 - 2 ** -bits)) return Math.sign(want) === Math.sign(got) ? 0 : Infinity;
  const unit = Math.max(2 ** (Math.floor(Math.log2(Math.abs(want))) - bits + 1), least);
  return Math.abs(got - want) / unit;
}
const F32 = { bits: 24, least: 2 ** -149, most: 3.4028234663852886e38 };
const F64 = { bits: 53, least: 5e-324, most: Number.MAX_VALUE };

/** The largest distance, and where. */
function worst(got: Data, want: (i: number) => number, where: (i: number) => unknown, format: typeof F32): [number, string] {
  let max = 0;
  let at = '';
  for (let i = 0; i < got.length; i++) {
    const d = ulps(got[i]!, want(i), format);
    if (d > max) {
      max = d;
      at = `at ${where(i)}: ${got[i]}, expected ${want(i)}`;
    }
  }
  return [max, at];
}

/** f32 numbers of every sign and exponent, denormals, infinities and NaN included; every one of `step` by its bits. */
function sweep(lo: number, hi: number, step = 70001): Float32Array {
  const out: number[] = [lo, hi, 0, -0, Infinity, -Infinity, NaN];
  const word = new Uint32Array(1);
  const float = new Float32Array(word.buffer);
  for (let b = 0; b < 2 ** 32; b += step) {
    word[0] = b;
    out.push(float[0]!);
  }
  return new Float32Array(out.filter((x) => Number.isNaN(x) || (x >= lo && x <= hi)));
}

// Name, largest distance with fma and on the baseline, range.
const UNARY: [string, number, number, [number, number]?][] = [
  ['exp', 1.1, 1.1],
  ['log', 0.9, 0.9],
  ['log1p', 0.9, 0.9],
  ['tanh', 2.5, 2.5],
  ['erf', 1.1, 1.2],
  ['sigmoid', 2.4, 2.4],
  ['softplus', 1.6, 1.6],
  ['sin', 1.1, 1.6],
  ['cos', 1.1, 1.6],
  ['mish', 4, 4.5, [-80, 1e30]],
  ['logSigmoid', 1.9, 1.9],
  ['sqrt', 0.51, 0.51],
  ['rsqrt', 1.51, 1.51],
  ['reciprocal', 0.51, 0.51],
  ['silu', 4, 4, [-87, 1e30]],
  ['gelu', 6, 66, [-11.5, 1e30]],
  ['geluTanh', 5, 5, [-1, 1e30]],
];
/** These give 0 in place of a denormal. */
const FLUSHED: ReadonlySet<string> = new Set(['exp', 'sigmoid', 'softplus', 'logSigmoid']);
const LEAST = 2 ** -126;

/** NaN is NaN: which one comes out of two is the processor's choice. */
const bytes = (a: Data): Buffer => Buffer.from(a.map((x) => (Number.isNaN(x) ? NaN : x)).buffer);

describe('f32', () => {
  it.each(UNARY)('%s', (name, bound, baseline, [lo, hi] = [-Infinity, Infinity]) => {
    const x = sweep(lo, hi);
    const want = Float64Array.from(x, (v) => {
      const y = rowOf(name).of(v, NaN, NaN);
      return FLUSHED.has(name) && Math.abs(y) < LEAST ? 0 : y;
    });
    const results = isas.map((isa) => runNode(single(name, 1, x.length, 'f32'), [x], { isa })[0]!);
    results.forEach((got, i) => {
      const [max, at] = worst(got, (e) => want[e]!, (e) => x[e], F32); // biome-ignore format: one line
      expect(max, `${isas[i]} ${at}`).toBeLessThan(isas[i] === 'x86_64' ? baseline : bound);
    });
    if (isas.includes('avx512')) expect(bytes(results[0]!).equals(bytes(results[1]!))).toBe(true);
  });

  it('pow', () => {
    const a: number[] = [];
    const b: number[] = [];
    const exponents = [2, 3, -1, 0.5, -2.5, 10, 1e-3, 77.7, 0, -3, 1e9, Infinity, -Infinity, NaN, 0.1, 1.0001];
    const bases = [...sweep(-Infinity, Infinity, 4_000_037)];
    for (const y of exponents) for (const x of bases) a.push(x) && b.push(y);
    for (const x of [2, -2, 0.9, 1, -1, 0, -0, Infinity, -Infinity, 1.0000001, 1e-40])
      for (const y of bases) a.push(x) && b.push(y);
    const [x, y] = [new Float32Array(a), new Float32Array(b)];
    for (const isa of isas) {
      const got = runNode(single('pow', 2, x.length, 'f32'), [x, y], { isa })[0]!;
      const [max, at] = worst(got, (e) => rowOf('pow').of(x[e]!, y[e]!, NaN), (e) => [x[e], y[e]], F32); // biome-ignore format: one line
      expect(max, `${isa} ${at}`).toBeLessThan(0.76);
    }
  });
});

describe('f64', () => {
  const range = (lo: number, hi: number) =>
    Float64Array.from({ length: 20000 }, (_, i) => lo + ((i * 0.6180339887498949) % 1) * (hi - lo));
  const tiny = Float64Array.from({ length: 4000 }, (_, i) => 2 ** (-i / 4) * (i % 2 ? 1 : -1));
  const huge = tiny.map((x) => 1 / x);
  const sets = (lo: number, hi: number) =>
    new Float64Array([...range(lo, hi), ...tiny, ...huge, 0, -0, Infinity, -Infinity, NaN]);
  // V8's own functions are off by up to 1 ulp themselves.
  it.each<[string, number, [number, number]]>([
    ['exp', 2.5, [-745, 710]],
    ['exp', 2.5, [-2, 2]],
    ['log', 2.5, [0, 3]],
    ['log', 2.5, [0, 1e9]],
    ['log1p', 2.5, [-1, 3]],
    ['tanh', 4, [-4, 4]],
    ['erf', 12, [-6, 6]], // most of it the reference's
    ['sigmoid', 5, [-700, 50]],
  ])('%s, %d ulp', (name, bound, [lo, hi]) => {
    const x = sets(lo, hi);
    for (const isa of isas) {
      const got = runNode(single(name, 1, x.length, 'f64'), [x], { isa })[0]!;
      const [max, at] = worst(got, (e) => rowOf(name).of(x[e]!, NaN, NaN), (e) => x[e], F64); // biome-ignore format: one line
      expect(max, `${isa} ${at}`).toBeLessThan(bound);
    }
  });

  it('pow, 3 ulp', () => {
    const x = range(0, 4);
    for (const y of [2, 3, -1.5, 0.5, 13.7, -100.25, 400]) {
      const ys = new Float64Array(x.length).fill(y);
      for (const isa of isas) {
        const got = runNode(single('pow', 2, x.length, 'f64'), [x, ys], { isa })[0]!;
        const [max, at] = worst(got, (e) => rowOf('pow').of(x[e]!, y, NaN), (e) => [x[e], y], F64); // biome-ignore format: one line
        expect(max, `${isa} ${at}`).toBeLessThan(3);
      }
    }
  });
});

it('the reference itself: erf at known points', () => {
  // Abramowitz and Stegun, table 7.1
  for (const [x, y] of [
    [0.5, 0.5204998778],
    [1, 0.8427007929],
    [1.9, 0.9927904292],
    [2, 0.995322265],
  ] as const) {
    expect(erf(x)).toBeCloseTo(y, 10);
    expect(erf(-x)).toBe(-erf(x));
  }
  expect(rowOf('gelu').of(-8, NaN, NaN) / -8).toBeCloseTo(6.22096057427178e-16, 25);
});
