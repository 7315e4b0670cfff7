// ncf.ts: embeddings 50,000x64 and 20,000x64 into an MLP 128-128-64-1: large tables of which a step reads a few rows.
import type { TensorLike } from '../../lib/ir/graph.ts';
import { Embedding, Linear, loss, Module, Sequential } from '../../lib/nn/index.ts';
import { concat, relu, reshape } from '../../lib/ops/index.ts';
import { floats, ids, linearBounds, SEED, type Workload, workload } from '../workload.ts';

class Ncf extends Module {
  users: Embedding = new Embedding(50_000, 64);
  items: Embedding = new Embedding(20_000, 64);
  mlp: Sequential = new Sequential(new Linear(128, 128), relu, new Linear(128, 64), relu, new Linear(64, 1));
  forward(user: TensorLike, item: TensorLike): ReturnType<Linear['forward']> {
    const pair = concat([this.users.forward(user), this.items.forward(item)], 1);
    return reshape(this.mlp.forward(pair), [-1]);
  }
}

export const WORKLOAD: Workload<Ncf> = workload({
  model: () => new Ncf(),
  bounds: [1, 1, ...linearBounds(128, 128, 64)],
  batch: () => ({ x: ids(SEED.x, 50_000, 1024), item: ids(SEED.x2, 20_000, 1024), y: floats(SEED.y, 1024) }),
  loss: ({ x, item, y }, model) => loss.mse(model.forward(x!, item!), y!),
  optimizer: 'adamw',
  reference: {
    params: 4504833,
    loss: [0.34408458, 0.34332246, 0.34256872],
    norm: [0.06193417, 0.06121995, 0.06053527],
  },
});
