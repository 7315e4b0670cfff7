// list.ts: every op's record, and the functions of ops that only the library calls; users have index.ts. Adding an op: a line here.
import type { OpDef } from '../ir/op.ts';
import { COMPOUNDS } from './elementwise/compounds.ts';
import { CAST, MAP, SCALARS } from './elementwise/map.ts';
import { MAPS } from './elementwise/maps.ts';
import { NARROW, WIDEN } from './elementwise/narrow.ts';
import { ANALYZE } from './gradient/analyze.ts';
import { DECIDE } from './gradient/decide.ts';
import { GAUSSIAN_NOISE } from './gradient/gaussian-noise.ts';
import { HISTORY_MOMENTS, HISTORY_PUSH, HISTORY_QUANTILE } from './gradient/history.ts';
import { GREEDY_BUDGET, SUM_SEGMENTS } from './gradient/lists.ts';
import { PART_STATISTIC } from './gradient/part-statistic.ts';
import { RESIDUAL } from './gradient/residual.ts';
import { KTH_LARGEST } from './gradient/select.ts';
import { STAGED } from './gradient/staged.ts';
import { STATISTIC } from './gradient/statistics.ts';
import { UNIT_STATISTIC } from './gradient/unit-statistic.ts';
import { AUGMENT } from './image/augment.ts';
import { AVG_POOLS } from './image/avg-pool.ts';
import { MAX_POOLS } from './image/max-pool.ts';
import { RESAMPLES } from './image/resample.ts';
import { BATCH_NORMS } from './norm/batch-norm.ts';
import { NORMALIZATIONS } from './norm/normalize.ts';
import { ROW_NORMS } from './norm/row-norm.ts';
import { SYNCED_NORM } from './norm/synced-norm.ts';
import { ATTENTION, ATTENTION_GRAD } from './product/attention.ts';
import { APPEND_ROWS, CACHED_ATTENTION } from './product/cached-attention.ts';
import { CONVOLUTIONS } from './product/conv.ts';
import { MATMUL } from './product/matmul.ts';
import { ROTARY } from './product/rotary.ts';
import { DROPOUT, NOISE, RANDOM, UNIFORM } from './random.ts';
import { GRU, GRU_GRAD } from './recurrent/gru.ts';
import { LSTM, LSTM_GRAD } from './recurrent/lstm.ts';
import { RNN, RNN_GRAD } from './recurrent/rnn.ts';
import { CROSS_ENTROPIES } from './reduce/cross-entropy.ts';
import { FUSED_CROSS_ENTROPIES } from './reduce/cross-entropy-fused.ts';
import { CTC_LOSS, CTC_LOSS_GRAD } from './reduce/ctc.ts';
import { REDUCTIONS } from './reduce/reduce.ts';
import { SCANS } from './reduce/scan.ts';
import { SOFTMAXES } from './reduce/softmax.ts';
import { PUT_ALONG, TAKE_ALONG } from './rows/along.ts';
import { EMBEDDING_BAG, EMBEDDING_BAG_GRAD } from './rows/embedding-bag.ts';
import { GATHER, SCATTER_ADD } from './rows/gather.ts';
import { HIDE_SAMPLES } from './rows/hide-samples.ts';
import { INDICES } from './rows/indices.ts';
import { ONE_HOT } from './rows/one-hot.ts';
import { SCATTER_ROWS } from './rows/scatter-rows.ts';
import { SORTS } from './rows/sort.ts';
import { LOOKUP_ROWS, PUT_ROWS, TAKE_ROWS } from './rows/sparse-rows.ts';
import { WINDOWS } from './rows/windows.ts';
import { CONCAT } from './shape/concat.ts';
import { BROADCAST_TO, RESHAPE, TRANSPOSE } from './shape/shape.ts';
import { PAD, SLICE } from './shape/slice.ts';
import { ACCUMULATE, CARRY, HEAD, LEAVE } from './step/accumulate.ts';
import { ALL_GATHER } from './step/all-gather.ts';
import { FAIL_IF } from './step/control.ts';
import { OWN_PART } from './step/parts.ts';
import { KEEP_ROWS, SYNC_ROWS } from './step/rows-of-step.ts';
import { STOP, STRAIGHT } from './step/stop.ts';
import { SYNC, SYNC_BEGIN } from './step/sync.ts';
import { UPDATE_CHAIN } from './update/own-update.ts';
import { PROJECT } from './update/project.ts';
import { PRUNE_MAGNITUDE, PRUNE_ROWS } from './update/pruning.ts';

