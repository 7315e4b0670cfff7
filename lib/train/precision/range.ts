// range.ts: counts how large numbers are, and so how many of them a format of fewer bits would lose, whatever they are multiplied by first.
import type { RefArray } from '../../ir/op.ts';

/** A floating-point format of fewer bits than f64. */
export interface Format {
  /** The smallest number with all of its digits is 2^least. */
  readonly least: number;
  /** Half of the smallest number of all is 2^half: that and whatever is below is rounded to 0. */
  readonly half: number;
  /** Numbers from (2 - 2^-digits) 2^most on are rounded to infinity. */
  readonly most: number;
  readonly digits: number;
}

export const FORMAT_NAMES = ['f32', 'bf16', 'f16'] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];
export const FORMATS: Readonly<Record<FormatName, Format>> = {
  f32: { least: -126, half: -150, most: 127, digits: 24 },
  bf16: { least: -126, half: -134, most: 127, digits: 8 },
  f16: { least: -14, half: -25, most: 15, digits: 11 },
};

/** What a format does to numbers, each a share of those that are not 0. */
export interface FormatShares {
  /** Become 0. */
  readonly lost: number;
  /** Are below the smallest number that has all digits: those that become 0 are among them. */
  readonly below: number;
  /** Become infinite. */
  readonly above: number;
}

/** 2^n, exactly, of whole numbers that f64 holds. */
export function powerOfTwo(n: number): number {
  let power = 1;
  for (let i = 0; i < Math.abs(n); i++) power *= n < 0 ? 0.5 : 2;
  return power;
}

// f64 exponents: those of denormals, which all formats lose, are -1023.
const FIRST = -1023;
const LAST = 1023;
/** Which half of an f64 has its exponent. */
const HIGH = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** Of numbers that are finite and not 0 the largest and the smallest size: 0 and infinity if there is none. */
export interface Extremes {
  readonly largest: number;
  readonly smallest: number;
  /** How many are NaN or infinite. */
  readonly notFinite: number;
}

/** From here on a format has infinity in place of a number. */
export const infiniteFrom = (name: FormatName): number => {
  const { most, digits } = FORMATS[name];
  return (2 - powerOfTwo(-digits)) * powerOfTwo(most);
};
/** Up to here a format has 0 in place of a number. */
export const zeroTo = (name: FormatName): number => powerOfTwo(FORMATS[name].half);

export class Range implements Extremes {
  elements = 0;
  zeros = 0;
  /** None of the shares counts them. */
  notFinite = 0;
  largest = 0;
  smallest: number = Number.POSITIVE_INFINITY;
  /** How many have which exponent. */
  readonly #exponents = new Float64Array(LAST - FIRST + 1);
  /** Of them those that are powers of two. */
  readonly #powers = new Float64Array(LAST - FIRST + 1);
  /** Of them those that a format with the same largest exponent rounds to infinity. */
  readonly #tops: Readonly<Record<FormatName, Float64Array>> = {
    f32: new Float64Array(LAST - FIRST + 1),
    bf16: new Float64Array(LAST - FIRST + 1),
    f16: new Float64Array(LAST - FIRST + 1),
  };

  /** @returns the extremes of these */
  add(values: RefArray): Extremes {
    const wide = values instanceof Float64Array ? values : Float64Array.from(values);
    const words = new Uint32Array(wide.buffer, wide.byteOffset, 2 * wide.length);
    const { f32, bf16, f16 } = this.#tops;
    let [largest, smallest, notFinite] = [0, Number.POSITIVE_INFINITY, 0];
    this.elements += wide.length;
    for (let i = 0; i < wide.length; i++) {
      const size = Math.abs(wide[i]!);
      if (size === 0) {
        this.zeros++;
        continue;
      }
      const high = words[2 * i + HIGH]! & 0x7fffffff;
      const at = high >>> 20;
      if (at === 0x7ff) {
        notFinite++;
        continue;
      }
      if (size > largest) largest = size;
      if (size < smallest) smallest = size;
      this.#exponents[at]!++;
      const mantissa = high & 0xfffff;
      const low = words[2 * i + 1 - HIGH]!;
      if (mantissa === 0 && low === 0) this.#powers[at]!++;
      // As many ones after the point as a format has digits.
      if (mantissa < 0xff000) continue;
      bf16[at]!++;
      if (mantissa >= 0xffe00) f16[at]!++;
      if (mantissa === 0xfffff && low >= 0xf0000000) f32[at]!++;
    }
    this.notFinite += notFinite;
    this.largest = Math.max(this.largest, largest);
    this.smallest = Math.min(this.smallest, smallest);
    return { largest, smallest, notFinite };
  }

  /** Those that are finite and not 0. */
  get counted(): number {
    return this.elements - this.zeros - this.notFinite;
  }

  /** What a format would hold of them, multiplied by 2^power first. */
  held(name: FormatName, power: number = 0): FormatShares {
    const { least, half, most } = FORMATS[name];
    const top = this.#tops[name];
    let [lost, below, above] = [0, 0, 0];
    for (let e = FIRST; e <= LAST; e++) {
      const [i, scaled] = [e - FIRST, e + power];
      const n = this.#exponents[i]!;
      if (scaled < least) below += n;
      if (scaled < half) lost += n;
      else if (scaled === half) lost += this.#powers[i]!;
      if (scaled > most) above += n;
      else if (scaled === most) above += top[i]!;
    }
    const of = Math.max(1, this.counted);
    return { lost: lost / of, below: below / of, above: above / of };
  }

  /** The largest power of two that makes none of them infinite in a format, from 0 to `most`. */
  room(name: FormatName, most: number): number {
    for (let power = most; power > 0; power--) if (this.held(name, power).above === 0) return power;
    return 0;
  }
}
