// golden.test.ts: whole training runs against PyTorch 2.13: the same weights, batches, clipping and updates give its losses and norms.
import { expect, it } from 'vitest';
import * as clip from '../lib/clip/index.ts';
import type { Tensor, TensorLike } from '../lib/ir/graph.ts';
import { Embedding, Linear, loss, Module, RNN } from '../lib/nn/index.ts';
import { relu } from '../lib/ops/index.ts';
import * as optim from '../lib/optim/index.ts';
import { type NdArray, rows, type Source } from '../lib/train/source.ts';
import { Trainer } from '../lib/train/trainer.ts';
import { charBatch, type Golden, type GoldenName, golden, mlpBatch, weights } from './golden/recipe.ts';

class Mlp extends Module {
  fc1: Linear = new Linear(784, 256);
  fc2: Linear = new Linear(256, 128);
  fc3: Linear = new Linear(128, 10);
  forward(x: TensorLike): Tensor {
    return this.fc3.forward(relu(this.fc2.forward(relu(this.fc1.forward(x)))));
  }
}

class CharRnn extends Module {
  embedding: Embedding = new Embedding(65, 32);
  rnn: RNN = new RNN(32, 128);
  out: Linear = new Linear(128, 65);
  forward(x: TensorLike): Tensor {
    return this.out.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }
}

const STEPS = 200;

/** All batches of a run one after the other, drawn in this order. */
function inOrder(name: GoldenName): { source: Source; batchSize: number } {
  const batches = Array.from({ length: STEPS }, (_, step) => (name === 'char-rnn-sgd' ? charBatch(step) : mlpBatch(step)));
  const join = <A extends Float32Array | Int32Array>(parts: A[], shape: number[]): NdArray => {
    const size = parts[0]!.length;
    const data = new (parts[0]!.constructor as new (n: number) => A)(size * parts.length);
    for (const [i, part] of parts.entries()) data.set(part, i * size);
    return { data, shape };
  };
  const char = name === 'char-rnn-sgd';
  const batchSize = char ? 32 : 64;
  const count = STEPS * batchSize;
  const source = rows({
    x: join(
      batches.map((b) => b.x as Float32Array),
      [count, char ? 64 : 784],
    ),
    y: join(
      batches.map((b) => b.y),
      char ? [count, 64] : [count],
    ),
  });
  return {
    batchSize,
    source: {
      ...source,
      fill(row, { attempt }) {
        for (let j = 0; j < row.length; j++) row[j] = attempt * batchSize + j;
      },
    },
  };
}

function trainer(made: Golden, name: GoldenName, batchSize: number): Trainer<Mlp | CharRnn> {
  const { optimizer, lr, momentum, betas, eps, weightDecay, maxNorm } = made.settings;
  const model = name === 'char-rnn-sgd' ? new CharRnn() : new Mlp();
  const initial = weights(made);
  const parameters = [...model.namedParameters()];
  expect(parameters.map(([parameter, p]) => [parameter, p.shape])).toEqual(
    Object.entries(made.probe.parameters).map(([parameter, [shape]]) => [parameter, shape]),
  );
  for (const [parameter, p] of parameters) p.data = initial.get(parameter)!;
  return new Trainer<Mlp | CharRnn>({
    model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x!), y!),
    optimizer:
      optimizer === 'sgd'
        ? optim.sgd({ lr, momentum: momentum! })
        : optim.adamw({ lr, betas: betas!, eps: eps!, weightDecay: weightDecay! }),
    clip: clip.globalNorm(maxNorm, { compat: 'torch' }),
    batchSize,
  });
}

it.each<GoldenName>(['mlp-sgd', 'mlp-adamw', 'char-rnn-sgd'])('%s', async (name) => {
  const made = golden(name);
  const { source, batchSize } = inOrder(name);
  const t = trainer(made, name, batchSize);
  let clipped = 0;
  for await (const report of t.fit(source, { steps: STEPS })) {
    const { attempt: i } = report;
    const near = (what: 'loss' | 'norm', tolerance: number): void => {
      const [got, expected] = [report[what]!, made.f64[what][i]!];
      expect(Math.abs(got / expected - 1), `${what} of step ${i}: expected ${expected}, got ${got}`).toBeLessThan(tolerance);
    };
    if (i < 100) near('loss', i < 10 ? 1e-6 : 1e-5);
    near('norm', i < 10 ? 1e-5 : 1e-3);
    if (report.clipped) clipped++;
  }
  expect(clipped).toBe(made.f64.norm.filter((n) => n > made.settings.maxNorm).length);
  const final = await t.readParameters();
  for (const [parameter, [, squares]] of Object.entries(made.final)) {
    const ours = Array.from(final.get(parameter)!.data as Float32Array).reduce((a, v) => a + v * v, 0);
    expect(Math.abs(ours / squares - 1), parameter).toBeLessThan(1e-4);
  }
  t.dispose();
});
