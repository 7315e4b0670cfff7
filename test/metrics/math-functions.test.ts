// math-functions.test.ts: exp, log, sin and their kin of lib/math against mpmath (golden/ops/math.json), and what IEEE 754 says of special values.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cos, exp, expm1, log, log1p, log10, pow, sin, tanh } from '../../lib/math/index.ts';
import { between } from '../kit.ts';

const own = { cos, exp, expm1, log, log1p, log10, pow, sin, tanh };
type Name = keyof typeof own;
const golden = JSON.parse(readFileSync('test/golden/ops/math.json', 'utf8')) as Record<Name, (number | string)[][]>;
const apply = (name: Name, args: readonly number[]): number => (own[name] as (...args: number[]) => number)(...args);

const float = new Float64Array(1);
const bits = new BigUint64Array(float.buffer);

/** From |x| to the next larger f64. */
function ulp(x: number): number {
  float[0] = Math.abs(x);
  bits[0]! += 1n;
  return float[0] - Math.abs(x);
}

/** Distance from the true value, which is `rest` units above the f64 `near`. */
function distance(got: number, near: number, rest: number): number {
  if (got === near) return Math.abs(rest);
  return Number.isFinite(near) ? Math.abs((got - near) / ulp(near) - rest) : Infinity;
}

describe('at most .56 units in the last place from the truth', () => {
  it.each(Object.keys(own) as Name[])('%s', (name) => {
    const wrong = golden[name].flatMap((row) => {
      const args = row.slice(0, -2).map(Number);
      const got = apply(name, args);
      const off = distance(got, Number(row.at(-2)), Number(row.at(-1)));
      return off <= 0.56 ? [] : [`${name}(${args}) is ${got}: off by ${off}`];
    });
    expect(golden[name].length).toBeGreaterThan(200);
    expect(wrong).toEqual([]);
  });
});

const { NaN: nan } = Number;
const inf = Infinity;
// biome-ignore format: a table
const SPECIAL: [Name, number[], number][] = [
  ['exp', [0], 1], ['exp', [-0], 1], ['exp', [inf], inf], ['exp', [-inf], 0], ['exp', [nan], nan], ['exp', [800], inf], ['exp', [-800], 0],
  ['expm1', [0], 0], ['expm1', [-0], -0], ['expm1', [inf], inf], ['expm1', [-inf], -1], ['expm1', [nan], nan], ['expm1', [5e-324], 5e-324],
  ['expm1', [800], inf], ['expm1', [-800], -1],
  ['log', [1], 0], ['log', [0], -inf], ['log', [-0], -inf], ['log', [-1], nan], ['log', [inf], inf], ['log', [-inf], nan], ['log', [nan], nan],
  ['log1p', [0], 0], ['log1p', [-0], -0], ['log1p', [-1], -inf], ['log1p', [-2], nan], ['log1p', [inf], inf], ['log1p', [nan], nan],
  ['log1p', [5e-324], 5e-324], ['log1p', [-inf], nan],
  ['log10', [1], 0], ['log10', [0], -inf], ['log10', [-1], nan], ['log10', [inf], inf], ['log10', [nan], nan],
  ['sin', [0], 0], ['sin', [-0], -0], ['sin', [inf], nan], ['sin', [-inf], nan], ['sin', [nan], nan], ['sin', [-5e-324], -5e-324],
  ['cos', [0], 1], ['cos', [-0], 1], ['cos', [inf], nan], ['cos', [nan], nan], ['cos', [5e-324], 1], ['cos', [Math.PI], -1],
  ['tanh', [0], 0], ['tanh', [-0], -0], ['tanh', [inf], 1], ['tanh', [-inf], -1], ['tanh', [nan], nan], ['tanh', [1e300], 1],
  ['pow', [nan, 0], 1], ['pow', [inf, -0], 1], ['pow', [1, nan], 1], ['pow', [1, inf], 1], ['pow', [-1, inf], 1], ['pow', [-1, -inf], 1],
  ['pow', [-1, nan], nan], ['pow', [nan, 1], nan], ['pow', [2, nan], nan], ['pow', [-8, 1 / 3], nan],
  ['pow', [0, 3], 0], ['pow', [-0, 3], -0], ['pow', [-0, 2], 0], ['pow', [-0, 0.5], 0], ['pow', [0, -3], inf], ['pow', [-0, -3], -inf],
  ['pow', [-0, -2], inf], ['pow', [-0, -0.5], inf], ['pow', [-0, -inf], inf], ['pow', [0, inf], 0],
  ['pow', [inf, 2], inf], ['pow', [inf, -2], 0], ['pow', [-inf, 3], -inf], ['pow', [-inf, 2], inf], ['pow', [-inf, -3], -0],
  ['pow', [-inf, 0.5], inf], ['pow', [-inf, -0.5], 0], ['pow', [2, inf], inf], ['pow', [2, -inf], 0], ['pow', [-0.5, inf], 0], ['pow', [-0.5, -inf], inf],
  ['pow', [-2, 3], -8], ['pow', [-2, 2], 4], ['pow', [-1, 2 ** 53], 1], ['pow', [-1, 2 ** 53 - 1], -1], ['pow', [-1, 1e300], 1],
  ['pow', [2, 1e300], inf], ['pow', [2, -1e300], 0], ['pow', [-2, 1025], -inf], ['pow', [-2, -1077], -0], ['pow', [1.5, 5e-324], 1],
  ['pow', [Number.MAX_VALUE, 2], inf], ['pow', [1 + 2 ** -52, 2 ** 63], inf], ['pow', [1 - 2 ** -53, 2 ** 63], 0],
];

it.each(SPECIAL)('%s(%j) is %d', (name, args, want) => {
  expect(apply(name, args)).toBe(want);
});

describe('properties', () => {
  const any = fc.double();
  it('powers of two and of ten that f64 holds are exact', () => {
    for (let k = -1074; k < 1024; k++) expect(own.pow(2, k)).toBe(powerOfTwo(k));
    for (let k = 0; k <= 22; k++) expect([own.pow(10, k), own.log10(Number(`1e${k}`))]).toEqual([Number(`1e${k}`), k]);
  });
  it('the first power is the number itself', () => {
    fc.assert(fc.property(any, (x) => Object.is(own.pow(x, 1), x)));
  });
  it('odd and even', () => {
    fc.assert(
      fc.property(any, (x) => {
        expect(own.sin(-x)).toBe(-own.sin(x));
        expect(own.cos(-x)).toBe(own.cos(x));
        expect(own.tanh(-x)).toBe(-own.tanh(x));
      }),
    );
  });
  it('exp, expm1, log and tanh never fall', () => {
    const pairs = fc.tuple(between(-800, 800), between(0, 1e-3));
    fc.assert(
      fc.property(pairs, ([x, more]) => {
        for (const f of [own.exp, own.expm1, own.tanh]) expect(f(x + more)).toBeGreaterThanOrEqual(f(x));
        if (x > 0) expect(own.log(x + more)).toBeGreaterThanOrEqual(own.log(x));
      }),
    );
  });
});

/** 2^k by its bits. */
function powerOfTwo(k: number): number {
  bits[0] = k >= -1022 ? BigInt(k + 1023) << 52n : 1n << BigInt(k + 1074);
  return float[0]!;
}
