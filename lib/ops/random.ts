// random.ts: dropout, noise, random numbers, and single ones. Kernel: random.h. The same counters give the same mask, forward, backward, and in any run resumed.

import { DTypeError, OptionError, ShapeError } from '../errors.ts';
import type { Graph, Tensor, TensorLike } from '../ir/graph.ts';
import { f32, type OpDef, type RefArray, sizeOf } from '../ir/op.ts';
import { PHILOX_TAG, philox4x32, philoxKey } from '../ir/philox.ts';
import { byElement } from '../ir/samples.ts';
import { log } from '../math/index.ts';
import { number, options, signature } from '../options/index.ts';
import { rate, shape, tensor } from './args.ts';
import { add, cast, less, log as logOf, mul, neg, sub } from './elementwise/elementwise.ts';
import { argmax } from './reduce/reduce.ts';
import { moved } from './shape/axes.ts';

export interface DropoutAttrs {
  /** Probability of 0, in [0, 1). */
  readonly rate: number;
  /** Of this use of the op; see Graph.randomKey. */
  readonly key: number;
}

/** An element is dropped when the upper 24 bits of its random word lie below this. */
const threshold = (rate: number): number => Math.ceil(rate * 2 ** 24);
const scale = (rate: number): number => Math.fround(1 / (1 - rate));

export const DROPOUT: OpDef<DropoutAttrs> = {
  name: 'dropout',
  infer([x]) {
    if (x?.dtype !== 'f32') throw new DTypeError(`dropout: expected f32, got ${x?.dtype}; convert it with cast(x, 'f32')`);
    return [x];
  },
  vjp: (node, [dy]) => [dy ? dy.graph.add(DROPOUT, [dy], node.attrs).out : null],
  lower: ({ out, attrs: { rate, key } }) => ({ ints: [sizeOf(out.shape), key, threshold(rate)], floats: [scale(rate)] }),
  cost: (node) => moved(node, 20 * sizeOf(node.out.shape)),
  inplace: () => [[0, 0]],
  // Element 64 g + 16 w + l takes word w of block 16 g + l: what 16 lanes make at once.
  ref([y], [x], { attrs: { rate, key } }, { seed, attempt }) {
    const [k0, k1] = philoxKey(seed);
    const tag = PHILOX_TAG.dropout ^ Math.floor(attempt / 2 ** 32);
    const words = new Uint32Array(4);
    (x as RefArray).forEach((value, e) => {
      philox4x32(words, 16 * Math.floor(e / 64) + (e % 16), attempt >>> 0, tag, key, k0, k1);
      const kept = words[(e >>> 4) & 3]! >>> 8 >= threshold(rate);
      (y as RefArray)[e] = value * (kept ? scale(rate) : 0);
    });
  },
  samplesOf: { lies: byElement },
  samples: () => [
    { ins: [f32(1)], attrs: { rate: 0.5, key: 0 } },
    { ins: [f32(3, 0)], attrs: { rate: 0.5, key: 0 } },
    { ins: [f32(5, 77)], attrs: { rate: 0.1, key: 3 } },
    { ins: [f32(9001)], attrs: { rate: 0.9, key: 12345 } },
  ],
};

const readDropout = signature('ops.dropout', { x: tensor, p: rate.default(0.5) });
const readNoise = signature('ops.noise', { x: tensor, std: number({ min: 0 }) });

/**
 * In a training graph, elements of x become 0 with probability `p` and the others are multiplied by 1 / (1 - p). In
 * an evaluation graph, x itself, unless dropout is asked for (`graph.dropout`). The mask is keyed by seed, batch and this
 * use of the op.
 * @shape x [...] -> [...]
 * @param p in [0, 1). Default 0.5.
 * @throws OptionError; DTypeError unless x is f32
 * @see torch.nn.functional.dropout
 */
export function dropout(x: TensorLike, p = 0.5): Tensor {
  const { x: t } = readDropout(arguments);
  if (!t.graph.dropout || p === 0) return t;
  return t.graph.add(DROPOUT, [t], { rate: p, key: t.graph.randomKey() }).out;
}

export interface NoiseAttrs {
  readonly std: number;
  readonly key: number;
}

// The normal quantile, AS 241 (Wichura 1988), PPND7: numerators and denominators of its middle and of its tails, highest power first.
const MIDDLE = [
  [59.10937472, 159.29113202, 50.434271938, 3.3871327179],
  [67.1875636, 78.757757664, 17.895169469, 1],
] as const;
const TAIL = [
  [0.17023821103, 1.3067284816, 2.75681539, 1.4234372777],
  [0, 0.12021132975, 0.7370016425, 1],
] as const;
const poly = (c: readonly number[], x: number): number => c.reduce((sum, a) => sum * x + a, 0);

