// index.ts: the clip policies. Adding one: a file, and a line here.
export { type AdaGCOptions, adaGc } from './adagc.ts';
export { greedyBudget, type StochasticOptions, stochastic } from './budget.ts';
export { chain } from './chain.ts';
export type { ClipColumns, ClipContext, ClipPolicy, Clipped } from './clip.ts';
export { type CompressOptions, oneBit, type QSGDOptions, qsgd, type TopKOptions, topK } from './compress.ts';
export type { NonFinite, NonFiniteOptions } from './finite.ts';
export { type ClipGroup, type GroupsOptions, groups } from './groups.ts';
export { type NoneOptions, none } from './none.ts';
export { averageNorm, blockRms, type GlobalNormOptions, globalNorm, type NormOptions, perTensorNorm } from './norm.ts';
export * as parts from './parts.ts';
export { autoClip, type PercentileOptions, percentile } from './percentile.ts';
export { type NormalizeOptions, normalize, sign, soft, softNorm, suppress, tanh } from './shape.ts';
export { type SpikeSkipOptions, spikeSkip } from './spike-skip.ts';
export { type AdaClipOptions, type AdaGNOptions, adaClip, adaGn } from './stable-spam.ts';
export { type QuantileOptions, quantile, type RunningMeanOptions, runningMean } from './track.ts';
export { type AGCOptions, type AxisNormOptions, agc, axisNorm, centralize, type RowMaxNormOptions, rowMaxNorm } from './unit.ts';
export { type ValueOptions, value } from './value.ts';
export { type ZClipOptions, zclip } from './zclip.ts';
