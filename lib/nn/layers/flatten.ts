// flatten.ts: layers that change no element: flatten, unflatten, identity.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { axis } from '../../ops/args.ts';
import { resolveAxis } from '../../ops/shape/axes.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { list, options, optionsOnly, signature, whole } from '../../options/index.ts';
import { forwardOf, plain } from '../fields.ts';
import { Module } from '../module/module.ts';

/** Options of `nn.Flatten`. */
export interface FlattenOptions {
  /** The first dimension that is joined. Default 1. */
  readonly startDim?: number;
  /** The last one. Default -1, the last of all. */
  readonly endDim?: number;
}

const readFlatten = optionsOnly('nn.Flatten', options<FlattenOptions>()({ startDim: axis.default(1), endDim: axis.default(-1) }));
const readFlattenForward = forwardOf('Flatten');

/**
 * Dimensions `startDim` to `endDim` become one; all but the first, unless options say otherwise.
 * @shape x [batch, ...] -> [batch, n]
 * @throws OptionError; ShapeError if x has no such dimensions
 * @see torch.nn.Flatten
 */
export class Flatten extends Module {
  /** The first dimension that is joined. */
  readonly startDim: number;
  /** The last dimension that is joined. */
  readonly endDim: number;

  constructor(options: FlattenOptions = {}) {
    super();
    const { startDim, endDim } = readFlatten(arguments);
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(x: TensorLike): Tensor {
    const { x: t } = readFlattenForward(arguments);
    if (t.shape.length === 0) return reshape(t, [1]);
    // A vector has no dimension 1: it is a batch of single numbers.
    if (t.shape.length === 1 && this.startDim === 1) return reshape(t, [t.shape[0] as number, 1]);
    const start = resolveAxis('Flatten', this.startDim, t.shape.length);
    const end = resolveAxis('Flatten', this.endDim, t.shape.length);
    if (end < start) throw new ShapeError(`Flatten: expected startDim <= endDim, got ${start} and ${end} for [${t.shape}]`);
    return reshape(t, [...t.shape.slice(0, start), sizeOf(t.shape.slice(start, end + 1)), ...t.shape.slice(end + 1)]);
  }
}

const readUnflatten = signature('nn.Unflatten', { dim: axis, sizes: list(whole({ min: -1 }), { min: 1 }) });
const readUnflattenForward = forwardOf('Unflatten');

/**
 * Dimension `dim` becomes several; one of them may be -1: it is worked out.
 * @shape x [..., n, ...] -> [..., ...sizes, ...]
 * @throws OptionError; ShapeError if x has no such dimension, or it is not the product of `sizes`
 * @see torch.nn.Unflatten
 */
export class Unflatten extends Module {
  /** The dimension that becomes several. */
  readonly dim: number;
  /** Sizes of the dimensions that it becomes. */
  readonly sizes: readonly number[];

  constructor(dim: number, sizes: readonly number[]) {
    super();
    const read = readUnflatten(arguments);
    this.dim = read.dim;
    this.sizes = read.sizes;
  }

  forward(x: TensorLike): Tensor {
    const { x: t } = readUnflattenForward(arguments);
    const dim = resolveAxis('Unflatten', this.dim, t.shape.length);
    const known = this.sizes.reduce((n, d) => (d === -1 ? n : n * d), 1);
    const sizes = this.sizes.map((d) => (d === -1 && known > 0 ? (t.shape[dim] as number) / known : d));
    if (sizeOf(sizes) !== t.shape[dim] || !sizes.every((d) => Number.isInteger(d) && d >= 0)) {
      throw new ShapeError(`Unflatten: expected dimension ${dim} of ${sizeOf(this.sizes)} elements, got [${t.shape}]`);
    }
    return reshape(t, [...t.shape.slice(0, dim), ...sizes, ...t.shape.slice(dim + 1)]);
  }
}

const readIdentity = plain('Identity');

/**
 * `x` itself: what stands where a layer may be.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.nn.Identity
 */
export class Identity extends Module {
  constructor() {
    super();
    readIdentity.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return readIdentity.forward(arguments).x;
  }
}
