// models.ts: small models and data that the trainer's tests share.
import * as clip from '../../lib/clip/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import { Dropout, Embedding, LayerNorm, Linear, Module } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { relu } from '../../lib/ops/index.ts';
import * as optim from '../../lib/optim/index.ts';
import type { Arrays, Batch } from '../../lib/train/feed/source.ts';
import type { TrainerOptions, WeightsOptions } from '../../lib/train/options.ts';
import { Trainer } from '../../lib/train/trainer.ts';

export class MLP extends Module {
  readonly fc1: Linear;
  readonly drop: Dropout;
  readonly fc2: Linear;
  constructor(sizes: readonly [number, number, number], rate = 0) {
    super();
    this.fc1 = new Linear(sizes[0], sizes[1]);
    this.drop = new Dropout(rate);
    this.fc2 = new Linear(sizes[1], sizes[2]);
  }
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.drop.forward(relu(this.fc1.forward(x))));
  }
}

/** Two-class points: learnable, `rows` of `width` values. */
export function points(rows: number, width = 6, seed = 1): { x: { data: Float32Array; shape: number[] }; y: Int32Array } {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const x = Float32Array.from({ length: rows * width }, next);
  const y = Int32Array.from({ length: rows }, (_, i) => (x[i * width]! + 0.5 * x[i * width + 1]! > 0 ? 1 : 0));
  return { x: { data: x, shape: [rows, width] }, y };
}

export type ClassifierOptions<K extends string = never> = Partial<TrainerOptions<MLP, K>> & { rate?: number };

export function classifier<K extends string = never>(options: ClassifierOptions<K> = {}): Trainer<MLP, K> {
  const { rate = 0, ...rest } = options;
  return new Trainer({
    model: new MLP([6, 16, 2], rate),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-2 }),
    clip: clip.globalNorm(0.5),
    batchSize: 8,
    seed: 3,
    ...rest,
  });
}

export const regression = (batch: Batch, model: MLP): Tensor => loss.mse(model.forward(batch.x), batch.y);

/** All parameters, or their averages, as one buffer, to compare bits. */
export async function bits(trainer: Pick<Trainer<MLP>, 'readParameters'>, options: WeightsOptions = {}): Promise<string> {
  const parameters = await trainer.readParameters(options);
  return [...parameters.values()]
    .map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'))
    .join(' ');
}

export async function* stream(arrays: ReturnType<typeof points>, batchSize: number): AsyncGenerator<Arrays> {
  const [rows, width] = arrays.x.shape as [number, number];
  for (let at = 0; at < rows; at += batchSize) {
    const count = Math.min(batchSize, rows - at);
    await new Promise((resolve) => setImmediate(resolve));
    yield {
      x: { data: arrays.x.data.slice(at * width, (at + count) * width), shape: [count, width] },
      y: arrays.y.slice(at, at + count),
    };
  }
}

/** A language model whose head is its table, as GPT-2: the second name comes before the first in the alphabet. */
export class Tied extends Module {
  readonly context: number = 4;
  wte: Embedding = new Embedding(5, 3);
  norm: LayerNorm = new LayerNorm(3);
  head: Linear = new Linear(3, 5, { bias: false });
  constructor() {
    super();
    this.head.weight = this.wte.weight;
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.norm.forward(this.wte.forward(x)));
  }
}
const tokens = { data: Int32Array.from({ length: 32 }, (_, i) => (i * i + 1) % 5), shape: [8, 4] };
export const tiedData: Readonly<Record<'x' | 'y', { data: Int32Array; shape: number[] }>> = {
  x: tokens,
  y: { data: tokens.data.map((v) => (v + 1) % 5), shape: tokens.shape },
};
export function tied(options: Partial<TrainerOptions<Tied>> = {}): Trainer<Tied> {
  return new Trainer({
    model: new Tied(),
    loss: (batch, model) => loss.crossEntropy(model.forward(batch.x), batch.y),
    optimizer: optim.adamw({ lr: 0.01 }),
    clip: clip.globalNorm(1),
    batchSize: 4,
    ...options,
  });
}
