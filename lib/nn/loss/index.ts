// index.ts: the losses. Adding one: a function in one of these files.
export * from './binary.ts';
export * from './distance.ts';
export {
  type ClassOptions,
  type CrossEntropyOptions,
  crossEntropy,
  type FocalOptions,
  focal,
  nll,
} from './labels.ts';
export * from './margins.ts';
export { type LossOptions, type Numbers, type Reduction, type ReductionOptions, weightedMean } from './reduction.ts';
export * from './regression.ts';
export * from './sequences.ts';
