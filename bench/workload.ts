// workload.ts: what a file of bench/workloads/ exports: a model, one batch, and what PyTorch computes for them.
import { extname } from 'node:path';
import type { Module } from '../lib/nn/index.ts';
import type { Arrays, NdArray } from '../lib/train/feed/source.ts';
import type { Objective } from '../lib/train/step/step.ts';
import { noise, uniform } from '../test/golden/runs/recipe.ts';

export interface Workload<M extends Module> {
  /** A fresh model; the bench fills its parameters. */
  model(): M;
  /** Bound of the uniform initial values of each parameter, in order: PyTorch's defaults, but 1 for embeddings. */
  readonly bounds: readonly number[];
  /** One batch, used for every step. */
  batch(): Arrays & { readonly x: NdArray; readonly y: NdArray };
  readonly loss: Objective<M>;
  /** SGD with momentum 0.9, or AdamW; both with lr 1e-4. */
  readonly optimizer: 'sgd' | 'adamw';
  /** Sizes m, n, k of the largest product of its forward pass (of a convolution: as a product of patches): [m, k] by [k, n]. */
  readonly product: readonly [m: number, n: number, k: number];
  readonly reference: Reference;
}

/** Of `torch_peer.py --mode f64`, clipped by global norm 1: every engine must show the same before it is timed. */
export interface Reference {
  readonly params: number;
  /** Of the first three steps; the norm is that before the clip. */
  readonly loss: readonly [number, number, number];
  readonly norm: readonly [number, number, number];
}

/** Keeps the model's type while it checks the record. */
export function workload<M extends Module>(record: Workload<M>): Workload<M> {
  return record;
}

/** The workload of that name. */
export async function loadWorkload<M extends Module>(name: string): Promise<Workload<M>> {
  // `.js` once compiled.
  const file = `./workloads/${name}${extname(import.meta.url)}`;
  const { WORKLOAD } = (await import(/* @vite-ignore */ file)) as { WORKLOAD: Workload<M> };
  return WORKLOAD;
}

/** PyTorch's bounds for a chain of linear layers: weight and bias within 1 / sqrt(in). */
export function linearBounds(...ins: readonly number[]): number[] {
  return ins.flatMap((n) => [1 / Math.sqrt(n), 1 / Math.sqrt(n)]);
}

/** Of a GPT: tables, norms (weight and bias), linear layers. */
export function gptBounds(layers: number, width: number): number[] {
  const norm = [1, 0.1];
  const block = [...norm, ...linearBounds(width, width), ...norm, ...linearBounds(width, 4 * width)];
  return [0.05, 0.05, ...Array.from({ length: layers }, () => block).flat(), ...norm];
}

/** Seeds of the batch, as in bench/peers/workloads.py. */
export const SEED = { x: 1001, y: 1002, x2: 1003 } as const;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function floats(seed: number, ...shape: readonly number[]): NdArray {
  return { data: uniform(seed, sizeOf(shape)), shape };
}

export function ids(seed: number, bound: number, ...shape: readonly number[]): NdArray {
  return { data: Int32Array.from(noise(seed, sizeOf(shape)), (v) => v % bound), shape };
}

/**
 * Fill a model's parameters as the peers fill theirs: parameter k is uniform(k) times its bound. Where they lie: arrays beside them would be counted
 * as the model's memory, until they are collected.
 */
export function fillParameters(model: Module, bounds: readonly number[]): void {
  const parameters = model.parameters();
  if (parameters.length !== bounds.length) throw new Error(`expected ${bounds.length} parameters, got ${parameters.length}`);
  for (const [k, parameter] of parameters.entries()) {
    const bound = bounds[k]!;
    parameter.init = (out) => {
      const drawn = noise(k, out.length, new Uint32Array(out.buffer, out.byteOffset, out.length));
      for (let i = 0; i < out.length; i++) out[i] = ((drawn[i]! >>> 8) / 2 ** 23 - 1) * bound;
    };
  }
  model.initialize();
}