/** Standard normal, from the upper 23 bits of a random word. */
function normal(word: number): number {
  const p = ((word >>> 9) + 0.5) / 2 ** 23;
  const q = p - 0.5;
  const middle = Math.abs(q) <= 0.425;
  const r = middle ? 0.180625 - q * q : Math.sqrt(-log(Math.min(p, 1 - p))) - 1.6;
  const [above, below] = middle ? MIDDLE : TAIL;
  return (poly(above, r) / poly(below, r)) * (middle ? q : Math.sign(q));
}

export const NOISE: OpDef<NoiseAttrs> = {
  name: 'noise',
  infer([x]) {
    if (x?.dtype !== 'f32') throw new DTypeError(`noise: expected f32, got ${x?.dtype}; convert it with cast(x, 'f32')`);
    return [x];
  },
  vjp: (_, [dy]) => [dy ?? null],
  lower: ({ out, attrs: { std, key } }) => ({ ints: [sizeOf(out.shape), key], floats: [std] }),
  cost: (node) => moved(node, 40 * sizeOf(node.out.shape)),
  inplace: () => [[0, 0]],
  // Words as those of dropout.
  ref([y], [x], { attrs: { std, key } }, { seed, attempt }) {
    const [k0, k1] = philoxKey(seed);
    const tag = PHILOX_TAG.noise ^ Math.floor(attempt / 2 ** 32);
    const words = new Uint32Array(4);
    (x as RefArray).forEach((value, e) => {
      philox4x32(words, 16 * Math.floor(e / 64) + (e % 16), attempt >>> 0, tag, key, k0, k1);
      (y as RefArray)[e] = value + Math.fround(std) * normal(words[(e >>> 4) & 3]!);
    });
  },
  samplesOf: { lies: byElement },
  samples: () => [
    { ins: [f32(1)], attrs: { std: 1, key: 0 } },
    { ins: [f32(3, 0)], attrs: { std: 1, key: 0 } },
    { ins: [f32(5, 77)], attrs: { std: 0.1, key: 3 } },
    { ins: [f32(9001)], attrs: { std: 2, key: 12345 }, tolerance: 6e-6 },
  ],
};

/**
 * In a training graph, x plus normal noise of mean 0 and deviation `std`, within 5.3 deviations. In an evaluation
 * graph, x itself. Keyed by seed, batch and this use of the op.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see gradclip: x + std * torch.randn_like(x) in training
 */
export function noise(x: TensorLike, std: number): Tensor {
  const { x: t } = readNoise(arguments);
  if (t.graph.mode === 'eval' || std === 0) return t;
  return t.graph.add(NOISE, [t], { std, key: t.graph.randomKey() }).out;
}

export const UNIFORM: OpDef<{ readonly key: number }> = {
  name: 'uniform',
  infer: () => [{ dtype: 'f64', shape: [] }],
  lower: ({ attrs: { key } }) => ({ ints: [key] }),
  cost: () => ({ flops: 60, bytes: 8 }),
  ref([out], _, { attrs: { key } }, { seed, attempt }) {
    const words = new Uint32Array(4);
    const tag = PHILOX_TAG.uniform ^ Math.floor(attempt / 2 ** 32);
    philox4x32(words, 0, attempt >>> 0, tag, key, ...philoxKey(seed));
    out![0] = ((words[0]! >>> 5) * 2 ** 26 + (words[1]! >>> 6)) / 2 ** 53;
  },
  samplesOf: { lies: () => [null] },
  samples: () => [
    { ins: [], attrs: { key: 0 }, noGradient: true },
    { ins: [], attrs: { key: 77 }, noGradient: true },
  ],
};

/** A number of [0, 1), f64, another one in each step: keyed by seed, batch and this use of the op. */
export function uniformNumber(graph: Graph): Tensor {
  return graph.add(UNIFORM, [], { key: graph.randomKey() }).out;
}

