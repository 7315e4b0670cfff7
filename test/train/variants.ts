// variants.ts: training set-ups that must give the same bits however they are run; large enough that threads share a step.
import {
  type Arrays,
  clip,
  constraint,
  guard,
  loss,
  nn,
  ops,
  optim,
  prune,
  regularize,
  type Source,
  type Tensor,
  Trainer,
  type TrainerOptions,
  windows,
} from '../../lib/index.ts';
import { hashOf } from '../golden/runs/models.ts';
import { uniform } from '../golden/runs/recipe.ts';

/** `forward` gives logits. */
export abstract class Network extends nn.Module {
  abstract override forward(x: Tensor): Tensor;
}

class MLP extends Network {
  readonly layers: readonly nn.Linear[] = [new nn.Linear(64, 128), new nn.Linear(128, 96), new nn.Linear(96, 10)];
  readonly drop: nn.Dropout;
  constructor(rate: number) {
    super();
    this.drop = new nn.Dropout(rate);
  }
  forward(x: Tensor): Tensor {
    const [one, two, three] = this.layers as [nn.Linear, nn.Linear, nn.Linear];
    const h = this.drop.forward(ops.relu(one.forward(x)));
    return three.forward(this.drop.forward(ops.gelu(two.forward(h))));
  }
}

class CharRNN extends Network {
  readonly embedding: nn.Embedding = new nn.Embedding(30, 24);
  readonly rnn: nn.RNN = new nn.RNN(24, 40);
  readonly out: nn.Linear = new nn.Linear(40, 30);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }
}

/** All that multiplies: a convolution of odd numbers, recurrences, attention, and products. */
class Products extends Network {
  readonly conv: nn.Conv2d = new nn.Conv2d(1, 7, 3, { padding: 1 });
  readonly next: nn.Conv2d = new nn.Conv2d(7, 9, 3, { stride: 2 });
  readonly lstm: nn.LSTM = new nn.LSTM(9, 21);
  readonly gru: nn.GRU = new nn.GRU(21, 18);
  readonly rnn: nn.RNN = new nn.RNN(18, 15);
  readonly attention: nn.MultiheadAttention = new nn.MultiheadAttention(15, 3);
  readonly out: nn.Linear = new nn.Linear(15, 10);
  forward(x: Tensor): Tensor {
    const pixels = ops.reshape(x, [-1, 1, 8, 8]);
    const maps = ops.relu(this.next.forward(ops.relu(this.conv.forward(pixels))));
    const steps = ops.transpose(ops.reshape(maps, [-1, 9, 9]));
    const { output } = this.rnn.forward(this.gru.forward(this.lstm.forward(steps).output).output);
    return this.out.forward(ops.mean(this.attention.forward(output), { axes: [1] }));
  }
}

/** Two tables of which a batch reads few rows. */
class Pairs extends Network {
  readonly users: nn.Embedding = new nn.Embedding(1000, 48);
  readonly items: nn.Embedding = new nn.Embedding(500, 48);
  readonly out: nn.Linear = new nn.Linear(96, 10);
  forward(x: Tensor): Tensor {
    const [user, item] = [0, 1].map((i) => ops.reshape(ops.slice(x, { axis: 1, start: i, end: i + 1 }), [-1])) as [
      Tensor,
      Tensor,
    ];
    return this.out.forward(ops.tanh(ops.concat([this.users.forward(user), this.items.forward(item)], 1)));
  }
}

// 203 rows: six whole batches of 32 and a tail.
function images(): Arrays {
  const y = Int32Array.from(uniform(2, 203), (u) => Math.floor((u + 1) * 5));
  const x = uniform(1, 203 * 64).map((u, i) => u + (i % 64 === y[Math.floor(i / 64)]! ? 2 : 0));
  return { x: { data: x, shape: [203, 64] }, y };
}

// Some users come up again in the same batch.
function pairs(): Arrays {
  const x = Int32Array.from(uniform(4, 2 * 203), (u, i) => Math.floor((u + 1) * (i % 2 ? 250 : 20)));
  const y = Int32Array.from(uniform(5, 203), (u) => Math.floor((u + 1) * 5));
  return { x: { data: x, shape: [203, 2] }, y };
}

