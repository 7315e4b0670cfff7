// index.ts: the public names of nn. Adding a layer: a line here.

export { GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh } from './layers/activation.ts';
export { type LoraOptions, lora, mergeLora } from './layers/adapters.ts';
export { type AttentionMasks, MultiheadAttention, type MultiheadAttentionOptions } from './layers/attention.ts';
export type { CachedAttentionOptions, KeyValueCache } from './layers/cache.ts';
export {
  Conv1d,
  type Conv1dLayerOptions,
  Conv2d,
  type Conv2dLayerOptions,
  ConvTranspose2d,
  type ConvTranspose2dLayerOptions,
} from './layers/conv.ts';
export { Dropout } from './layers/dropout.ts';
export {
  type BagInputs,
  Embedding,
  EmbeddingBag,
  type EmbeddingBagLayerOptions,
  type EmbeddingOptions,
} from './layers/embedding.ts';
export { Flatten, type FlattenOptions, Identity, Unflatten } from './layers/flatten.ts';
export { Linear, type LinearOptions } from './layers/linear.ts';
export { Lora, type LoraTerms } from './layers/lora.ts';
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from './layers/norm/batch-norm.ts';
export { GroupNorm, type GroupNormOptions, InstanceNorm1d, InstanceNorm2d } from './layers/norm/group-norm.ts';
export { LayerNorm, type LayerNormOptions, RMSNorm, type RMSNormOptions } from './layers/norm/row-norm.ts';
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
} from './layers/pad.ts';
export { AdaptiveAvgPool1d, AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d } from './layers/pool.ts';
export { LearnedPositions, type LearnedPositionsOptions, type PositionsInput, SinusoidalPositions } from './layers/positions.ts';
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
} from './layers/recurrent/recurrent.ts';
export { type Layer, Sequential } from './layers/sequential.ts';
export {
  type DecoderMasks,
  type StackOptions,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from './layers/transformer.ts';
export { Upsample, type UpsampleOptions } from './layers/upsample.ts';
export { checkpointed } from './module/checkpointed.ts';
/** Initial values of parameters. */
export * as init from './module/init.ts';
export {
  Buffer,
  type BufferOptions,
  type Match,
  Module,
  Parameter,
  type ParameterOptions,
  type Pattern,
} from './module/module.ts';
