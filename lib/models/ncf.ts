// ncf.ts: neural collaborative filtering (He et al. 2017): a vector per user and one per item, and a network that scores the pair.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { batch as batchField, size } from '../nn/fields.ts';
import { Embedding, init, Linear, Module, Sequential } from '../nn/index.ts';
import * as loss from '../nn/loss/index.ts';
import { tensor } from '../ops/args.ts';
import { relu } from '../ops/elementwise/activation.ts';
import { concat } from '../ops/shape/concat.ts';
import { reshape } from '../ops/shape/shape.ts';
import { bool, instance, list, options, optionsOnly, signature } from '../options/index.ts';

/** Options of `models.NCF`. */
export interface NCFOptions {
  /** How many users there are. */
  readonly users: number;
  /** How many items there are. */
  readonly items: number;
  /** Elements of a vector. Default 64. */
  readonly dim?: number;
  /** Outputs of the hidden layers. Default [128, 64]. */
  readonly hidden?: readonly number[];
  /** Update only the rows of the tables that a step looks up; see `nn.Embedding`. Default false. */
  readonly sparse?: boolean;
}

const readNCF = optionsOnly(
  'models.NCF',
  options<NCFOptions>()({
    users: size,
    items: size,
    dim: size.default(64),
    hidden: list(size, { max: 1000 }).default([128, 64]),
    sparse: bool.default(false),
  }),
);
const readForward = signature('models.NCF.forward', { users: tensor, items: tensor });

/**
 * Neural collaborative filtering (NeuMF): a logit of each pair of user and item.
 * @shape users i32 [batch], items i32 [batch] -> [batch]
 * @throws OptionError; ShapeError for inputs of other shapes
 * @see He et al. 2017, Neural Collaborative Filtering
 */
export class NCF extends Module {
  /** Vectors of users. */
  users: Embedding;
  /** Vectors of items. */
  items: Embedding;
  /** The layers that score a pair. */
  mlp: Sequential;

  constructor(options: NCFOptions) {
    super();
    const { users, items, dim, hidden, sparse } = readNCF(arguments);
    this.users = new Embedding(users, dim, { sparse });
    this.items = new Embedding(items, dim, { sparse });
    // Small vectors, as in the paper: with the usual ones of length sqrt(dim) the network learns each user and item by heart.
    for (const { weight } of [this.users, this.items]) weight.init = init.normal(0, 0.05);
    const sizes = [2 * dim, ...hidden];
    const layers = hidden.flatMap((size, i) => [new Linear(sizes[i]!, size), relu]);
    this.mlp = new Sequential(...layers, new Linear(sizes.at(-1)!, 1));
  }

  forward(users: TensorLike, items: TensorLike): Tensor {
    const read = readForward(arguments);
    const pair = concat([this.users.forward(read.users), this.items.forward(read.items)], 1);
    return reshape(this.mlp.forward(pair), [-1]);
  }
}

const readLoss = signature('models.ncfLoss', { batch: batchField, model: instance('an NCF', NCF) });

/**
 * Binary cross-entropy of pairs that happened (y = 1) and pairs that were drawn at random (y = 0).
 * @shape batch { user [batch], item [batch], y [batch] } -> f64 scalar
 * @throws OptionError
 * @see He et al. 2017, Neural Collaborative Filtering
 */
export function ncfLoss(batch: Readonly<Record<'user' | 'item' | 'y', Tensor>>, model: NCF): Tensor {
  readLoss(arguments);
  return loss.bceWithLogits(model.forward(batch.user, batch.item), batch.y);
}
