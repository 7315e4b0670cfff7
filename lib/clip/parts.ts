// parts.ts: what the policies here are built of, for policies of your own: `clip.parts`. See examples/custom-policy.ts.
export { type UnitStatisticOptions, unitStatistic } from '../ops/gradient/unit-statistic.ts';
export { thresholdOf } from './clip.ts';
export type { Limit } from './fields.ts';
export { type NonFiniteRule, nonFiniteRule } from './finite.ts';
export {
  checkLimit,
  checkPolicy,
  type Measured,
  measure,
  measureOnly,
  perGradient,
  remembered,
  scaled,
  scaleOf,
  shaped,
} from './measure.ts';
/** What is done to gradients, element by element, wherever they are read. */
export * as stage from './stages.ts';
