// policies-suite.ts: the suite of policies and optimizers: verified against each other, compared with the peers that have them.
import { isTensors, POLICIES_CELLS } from '../lib/cli/bench/policies.ts';
import { policiesPage } from '../lib/cli/bench/policies-page.ts';
import { policiesRow, type Rounds } from '../lib/cli/bench/rows.ts';
import { median } from '../lib/text/format.ts';
import { bootstrap } from '../lib/tune/statistics.ts';
import type { Digest } from './engine.ts';
import { policiesTables } from './policies-tables.ts';
import { short } from './report.ts';
import { checkStep, workloadNames } from './step-suite.ts';
import type { Suite } from './suite.ts';

/** What clipped gradients of others may differ by from ours, relative to what they are measured by: they sum squares in f32. */
const TOLERANCE = 1e-3;

/** Seconds of a round of a place, about, on one thread of a usual machine: the slow ones get more of a run's time, but few rounds. */
const WEIGHTS: Readonly<Record<string, number>> = {
  ...{ '6x40k': 0.05, '200x4k': 0.06, '2000x8k': 0.15, '25x1M': 0.25 },
  ...{ 'mlp-small': 0.06, 'mlp-large': 0.7 },
};

export const policies: Suite = {
  cells: POLICIES_CELLS,
  peers: ['torch', 'jax', 'keras'],
  variants: (info) => info.variants,
  part: (variant) => (variant === 'read' ? 0.25 : 1),
  alike: placeOf,
  settle: 20,
  weight: (cell, threads) => WEIGHTS[placeOf(cell)]! * (threads === 1 ? 1 : 0.7),
  row: policiesRow,
  compare: (theirs, ours) => ({ ...times('ratio', theirs, ours, 'with'), ...times('without_ratio', theirs, ours, 'without') }),
  bars: () => [],
  page: policiesPage,
  tables: policiesTables,
  async check(cell, engine, ours) {
    const [kind, place, name] = cell.split('/') as [string, string, string];
    if (kind !== 'policy') return null;
    // In steps of a workload, a clip by global norm 1 is what the workload records.
    const recorded = workloadNames().includes(place) && name === 'globalNorm' ? await checkStep(place, engine.info) : null;
    if (recorded !== null || ours === null) return recorded;
    if (isTensors(place)) return compareDigests(await ours.digest(), await engine.digest());
    return compareNorms(ours.info.norm_after, engine.info.norm_after);
  },
};

/** How many times longer theirs takes, and what that lies between with 95 % confidence, as costs do. */
function times(name: string, theirs: Rounds, ours: Rounds, variant: string): Record<string, number> {
  const own = ours.get(variant)!;
  const ratios = theirs.get(variant)!.map((sample, round) => sample.median_ms / own[round]!.median_ms);
  const { value, interval } = bootstrap(ratios, median);
  return { [name]: short(value), [`${name}_low`]: short(interval[0]), [`${name}_high`]: short(interval[1]) };
}

function placeOf(cell: string): string {
  return cell.split('/')[1]!;
}

/** Norm, sum and largest element of each clipped gradient, or of what else is made. */
export function compareDigests(
  ours: Digest | null,
  theirs: Digest | null,
  [what, each]: readonly [what: string, each: string] = ['its clip', 'gradient'],
): string | null {
  if (ours === null || theirs === null) return `it does not tell what ${what} makes of the ${each}s`;
  if (ours.length !== theirs.length) return `${what} has ${theirs.length} ${each}s, not ${ours.length}`;
  for (const [i, [norm, sum, most]] of ours.entries()) {
    const [theirNorm, theirSum, theirMost] = theirs[i]! as [number, number, number];
    // A sum may be of numbers that cancel each other: it is as far off as the norm may be.
    const far = [theirNorm - norm!, theirSum - sum!, theirMost - most!].some((d, k) => {
      return !(Math.abs(d) <= TOLERANCE * (k === 2 ? most! : norm!));
    });
    if (far) return `${what} makes of ${each} ${i} norm, sum and most ${theirs[i]!.join(', ')}, ours ${ours[i]!.join(', ')}`;
  }
  return null;
}

/** Of all clipped gradients in the first step; what ours does not measure is not compared. */
export function compareNorms(ours: unknown, theirs: unknown): string | null {
  const [own, other] = [(ours as readonly number[] | undefined)?.[0], (theirs as readonly number[] | undefined)?.[0]];
  if (own === undefined || own === null || Number.isNaN(own)) return null;
  if (other === undefined) return 'it does not tell the norm of the clipped gradients';
  return Math.abs(other / own - 1) <= TOLERANCE ? null : `the norm after its clip is ${other}, after ours ${own}`;
}
