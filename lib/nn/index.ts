// index.ts: the public names of nn. Adding a layer: a line here.

export { Hardshrink, Hardsigmoid, Hardswish, Hardtanh, Softshrink, Tanhshrink } from './layers/activations/bounded.ts';
export { CELU, ELU, LeakyReLU, PReLU, type PReLUOptions, ReLU6, SELU } from './layers/activations/rectifiers.ts';
export { GLU, LogSigmoid, Mish, Softsign } from './layers/activations/smooth.ts';
export { GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh } from './layers/activations/usual.ts';
export { type LoraOptions, lora, mergeLora } from './layers/adapters.ts';
export { type AttentionMasks, MultiheadAttention, type MultiheadAttentionOptions } from './layers/attention.ts';
export type { CachedAttentionOptions, KeyValueCache } from './layers/cache.ts';
export {
  Conv1d,
  type Conv1dLayerOptions,
  Conv2d,
  type Conv2dLayerOptions,
  Conv3d,
  type Conv3dLayerOptions,
  ConvTranspose1d,
  type ConvTranspose1dLayerOptions,
  ConvTranspose2d,
  type ConvTranspose2dLayerOptions,
  ConvTranspose3d,
  type ConvTranspose3dLayerOptions,
} from './layers/conv.ts';
export { Dropout, Dropout1d, Dropout2d, Dropout3d } from './layers/dropout.ts';
export {
  type BagInputs,
  Embedding,
  EmbeddingBag,
  type EmbeddingBagLayerOptions,
  type EmbeddingOptions,
} from './layers/embedding.ts';
export { Transformer, type TransformerMasks, type TransformerOptions } from './layers/encoder-decoder.ts';
export { Flatten, type FlattenOptions, Identity, Unflatten } from './layers/flatten.ts';
export { Linear, type LinearOptions } from './layers/linear.ts';
export { Lora, type LoraTerms } from './layers/lora.ts';
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormOptions } from './layers/norm/batch-norm.ts';
export { GroupNorm, type GroupNormOptions } from './layers/norm/group-norm.ts';
export { InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, type InstanceNormOptions } from './layers/norm/instance-norm.ts';
export { LayerNorm, type LayerNormOptions, RMSNorm, type RMSNormOptions } from './layers/norm/row-norm.ts';
export {
  CircularPad1d,
  CircularPad2d,
  CircularPad3d,
  ConstantPad1d,
  ConstantPad2d,
  ConstantPad3d,
  type Padding,
  ReflectionPad1d,
  ReflectionPad2d,
  ReflectionPad3d,
  ReplicationPad1d,
  ReplicationPad2d,
  ReplicationPad3d,
  ZeroPad1d,
  ZeroPad2d,
  ZeroPad3d,
} from './layers/pad.ts';
export { PixelShuffle, PixelUnshuffle } from './layers/pixel-shuffle.ts';
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
} from './layers/pool.ts';
export { LearnedPositions, type LearnedPositionsOptions, type PositionsInput, SinusoidalPositions } from './layers/positions.ts';
export {
  type CellOptions,
  GRUCell,
  LSTMCell,
  type LSTMCellInput,
  type LSTMCellStates,
  RNNCell,
  type RNNCellOptions,
} from './layers/recurrent/cells.ts';
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
export { LogSoftmax, Softmax } from './layers/softmax.ts';
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
