// pad.ts: layers that put elements around sequences and images.
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { concat, pad } from '../ops/concat.ts';
import { resample, type Tap } from '../ops/resample.ts';
import { broadcastTo } from '../ops/shape.ts';
import { checkNumber, show } from '../options.ts';
import { Module } from './module.ts';
import { withOptions } from './repr.ts';

/** How many elements: on every side, or [left, right] of a sequence, [left, right, top, bottom] of an image. */
export type Padding = number | readonly number[];

/** What goes around: one value, or places of x. */
type Fill =
  | { readonly value: number }
  | { readonly place: (at: number, size: number) => number; readonly most: (size: number) => number };

const reflect: Fill = {
  place: (at, size) => (at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at),
  most: (size) => size - 1,
};
const replicate: Fill = { place: (at, size) => Math.min(Math.max(at, 0), size - 1), most: () => Infinity };
const circular: Fill = { place: (at, size) => (at + size) % size, most: (size) => size };

/** What all of these layers share. */
abstract class Pad extends Module {
  /** [before, after] of the last dimension, then of the one before it. */
  readonly #sides: readonly (readonly [number, number])[];
  readonly #where: string;
  readonly #fill: Fill;

  constructor(where: string, dims: 1 | 2, padding: Padding, fill: Fill) {
    super();
    const list = typeof padding === 'number' ? new Array<number>(2 * dims).fill(padding) : padding;
    if (!Array.isArray(list) || list.length !== 2 * dims) {
      throw new OptionError(`${where}: option padding: expected a number or ${2 * dims} of them, got ${show(padding)}`);
    }
    for (const n of list) checkNumber(where, 'padding', n, { min: 0, integer: true });
    this.#where = where;
    this.#sides = Array.from({ length: dims }, (_, d) => [list[2 * d] as number, list[2 * d + 1] as number] as const);
    this.#fill = fill;
  }

  override extraRepr(): string {
    return withOptions(super.extraRepr(), { padding: this.#sides.flat() });
  }

  /** @throws ShapeError if x has too few dimensions or, for reflection and circle, too few elements. */
  forward(x: TensorLike): Tensor {
    let t = x.toTensor();
    const rank = t.shape.length;
    const dims = this.#sides.length;
    if (rank !== dims + 1 && rank !== dims + 2) {
      const space = dims === 1 ? 'length' : 'height, width';
      throw new ShapeError(`${this.#where}: expected x [batch, channels, ${space}] or [channels, ${space}], got [${t.shape}]`);
    }
    for (const [d, [before, after]] of this.#sides.entries()) t = this.#along(t, rank - 1 - d, before, after);
    return t;
  }

  #along(t: Tensor, axis: number, before: number, after: number): Tensor {
    const size = t.shape[axis] as number;
    const fill = this.#fill;
    if (before === 0 && after === 0) return t;
    if ('value' in fill) {
      if (fill.value === 0) return pad(t, { axis, before, after });
      const value = t.graph.scalar(fill.value, t.dtype === 'f64' ? 'f64' : 'f32');
      const beside = (n: number): Tensor[] =>
        n === 0
          ? []
          : [
              broadcastTo(
                value,
                t.shape.map((d, i) => (i === axis ? n : d)),
              ),
            ];
      return concat([...beside(before), t, ...beside(after)], axis);
    }
    if (size === 0 || Math.max(before, after) > fill.most(size)) {
      const least = fill === reflect ? Math.max(before, after) + 1 : Math.max(before, after, 1);
      throw new ShapeError(`${this.#where}: expected at least ${least} elements along axis ${axis}, got [${t.shape}]`);
    }
    const taps = Array.from({ length: before + size + after }, (_, j): Tap => {
      const k = fill.place(j - before, size);
      return [k, k, 0];
    });
    return resample(t, axis, taps);
  }
}

/** Zeros around x [batch, channels, length], as `torch.nn.ZeroPad1d`. */
export class ZeroPad1d extends Pad {
  constructor(padding: Padding) {
    super('ZeroPad1d', 1, padding, { value: 0 });
  }
}
/** Zeros around x [batch, channels, height, width], as `torch.nn.ZeroPad2d`. */
export class ZeroPad2d extends Pad {
  constructor(padding: Padding) {
    super('ZeroPad2d', 2, padding, { value: 0 });
  }
}
/** One value around x [batch, channels, length], as `torch.nn.ConstantPad1d`. */
export class ConstantPad1d extends Pad {
  constructor(padding: Padding, value: number) {
    super('ConstantPad1d', 1, padding, { value: checkNumber('ConstantPad1d', 'value', value, { infinite: true }) });
  }
}
/** One value around x [batch, channels, height, width], as `torch.nn.ConstantPad2d`. */
export class ConstantPad2d extends Pad {
  constructor(padding: Padding, value: number) {
    super('ConstantPad2d', 2, padding, { value: checkNumber('ConstantPad2d', 'value', value, { infinite: true }) });
  }
}
/** x [batch, channels, length] reflected at its ends, which come once: as `torch.nn.ReflectionPad1d`. The padding is less than the length. */
export class ReflectionPad1d extends Pad {
  constructor(padding: Padding) {
    super('ReflectionPad1d', 1, padding, reflect);
  }
}
/** The same over images, as `torch.nn.ReflectionPad2d`. */
export class ReflectionPad2d extends Pad {
  constructor(padding: Padding) {
    super('ReflectionPad2d', 2, padding, reflect);
  }
}
/** The ends of x [batch, channels, length] repeated, as `torch.nn.ReplicationPad1d`. */
export class ReplicationPad1d extends Pad {
  constructor(padding: Padding) {
    super('ReplicationPad1d', 1, padding, replicate);
  }
}
/** The same over images, as `torch.nn.ReplicationPad2d`. */
export class ReplicationPad2d extends Pad {
  constructor(padding: Padding) {
    super('ReplicationPad2d', 2, padding, replicate);
  }
}
/** x [batch, channels, length] goes on with its other end, as `torch.nn.CircularPad1d`. The padding is at most the length. */
export class CircularPad1d extends Pad {
  constructor(padding: Padding) {
    super('CircularPad1d', 1, padding, circular);
  }
}
/** The same over images, as `torch.nn.CircularPad2d`. */
export class CircularPad2d extends Pad {
  constructor(padding: Padding) {
    super('CircularPad2d', 2, padding, circular);
  }
}
