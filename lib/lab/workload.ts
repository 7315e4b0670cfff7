// workload.ts: the contract of what the laboratory trains: a small network, its data drawn by a seed, two optimizers, and what knowing nothing costs.
import type { Module } from '../nn/module/module.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import type { Arrays, Source } from '../train/feed/source.ts';
import type { Objective } from '../train/step/step.ts';

/** Which kind of network: what advice goes by. */
export type LabKind = 'dense' | 'image' | 'recurrent' | 'transformer' | 'recommendation';
export const KINDS: readonly LabKind[] = ['dense', 'image', 'recurrent', 'transformer', 'recommendation'];

/** What is known of a workload beforehand, whatever its norms turn out to be. */
export type LabTrait =
  | 'heavyTails'
  | 'rareHugeInputs'
  | 'labelNoise'
  | 'imbalance'
  | 'sparse'
  | 'longDependencies'
  | 'deep'
  | 'noWarmup'
  | 'noNorms'
  | 'batchNorm'
  | 'largeBatch'
  | 'smallBatch'
  | 'regression';

/** One set of a workload's data. */
export type LabSet = Arrays | Source;
/** What one seed draws. */
export interface LabData {
  readonly train: LabSet;
  readonly validation: LabSet;
  readonly test: LabSet;
}

/** A task of the laboratory: it trains within a fraction of a second on one thread. */
export interface LabWorkload {
  readonly name: string;
  /** One line for people. */
  readonly about: string;
  readonly kind: LabKind;
  readonly traits: readonly LabTrait[];
  /** How long it is trained, in steps, and with how many rows each. */
  readonly steps: number;
  readonly batchSize: number;
  /**
   * SGD with momentum .9 and AdamW. Their rates are usual values with which the network trains: not chosen by what a clip does with them. Each call makes
   * another one.
   */
  readonly optimizers: { readonly sgd: () => Optimizer; readonly adam: () => Optimizer };
  /** Drawn by the seed, by generators of its own: the same bits on any machine, other rows for another seed, sizes the same for all. */
  data(seed: number): LabData;
  /** Another network of the same structure; a trainer's seed draws its weights. */
  model(): Module;
  readonly loss: Objective<Module>;
  /** Loss on the test set of who knows nothing but the best constant: computed from the data. */
  ignorant(data: LabData): number;
}

/** What a file of workloads writes: the model's own type, in model and loss. */
export interface LabTask<M extends Module> extends Omit<LabWorkload, 'model' | 'loss'> {
  model(): M;
  readonly loss: Objective<M>;
}

/** The workload of a task: the loss takes the task's own model, which nobody else makes. */
export function workload<M extends Module>(task: LabTask<M>): LabWorkload {
  return task as unknown as LabWorkload;
}
