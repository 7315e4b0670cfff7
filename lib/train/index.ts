// index.ts: the public names of train.

export type { Stream, StreamPlace, TablePlace } from './feed/batch.ts';
export { type BatchesOptions, type BatchStream, batches } from './feed/batches.ts';
export {
  type ColumnsByArray,
  type ColumnsOf,
  type ColumnsOptions,
  type ColumnValues,
  columns,
  type ReadColumnsOptions,
  readColumns,
  type TableSource,
} from './feed/columns.ts';
export type { AugmentOption, PreprocessOption, Transforms } from './feed/prepare.ts';
export {
  type Bucket,
  type SequenceBatchesOptions,
  type SequenceExample,
  type SequenceLists,
  type SequenceNames,
  type Sequences,
  type SequencesOptions,
  sequenceBatches,
  sequences,
} from './feed/sequences.ts';
export {
  type ArrayInput,
  type Arrays,
  type Batch,
  type BatchOf,
  type NdArray,
  rows,
  type Source,
  type WindowsOptions,
  windows,
} from './feed/source.ts';
export type { AbortSignalLike } from './flow/halt.ts';
export type { InstructionProfile, Profile } from './flow/profile.ts';
export type { Counters, EpochEnd, FitResult, Metrics, RunExtent, StopReason } from './flow/progress.ts';
export type { Logger, TrainingWarning, TrainingWarningCode, WarningDetails } from './flow/warnings.ts';
export {
  type GenerateBatchOptions,
  type GenerateOptions,
  type GenerateStreamOptions,
  generate,
  generateStream,
  type WritingOptions,
} from './generate/generate.ts';
export type { ContextModel, DecodingModel, SteppingModel } from './generate/next.ts';
export type { Decoder } from './generate/stop.ts';
export type { Writer } from './generate/writers.ts';
export type {
  BatchOptions,
  ChangeOptions,
  FitOptions,
  GroupRule,
  LoadOptions,
  OnnxExport,
  OnnxInputs,
  OnnxOptions,
  OnnxShape,
  OnnxValueType,
  ParametersOptions,
  ParameterValues,
  PredictOptions,
  PredictorOptions,
  RunOptions,
  SaveOptions,
  SavePrunedOptions,
  TrainerOptions,
  Weights,
  WeightsOptions,
} from './options.ts';
export type { HeldOf, OutputArrays, OutputTensors, OutputTypes } from './outputs.ts';
export type {
  NormBy,
  NormsByOrder,
  ParameterPrecision,
  PrecisionFinding,
  RoundingErrors,
  ScaledLoss,
  ValueRange,
} from './precision/measured.ts';
export type { PrecisionOptions } from './precision/precision.ts';
export type { FormatShares } from './precision/range.ts';
export type { PrecisionReport } from './precision/report.ts';
export type { Predictor } from './predictor.ts';
export type { Gradients, GradientsOptions } from './programs/gradients.ts';
export type { InspectedModule, InspectedTensor, Inspection, InspectOptions, NonFinitePlace } from './programs/inspect.ts';
export type { ProbeOptions } from './run/probe.ts';
export type { Run } from './run/run.ts';
export type { Mismatch } from './state/checkpoint.ts';
export type { CheckpointOptions, Every } from './state/checkpoint-files.ts';
export type { LoadResult } from './state/matching.ts';
export type { NameMatch, Rename } from './state/naming.ts';
export type { PlateauOptions } from './state/plateau.ts';
export type { Sparsity } from './state/pruned.ts';
export type { Snapshot } from './state/snapshot.ts';
export type { WeightValues, WriteOptions } from './state/transfer.ts';
export type { LossScaleOptions } from './step/loss-scale.ts';
/** Penalties that are added to the loss. */
export * as regularize from './step/regularize.ts';
export type { Measure, Objective } from './step/step.ts';
export { Trainer } from './trainer.ts';
export type { Callback, CallbackRun, StepReports } from './watch/callback.ts';
export type { EarlyStop } from './watch/early-stop.ts';
export type { RecordOptions } from './watch/recording.ts';
export type { RollbackOptions } from './watch/rollback.ts';
