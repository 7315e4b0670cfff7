// index.ts: everything that users import.
export { grad } from './autodiff.ts';
export type { ClipPolicy } from './clip/index.ts';
export * as clip from './clip/index.ts';
export * from './errors.ts';
export * from './history/index.ts';
export * as io from './io/index.ts';
export { Graph, type Tensor } from './ir/graph.ts';
export type { DType, TensorType } from './ir/op.ts';
export { printGraph } from './ir/print.ts';
export { runtime } from './native/runtime.ts';
export * as nn from './nn/index.ts';
export { init, loss, Module, Parameter } from './nn/index.ts';
export * as ops from './ops/index.ts';
export type { Optimizer, Report } from './optim/index.ts';
export * as optim from './optim/index.ts';
export { analyze } from './optim/index.ts';
export * from './train/index.ts';
