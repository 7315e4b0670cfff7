// keras.test.ts: a network of Dense layers, 10-10-1, has Keras' losses for 1,000 steps: gradient descent and Adam, with each clip that Keras has.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { clip, loss, nn, optim, Trainer } from '../../../lib/index.ts';
import { runtime } from '../../../lib/native/runtime.ts';

const { keras, ...recorded } = JSON.parse(readFileSync(new URL('keras-dense.json', import.meta.url), 'utf8')) as {
  keras: string;
} & Record<string, number[]>;

/** As in make_keras.py. */
const numbers = (rows: number, columns: number, seed: number): number[][] =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => (((i * 37 + j * 101 + seed) % 127) - 63) / 64),
  );
const transposed = (a: readonly number[][]): Float32Array =>
  Float32Array.from(a[0]!.flatMap((_, j) => a.map((row) => row[j]! / 2)));
const x = numbers(80, 10, 11);
const noise = numbers(80, 1, 53);
const y = x.map((v, i) => [v[0]! - v[1]! / 2 + v[2]! * v[3]! + Math.max(v[4]!, 0) + noise[i]![0]! / 2]);

const OPTIMIZERS = {
  SGD: () => optim.sgd({ lr: 0.03125 }),
  Adam: () => optim.adam({ lr: 0.001, eps: 1e-7, compat: 'keras' }),
};
const CLIPS = {
  none: () => clip.none(),
  clipnorm: () => clip.perTensorNorm(0.125),
  global_clipnorm: () => clip.globalNorm(0.125),
  clipvalue: () => clip.value(0.03125),
};

test.each(Object.keys(recorded))(`%s: the losses of Keras ${keras}`, async (name) => {
  const [optimizer, policy] = name.split(' ') as [keyof typeof OPTIMIZERS, keyof typeof CLIPS];
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(10, 10), new nn.ReLU(), new nn.Linear(10, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: OPTIMIZERS[optimizer](),
    clip: CLIPS[policy](),
    batchSize: 80,
  });
  await trainer.writeParameters({
    '0.weight': { data: transposed(numbers(10, 10, 5)), shape: [10, 10] },
    '0.bias': { data: new Float32Array(10), shape: [10] },
    '2.weight': { data: transposed(numbers(10, 1, 77)), shape: [1, 10] },
    '2.bias': { data: new Float32Array(1), shape: [1] },
  });
  const losses: number[] = [];
  let clipped = 0;
  for await (const report of trainer.fit({ x, y }, { epochs: 1000, shuffle: false })) {
    losses.push(report.loss);
    clipped += Number(report.clipped);
  }
  trainer.dispose();
  expect(losses).toHaveLength(1000);
  expect(clipped > 0).toBe(policy !== 'none');
  const theirs = recorded[name]!;
  const worst = Math.max(...losses.map((v, i) => Math.abs(v / theirs[i]! - 1)));
  // Without fma sums are rounded otherwise than Keras' are: 1.05e-4 at worst, of 4.7e-5.
  expect(worst).toBeLessThan(runtime().isa === 'x86_64' ? 2e-4 : 1e-4);
  // It learned something, or there would be nothing to compare.
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
});
