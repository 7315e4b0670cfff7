// index.ts: the public names of train.
export type { LoadResult } from './checkpoint.ts';
export type { LossScaleOptions } from './loss-scale.ts';
export type { BatchOptions, EarlyStop, FitOptions, GroupRule, TrainerOptions, Weights, WeightsOptions } from './options.ts';
export type { PlateauOptions } from './plateau.ts';
export type { InstrProfile, Profile } from './profile.ts';
export type { Counters, EpochEnd, FitResult, Metrics, StopReason } from './progress.ts';
export type { Sparsity } from './pruned.ts';
export type { RecordOptions } from './recording.ts';
export type { RegularizeOptions, Regularizer } from './regularize.ts';
export * as regularize from './regularize.ts';
export type { Run } from './run.ts';
export { type Arrays, type Batch, type NdArray, rows, type Source, windows } from './source.ts';
export type { Objective } from './step.ts';
export type { Stream } from './stream.ts';
export { Trainer } from './trainer.ts';
