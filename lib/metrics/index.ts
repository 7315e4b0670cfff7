// index.ts: metrics: functions in lower case are for a trainer's `metrics`, classes count arrays batch by batch.
export type { Aggregate, Metric, Sums, Values } from './aggregate.ts';
export * from './classes.ts';
export * from './ranks.ts';
export { Mae, mae, Perplexity, type PerplexityOptions, perplexity, R2, Rmse, r2, rmse } from './regression.ts';
