// index.ts: the ops that users call: functions of tensors. What only the library calls, and every op's record, is in list.ts.

export type {
  AlphaOptions,
  AxisOptions,
  GELUOptions,
  HardtanhOptions,
  LeakyReLUOptions,
  Operand,
  ShrinkOptions,
} from './args.ts';
export * from './elementwise/activation.ts';
export * from './elementwise/elementwise.ts';
export { adaptiveMaxPool1d, adaptiveMaxPool2d } from './image/adaptive-max-pool.ts';
export {
  type AvgPool2dOptions,
  type AvgPoolOptions,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  type OutputSize,
} from './image/avg-pool.ts';
export { type MaxPoolOptions, maxPool1d, maxPool2d } from './image/max-pool.ts';
export { adaptiveAvgPool3d, adaptiveMaxPool3d, avgPool3d, maxPool3d } from './image/volume-pool.ts';
export type { PerDim } from './image/windows.ts';
export { type BatchNormed, batchNorm, type EpsOptions } from './norm/batch-norm.ts';
export { type LayerNormOptions, layerNorm, type RMSNormOptions, rmsNorm } from './norm/row-norm.ts';
export { type AttentionOptions, attention, type HeadsOptions, headsAttention } from './product/attention.ts';
export {
  type Conv1dOptions,
  type Conv2dOptions,
  type Conv3dOptions,
  type ConvTranspose1dOptions,
  type ConvTranspose2dOptions,
  type ConvTranspose3dOptions,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  type Size2d,
  type Size3d,
} from './product/convolve.ts';
export { einsum } from './product/einsum.ts';
export { type MatmulOptions, matmul } from './product/matmul.ts';
export type { Places } from './product/places.ts';
export { type RotaryOptions, rotary } from './product/rotary.ts';
export { bernoulli, categorical, dropout, noise, randn, type UniformOptions, uniform } from './random.ts';
export { gru } from './recurrent/gru.ts';
export { type LSTMStates, lstm } from './recurrent/lstm.ts';
export type { RecurrentOptions, RecurrentStates } from './recurrent/recurrent.ts';
export { type Nonlinearity, type RNNOptions, rnn } from './recurrent/rnn.ts';
export { type CTCOptions, ctcLoss } from './reduce/ctc.ts';
export { type CTCDecodeOptions, ctcDecode } from './reduce/ctc-decode.ts';
export type { TensorStatistics } from './reduce/describe.ts';
export { logSumExp } from './reduce/log-sum-exp.ts';
export { type NormOptions, norm, std, type VarianceOptions, variance } from './reduce/moments.ts';
export { argmax, max, mean, min, type ReduceOptions, type SumOptions, sum } from './reduce/reduce.ts';
export { cumprod, cumsum, type ScanOptions } from './reduce/scan.ts';
export { logSoftmax, softmax } from './reduce/softmax.ts';
export { type ScatterOptions, scatter, takeAlongAxis } from './rows/along.ts';
export type { BagMode } from './rows/bag-attrs.ts';
export { type EmbeddingBagOptions, embeddingBag } from './rows/embedding-bag.ts';
export { embedding, gather, type LookupOptions, type ScatterAddOptions, scatterAdd } from './rows/gather.ts';
export { oneHot } from './rows/one-hot.ts';
export { type Sorted, type SortOptions, sort, type TopKOptions, topK } from './rows/sort.ts';
export { concat, stack } from './shape/concat.ts';
export { type ArangeOptions, arange, type FillOptions, full, ones, zeros } from './shape/fill.ts';
export { chunk, type DiagonalOptions, flip, repeat, roll, split, tril, triu } from './shape/parts.ts';
export { broadcastTo, expandDims, reshape, squeeze, type TransposeOptions, transpose } from './shape/shape.ts';
export { type PadOptions, pad, type SliceOptions, slice } from './shape/slice.ts';
export { type Printed, type PrintOptions, print } from './step/print.ts';
export { stopGradient, straightThrough } from './step/stop.ts';
