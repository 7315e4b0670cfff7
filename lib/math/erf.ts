// erf.ts: the error function.
import { exp } from './exponential.ts';

/** 1 - erf(x), to 1e-14 relative: a series near 0, a continued fraction beyond. */
export function erfc(x: number): number {
  if (x < 2) return 1 - erf(x);
  let f = 0;
  for (let n = 120; n > 0; n--) f = n / 2 / (x + f);
  return exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
}
/** The error function. */
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
