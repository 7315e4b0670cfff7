// index.ts: the public names of train.
export type { LoadResult } from './checkpoint.ts';
export { type ContextModel, type GenerateOptions, generate, type SteppingModel, type Writer } from './generate.ts';
export type { AbortSignalLike } from './halt.ts';
export type { InspectedModule, InspectedTensor, Inspection, InspectOptions, NonFinitePlace } from './inspect.ts';
export type { LossScaleOptions } from './loss-scale.ts';
export type {
  BatchOptions,
  EarlyStop,
  FitOptions,
  GroupRule,
  LoadOptions,
  SaveOptions,
  TrainerOptions,
  Weights,
  WeightsOptions,
} from './options.ts';
export type { PlateauOptions } from './plateau.ts';
export type { AugmentOption, PreprocessOption, Transforms } from './prepare.ts';
export type { InstructionProfile, Profile } from './profile.ts';
export type { Counters, EpochEnd, FitResult, Metrics, StopReason } from './progress.ts';
export type { Sparsity } from './pruned.ts';
export type { RecordOptions } from './recording.ts';
export * as regularize from './regularize.ts';
export type { RollbackOptions } from './rollback.ts';
export type { Run } from './run.ts';
export {
  type ArrayInput,
  type Arrays,
  type Batch,
  type NdArray,
  rows,
  type Source,
  type WindowsOptions,
  windows,
} from './source.ts';
export type { Measure, Objective } from './step.ts';
export type { Stream } from './stream.ts';
export { Trainer } from './trainer.ts';
export type { Logger, TrainingWarning, TrainingWarningCode, WarningDetails } from './warnings.ts';
