// resnet20.ts: checkpoints of a network with batch norm, both ways: trained here and evaluated in PyTorch, trained there and evaluated here.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { globalNorm } from '../../lib/clip/index.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { ResNet20 } from '../../lib/models/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { sgd } from '../../lib/optim/index.ts';
import { Trainer } from '../../lib/train/index.ts';
import { noise, uniform } from '../golden/runs/recipe.ts';

export interface Settings {
  readonly python: string;
  /** resnet20.py, wherever this file was compiled to. */
  readonly script: string;
  /** Each trains so many steps of so many images, and evaluates on `test` others. */
  readonly steps: number;
  readonly batch: number;
  readonly test: number;
  readonly threads: number;
}

/** A network's answers to the test images, in both libraries. */
export interface Answers {
  readonly accuracy: { readonly here: number; readonly torch: number };
  /** Norm of the difference of the logits over their norm. */
  readonly distance: number;
}

const CLASSES = 10;
const SIZE = [3, 32, 32] as const;

/** Stripes whose direction is the class, under noise. */
function images(count: number, seed: number): { x: Float32Array; y: Int32Array } {
  const [channels, height, width] = SIZE;
  const each = channels * height * width;
  const x = uniform(seed, count * each);
  const shift = uniform(seed + 1, count);
  const y = Int32Array.from(noise(seed + 2, count), (v) => v % CLASSES);
  for (let k = 0; k < count * each; k++) {
    const [n, row, column] = [Math.floor(k / each), Math.floor(k / width) % height, k % width];
    const angle = (Math.PI * y[n]!) / CLASSES;
    const along = (row * Math.sin(angle) + column * Math.cos(angle)) / width;
    x[k] = 0.5 * Math.sin(2 * Math.PI * (4 * along + shift[n]!)) + x[k]!;
  }
  return { x, y };
}

function trainer(batchSize: number, threads: number): Trainer<ResNet20> {
  return new Trainer({
    model: new ResNet20(CLASSES).initialize(1),
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
    clip: globalNorm(1),
    batchSize,
    threads,
    seed: 1,
  });
}

/** @returns what both libraries make of the network trained here, and of the one trained by PyTorch */
export async function interchange(settings: Settings): Promise<{ here: Answers; torch: Answers }> {
  const { python, script, steps, batch, test, threads } = settings;
  const folder = await mkdtemp(join(tmpdir(), 'gradclip-interchange-'));
  const file = (name: string): string => join(folder, `${name}.safetensors`);
  try {
    const [train, held] = [images(steps * batch, 10), images(test, 20)];
    const shape = (count: number): number[] => [count, ...SIZE];
    await writeSafetensors(
      file('data'),
      new Map([
        ['x', { dtype: 'f32', shape: shape(steps * batch), data: train.x }],
        ['y', { dtype: 'i32', shape: [steps * batch], data: train.y }],
        ['test', { dtype: 'f32', shape: shape(test), data: held.x }],
      ]),
    );
    const ours = trainer(batch, threads);
    const data = {
      x: { data: train.x, shape: shape(steps * batch) },
      y: { data: train.y, shape: [steps * batch] },
    };
    await ours.fit(data, { steps });
    await ours.save(file('here'), { weightsOnly: true });
    const tested = { data: held.x, shape: shape(test) };
    const hereOfHere = (await ours.predict(tested)).data as Float32Array;
    ours.dispose();
    const run = spawnSync(python, [script, folder, String(steps), String(batch)], { stdio: ['ignore', 'ignore', 'pipe'] });
    if (run.status !== 0) throw run.error ?? new Error(`${script} ended with ${run.status}: ${run.stderr}`);
    const { tensors } = await readSafetensors(file('answers'));
    const theirs = trainer(batch, threads);
    await theirs.load(file('torch'));
    const hereOfTorch = (await theirs.predict(tested)).data as Float32Array;
    theirs.dispose();
    const answers = (mine: Float32Array, of: string): Answers => {
      const other = tensors.get(of)!.data as Float32Array;
      return { accuracy: { here: accuracy(mine, held.y), torch: accuracy(other, held.y) }, distance: distance(mine, other) };
    };
    return { here: answers(hereOfHere, 'here'), torch: answers(hereOfTorch, 'torch') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The share of rows whose largest logit is that of the label. */
function accuracy(logits: Float32Array, labels: Int32Array): number {
  const right = labels.filter((label, n) => {
    const row = logits.subarray(n * CLASSES, (n + 1) * CLASSES);
    return row.indexOf(Math.max(...row)) === label;
  });
  return right.length / labels.length;
}

function distance(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new Error(`expected ${b.length} logits, got ${a.length}`);
  const norm = (of: (i: number) => number): number => Math.sqrt(a.reduce((s, _, i) => s + of(i) ** 2, 0));
  return norm((i) => a[i]! - b[i]!) / norm((i) => b[i]!);
}
