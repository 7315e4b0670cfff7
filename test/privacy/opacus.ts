// opacus.ts: the models of golden/privacy/make_opacus.py, which trained them with Opacus, and their weights and batches, made by the same recipe.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '../../lib/ir/graph.ts';
import { CharRNN, MLP } from '../../lib/models/index.ts';
import {
  Conv1d,
  Conv2d,
  Conv3d,
  ConvTranspose2d,
  ConvTranspose3d,
  Embedding,
  EmbeddingBag,
  Flatten,
  GELU,
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm3d,
  type Layer,
  LayerNorm,
  LearnedPositions,
  Linear,
  LSTM,
  MaxPool2d,
  Module,
  PReLU,
  ReLU,
  RMSNorm,
  RNN,
  Sequential,
  SiLU,
  Tanh,
  TransformerEncoderLayer,
  Unflatten,
} from '../../lib/nn/index.ts';
import { add, concat, headsAttention, mean, tanh } from '../../lib/ops/index.ts';
import { noise, uniform } from '../golden/runs/recipe.ts';

/** What a batch has: numbers, or whole ones below a bound; `distinct`: none twice in a row. */
export interface Spec {
  readonly shape: readonly number[];
  readonly below?: number;
  readonly distinct?: boolean;
}

/** A training with Opacus. */
export interface OpacusCase {
  /** The threshold. */
  readonly c: number;
  readonly optimizer: 'sgd' | 'adamw';
  readonly lr: number;
  readonly momentum?: number;
  readonly x: Spec;
  readonly y: Spec;
  /** Of all samples, how many were clipped. */
  readonly clipped: number;
  /** How far Opacus in f32 is from itself in f64 at most, of how far the weights went: norms over all weights. */
  readonly error: number;
  /** Of the samples of the first batch, by parameter, in f64. */
  readonly norms: Readonly<Record<string, readonly number[]>>;
}

export interface OpacusRuns {
  readonly opacus: string;
  readonly torch: string;
  readonly steps: number;
  readonly cases: Readonly<Record<string, OpacusCase>>;
}

/** Where what Opacus made is kept. */
export const FOLDER: string = join(import.meta.dirname, '../golden/privacy');

export function opacusRuns(): OpacusRuns {
  return JSON.parse(readFileSync(join(FOLDER, 'opacus.json'), 'utf8')) as OpacusRuns;
}

/** `forward` gives logits, or what is to be the targets. */
export abstract class Network extends Module {
  abstract override forward(x: Tensor): Tensor;
}

const row = (...layers: Layer[]): Sequential => new Sequential(...layers);

class LeNet extends Network {
  readonly conv1: Conv2d = new Conv2d(1, 4, 5, { padding: 2 });
  readonly conv2: Conv2d = new Conv2d(4, 6, 5, { padding: 2 });
  readonly fc1: Linear = new Linear(24, 10);
  readonly fc2: Linear = new Linear(10, 3);
  forward(x: Tensor): Tensor {
    const [seen, pool] = [new ReLU(), new MaxPool2d(2)];
    return row(this.conv1, seen, pool, this.conv2, seen, pool, new Flatten(), this.fc1, seen, this.fc2).forward(x);
  }
}

class Recurrent extends Network {
  readonly embedding: Embedding = new Embedding(11, 5);
  readonly rnn: RNN | LSTM;
  readonly head: Linear;
  constructor(rnn: RNN | LSTM, width: number) {
    super();
    this.rnn = rnn;
    this.head = new Linear(width, 11);
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }
}

class Block extends Network {
  readonly norm1: LayerNorm = new LayerNorm(8);
  readonly qkv: Linear = new Linear(8, 24);
  readonly proj: Linear = new Linear(8, 8);
  readonly norm2: LayerNorm = new LayerNorm(8);
  readonly mlp: Sequential = new Sequential(new Linear(8, 32), new GELU(), new Linear(32, 8));
  forward(x: Tensor): Tensor {
    const seen = headsAttention(this.qkv.forward(this.norm1.forward(x)), null, null, { heads: 2, causal: true });
    const y = add(x, this.proj.forward(seen));
    return add(y, this.mlp.forward(this.norm2.forward(y)));
  }
}

/** With a head of its own, unlike models.GPT: Opacus takes no table that is used twice. */
class Gpt extends Network {
  readonly embedding: Embedding = new Embedding(11, 8);
  readonly positions: LearnedPositions = new LearnedPositions(6, 8);
  readonly blocks: readonly Block[] = [new Block(), new Block()];
  readonly norm: LayerNorm = new LayerNorm(8);
  readonly head: Linear = new Linear(8, 11, { bias: false });
  forward(x: Tensor): Tensor {
    const placed = this.positions.forward(this.embedding.forward(x));
    return this.head.forward(this.norm.forward(this.blocks.reduce((t, block) => block.forward(t), placed)));
  }
}