export { drawSecretKey, gaussianNoise, SECRET_KEY } from './gradient/gaussian-noise.ts';
export { historyMoments, historyPush, historyQuantile } from './gradient/history.ts';
export { greedyBudget, sumSegments } from './gradient/lists.ts';
export { residual } from './gradient/residual.ts';
export { kthLargest } from './gradient/select.ts';
export { staged } from './gradient/staged.ts';
export { maxAbs, statistic, sumSquares } from './gradient/statistics.ts';
export { unitStatistic } from './gradient/unit-statistic.ts';
export { augment } from './image/augment.ts';
export { resample } from './image/resample.ts';
export { appendRows, cachedAttention } from './product/cached-attention.ts';
export { uniformNumber } from './random.ts';
export { softmaxCrossEntropy, weighedCrossEntropy, weighedNll } from './reduce/cross-entropy.ts';
export { sumTo } from './reduce/reduce.ts';
export { windows } from './rows/windows.ts';
export { accumulate, carry, leave } from './step/accumulate.ts';
export { failIf } from './step/control.ts';
export { project } from './update/project.ts';
export { pruneMagnitude, pruneRows } from './update/pruning.ts';
export { update } from './update/update.ts';

/** Every op's record. Tests enumerate it. */
// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
export const OPS: readonly OpDef<any>[] = [
  MAP,
  SCALARS,
  ...MAPS,
  ...COMPOUNDS,
  CAST,
  NARROW,
  WIDEN,
  STOP,
  STRAIGHT,
  SYNCED_NORM,
  SYNC,
  ALL_GATHER,
  OWN_PART,
  SYNC_BEGIN,
  KEEP_ROWS,
  SYNC_ROWS,
  RESHAPE,
  TRANSPOSE,
  BROADCAST_TO,
  SLICE,
  CONCAT,
  PAD,
  DROPOUT,
  NOISE,
  UNIFORM,
  RANDOM,
  GAUSSIAN_NOISE,
  AUGMENT,
  ...REDUCTIONS,
  ...SCANS,
  INDICES,
  GATHER,
  SCATTER_ADD,
  HIDE_SAMPLES,
  ONE_HOT,
  WINDOWS,
  TAKE_ALONG,
  PUT_ALONG,
  ...SORTS,
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
  ...NORMALIZATIONS,
  ...ROW_NORMS,
  ATTENTION,
  ATTENTION_GRAD,
  APPEND_ROWS,
  CACHED_ATTENTION,
  ROTARY,
  ...CROSS_ENTROPIES,
  ...FUSED_CROSS_ENTROPIES,
  CTC_LOSS,
  CTC_LOSS_GRAD,
  RNN,
  RNN_GRAD,
  LSTM,
  LSTM_GRAD,
  GRU,
  GRU_GRAD,
  MATMUL,
  ...CONVOLUTIONS,
  STAGED,
  RESIDUAL,
  STATISTIC,
  PART_STATISTIC,
  DECIDE,
  UNIT_STATISTIC,
  HISTORY_QUANTILE,
  HISTORY_MOMENTS,
  HISTORY_PUSH,
  SUM_SEGMENTS,
  GREEDY_BUDGET,
  KTH_LARGEST,
  ANALYZE,
  UPDATE_CHAIN,
  PROJECT,
  PRUNE_MAGNITUDE,
  PRUNE_ROWS,
  ACCUMULATE,
  HEAD,
  CARRY,
  LEAVE,
  FAIL_IF,
];
