// index.ts: the clip policies. Adding one: a file of policies/, and a line here.

export type {
  AutoDecision,
  AutoPlan,
  AutoStep,
  ClipColumns,
  ClipContext,
  ClipPolicy,
  Clipped,
  PerSampleRule,
  SampleContext,
  SampleTotals,
  SampleWeights,
} from './clip.ts';
export type { NonFinite, NonFiniteOptions } from './finite.ts';

/** What policies are made of, for those of one's own. */
export * as parts from './parts.ts';
export { type AdaGCOptions, adaGc } from './policies/adagc.ts';
export { type AutoOptions, auto } from './policies/auto.ts';
export { greedyBudget, type StochasticOptions, stochastic } from './policies/budget.ts';
export { chain } from './policies/chain.ts';
export { type CompressOptions, oneBit, type QSGDOptions, qsgd, type TopKOptions, topK } from './policies/compress.ts';
export { type ClipGroup, type GroupsOptions, groups } from './policies/groups.ts';
export { type MapOptions, map } from './policies/map.ts';
export { type NoneOptions, none } from './policies/none.ts';
export { averageNorm, blockRms, type GlobalNormOptions, globalNorm, type NormOptions, perTensorNorm } from './policies/norm.ts';
export { type PerSampleOptions, perSample } from './policies/per-sample.ts';
export { autoClip, type PercentileOptions, percentile } from './policies/percentile.ts';
export { type NormalizeOptions, normalize, sign, soft, softNorm, suppress, tanh } from './policies/shape.ts';
export { type SpikeSkipOptions, spikeSkip } from './policies/spike-skip.ts';
export { type AdaClipOptions, type AdaGNOptions, adaClip, adaGn } from './policies/stable-spam.ts';
export { type QuantileOptions, quantile, type RunningMeanOptions, runningMean } from './policies/track.ts';
export {
  type AGCOptions,
  type AxisNormOptions,
  agc,
  axisNorm,
  centralize,
  type RowMaxNormOptions,
  rowMaxNorm,
} from './policies/unit.ts';
export { type ValueOptions, value } from './policies/value.ts';
export { type ZClipOptions, zclip } from './policies/zclip.ts';
export type { CapOptions, YoungOptions } from './young.ts';
