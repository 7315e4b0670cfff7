// index.ts: the public names of nn. Adding a layer: a line here.
export { GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh } from './activation.ts';
export { type AttentionMasks, MultiheadAttention, type MultiheadAttentionOptions } from './attention.ts';
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from './batch-norm.ts';
export {
  Conv1d,
  type Conv1dLayerOptions,
  Conv2d,
  type Conv2dLayerOptions,
  ConvTranspose2d,
  type ConvTranspose2dLayerOptions,
} from './conv.ts';
export { Dropout } from './dropout.ts';
export {
  type BagInputs,
  Embedding,
  EmbeddingBag,
  type EmbeddingBagLayerOptions,
  type EmbeddingOptions,
} from './embedding.ts';
export { Flatten, type FlattenOptions, Identity, Unflatten } from './flatten.ts';
export { GroupNorm, type GroupNormOptions, InstanceNorm1d, InstanceNorm2d } from './group-norm.ts';
export * as init from './init.ts';
export { Linear, type LinearOptions } from './linear.ts';
export {
  Buffer,
  type BufferOptions,
  type Match,
  Module,
  Parameter,
  type ParameterOptions,
  type Pattern,
} from './module.ts';
export {
  CircularPad1d,
  CircularPad2d,
  ConstantPad1d,
  ConstantPad2d,
  type Padding,
  ReflectionPad1d,
  ReflectionPad2d,
  ReplicationPad1d,
  ReplicationPad2d,
  ZeroPad1d,
  ZeroPad2d,
} from './pad.ts';
export { AdaptiveAvgPool1d, AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d } from './pool.ts';
export { LearnedPositions, type LearnedPositionsOptions, SinusoidalPositions } from './positions.ts';
export {
  GRU,
  LSTM,
  type LSTMInput,
  type LSTMRecurrent,
  type Recurrent,
  type RecurrentInput,
  type RecurrentOptions,
  RNN,
  type RNNOptions,
} from './recurrent.ts';
export { LayerNorm, type LayerNormOptions, RMSNorm, type RMSNormOptions } from './row-norm.ts';
export { type Layer, Sequential } from './sequential.ts';
export {
  type DecoderMasks,
  type StackOptions,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from './transformer.ts';
export { Upsample, type UpsampleOptions } from './upsample.ts';
