// index.ts: metrics: functions in lower case are for a trainer's `metrics`, classes count arrays batch by batch.
export type { IgnoreOptions, ReadingOptions } from '../nn/loss/rows.ts';
export type { Aggregate, Metric, Sums, Values } from './aggregate.ts';
export { Accuracy, type AccuracyOptions, accuracy, TopK, type TopKOptions, topK } from './classes.ts';
export { Perplexity, type PerplexityOptions, perplexity } from './perplexity.ts';
export { AveragePrecision, averagePrecision, ROCAUC, type ROCAUCOptions, rocAuc } from './ranks.ts';
export { MAE, mae, R2, type R2Options, RMSE, r2, rmse } from './regression.ts';
export {
  ConfusionMatrix,
  type ConfusionMatrixOptions,
  F1,
  f1,
  Precision,
  precision,
  Recall,
  recall,
  type ScoreOptions,
} from './scores.ts';
