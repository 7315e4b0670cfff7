// fft.ts: the discrete Fourier transform of a length that is a power of 2, in f64.
import { cos, sin } from '../math/index.ts';

/** cos and -sin of parts of the circle; the last ones that were used are kept. */
let circle: { readonly length: number; readonly re: Float64Array; readonly im: Float64Array } | null = null;

function circleOf(length: number): { readonly re: Float64Array; readonly im: Float64Array } {
  if (circle?.length !== length) {
    const [re, im] = [new Float64Array(length / 2), new Float64Array(length / 2)];
    for (let i = 0; i < length / 2; i++) {
      const angle = (2 * Math.PI * i) / length;
      re[i] = cos(angle);
      im[i] = -sin(angle);
    }
    circle = { length, re, im };
  }
  return circle;
}

/** In place. What comes out is in the order of reversed bits, which `inverse` takes. */
export function forward(re: Float64Array, im: Float64Array): void {
  const { length } = re;
  const { re: c, im: s } = circleOf(length);
  for (let half = length / 2; half >= 1; half /= 2) {
    const stride = length / 2 / half;
    for (let block = 0; block < length; block += 2 * half) {
      for (let j = 0; j < half; j++) {
        const a = block + j;
        const b = a + half;
        const x = re[a]! - re[b]!;
        const y = im[a]! - im[b]!;
        re[a] = re[a]! + re[b]!;
        im[a] = im[a]! + im[b]!;
        const u = c[j * stride]!;
        const v = s[j * stride]!;
        re[b] = x * u - y * v;
        im[b] = x * v + y * u;
      }
    }
  }
}

/** Undoes `forward`. */
export function inverse(re: Float64Array, im: Float64Array): void {
  const { length } = re;
  const { re: c, im: s } = circleOf(length);
  for (let half = 1; half < length; half *= 2) {
    const stride = length / 2 / half;
    for (let block = 0; block < length; block += 2 * half) {
      for (let j = 0; j < half; j++) {
        const a = block + j;
        const b = a + half;
        const u = c[j * stride]!;
        const v = -s[j * stride]!;
        const x = re[b]! * u - im[b]! * v;
        const y = re[b]! * v + im[b]! * u;
        re[b] = re[a]! - x;
        im[b] = im[a]! - y;
        re[a] = re[a]! + x;
        im[a] = im[a]! + y;
      }
    }
  }
  for (let i = 0; i < length; i++) {
    re[i] = re[i]! / length;
    im[i] = im[i]! / length;
  }
}

/** (re + i im)^n, number by number, in place. */
export function raise(re: Float64Array, im: Float64Array, n: number): void {
  // By squares, for all numbers at once: what is still to be multiplied lies in two arrays.
  const x = re.slice();
  const y = im.slice();
  re.fill(1);
  im.fill(0);
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) multiply(re, im, x, y);
    if (left > 1) multiply(x, y, x, y);
  }
}

/** Number by number, into the first. */
export function multiply(re: Float64Array, im: Float64Array, byRe: Float64Array, byIm: Float64Array): void {
  for (let i = 0; i < re.length; i++) {
    const a = re[i]!;
    const b = im[i]!;
    const c = byRe[i]!;
    const d = byIm[i]!;
    const x = a * c - b * d;
    const y = a * d + b * c;
    // What is next to nothing would become subnormal, and slow.
    const some = Math.abs(x) + Math.abs(y) > 1e-140;
    re[i] = some ? x : 0;
    im[i] = some ? y : 0;
  }
}
