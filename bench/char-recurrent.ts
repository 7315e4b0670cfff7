// char-recurrent.ts: the workloads char-lstm and char-gru: embedding 65x64, 256 hidden over 128 steps, to 65 characters.
import { CharRNN, charRnnLoss } from '../lib/models/index.ts';
import { ids, linearBounds, type Reference, SEED, type Workload, workload } from './workload.ts';

export function charRecurrent(kind: 'lstm' | 'gru', reference: Reference): Workload<CharRNN> {
  return workload({
    model: () => new CharRNN(65, { kind }),
    bounds: [1, ...linearBounds(256, 256, 256)],
    batch: () => ({ x: ids(SEED.x, 65, 32, 128), y: ids(SEED.y, 65, 32, 128) }),
    loss: charRnnLoss,
    optimizer: 'adamw',
    product: [32, (kind === 'lstm' ? 4 : 3) * 256, 256],
    reference,
  });
}
