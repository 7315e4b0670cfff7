// list.ts: every policy by its name, with a threshold near the norms that tests and benchmarks give it: what enumerates policies starts here.
import { chain } from './chain.ts';
import type { ClipPolicy } from './clip.ts';
import { none } from './none.ts';
import { globalNorm, perTensorNorm } from './norm.ts';
import { value } from './value.ts';

/** A name is that of the function, and what is particular to the case after a blank. */
export const POLICIES: Readonly<Record<string, () => ClipPolicy>> = {
  none: () => none(),
  value: () => value(0.01),
  'value unchecked': () => value(0.01, { nonFinite: 'propagate' }),
  globalNorm: () => globalNorm(1),
  'globalNorm 1': () => globalNorm(1, { p: 1 }),
  'globalNorm inf': () => globalNorm(0.01, { p: Infinity }),
  'globalNorm 3': () => globalNorm(1, { p: 3 }),
  perTensorNorm: () => perTensorNorm(0.5),
  chain: () => chain(value(0.01), globalNorm(1)),
};
