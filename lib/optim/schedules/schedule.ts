// schedule.ts: learning rates, thresholds and momenta that depend on the step. Steps count from 0: the first update sees step 0. Each is a
// closed form of the step, so a resumed run goes on exactly; lengths in epochs are those of the data that a fit is given. (What depends on the validation is the trainer's `plateau`.)

export * from './combine.ts';
export * from './cycle.ts';
export {
  type ConstantOptions,
  type CosineOptions,
  constant,
  cosine,
  type ExponentialOptions,
  exponential,
  type InverseSqrtOptions,
  inverseSqrt,
  type LinearOptions,
  linear,
  type MultiStepOptions,
  multiStep,
  type PolynomialOptions,
  polynomial,
  type Schedule,
  type StepOptions,
  step,
  type WarmupOptions,
  warmup,
} from './decay.ts';
export type { Length } from './length.ts';
