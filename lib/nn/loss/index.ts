// index.ts: the losses, and the accuracy of a classifier. Adding one: a function in one of these files.
export * from './binary.ts';
export * from './distance.ts';
export * from './labels.ts';
export type { LossOptions, Numbers, Reduction, ReductionOptions } from './reduction.ts';
export * from './regression.ts';
