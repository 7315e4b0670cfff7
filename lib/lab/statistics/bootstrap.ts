// bootstrap.ts: where a mean over workloads and their seeds lies: both are drawn, workloads first, then seeds within each.
import { quantile, sorted } from '../../history/numbers.ts';
import { uniformIntegers } from '../../ir/draws.ts';

/** Samples that are drawn. */
const SAMPLES = 1000;

/**
 * The interval of 95 % of a mean of values that come in groups (Davison and Hinkley 1997, 3.8): as many groups are drawn as there are, with replacement, and of
 * each as many of its values. The mean is over all values alike.
 */
export function groupedInterval(groups: readonly (readonly number[])[], samples: number = SAMPLES): readonly [number, number] {
  const chosen = new Int32Array(groups.length);
  const most = Math.max(0, ...groups.map((group) => group.length));
  const within = new Int32Array(groups.length * most);
  const means = Array.from({ length: samples }, (_, i) => {
    uniformIntegers(chosen, groups.length, 0n, i);
    // One draw for all values of all groups: a large number, of which each takes the rest.
    uniformIntegers(within, 2 ** 31 - 1, 1n, i);
    let [sum, n] = [0, 0];
    for (let g = 0; g < chosen.length; g++) {
      const group = groups[chosen[g]!]!;
      for (let k = 0; k < group.length; k++) sum += group[within[g * most + k]! % group.length]!;
      n += group.length;
    }
    return sum / n;
  });
  const order = sorted(means);
  return [quantile(order, 0.025), quantile(order, 0.975)];
}
