// tasks.ts: the models that `gradclip bench` steps: a small classifier, and the network of the demo.
import * as clip from '../../clip/index.ts';
import { uniformIntegers } from '../../ir/draws.ts';
import type { Tensor } from '../../ir/graph.ts';
import { CharRNN } from '../../models/index.ts';
import { Linear } from '../../nn/layers/linear.ts';
import { Sequential } from '../../nn/layers/sequential.ts';
import { crossEntropy, mse } from '../../nn/loss/index.ts';
import { drawsFor } from '../../nn/module/draws.ts';
import { uniform } from '../../nn/module/init.ts';
import type { Module } from '../../nn/module/module.ts';
import { relu } from '../../ops/index.ts';
import type { Batch, NdArray, Objective, Profile } from '../../train/index.ts';
import type { Cell } from './sample.ts';
import { Stepper, type StepTask } from './stepper.ts';

const TASKS: Readonly<Record<string, () => StepTask>> = {
  'mlp-small': () => ({
    model: new Sequential(new Linear(784, 256), relu, new Linear(256, 128), relu, new Linear(128, 10)),
    batch: { x: floats(64, 784), y: ids(10, 64) },
    loss: classify,
    optimizer: 'sgd',
  }),
  'char-rnn': () => ({
    model: new CharRNN(65, { kind: 'rnn', embedding: 32, hidden: 128 }),
    batch: { x: ids(65, 32, 64), y: ids(65, 32, 64) },
    loss: classify,
    optimizer: 'sgd',
  }),
};

/** Too large for a first impression: only the suite of policies has it. */
const LARGE: StepTask = {
  get model() {
    return new Sequential(new Linear(1024, 4096), relu, new Linear(4096, 4096), relu, new Linear(4096, 1024));
  },
  get batch() {
    return { x: floats(256, 1024), y: floats(256, 1024) };
  },
  loss: ({ x, y }, model) => mse((model as Module & { forward(x: Tensor): Tensor }).forward(x), y),
  optimizer: 'adamw',
};

export const STEP_CELLS: readonly string[] = Object.keys(TASKS);

/** The model of that name with its batch. */
export function taskOf(name: string): StepTask {
  return name === 'mlp-large' ? { ...LARGE } : TASKS[name]!();
}

/** Where the time of steps clipped by global norm 1 goes. */
export async function profileCell(name: string, threads: number, seconds: number): Promise<Profile> {
  const stepper = new Stepper(TASKS[name]!(), clip.globalNorm(1), threads);
  try {
    return await stepper.profile(seconds);
  } finally {
    stepper.dispose();
  }
}

/** Steps clipped by global norm 1, and steps that neither clip nor measure. */
export async function stepCell(name: string, threads: number): Promise<Cell> {
  const clipped = new Stepper(TASKS[name]!(), clip.globalNorm(1), threads);
  const free = new Stepper(TASKS[name]!(), clip.none({ measure: false }), threads);
  const { loss } = await clipped.first(3);
  // With 1e-4 as its learning rate a model has nothing to do but to get a little better on its one batch.
  if (!(loss[2]! < loss[0]!)) throw new Error(`bench: ${name}: the loss does not go down: ${loss.join(', ')}`);
  return {
    info: { params: clipped.params },
    variants: { step: (seconds) => clipped.run(seconds), noclip: (seconds) => free.run(seconds) },
  };
}

const classify: Objective<Module> = ({ x, y }: Batch, model) => {
  return crossEntropy((model as Module & { forward(x: Tensor): Tensor }).forward(x), y);
};

/** Uniform in [-1, 1). */
export function floats(...shape: readonly number[]): NdArray {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  uniform(-1, 1)(data, shape, drawsFor(1n, shape.join()));
  return { data, shape };
}

function ids(bound: number, ...shape: readonly number[]): NdArray {
  const data = new Int32Array(shape.reduce((a, b) => a * b, 1));
  uniformIntegers(data, bound, 1n, 0);
  return { data, shape };
}
