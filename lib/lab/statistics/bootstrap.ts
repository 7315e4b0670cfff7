// bootstrap.ts: where a mean over workloads and their seeds lies: both are drawn, workloads first, then seeds within each.
import { quantile, sorted } from '../../history/numbers.ts';
import { uniformIntegers } from '../../ir/draws.ts';

/** Samples that are drawn. */
const SAMPLES = 1000;

/**
 * Samples of values that come in groups (Davison and Hinkley 1997, 3.8): as many groups are drawn as there are, with replacement, and of each as many of its
 * values. Drawn once, and used for all values that come in such groups, so that differences between them are of the same samples.
 */
export class GroupedSamples {
  readonly #sizes: readonly number[];
  /** Indices of the values of each sample, one after the other, as they lie group by group; where each sample ends. */
  readonly #drawn: Int32Array[];

  /** @param sizes values of each group */
  constructor(sizes: readonly number[], samples: number = SAMPLES) {
    this.#sizes = sizes;
    const starts = sizes.map((_, g) => sizes.slice(0, g).reduce((a, b) => a + b, 0));
    const most = Math.max(0, ...sizes);
    const chosen = new Int32Array(sizes.length);
    // A large number for each value, of which groups of any size take the rest.
    const within = new Int32Array(sizes.length * most);
    this.#drawn = Array.from({ length: samples }, (_, i) => {
      uniformIntegers(chosen, sizes.length, 0n, i);
      uniformIntegers(within, 2 ** 31 - 1, 1n, i);
      const indices: number[] = [];
      for (const [g, group] of chosen.entries()) {
        const size = sizes[group]!;
        for (let k = 0; k < size; k++) indices.push(starts[group]! + (within[g * most + k]! % size));
      }
      return Int32Array.from(indices);
    });
  }

  /** The interval that holds 95 % of the means. @param values group by group */
  interval(values: readonly number[]): readonly [low: number, high: number] {
    if (this.#sizes.length === 0) return [Number.NaN, Number.NaN];
    const means = this.#drawn.map((indices) => {
      let sum = 0;
      for (let i = 0; i < indices.length; i++) sum += values[indices[i]!]!;
      return sum / indices.length;
    });
    const order = sorted(means);
    return [quantile(order, 0.025), quantile(order, 0.975)];
  }
}
