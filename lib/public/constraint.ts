// constraint.ts: what users have of constraints: `constraint`.
export {
  type Constraint,
  type ConstraintRule,
  maxNorm,
  type NormConstraintOptions,
  nonNegative,
  unitNorm,
  weightClip,
} from '../optim/weights/constraint.ts';
