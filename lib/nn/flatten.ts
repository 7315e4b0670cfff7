// flatten.ts: layers that change no element: flatten, unflatten, identity.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { resolveAxis } from '../ops/axes.ts';
import { reshape } from '../ops/shape.ts';
import { checkNumber, checkOptions } from '../options.ts';
import { Module } from './module.ts';

export interface FlattenOptions {
  /** The first dimension that is joined. Default 1. */
  readonly startDim?: number;
  /** The last one. Default -1, the last of all. */
  readonly endDim?: number;
}

/** Dimensions `startDim` to `endDim` become one; by default all but the first: [batch, ...] -> [batch, n]. As `torch.nn.Flatten`. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(options: FlattenOptions = {}) {
    super();
    checkOptions('Flatten', options, ['startDim', 'endDim']);
    this.startDim = checkNumber('Flatten', 'startDim', options.startDim ?? 1, { integer: true });
    this.endDim = checkNumber('Flatten', 'endDim', options.endDim ?? -1, { integer: true });
  }

  forward(x: TensorLike): Tensor {
    const t = x.toTensor();
    if (t.shape.length === 0) return reshape(t, [1]);
    // A vector has no dimension 1: it is a batch of single numbers.
    if (t.shape.length === 1 && this.startDim === 1) return reshape(t, [t.shape[0] as number, 1]);
    const start = resolveAxis('Flatten', this.startDim, t.shape.length);
    const end = resolveAxis('Flatten', this.endDim, t.shape.length);
    if (end < start) throw new ShapeError(`Flatten: expected startDim <= endDim, got ${start} and ${end} for [${t.shape}]`);
    return reshape(t, [...t.shape.slice(0, start), sizeOf(t.shape.slice(start, end + 1)), ...t.shape.slice(end + 1)]);
  }
}

/** Dimension `dim` becomes several; one of them may be -1: it is worked out. As `torch.nn.Unflatten`. */
export class Unflatten extends Module {
  readonly dim: number;
  readonly sizes: readonly number[];

  constructor(dim: number, sizes: readonly number[]) {
    super();
    this.dim = checkNumber('Unflatten', 'dim', dim, { integer: true });
    this.sizes = sizes.map((n, i) => checkNumber('Unflatten', `sizes[${i}]`, n, { min: -1, integer: true }));
  }

  /** @throws ShapeError if the sizes do not multiply to the dimension. */
  forward(x: TensorLike): Tensor {
    const t = x.toTensor();
    const dim = resolveAxis('Unflatten', this.dim, t.shape.length);
    const known = this.sizes.reduce((n, d) => (d === -1 ? n : n * d), 1);
    const sizes = this.sizes.map((d) => (d === -1 && known > 0 ? (t.shape[dim] as number) / known : d));
    if (sizeOf(sizes) !== t.shape[dim] || !sizes.every((d) => Number.isInteger(d) && d >= 0)) {
      throw new ShapeError(`Unflatten: expected dimension ${dim} of ${sizeOf(this.sizes)} elements, got [${t.shape}]`);
    }
    return reshape(t, [...t.shape.slice(0, dim), ...sizes, ...t.shape.slice(dim + 1)]);
  }
}

/** x itself: what stands where a layer may be. As `torch.nn.Identity`. */
export class Identity extends Module {
  forward(x: TensorLike): Tensor {
    return x.toTensor();
  }
}
