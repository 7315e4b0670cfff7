// double.ts: sums and products of f64 together with what rounding took from them. A number is often kept as two, the second far smaller.

/** What rounding took from a + b = s, |a| >= |b|. */
export const sumRest = (a: number, b: number, s: number): number => a - s + b;

/** What rounding took from a + b = s, whichever is larger (Knuth). */
export function anySumRest(a: number, b: number, s: number): number {
  const part = s - a;
  return a - (s - part) + (b - part);
}

/**
 * What rounding took from a * b = p, to 2^-106 of p: Dekker's, but that numbers are cut by rounding to f32, which machines do in one
 * instruction. For factors from 2^-64 to 2^64.
 */
export function productRest(a: number, b: number, p: number): number {
  const high = Math.fround(a);
  const low = a - high;
  const top = Math.fround(b);
  const end = b - top;
  return high * top - p + high * end + low * top + low * end;
}

/** x^2. */
export const squareOf = (x: number): number => x * x;
