// case.ts: what a layer or model is compared on with PyTorch. Each case of cases/ has a twin of the same name in cases.py.
import type { Tensor } from '../../lib/ir/graph.ts';
import type { Data, DType } from '../../lib/ir/op.ts';
import type { Module } from '../../lib/nn/index.ts';
import { noise, uniform } from '../golden/runs/recipe.ts';

export interface Input {
  readonly shape: readonly number[];
  /** Whole numbers below this, as i32; else f32 in [-1, 1), which gets a gradient. */
  readonly below?: number;
  /** These instead. */
  readonly values?: readonly number[];
}

export interface ParityCase<M extends Module = Module> {
  readonly module: () => M;
  readonly inputs: Readonly<Record<string, Input>>;
  /** What is compared, with its gradients. Default: `y`, what forward gives for the inputs in order. */
  readonly run?: (module: M, inputs: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>;
  /** Default `train`: with batch statistics, which move the running ones. */
  readonly mode?: 'train' | 'eval';
  /** Too large for the kept truths of the test suite: the command alone compares it. */
  readonly large?: boolean;
}

/** Keeps the model's type while it checks the record. */
export function parity<M extends Module>(record: ParityCase<M>): ParityCase {
  return record as unknown as ParityCase;
}

/** Updates of a comparison: each takes LR times its gradient off the weights. */
export const STEPS = 3;
export const LR = 0.1;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function dtypeOf({ below }: Input): DType {
  return below === undefined ? 'f32' : 'i32';
}

/** The `k`-th input's values. */
export function valuesOf(input: Input, k: number): Data {
  const n = sizeOf(input.shape);
  if (input.values) return input.below === undefined ? Float32Array.from(input.values) : Int32Array.from(input.values);
  if (input.below === undefined) return uniform(100 + k, n);
  return Int32Array.from(noise(100 + k, n), (v) => v % input.below!);
}

/** The `k`-th output is multiplied by this; the mean of that is its part of the loss. */
export function directionOf(shape: readonly number[], k: number): Float32Array {
  return uniform(500 + k, sizeOf(shape));
}
