// parts.ts: what most workloads have in common: their optimizers, three sets that one seed draws, and losses.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import * as loss from '../../nn/loss/index.ts';
import type { Module } from '../../nn/module/module.ts';
import { adamw } from '../../optim/rules/adam.ts';
import { sgd } from '../../optim/rules/sgd.ts';
import type { Batch } from '../../train/feed/source.ts';
import { type Draw, draws } from '../data/draws.ts';
import type { LabData, LabSet, LabWorkload } from '../workload.ts';

/** SGD with momentum .9, and AdamW, with these rates. */
export const rates = (ofSgd: number, ofAdam: number): LabWorkload['optimizers'] => ({
  sgd: () => sgd({ lr: ofSgd, momentum: 0.9 }),
  adam: () => adamw({ lr: ofAdam }),
});

/** How many rows, or characters, each set has. */
export interface Sizes {
  readonly train: number;
  readonly validation: number;
  readonly test: number;
}

/** Three sets of a seed: `one` draws each, with a generator of its own. What all of them share is drawn by `draws(seed, 'shared')`. */
export function threeSets(seed: number, sizes: Sizes, one: (next: Draw, size: number, set: keyof Sizes) => LabSet): LabData {
  const of = (set: keyof Sizes): LabSet => one(draws(seed, set), sizes[set], set);
  return { train: of('train'), validation: of('validation'), test: of('test') };
}

/** What a model of one input is. */
export type Plain = Module & { forward(x: TensorLike): Tensor };

/** Cross-entropy of the logits of x. */
export const ofLogits = ({ x, y }: Batch, model: Plain): Tensor => loss.crossEntropy(model.forward(x), y);
/** Mean square error of what is made of x. */
export const ofSquares = ({ x, y }: Batch, model: Plain): Tensor => loss.mse(model.forward(x), y);
