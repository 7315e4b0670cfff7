// char-lstm.ts: embedding 65x64, LSTM 256 over 128 steps, to 65 characters.
import type { CharRNN } from '../../lib/models/index.ts';
import { charRecurrent } from '../char-recurrent.ts';
import type { Workload } from '../workload.ts';

export const WORKLOAD: Workload<CharRNN> = charRecurrent('lstm', {
  params: 350593,
  loss: [4.17615853, 4.17576168, 4.17536637],
  norm: [0.02578968, 0.02567376, 0.0255619],
});
