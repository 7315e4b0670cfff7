// ncf.ts: embeddings 50,000x64 and 20,000x64 into an MLP 128-128-64-1: large tables of which a step reads a few rows.
import { NCF } from '../../lib/models/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { floats, ids, linearBounds, SEED, type Workload, workload } from '../workload.ts';

/** @param sparse update the rows of the batch alone: the same losses, since every row of them is in every batch */
export const ncf = (sparse: boolean): Workload<NCF> =>
  workload({
    model: () => new NCF({ users: 50_000, items: 20_000, sparse }),
    bounds: [1, 1, ...linearBounds(128, 128, 64)],
    batch: () => ({ x: ids(SEED.x, 50_000, 1024), item: ids(SEED.x2, 20_000, 1024), y: floats(SEED.y, 1024) }),
    loss: ({ x, item, y }, model) => loss.mse(model.forward(x, item!), y),
    optimizer: 'adamw',
    product: [1024, 128, 128],
    reference: {
      params: 4504833,
      loss: [0.34408458, 0.34332246, 0.34256872],
      norm: [0.06193417, 0.06121995, 0.06053527],
    },
  });

export const WORKLOAD: Workload<NCF> = ncf(false);
