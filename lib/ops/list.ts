// list.ts: every op's record, and the functions of ops that only the library calls; users have index.ts. Adding an op: a line here.
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

export { accumulate, carry, leave } from './accumulate.ts';
export { augment } from './augment.ts';
export { failIf } from './control.ts';
export { softmaxCrossEntropy, weighedCrossEntropy, weighedNll } from './cross-entropy.ts';
export { windows } from './gather.ts';
export { historyMoments, historyPush, historyQuantile } from './history.ts';
export { greedyBudget, sumSegments } from './lists.ts';
export { project } from './project.ts';
export { pruneMagnitude, pruneRows } from './pruning.ts';
export { uniform } from './random.ts';
export { sumTo } from './reduce.ts';
export { resample } from './resample.ts';
export { residual } from './residual.ts';
export { kthLargest } from './select.ts';
export { staged } from './staged.ts';
export { maxAbs, statistic, sumSquares } from './statistics.ts';
export { unitStatistic } from './unit-statistic.ts';
export { update } from './update.ts';

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
