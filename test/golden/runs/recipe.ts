// recipe.ts: the weights and batches of the golden runs, made from whole numbers as make.py makes them, so that none are stored.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type GoldenName = 'mlp-sgd' | 'mlp-adamw' | 'char-rnn-sgd';

/** What PyTorch made of a recipe: one value per step. */
export interface Curves {
  readonly loss: readonly number[];
  /** Of the gradient before the clip. */
  readonly norm: readonly number[];
}
export interface Golden {
  readonly torch: string;
  readonly settings: {
    readonly optimizer: 'sgd' | 'adamw';
    readonly lr: number;
    readonly momentum?: number;
    readonly betas?: readonly [number, number];
    readonly eps?: number;
    readonly weightDecay?: number;
    /** Threshold of clip_grad_norm_, whose scale is min(1, c / (n + 1e-6)). */
    readonly maxNorm: number;
  };
  readonly probe: {
    /** Shape and first values, in the order of the module's parameters. */
    readonly parameters: Readonly<Record<string, readonly [number[], number[]]>>;
    /** Of the batches of some steps: sum of x, and sum of y[i] * (i mod 7). */
    readonly sums: Readonly<Record<string, readonly [number, number]>>;
  };
  readonly f32: Curves;
  readonly f64: Curves;
  /** Sum and sum of squares of each parameter after the last step. */
  readonly final: Readonly<Record<string, readonly [number, number]>>;
}

/** @param folder where the goldens are, for a script that is compiled elsewhere */
export function golden(name: GoldenName, folder: string = import.meta.dirname): Golden {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Golden;
}

/** n whole numbers in [0, 2^32): murmur3's finalizer over a counter. */
export function noise(seed: number, n: number, out: Uint32Array = new Uint32Array(n)): Uint32Array {
  const start = Math.imul(seed, 0x9e3779b9);
  for (let i = 0; i < n; i++) {
    let x = (start + i) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    out[i] = x ^ (x >>> 16);
  }
  return out;
}

/** n f32 in [-1, 1), exact: 24 bits of noise. */
export function uniform(seed: number, n: number): Float32Array {
  const from = noise(seed, n);
  const out = new Float32Array(n);
  for (let i = 0; i < n; i++) out[i] = (from[i]! >>> 8) / 2 ** 23 - 1;
  return out;
}

const FAN_IN: Readonly<Record<string, number>> = { fc1: 784, fc2: 256, fc3: 128, rnn: 128, out: 128 };

/** Initial values of a golden's parameters, by name. Parameter k is uniform(k) times its bound. */
export function weights(of: Golden): Map<string, Float32Array> {
  return new Map(
    Object.entries(of.probe.parameters).map(([name, [shape]], k) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const fanIn = FAN_IN[name.split('.')[0]!];
      const bound = fanIn ? 1 / Math.sqrt(fanIn) : 1;
      return [name, uniform(k, size).map((u) => u * bound)];
    }),
  );
}

/** Batch of a step of the MLP runs: x[64,784], y[64]. Ten prototypes under noise; a label is wrong now and then. */
export function mlpBatch(step: number): { x: Float32Array; y: Int32Array } {
  const r = noise(1000 + step, 64);
  const prototypes = uniform(999, 7840);
  const x = uniform(50_000 + step, 64 * 784).map(
    (u, i) => prototypes[(r[Math.floor(i / 784)]! % 10) * 784 + (i % 784)]! * 0.25 + u,
  );
  const y = Int32Array.from(r, (v) => ((v % 10) + ((v >>> 8) % 16 === 0 ? 1 : 0)) % 10);
  return { x, y };
}

/** Batch of a step of the character run: x[32,64] and y[32,64], one later. A character follows from the two before it, mostly. */
export function charBatch(step: number): { x: Int32Array; y: Int32Array } {
  const r = noise(3000 + step, 32 * 65);
  const x = new Int32Array(32 * 64);
  const y = new Int32Array(32 * 64);
  for (let row = 0; row < 32; row++) {
    let before = 0;
    let last = 0;
    for (let t = 0; t < 65; t++) {
      const v = r[row * 65 + t]!;
      const id = t < 2 || (v >>> 8) % 8 === 0 ? v % 65 : (last * 3 + before + 7) % 65;
      if (t < 64) x[row * 64 + t] = id;
      if (t > 0) y[row * 64 + t - 1] = id;
      before = last;
      last = id;
    }
  }
  return { x, y };
}
