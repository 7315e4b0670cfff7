// list.ts: every policy by its name, with a threshold near the norms that tests and benchmarks give it: what enumerates policies starts here.

import type { ClipPolicy } from './clip.ts';
import { adaGc } from './policies/adagc.ts';
import { greedyBudget, stochastic } from './policies/budget.ts';
import { chain } from './policies/chain.ts';
import { oneBit, qsgd, topK } from './policies/compress.ts';
import { groups } from './policies/groups.ts';
import { none } from './policies/none.ts';
import { averageNorm, blockRms, globalNorm, perTensorNorm } from './policies/norm.ts';
import { autoClip, percentile } from './policies/percentile.ts';
import { normalize, sign, soft, softNorm, suppress, tanh } from './policies/shape.ts';
import { spikeSkip } from './policies/spike-skip.ts';
import { adaClip, adaGn } from './policies/stable-spam.ts';
import { quantile, runningMean } from './policies/track.ts';
import { agc, axisNorm, centralize, rowMaxNorm } from './policies/unit.ts';
import { value } from './policies/value.ts';
import { zclip } from './policies/zclip.ts';

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
  averageNorm: () => averageNorm(1e-4),
  blockRms: () => blockRms(0.01),
  axisNorm: () => axisNorm(0.1),
  'axisNorm columns': () => axisNorm(0.1, { axis: 'columns' }),
  rowMaxNorm: () => rowMaxNorm(1),
  agc: () => agc(),
  autoClip: () => autoClip(),
  percentile: () => percentile(),
  zclip: () => zclip(),
  adaGc: () => adaGc(),
  adaClip: () => adaClip(),
  adaGn: () => adaGn(),
  quantile: () => quantile(),
  runningMean: () => runningMean(),
  stochastic: () => stochastic(1),
  greedyBudget: () => greedyBudget(1),
  soft: () => soft(0.01),
  softNorm: () => softNorm(1),
  tanh: () => tanh(0.01),
  suppress: () => suppress(0.01),
  normalize: () => normalize(),
  'normalize tensor': () => normalize({ scope: 'tensor' }),
  sign: () => sign(),
  centralize: () => centralize(),
  qsgd: () => qsgd(),
  'qsgd forgetting': () => qsgd({ errorFeedback: false }),
  oneBit: () => oneBit(),
  topK: () => topK(0.01),
  'topK global': () => topK(0.01, { scope: 'global' }),
  spikeSkip: () => spikeSkip(),
  'spikeSkip ema': () => spikeSkip({ mode: 'ema' }),
  chain: () => chain(value(0.01), globalNorm(1)),
  groups: () => groups([{ match: '0*', policy: perTensorNorm(0.5) }, { policy: globalNorm(1) }]),
};
