// decimal.ts: decimal numbers from ASCII bytes, correctly rounded, without making a string for the usual ones.

/** Exact in f64: 10^22 is the last that is. */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const ZERO = 48;
const MINUS = 45;
const PLUS = 43;
const DOT = 46;

/**
 * The number in bytes[from, to): `-12`, `.5`, `1.`, `6.02e+23`. NaN where it is anything else; NaN and Infinity are not
 * spelled. A mantissa below 2^53 and a power of ten up to 22 are both exact in f64, so one product or quotient rounds
 * correctly (Clinger 1990); the rest goes through Number().
 * @param dot what stands before a fraction: the code of a dot, or of a comma
 */
export function parseDecimal(bytes: Uint8Array, from: number, to: number, dot: number = DOT): number {
  let at = from;
  const negative = bytes[at] === MINUS;
  if (negative || bytes[at] === PLUS) at++;
  let mantissa = 0;
  let digits = 0;
  let fraction = 0;
  for (let seenDot = false; at < to; at++) {
    const c = bytes[at]!;
    if (c >= ZERO && c <= ZERO + 9) {
      mantissa = mantissa * 10 + (c - ZERO);
      digits++;
      if (seenDot) fraction++;
    } else if (c === dot && !seenDot) seenDot = true;
    else break;
  }
  if (digits === 0) return Number.NaN;
  let exponent = 0;
  if (at < to) {
    if ((bytes[at]! | 32) !== 101) return Number.NaN; // e or E
    at++;
    const down = bytes[at] === MINUS;
    if (down || bytes[at] === PLUS) at++;
    if (at >= to) return Number.NaN;
    for (; at < to; at++) {
      const c = bytes[at]!;
      if (c < ZERO || c > ZERO + 9) return Number.NaN;
      exponent = Math.min(exponent * 10 + (c - ZERO), 100_000);
    }
    if (down) exponent = -exponent;
  }
  exponent -= fraction;
  if (mantissa > Number.MAX_SAFE_INTEGER || exponent > 22 || exponent < -22) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
    return Number(dot === DOT ? text : text.replace(',', '.'));
  }
  const value = exponent < 0 ? mantissa / POWERS[-exponent]! : mantissa * POWERS[exponent]!;
  return negative ? -value : value;
}
