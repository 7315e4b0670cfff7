// list.ts: every workload of the laboratory by its name.
import type { LabWorkload } from '../workload.ts';
import { CLASS_IMBALANCE } from './dense/class-imbalance.ts';
import { DEEP_TANH } from './dense/deep-tanh.ts';
import { HEAVY_TAILS } from './dense/heavy-tails.ts';
import { MLP_LARGE } from './dense/mlp-large.ts';
import { MLP_SMALL } from './dense/mlp-small.ts';
import { MLP_TINY } from './dense/mlp-tiny.ts';
import { RARE_HUGE_INPUTS } from './dense/rare-huge-inputs.ts';
import { SMALL_BATCH } from './dense/small-batch.ts';
import { LABEL_NOISE } from './image/label-noise.ts';
import { LARGE_BATCH } from './image/large-batch.ts';
import { LENET } from './image/lenet.ts';
import { RESNET20 } from './image/resnet20.ts';
import { NCF_DENSE, NCF_SPARSE } from './recommendation/ncf.ts';
import { ZIPF_EMBEDDINGS } from './recommendation/zipf-embeddings.ts';
import { CHAR_GRU, CHAR_LSTM, CHAR_RNN } from './recurrent/characters.ts';
import { COPYING } from './recurrent/copying.ts';
import { IDENTITY_RNN } from './recurrent/identity-rnn.ts';
import { RNN_ADDING } from './recurrent/rnn-adding.ts';
import { TEMPORAL_ORDER } from './recurrent/temporal-order.ts';
import { DEEP_TRANSFORMER } from './transformer/deep-transformer.ts';
import { GPT_NANO } from './transformer/gpt-nano.ts';

const ALL: readonly LabWorkload[] = [
  // Small forms of the benchmark's.
  ...[
    MLP_TINY,
    MLP_SMALL,
    MLP_LARGE,
    LENET,
    RESNET20,
    CHAR_RNN,
    CHAR_LSTM,
    CHAR_GRU,
    RNN_ADDING,
    NCF_DENSE,
    NCF_SPARSE,
    GPT_NANO,
  ],
  // What makes gradients explode, vanish, or have heavy tails.
  ...[DEEP_TANH, IDENTITY_RNN, TEMPORAL_ORDER, COPYING, DEEP_TRANSFORMER],
  ...[HEAVY_TAILS, LABEL_NOISE, CLASS_IMBALANCE, RARE_HUGE_INPUTS, LARGE_BATCH, SMALL_BATCH, ZIPF_EMBEDDINGS],
];

/** By name, in the order of tables. */
export const WORKLOADS: ReadonlyMap<string, LabWorkload> = new Map(ALL.map((workload) => [workload.name, workload]));
