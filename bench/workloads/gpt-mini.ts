// gpt-mini.ts: 6 blocks of width 384 with 6 heads over 256 characters, batch 4, the head tied to the embedding.
import { GPT, gptLoss } from '../../lib/models/gpt.ts';
import { gptBounds, ids, SEED, type Workload, workload } from '../workload.ts';

export const WORKLOAD: Workload<GPT> = workload({
  model: () => new GPT(65, { context: 256, layers: 6, heads: 6, width: 384 }),
  bounds: gptBounds(6, 384),
  batch: () => ({ x: ids(SEED.x, 65, 4, 256), y: ids(SEED.y, 65, 4, 256) }),
  loss: ({ x, y }, model) => gptLoss({ x, y }, model),
  optimizer: 'adamw',
  product: [1024, 1536, 384],
  reference: {
    params: 10770816,
    loss: [4.2359273, 4.16049813, 4.11967545],
    norm: [1.68463841, 1.06069466, 0.56531696],
  },
});
