// opacus.test.ts: gradients of samples, clipped as Opacus clips them: norms of a first batch, and weights after 20 steps, beside Opacus' in f64.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { crossEntropy, mse } from '../../lib/nn/loss/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { Trainer } from '../../lib/train/index.ts';
import { FOLDER, fill, MODELS, type Network, type OpacusCase, opacusRuns, type Spec, valuesOf } from './opacus.ts';

const { steps, cases } = opacusRuns();
const { tensors: kept } = await readSafetensors(join(FOLDER, 'opacus.safetensors'));

/** Most of an error of f32 is that of weights, which are rounded in each step whoever makes it; the orders that Opacus was tried in are a few of all. */
const OWN = 1.05;

/** Opacus' weights after the last step. */
const truthOf = (name: string, parameter: string): ArrayLike<number> => kept.get(`${name}/${parameter}`)!.data as Float64Array;

function trainerOf(name: string, threshold: number, threads: number): Trainer<Network> {
  const { optimizer, lr, momentum } = cases[name]!;
  const model = MODELS[name]!() as Network;
  fill(model);
  return new Trainer<Network>({
    model,
    loss: ({ x, y }, m) => (y.dtype === 'f32' ? mse(m.forward(x), y) : crossEntropy(m.forward(x), y)),
    optimizer: optimizer === 'adamw' ? optim.adamw({ lr }) : optim.sgd({ lr, momentum: momentum! }),
    clip: clip.perSample(threshold, { compat: 'opacus' }),
    threads,
  });
}

function batchOf({ x, y }: OpacusCase, step: number): { readonly x: object; readonly y: object } {
  const array = (seed: number, spec: Spec) => ({ data: valuesOf(seed + step, spec), shape: spec.shape });
  return { x: array(1000, x), y: array(2000, y) };
}

interface Trained {
  /** How far weights are from Opacus' in f64, of how far those went. */
  readonly off: number;
  /** Of the first step, the mean over samples. */
  readonly norm: number;
  /** The share of samples that were clipped. */
  readonly clipped: number;
  /** Of the bits of all weights. */
  readonly hash: string;
}

async function train(name: string, threshold = cases[name]!.c, threads = 1): Promise<Trained> {
  using trainer = trainerOf(name, threshold, threads);
  const before = await trainer.readParameters();
  const hash = createHash('sha256');
  let [norm, clipped] = [0, 0];
  for (let step = 0; step < steps; step++) {
    const report = await trainer.step(batchOf(cases[name]!, step) as never);
    if (step === 0) norm = report.norm;
    clipped += report.clippedFraction / steps;
  }
  let [difference, way] = [0, 0];
  for (const [parameter, { data }] of await trainer.readParameters()) {
    const [truth, first] = [truthOf(name, parameter), before.get(parameter)!.data];
    expect(data, parameter).toHaveLength(truth.length);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    for (let i = 0; i < truth.length; i++) {
      difference += (data[i]! - truth[i]!) ** 2;
      way += (first[i]! - truth[i]!) ** 2;
    }
  }
  return { off: Math.sqrt(difference / way), norm, clipped, hash: hash.digest('hex') };
}

it('has a model and weights for each training that is kept', () => {
  expect(Object.keys(MODELS)).toEqual(Object.keys(cases));
  const names = Object.entries(MODELS).flatMap(([name, model]) => [...model().namedParameters()].map(([p]) => `${name}/${p}`));
  expect([...kept.keys()].sort()).toEqual(names.sort());
});

describe.each(Object.keys(cases))('%s', (name) => {
  const { c, error, clipped: share, norms } = cases[name]!;
  it('has the weights of Opacus after 20 steps, as near as its own f32', async () => {
    const { off, norm, clipped } = await train(name);
    const each = Object.values(norms)[0]!.map((_, i) => Math.sqrt(Object.values(norms).reduce((sum, n) => sum + n[i]! ** 2, 0)));
    expect(Math.abs(norm / (each.reduce((a, b) => a + b) / each.length) - 1)).toBeLessThan(1e-6);
    expect(Math.abs(clipped - share)).toBeLessThan(1e-9);
    expect(off).toBeLessThanOrEqual(OWN * error);
  });

  it('has the same bits for teams of any size', async () => {
    const { hash } = await train(name);
    for (const threads of [3, 8]) expect((await train(name, c, threads)).hash, `${threads} threads`).toBe(hash);
  });

  it('has others with another threshold', async () => {
    expect((await train(name, 0.99 * c)).off).toBeGreaterThan(20 * error);
  });
});
