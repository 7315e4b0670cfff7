// ncf.ts: neural collaborative filtering (He et al. 2017): a vector per user and one per item, and a network that scores the pair.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { Embedding, init, Linear, Module, Sequential } from '../nn/index.ts';
import * as loss from '../nn/loss/index.ts';
import { relu } from '../ops/activation.ts';
import { concat } from '../ops/concat.ts';
import { reshape } from '../ops/shape.ts';
import { checkNumber, checkOptions } from '../options.ts';

export interface NCFOptions {
  readonly users: number;
  readonly items: number;
  /** Elements of a vector. Default 64. */
  readonly dim?: number;
  /** Outputs of the hidden layers. Default [128, 64]. */
  readonly hidden?: readonly number[];
  /** Update only the rows of the tables that a step looks up; see `nn.Embedding`. Default false. */
  readonly sparse?: boolean;
}

/** Users and items, i32 [batch] each -> a logit of each pair, [batch]. */
export class NCF extends Module {
  users: Embedding;
  items: Embedding;
  mlp: Sequential;

  constructor(options: NCFOptions) {
    super();
    checkOptions('NCF', options, ['users', 'items', 'dim', 'hidden', 'sparse']);
    const { users, items, dim = 64, hidden = [128, 64], sparse = false } = options;
    checkNumber('NCF', 'dim', dim, { min: 1, integer: true });
    this.users = new Embedding(users, dim, { sparse });
    this.items = new Embedding(items, dim, { sparse });
    // Small vectors, as in the paper: with the usual ones of length sqrt(dim) the network learns each user and item by heart.
    for (const { weight } of [this.users, this.items]) weight.init = init.normal(0, 0.05);
    const sizes = [2 * dim, ...hidden];
    const layers = hidden.flatMap((size, i) => [new Linear(sizes[i]!, size), relu]);
    this.mlp = new Sequential(...layers, new Linear(sizes.at(-1)!, 1));
  }

  forward(users: TensorLike, items: TensorLike): Tensor {
    const pair = concat([this.users.forward(users), this.items.forward(items)], 1);
    return reshape(this.mlp.forward(pair), [-1]);
  }
}

/** Binary cross-entropy of pairs that happened (y = 1) and pairs that were drawn at random (y = 0). */
export function ncfLoss({ user, item, y }: Readonly<Record<'user' | 'item' | 'y', Tensor>>, model: NCF): Tensor {
  return loss.bceWithLogits(model.forward(user, item), y);
}