export interface RandomAttrs {
  readonly shape: readonly number[];
  readonly key: number;
  /** Of a standard normal; else of [0, 1), with 24 bits. */
  readonly normal: boolean;
}
export const RANDOM: OpDef<RandomAttrs> = {
  name: 'random',
  infer: (_, { shape }) => [f32(...shape)],
  lower: ({ attrs: { shape, key, normal } }) => ({ ints: [sizeOf(shape), key, Number(normal)] }),
  cost: (node) => moved(node, 40 * sizeOf(node.out.shape)),
  // Words as those of dropout.
  ref([y], _, { attrs: { key, normal: isNormal } }, { seed, attempt }) {
    const [k0, k1] = philoxKey(seed);
    const tag = PHILOX_TAG.random ^ Math.floor(attempt / 2 ** 32);
    const words = new Uint32Array(4);
    for (let e = 0; e < y!.length; e++) {
      philox4x32(words, 16 * Math.floor(e / 64) + (e % 16), attempt >>> 0, tag, key, k0, k1);
      const word = words[(e >>> 4) & 3]!;
      y![e] = isNormal ? normal(word) : (word >>> 8) / 2 ** 24;
    }
  },
  samplesOf: { lies: () => [null] },
  samples: () =>
    [[1], [3, 0], [5, 77], [9001]].flatMap((shape, i) =>
      [false, true].map((normal) => ({ ins: [], attrs: { shape, key: 7 * i, normal }, noGradient: true, tolerance: 6e-6 })),
    ),
};

const drawn = (like: Tensor, shape: readonly number[], normal: boolean): Tensor =>
  like.graph.add(RANDOM, [], { shape, key: like.graph.randomKey(), normal }).out;

const drawFields = { like: tensor, shape: shape.or(null) } as const;
const readRandn = signature('ops.randn', drawFields);
const readUniform = signature(
  'ops.uniform',
  drawFields,
  options<UniformOptions>()({ min: number().default(0), max: number().default(1) }),
);
const readBernoulli = signature('ops.bernoulli', { p: tensor });
const readCategorical = signature('ops.categorical', { logits: tensor });

/**
 * Normal numbers of mean 0 and deviation 1, within 5.3 deviations, others in each step of a training: keyed by seed, batch and this use
 * of the op, whatever the threads. In evaluation and prediction they are the same in each call, and others for each batch
 * of it; `predict(x, { dropout: true })` draws new ones, or those of its `seed`.
 * @shape like [...] -> f32 [...shape]
 * @param like any tensor of the model's graph, such as its input
 * @param shape Default: that of `like`.
 * @throws OptionError
 * @see torch.randn_like
 */
export function randn(like: TensorLike, shape?: readonly number[]): Tensor {
  const { like: t, shape: dims } = readRandn(arguments);
  return drawn(t, dims ?? t.shape, true);
}

/** Options of `ops.uniform`. */
export interface UniformOptions {
  /** The least. Default 0. */
  readonly min?: number;
  /** What all are below, or at by rounding; above `min`. Default 1. */
  readonly max?: number;
}
/**
 * Numbers of [min, max), each of 2^24 equally likely; when they are others, see `ops.randn`.
 * @shape like [...] -> f32 [...shape]
 * @param like any tensor of the model's graph, such as its input
 * @param shape Default: that of `like`.
 * @throws OptionError
 * @see torch.rand_like
 */
export function uniform(like: TensorLike, shape?: readonly number[], options: UniformOptions = {}): Tensor {
  const { like: t, shape: dims, min, max } = readUniform(arguments);
  if (!(min < max)) throw new OptionError(`ops.uniform: option max: expected a number above min, ${min}, got ${max}`);
  const u = drawn(t, dims ?? t.shape, false);
  return min === 0 && max === 1 ? u : add(mul(u, max - min), min);
}

/**
 * 1 with probability `p`, else 0, of f32; when they are others, see `ops.randn`. It stops the gradient:
 * `ops.straightThrough` passes it on.
 * @shape p f32 [...] -> f32 [...]
 * @throws OptionError; DTypeError unless p is f32
 * @see torch.bernoulli
 */
export function bernoulli(p: TensorLike): Tensor {
  const { p: t } = readBernoulli(arguments);
  if (t.dtype !== 'f32') throw new DTypeError(`bernoulli: expected probabilities as f32, got ${t.dtype}`);
  return less(drawn(t, t.shape, false), t);
}

/**
 * A class for each row, drawn by the softmax of its logits (Gumbel's trick); when they are others, see `ops.randn`. It
 * stops the gradient.
 * @shape logits f32 [..., classes] -> i32 [...]
 * @throws OptionError; ShapeError if there is no class; DTypeError unless the logits are f32
 * @see torch.distributions.Categorical
 */
export function categorical(logits: TensorLike): Tensor {
  const { logits: t } = readCategorical(arguments);
  if (t.dtype !== 'f32') throw new DTypeError(`categorical: expected logits as f32, got ${t.dtype}`);
  if (t.shape.length === 0) throw new ShapeError('categorical: expected at least 1 dimension, got a scalar');
  // In f64, and never 0: both logarithms are finite.
  const u = add(cast(drawn(t, t.shape, false), 'f64'), 2 ** -25);
  return argmax(sub(cast(t, 'f64'), logOf(neg(logOf(u)))));
}
