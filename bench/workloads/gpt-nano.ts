// gpt-nano.ts: 4 blocks of width 128 with 4 heads over 64 characters, batch 12, the head tied to the embedding.
import { GPT, gptLoss } from '../../lib/models/gpt.ts';
import { gptBounds, ids, SEED, type Workload, workload } from '../workload.ts';

export const WORKLOAD: Workload<GPT> = workload({
  model: () => new GPT(65, { context: 64, layers: 4, heads: 4, width: 128 }),
  bounds: gptBounds(4, 128),
  batch: () => ({ x: ids(SEED.x, 65, 12, 64), y: ids(SEED.y, 65, 12, 64) }),
  loss: ({ x, y }, model) => gptLoss({ x, y }, model),
  optimizer: 'adamw',
  product: [768, 512, 128],
  reference: {
    params: 809856,
    loss: [4.18607081, 4.16607043, 4.15092753],
    norm: [0.54523905, 0.43751026, 0.35793572],
  },
});
