// buffer.test.ts: buffers move on with steps and micro-batches, are given up with skipped steps, and are kept in files.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { globalNorm } from '../../../lib/clip/index.ts';
import { GraphError, ShapeError } from '../../../lib/errors.ts';
import { readSafetensors } from '../../../lib/io/arrays/safetensors.ts';
import type { TensorLike } from '../../../lib/ir/graph.ts';
import { Buffer, Linear, Module } from '../../../lib/nn/index.ts';
import * as loss from '../../../lib/nn/loss/index.ts';
import { add, mul } from '../../../lib/ops/elementwise/elementwise.ts';
import { mean } from '../../../lib/ops/reduce/reduce.ts';
import { sgd } from '../../../lib/optim/index.ts';
import { Trainer, type TrainerOptions } from '../../../lib/train/index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradclip-buffer-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Keeps a moving mean of its input: mean <- 0.5 mean + 0.5 x, and a count. */
class Watched extends Module {
  mean: Buffer = new Buffer([1]);
  seen: Buffer = new Buffer([], { dtype: 'f64', persistent: false });
  fc: Linear = new Linear(1, 1);
  forward(x: TensorLike): ReturnType<Linear['forward']> {
    const { graph } = x.toTensor();
    if (graph.mode === 'train') {
      const of = mean(x, { axes: [0] });
      this.mean.assign(add(mul(this.mean, graph.scalar(0.5)), mul(of, graph.scalar(0.5))));
      this.seen.assign(add(this.seen, graph.scalar(1, 'f64')));
    }
    return this.fc.forward(x);
  }
}

const X = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const data = (x = X): { x: { data: Float32Array; shape: number[] }; y: { data: Float32Array; shape: number[] } } => ({
  x: { data: x, shape: [x.length, 1] },
  y: { data: new Float32Array(x.length), shape: [x.length, 1] },
});
const trainer = (options: Partial<TrainerOptions<Watched>> = {}): Trainer<Watched> =>
  new Trainer({
    model: new Watched(),
    loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
    optimizer: sgd({ lr: 0 }),
    batchSize: 2,
    threads: 1,
    ...options,
  });
async function buffers(t: Trainer<Watched>): Promise<{ mean: number; seen: number }> {
  const file = join(folder, 'model.safetensors');
  await t.save(file);
  const { tensors } = await readSafetensors(file);
  return { mean: tensors.get('mean')!.data[0]!, seen: tensors.get('gradclip.seen')!.data[0]! };
}
/** The moving mean over batches of these means. */
const moving = (...means: readonly number[]): number => means.reduce((m, x) => 0.5 * m + 0.5 * x, 0);
/** Means of the batches in the order in which the trainer draws them. */
async function drawn(steps: number, of: Partial<TrainerOptions<Watched>> = {}): Promise<number[]> {
  const means: number[] = [];
  let before = 0;
  for (let n = 1; n <= steps; n++) {
    const { mean } = await one(n, of);
    means.push(2 * mean - before);
    before = mean;
  }
  return means;
}
async function one(steps: number, of: Partial<TrainerOptions<Watched>>): Promise<{ mean: number; seen: number }> {
  const t = trainer(of);
  await t.fit(data(), { steps });
  const found = await buffers(t);
  t.dispose();
  return found;
}

describe('a buffer', () => {
  it('moves on with each step', async () => {
    const means = await drawn(4);
    expect([...means].sort()).toHaveLength(4);
    expect(means.reduce((a, b) => a + b)).toBeCloseTo(18);
    expect(await one(4, {})).toEqual({ mean: moving(...means), seen: 4 });
  });

  it('moves on with each micro-batch of a step', async () => {
    const means = await drawn(4);
    expect(await one(2, { accumulate: 2 })).toEqual({ mean: moving(...means), seen: 4 });
    expect(await one(1, { accumulate: 4 })).toEqual({ mean: moving(...means), seen: 4 });
  });

  it.each([1, 2])('stays as it was in a skipped step, of %i micro-batches', async (accumulate) => {
    const t = trainer({ accumulate, batchSize: 1, clip: globalNorm(1, { nonFinite: 'skip' }) });
    const skipped: boolean[] = [];
    const run = t.fit(data(Float32Array.of(3, Number.NaN)), { epochs: 1 });
    for await (const step of run) skipped.push(step.skipped);
    await run;
    expect(skipped.filter((s) => s)).toHaveLength(1);
    expect(await buffers(t)).toEqual(accumulate === 1 ? { mean: 1.5, seen: 1 } : { mean: 0, seen: 0 });
    t.dispose();
  });

  it('is read in evaluation and kept in files', async () => {
    const a = trainer();
    await a.fit(data(), { steps: 3 });
    const file = join(folder, 'a.safetensors');
    await a.save(file);
    const kept = await buffers(a);
    const b = trainer();
    await b.load(file);
    expect(await buffers(b)).toEqual(kept);
    const weights = join(folder, 'weights.safetensors');
    await b.save(weights, { weightsOnly: true });
    expect([...(await readSafetensors(weights)).tensors.keys()]).toEqual(['fc.weight', 'fc.bias', 'mean']);
    const c = trainer();
    await c.load(weights);
    expect(await buffers(c)).toEqual({ mean: kept.mean, seen: 0 });
    for (const t of [a, b, c]) t.dispose();
  });

  it('belongs to a trace, and changes in training only', () => {
    class Always extends Watched {
      override forward(x: TensorLike): ReturnType<Linear['forward']> {
        this.mean.assign(mean(x, { axes: [0] }));
        return this.fc.forward(x);
      }
    }
    const t = trainer({ model: new Always() });
    expect(() => t.predictSync({ data: X, shape: [8, 1] })).toThrow(GraphError);
    t.dispose();
    expect(() => new Buffer([2]).toTensor()).toThrow('not part of a model being traced');
    expect(() => {
      new Buffer([2]).data = Float32Array.of(1);
    }).toThrow(ShapeError);
    expect(() => new Buffer([2], { dtype: 'i32' as 'f32' })).toThrow('expected one of f32, f64');
  });
});
