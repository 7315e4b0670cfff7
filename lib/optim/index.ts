// index.ts: the optimizers. Adding one: a file, and a line here.

export { type AdamOptions, adam, adamw } from './adam.ts';
export {
  type Analysis,
  type AnalyzeOptions,
  analyze,
  type GroupAnalysis,
  type Norms,
  type TensorAnalysis,
} from './analyze.ts';
export type { Named } from './arrays.ts';
export type { BindOptions, BoundOptimizer, OptimizerState } from './bound.ts';
export type { Optimizer, Slot } from './optimizer.ts';
export { type Report, Reports } from './report.ts';
export * as schedule from './schedule.ts';
export { type SgdOptions, sgd } from './sgd.ts';
