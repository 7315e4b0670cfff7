// histogram.ts: how many of some numbers are how large: each power of two cut in eight, found by the bits of a number, and so exact and quick.

/** Bits of an f32 below those that tell its bucket: sign, exponent, and the first three of the mantissa. */
const BELOW = 20;
const SIGN = 1 << (31 - BELOW);
/** Buckets of numbers that are finite, of each sign. */
const FINITE = 0xff << (23 - BELOW);
const LARGEST = 3.4028234663852886e38;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The smallest number of a bucket, or the end of the last. */
function edge(bucket: number): number {
  if (bucket >= FINITE) return LARGEST;
  bits[0] = (bucket << BELOW) >>> 0;
  return float[0]!;
}

/** Counts by bucket while an array is gone through; all zeros between two calls. */
const scratch = new Uint32Array(2 * SIGN);

/** Of numbers as f32. Those that are not finite are only counted. */
export class Histogram {
  min: number = Number.POSITIVE_INFINITY;
  max: number = Number.NEGATIVE_INFINITY;
  sum: number = 0;
  squares: number = 0;
  /** Of finite ones. */
  count: number = 0;
  nonFinite: number = 0;
  readonly #counts = new Map<number, number>();

  /** Buckets from the least number to the greatest: where each ends, and how many it has. Between two that have any lies none, or one that is empty. */
  get buckets(): { readonly limits: number[]; readonly counts: number[] } {
    const limits: number[] = [];
    const counts: number[] = [];
    const filled = [...this.#counts].map(([bucket, n]) => ({ ...endsOf(bucket), n }));
    for (const { from, to, n } of filled.sort((a, b) => a.from - b.from)) {
      if (limits.length > 0 && limits.at(-1)! < from) {
        limits.push(from);
        counts.push(0);
      }
      limits.push(to);
      counts.push(n);
    }
    return { limits, counts };
  }

  addAll(values: Float32Array, from: number = 0, to: number = values.length): void {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    let { min, max, sum, squares } = this;
    let nonFinite = 0;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      if (value - value !== 0) {
        nonFinite++;
        continue;
      }
      scratch[words[i]! >>> BELOW]!++;
      sum += value;
      squares += value * value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    this.min = min;
    this.max = max;
    this.sum = sum;
    this.squares = squares;
    this.nonFinite += nonFinite;
    this.count += Math.max(0, to - from) - nonFinite;
    for (let bucket = 0; bucket < scratch.length; bucket++) {
      const n = scratch[bucket]!;
      if (n === 0) continue;
      scratch[bucket] = 0;
      this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + n);
    }
  }

  add(value: number): void {
    float[0] = value;
    const near = float[0]!;
    if (!Number.isFinite(near)) {
      this.nonFinite++;
      return;
    }
    const bucket = bits[0]! >>> BELOW;
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
    this.count++;
    this.sum += near;
    this.squares += near * near;
    this.min = Math.min(this.min, near);
    this.max = Math.max(this.max, near);
  }

  /** As numbers that a checkpoint may hold. */
  toNumbers(): number[] {
    const { min, max, sum, squares, count, nonFinite } = this;
    return [min, max, sum, squares, count, nonFinite, ...[...this.#counts].flat()];
  }

  /** @throws TypeError for what `toNumbers` does not give */
  static ofNumbers(numbers: unknown): Histogram {
    const made = new Histogram();
    if (!Array.isArray(numbers) || numbers.length < 6 || numbers.length % 2 === 1 || numbers.some((n) => typeof n !== 'number'))
      throw new TypeError('expected the numbers of a histogram');
    const [min, max, sum, squares, count, nonFinite, ...counts] = numbers as number[];
    Object.assign(made, { min, max, sum, squares, count, nonFinite });
    for (let i = 0; i < counts.length; i += 2) made.#counts.set(counts[i]!, counts[i + 1]!);
    return made;
  }
}

/** Where a bucket begins and ends. */
function endsOf(bucket: number): { readonly from: number; readonly to: number } {
  if (bucket < SIGN) return { from: edge(bucket), to: edge(bucket + 1) };
  const size = bucket - SIGN;
  // -0 is no end: it is 0.
  return { from: -edge(size + 1), to: 0 - edge(size) };
}