const text = Uint8Array.from(uniform(3, 5000), (u, i) => (i * 7 + Math.floor((u + 1) * 3)) % 30);

export interface Variant {
  readonly data: Arrays | Source;
  readonly options: () => TrainerOptions<Network>;
}

function variant(data: Arrays | Source, model: () => Network, rest: Partial<TrainerOptions<Network>>): Variant {
  return {
    data,
    options: () => ({
      model: model(),
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
      clip: clip.globalNorm(0.5),
      batchSize: 32,
      seed: 5,
      ...rest,
    }),
  };
}

export const VARIANTS: Readonly<Record<string, Variant>> = {
  'sgd with momentum': variant(images(), () => new MLP(0), {}),
  'adamw, value clip then norm': variant(images(), () => new MLP(0), {
    optimizer: optim.adamw({ lr: optim.schedule.cosine(1e-2, { steps: 100 }) }),
    clip: clip.chain(clip.value(0.01), clip.globalNorm(0.3)),
  }),
  dropout: variant(images(), () => new MLP(0.3), { clip: clip.perTensorNorm(0.2) }),
  'dropout and accumulation, adamw': variant(images(), () => new MLP(0.3), {
    accumulate: 3,
    batchSize: 16,
    optimizer: optim.adamw({ lr: 1e-2 }),
  }),
  'pruned by the schedule, with bounds and norms': variant(images(), () => new MLP(0), {
    optimizer: optim.adamw({ lr: 1e-2 }),
    constraints: [
      { match: '*', constraint: constraint.weightClip(0.2) },
      { match: '*1.weight', constraint: constraint.maxNorm(0.9) },
      { match: '*2.weight', constraint: constraint.maxNorm(0.7, { axis: 'columns' }) },
    ],
    prune: [
      prune.magnitude({ match: '*2.weight', sparsity: 0.7, begin: 3, end: 77, every: 6 }),
      prune.rows({ match: '*1.weight', sparsity: 0.5, begin: 2, end: 70, every: 4 }),
    ],
  }),
  'tables of which few rows are read': variant(pairs(), () => new Pairs(), {
    optimizer: optim.adamw({ lr: 1e-2 }),
    clip: clip.globalNorm(0.2),
    batchSize: 64,
  }),
  'groups of muon, adafactor and lookahead of lamb': variant(images(), () => new MLP(0), {
    optimizer: optim.lookahead(optim.lamb({ lr: 1e-2 }), { k: 3 }),
    groups: [
      { match: 'layers.0.weight', optimizer: optim.muon({ lr: 1e-2 }) },
      { match: 'layers.1.*', optimizer: optim.adafactor() },
    ],
    clip: clip.chain(clip.value(0.01), clip.globalNorm(0.3)),
  }),
  'averages, penalties, an adapting loss scale, guards': variant(images(), () => new MLP(0.3), {
    ema: { decay: 0.9 },
    regularize: [regularize.groupLasso(1e-3), regularize.l1(1e-4, { match: '*.bias' })],
    lossScale: { interval: 7 },
    guards: [
      guard.outputs({ match: '*', max: 1e4 }),
      guard.vanishing({ action: 'warn' }),
      guard.loss({ max: 2.4, action: 'skip' }),
    ],
    accumulate: 2,
    batchSize: 16,
  }),
  'products of bf16': variant(images(), () => new Products(), {
    precision: 'bf16',
    activations: 'bf16',
    optimizer: optim.adamw({ lr: 1e-2 }),
  }),
  'char rnn of bf16, accumulated': variant(windows(text, { length: 20 }), () => new CharRNN(), {
    precision: 'bf16',
    clip: clip.globalNorm(0.25),
    batchSize: 8,
    accumulate: 3,
  }),
  'char rnn over windows': variant(windows(text, { length: 20 }), () => new CharRNN(), {
    optimizer: optim.sgd({ lr: 1, momentum: 0.9 }),
    clip: clip.globalNorm(0.25),
    batchSize: 24,
  }),
};

/** Hash of the weights after `steps` on one thread, for another process to compare with. */
export async function plainHash({ data, options }: Variant, steps: number): Promise<string> {
  const trainer = new Trainer({ ...options(), threads: 1 });
  await trainer.fit(data, { steps });
  const hash = await hashOf(trainer);
  trainer.dispose();
  return hash;
}
