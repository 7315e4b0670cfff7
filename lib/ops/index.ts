// index.ts: the ops that users call: functions of tensors. What only the library calls, and every op's record, is in list.ts.
export { type GELUOptions, gelu, relu, sigmoid, silu, softplus, tanh } from './activation.ts';
export type { AxisOptions } from './args.ts';
export { type AttentionOptions, attention, type HeadsOptions, headsAttention } from './attention.ts';
export {
  type AvgPool2dOptions,
  type AvgPoolOptions,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  type OutputSize,
} from './avg-pool.ts';
export { type BatchNormed, batchNorm, type EpsOptions } from './batch-norm.ts';
export { concat, type PadOptions, pad, stack } from './concat.ts';
export {
  type Conv1dOptions,
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  conv1d,
  conv2d,
  convTranspose2d,
  type Size2d,
} from './convolve.ts';
export type { TensorStatistics } from './describe.ts';
export {
  abs,
  add,
  type ClampOptions,
  cast,
  clamp,
  div,
  equal,
  erf,
  exp,
  floor,
  greater,
  greaterEqual,
  isFinite,
  less,
  lessEqual,
  log,
  log1p,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  pow,
  reciprocal,
  round,
  rsqrt,
  sign,
  sqrt,
  square,
  sub,
  where,
} from './elementwise.ts';
export { type BagMode, type EmbeddingBagOptions, embeddingBag } from './embedding-bag.ts';
export { embedding, gather, type LookupOptions, oneHot, type ScatterAddOptions, scatterAdd } from './gather.ts';
export { gru } from './gru.ts';
export { logSumExp } from './log-sum-exp.ts';
export { type LSTMStates, lstm } from './lstm.ts';
export { type Activation, type MatmulOptions, matmul } from './matmul.ts';
export { type MaxPoolOptions, maxPool1d, maxPool2d } from './max-pool.ts';
export type { Operand } from './operand.ts';
export { type Printed, type PrintOptions, print } from './print.ts';
export { dropout, noise } from './random.ts';
export type { RecurrentOptions, RecurrentStates } from './recurrent.ts';
export { argmax, max, mean, min, type ReduceOptions, type SumOptions, sum } from './reduce.ts';
export { type Nonlinearity, type RNNOptions, rnn } from './rnn.ts';
export { type RotaryOptions, rotary } from './rotary.ts';
export { type LayerNormOptions, layerNorm, type RMSNormOptions, rmsNorm } from './row-norm.ts';
export {
  broadcastTo,
  expandDims,
  reshape,
  type SliceOptions,
  slice,
  squeeze,
  type TransposeOptions,
  transpose,
} from './shape.ts';
export { logSoftmax, softmax } from './softmax.ts';
export type { PerDim } from './windows.ts';
