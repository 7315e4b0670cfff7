// index.ts: the list of all ops, and every public function of theirs. Adding an op: a line here.
import type { OpDef } from '../ir/op.ts';
import { ACCUMULATE, CARRY, HEAD, LEAVE } from './accumulate.ts';
import { ACTIVATIONS } from './activation.ts';
import { ANALYZE } from './analyze.ts';
import { ATTENTION, ATTENTION_GRAD } from './attention.ts';
import { AUGMENT } from './augment.ts';
import { AVG_POOLS } from './avg-pool.ts';
import { BATCH_NORMS } from './batch-norm.ts';
import { CONCAT, PAD } from './concat.ts';
import { FAIL_IF } from './control.ts';
import { CONV2D, CONV2D_GRAD_INPUT, CONV2D_GRAD_WEIGHT } from './conv.ts';
import { CROSS_ENTROPIES } from './cross-entropy.ts';
import { ELEMENTWISE } from './elementwise.ts';
import { EMBEDDING_BAG, EMBEDDING_BAG_GRAD } from './embedding-bag.ts';
import { GATHERS } from './gather.ts';
import { GRU, GRU_GRAD } from './gru.ts';
import { HISTORY_MOMENTS, HISTORY_PUSH, HISTORY_QUANTILE } from './history.ts';
import { GREEDY_BUDGET, SUM_SEGMENTS } from './lists.ts';
import { LSTM, LSTM_GRAD } from './lstm.ts';
import { MAP } from './map.ts';
import { MATMUL } from './matmul.ts';
import { MAX_POOLS } from './max-pool.ts';
import { PROJECT } from './project.ts';
import { PRUNE_MAGNITUDE, PRUNE_ROWS } from './pruning.ts';
import { DROPOUT, NOISE, UNIFORM } from './random.ts';
import { REDUCTIONS } from './reduce.ts';
import { RESAMPLES } from './resample.ts';
import { RESIDUAL } from './residual.ts';
import { RNN, RNN_GRAD } from './rnn.ts';
import { ROTARY } from './rotary.ts';
import { ROW_NORMS } from './row-norm.ts';
import { UPDATES } from './rules/index.ts';
import { SCALARS } from './scalars.ts';
import { SCATTER_ROWS } from './scatter-rows.ts';
import { KTH_LARGEST } from './select.ts';
import { BROADCAST_TO, RESHAPE, SLICE, TRANSPOSE } from './shape.ts';
import { SOFTMAXES } from './softmax.ts';
import { LOOKUP_ROWS, PUT_ROWS, TAKE_ROWS } from './sparse-rows.ts';
import { STAGED } from './staged.ts';
import { STATISTIC } from './statistics.ts';
import { UNIT_STATISTIC } from './unit-statistic.ts';

export * from './accumulate.ts';
export * from './activation.ts';
export { type AttentionOptions, attention, type HeadsOptions, headsAttention } from './attention.ts';
export * from './augment.ts';
export { adaptiveAvgPool1d, adaptiveAvgPool2d, avgPool1d, avgPool2d } from './avg-pool.ts';
export { type BatchNormed, batchNorm } from './batch-norm.ts';
export * from './concat.ts';
export * from './control.ts';
export { conv1d, conv2d, convTranspose2d } from './convolve.ts';
export * from './cross-entropy.ts';
export * from './elementwise.ts';
export { type BagMode, type EmbeddingBagOptions, embeddingBag } from './embedding-bag.ts';
export {
  embedding,
  GATHER,
  GATHERS,
  type GatherAttrs,
  gather,
  ONE_HOT,
  type OneHotAttrs,
  oneHot,
  SCATTER_ADD,
  type ScatterAddAttrs,
  scatterAdd,
  WINDOWS,
  type WindowsAttrs,
  windows,
} from './gather.ts';
export * from './gru.ts';
export { historyMoments, historyPush, historyQuantile, historyType } from './history.ts';
export { greedyBudget, perUnit, sumSegments } from './lists.ts';
export { logSumExp } from './log-sum-exp.ts';
export * from './lstm.ts';
export { ACTS, type Activation, MATMUL, type MatmulAttrs, type MatmulOptions, matmul } from './matmul.ts';
export { maxPool1d, maxPool2d } from './max-pool.ts';
export * from './project.ts';
export * from './pruning.ts';
export * from './random.ts';
export type { RecurrentOptions, RecurrentStates } from './recurrent.ts';
export {
  ARGMAX,
  type ArgmaxAttrs,
  argmax,
  MAX,
  MEAN,
  MIN,
  max,
  mean,
  min,
  REDUCTIONS,
  type ReduceAttrs,
  type ReduceOptions,
  SUM,
  type SumAttrs,
  type SumOptions,
  sum,
  sumTo,
} from './reduce.ts';
export { resample, type Tap } from './resample.ts';
export { residual } from './residual.ts';
export * from './rnn.ts';
export { type RotaryOptions, rotary } from './rotary.ts';
export {
  type LayerNormOptions,
  layerNorm,
  type RmsNormOptions,
  rmsNorm,
} from './row-norm.ts';
export * from './rules/index.ts';
export { kthLargest } from './select.ts';
export * from './shape.ts';
export { LOG_SOFTMAX, LOG_SOFTMAX_GRAD, logSoftmax, SOFTMAX, SOFTMAX_GRAD, SOFTMAXES, softmax } from './softmax.ts';
export type { Stage, Units } from './stage.ts';
export * as stage from './stage.ts';
export { staged } from './staged.ts';
export * from './statistics.ts';
export { type UnitStatisticOptions, unitStatistic } from './unit-statistic.ts';
export * from './update.ts';

/** Every op's record. Tests enumerate it. */
// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
export const OPS: readonly OpDef<any>[] = [
  MAP,
  SCALARS,
  ...ELEMENTWISE,
  ...ACTIVATIONS,
  RESHAPE,
  TRANSPOSE,
  BROADCAST_TO,
  SLICE,
  CONCAT,
  PAD,
  DROPOUT,
  NOISE,
  UNIFORM,
  AUGMENT,
  ...REDUCTIONS,
  ...GATHERS,
  SCATTER_ROWS,
  LOOKUP_ROWS,
  TAKE_ROWS,
  PUT_ROWS,
  EMBEDDING_BAG,
  EMBEDDING_BAG_GRAD,
  ...SOFTMAXES,
  ...MAX_POOLS,
  ...AVG_POOLS,
  ...RESAMPLES,
  ...BATCH_NORMS,
  ...ROW_NORMS,
  ATTENTION,
  ATTENTION_GRAD,
  ROTARY,
  ...CROSS_ENTROPIES,
  RNN,
  RNN_GRAD,
  LSTM,
  LSTM_GRAD,
  GRU,
  GRU_GRAD,
  MATMUL,
  CONV2D,
  CONV2D_GRAD_INPUT,
  CONV2D_GRAD_WEIGHT,
  STAGED,
  RESIDUAL,
  STATISTIC,
  UNIT_STATISTIC,
  HISTORY_QUANTILE,
  HISTORY_MOMENTS,
  HISTORY_PUSH,
  SUM_SEGMENTS,
  GREEDY_BUDGET,
  KTH_LARGEST,
  ANALYZE,
  PROJECT,
  PRUNE_MAGNITUDE,
  PRUNE_ROWS,
  ...UPDATES,
  ACCUMULATE,
  HEAD,
  CARRY,
  LEAVE,
  FAIL_IF,
];
