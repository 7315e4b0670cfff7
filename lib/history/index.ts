// index.ts: the public names of history.
export {
  type Advice,
  type AdviseOptions,
  advise,
  type LayerAdvice,
  type ThresholdEvidence,
  type ThresholdRule,
} from './advise.ts';
export type { Columns, History, HistoryLike, Layers, RecordedOptimizer, RecordedParameter, RecordHeader } from './history.ts';
export type { Estimate, Probe, ProbedParameter, ProbedUnits } from './probe.ts';
export { readRecord } from './read.ts';
export { type Policies, type Replay, type Replayed, type ReplayOptions, replay } from './replay.ts';
export type { ClockEvent, EpochEvent, GuardFinding, RunEvent, ValidationEvent } from './run/events.ts';
export type { Tail } from './tail.ts';
export type { Cure, Warning, WarningCode } from './warning.ts';
