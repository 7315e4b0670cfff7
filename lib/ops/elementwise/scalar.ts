// scalar.ts: the meaning of every elementwise operation of the `map` kernel (binding/kernels/elementwise/maps.inc) as a function of f64.
import { exp, log, log1p, pow, tanh } from '../../math/index.ts';

/** 1 - erf(x), to 1e-14 relative: a series near 0, a continued fraction beyond. */
function erfc(x: number): number {
  if (x < 2) return 1 - erf(x);
  let f = 0;
  for (let n = 120; n > 0; n--) f = n / 2 / (x + f);
  return exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
}
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a >= 2) return Math.sign(x) * (1 - erfc(a));
  let term = x;
  let sum = x;
  for (let n = 1; n < 60; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * exp(-x * x) * sum;
}
const sigmoid = (x: number): number => (x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)));
/** The normal distribution function. */
const cdf = (x: number): number => 0.5 * erfc(-x / Math.SQRT2);
const flag = (condition: boolean): number => (condition ? 1 : 0);
/** The sigmoid's argument in the tanh form of gelu: x / 2 * (1 + tanh(u / 2)) = x * sigmoid(u). */
const geluTanhArg = (x: number): number => 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);

/** Names of the elementwise operations, as in maps.inc. */
export type MapName =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'neg'
  | 'abs'
  | 'sign'
  | 'square'
  | 'sqrt'
  | 'rsqrt'
  | 'reciprocal'
  | 'exp'
  | 'log'
  | 'log1p'
  | 'erf'
  | 'pow'
  | 'tanh'
  | 'sigmoid'
  | 'relu'
  | 'gelu'
  | 'geluTanh'
  | 'silu'
  | 'softplus'
  | 'reluGrad'
  | 'geluGrad'
  | 'geluTanhGrad'
  | 'siluGrad'
  | 'flush'
  | 'minimum'
  | 'maximum'
  | 'clamp'
  | 'less'
  | 'lessEqual'
  | 'equal'
  | 'isFinite'
  | 'where'
  | 'floor'
  | 'round';

/** NaN as in PyTorch: minimum, maximum, clamp and relu hand it on; a comparison with it is 0. */
export const SCALAR: Readonly<Record<MapName, (a: number, b: number, c: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (x) => -x,
  abs: Math.abs,
  sign: (x) => flag(x > 0) - flag(x < 0),
  square: (x) => x * x,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  exp,
  log,
  log1p,
  erf,
  pow,
  tanh,
  sigmoid,
  relu: (x) => Math.max(0, x),
  gelu: (x) => x * cdf(x),
  geluTanh: (x) => x * sigmoid(geluTanhArg(x)),
  silu: (x) => x * sigmoid(x),
  softplus: (x) => Math.max(0, x) + log1p(exp(-Math.abs(x))),
  reluGrad: (y, dy) => (y <= 0 ? 0 : dy),
  geluGrad: (x, dy) => dy * (cdf(x) + (x * exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI)),
  geluTanhGrad(x, dy) {
    const s = sigmoid(geluTanhArg(x));
    return dy * (s + x * s * (1 - s) * 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x));
  },
  siluGrad: (x, dy) => dy * (sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x))),
  /** What the kernel does in f32 only: 0 in place of a denormal. */
  flush: (x) => x,
  minimum: (a, b) => Math.min(a, b),
  maximum: (a, b) => Math.max(a, b),
  clamp: (x, lo, hi) => Math.min(Math.max(x, lo), hi),
  less: (a, b) => flag(a < b),
  lessEqual: (a, b) => flag(a <= b),
  equal: (a, b) => flag(a === b),
  isFinite: (x) => flag(Number.isFinite(x)),
  where: (c, a, b) => (c === 0 ? b : a),
  floor: Math.floor,
  /** Half to even. */
  round: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
};