class Encoder extends Network {
  readonly layer: TransformerEncoderLayer = new TransformerEncoderLayer(8, 2, { dimFeedforward: 12, dropout: 0 });
  readonly head: Linear = new Linear(8, 3);
  forward(x: Tensor): Tensor {
    return this.head.forward(mean(this.layer.forward(x), { axes: [1] }));
  }
}

class Bags extends Network {
  readonly means: EmbeddingBag = new EmbeddingBag(11, 4, { mode: 'mean' });
  readonly sums: EmbeddingBag = new EmbeddingBag(11, 3, { mode: 'sum' });
  readonly head: Linear = new Linear(7, 3);
  forward(x: Tensor): Tensor {
    return this.head.forward(tanh(concat([this.means.forward(x), this.sums.forward(x)], 1)));
  }
}

export const MODELS: Readonly<Record<string, () => Module & { forward(x: Tensor): Tensor }>> = {
  mlp: () => new MLP([12, 10, 8, 3]),
  lenet: () => new LeNet(),
  charLstm: () => new CharRNN(11, { embedding: 5, hidden: 7 }),
  lstmDeep: () => new Recurrent(new LSTM(5, 7, { numLayers: 2, bidirectional: true }), 14),
  charGru: () => new CharRNN(11, { kind: 'gru', embedding: 5, hidden: 7 }),
  charRnn: () => new CharRNN(11, { kind: 'rnn', embedding: 5, hidden: 7, layers: 2 }),
  rnnRelu: () => new Recurrent(new RNN(5, 7, { nonlinearity: 'relu' }), 7),
  gpt: () => new Gpt(),
  encoder: () => new Encoder(),
  groups: () =>
    row(
      new Conv2d(2, 4, 3, { padding: 1, groups: 2 }),
      new GroupNorm(2, 4),
      new ReLU(),
      new Conv2d(4, 6, [3, 2], { stride: [2, 1], dilation: [1, 2] }),
      new GroupNorm(3, 6),
      new Tanh(),
      new Flatten(),
      new Linear(48, 3),
    ),
  transposed: () =>
    row(
      new Linear(5, 36),
      new Unflatten(1, [4, 3, 3]),
      new ConvTranspose2d(4, 6, 3, { stride: 2, outputPadding: 1, groups: 2 }),
      new Tanh(),
      new ConvTranspose2d(6, 2, 3, { padding: 2, dilation: 2 }),
    ),
  norms: () =>
    row(
      new Conv1d(3, 6, 3, { padding: 2, dilation: 2, bias: false }),
      new InstanceNorm1d(6, { affine: true }),
      new SiLU(),
      new LayerNorm(9),
      new Conv1d(6, 4, 5, { stride: 2, padding: 2, groups: 2, bias: false }),
      new RMSNorm(5, { eps: 1e-5 }),
      new Flatten(),
      new Linear(20, 3),
    ),
  volumes: () =>
    row(
      new Conv3d(2, 4, [2, 3, 3], { padding: [0, 1, 1], groups: 2, bias: false }),
      new InstanceNorm3d(4, { affine: true }),
      new Tanh(),
      new ConvTranspose3d(4, 2, 2, { stride: [1, 2, 1] }),
      new PReLU(),
      new Flatten(),
      new Linear(288, 3),
    ),
  bags: () => new Bags(),
};

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** In the order of their names: number k is uniform(k) times its bound, rounded to f32. */
export function fill(model: Module): void {
  const named = [...model.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [k, [, p]] of named.entries()) {
    const bound = p.shape.length < 2 ? 0.5 : 1 / Math.sqrt(sizeOf(p.shape.slice(1)));
    p.data = uniform(k, p.size).map((u) => u * bound);
  }
}

/** Of a batch: `values` of make_opacus.py. */
export function valuesOf(seed: number, { shape, below, distinct }: Spec): Float32Array | Int32Array {
  const each = sizeOf(shape.slice(1));
  if (distinct) {
    const drawn = noise(seed, shape[0]!);
    return Int32Array.from({ length: shape[0]! * each }, (_, i) => {
      const v = drawn[Math.floor(i / each)]!;
      return ((v % below!) + (i % each) * (1 + ((v >>> 8) % 3))) % below!;
    });
  }
  if (below !== undefined) return Int32Array.from(noise(seed, sizeOf(shape)), (v) => v % below);
  return uniform(seed, sizeOf(shape)).map((u, i) => u * 2 ** ((Math.floor(i / each) % 4) - 1));
}
