// char-gru.ts: embedding 65x64, GRU 256 over 128 steps, to 65 characters.
import type { CharRNN } from '../../lib/models/index.ts';
import { charRecurrent } from '../char-recurrent.ts';
import type { Workload } from '../workload.ts';

export const WORKLOAD: Workload<CharRNN> = charRecurrent('gru', {
  params: 268161,
  loss: [4.17823571, 4.17749475, 4.17675715],
  norm: [0.04250594, 0.04228879, 0.04207968],
});
