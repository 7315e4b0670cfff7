// pad.ts: layers that put elements around sequences and images.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { resample, type Tap } from '../../ops/image/resample.ts';
import { concat } from '../../ops/shape/concat.ts';
import { broadcastTo } from '../../ops/shape/shape.ts';
import { pad } from '../../ops/shape/slice.ts';
import { either, type Field, list, number, signature, whole } from '../../options/index.ts';
import { forwardOf, type ReadX } from '../fields.ts';
import { Module } from '../module/module.ts';
import { withOptions } from '../module/repr.ts';

/**
 * How many elements: on every side, or [left, right] of a sequence, [left, right, top, bottom] of an image, [left, right, top, bottom,
 * front, back] of a volume.
 */
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

/** [before, after] of the last dimension, then of those before it. */
type Sides = readonly (readonly [number, number])[];

/** At most so many on a side that each of them is looked up, or that are a value. */
const LOOKED_UP = 65_535;
const VALUES = 2 ** 31 - 1;

function paddingField(dims: 1 | 2 | 3, most: number): Field<Padding, Sides> {
  const one = whole({ min: 0, max: most });
  return either(one, list(one, { min: 2 * dims, max: 2 * dims })).map((given): Sides => {
    const of = (i: number): number => (typeof given === 'number' ? given : given[i]!);
    return Array.from({ length: dims }, (_, d) => [of(2 * d), of(2 * d + 1)] as const);
  });
}
/** One of the layers. */
interface Kind {
  readonly layer: string;
  readonly made: (given: ArrayLike<unknown>) => { readonly padding: Sides };
  readonly forward: ReadX;
}
const kind = (layer: string, dims: 1 | 2 | 3, most: number): Kind => ({
  layer,
  made: signature(`nn.${layer}`, { padding: paddingField(dims, most) }),
  forward: forwardOf(layer),
});
interface ConstantKind extends Kind {
  readonly made: (given: ArrayLike<unknown>) => { readonly padding: Sides; readonly value: number };
}
const constantKind = (layer: string, dims: 1 | 2 | 3): ConstantKind => ({
  layer,
  made: signature(`nn.${layer}`, { padding: paddingField(dims, VALUES), value: number({ infinite: true }) }),
  forward: forwardOf(layer),
});

/** What all of these layers share. */
abstract class Pad extends Module {
  readonly #sides: Sides;
  readonly #kind: Kind;
  readonly #fill: Fill;

  constructor(kind: Kind, sides: Sides, fill: Fill) {
    super();
    this.#kind = kind;
    this.#sides = sides;
    this.#fill = fill;
  }

  override extraRepr(): string {
    return withOptions(super.extraRepr(), { padding: this.#sides.flat() });
  }

  /** @throws ShapeError if x has too few dimensions or, for reflection and circle, too few elements. */
  forward(x: TensorLike): Tensor {
    const { layer, forward } = this.#kind;
    let { x: t } = forward(arguments);
    const rank = t.shape.length;
    const dims = this.#sides.length;
    if (rank !== dims + 1 && rank !== dims + 2) {
      const space = dims === 1 ? 'length' : dims === 2 ? 'height, width' : 'depth, height, width';
      throw new ShapeError(`${layer}: expected x [batch, channels, ${space}] or [channels, ${space}], got [${t.shape}]`);
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
      throw new ShapeError(`${this.#kind.layer}: expected at least ${least} elements along axis ${axis}, got [${t.shape}]`);
    }
    const taps = Array.from({ length: before + size + after }, (_, j): Tap => {
      const k = fill.place(j - before, size);
      return [k, k, 0];
    });
    return resample(t, axis, taps);
  }
}

const zeroPad1d = kind('ZeroPad1d', 1, VALUES);
const zeroPad2d = kind('ZeroPad2d', 2, VALUES);
const zeroPad3d = kind('ZeroPad3d', 3, VALUES);
const constantPad1d = constantKind('ConstantPad1d', 1);
const constantPad2d = constantKind('ConstantPad2d', 2);
const constantPad3d = constantKind('ConstantPad3d', 3);
const reflectionPad1d = kind('ReflectionPad1d', 1, LOOKED_UP);
const reflectionPad2d = kind('ReflectionPad2d', 2, LOOKED_UP);
const reflectionPad3d = kind('ReflectionPad3d', 3, LOOKED_UP);
const replicationPad1d = kind('ReplicationPad1d', 1, LOOKED_UP);
const replicationPad2d = kind('ReplicationPad2d', 2, LOOKED_UP);
const replicationPad3d = kind('ReplicationPad3d', 3, LOOKED_UP);
const circularPad1d = kind('CircularPad1d', 1, LOOKED_UP);
const circularPad2d = kind('CircularPad2d', 2, LOOKED_UP);
const circularPad3d = kind('CircularPad3d', 3, LOOKED_UP);

/**
 * Zeros before and after the elements of the last dimension.
 * @shape x [batch, channels, length] -> [batch, channels, left + length + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ZeroPad1d
 */
export class ZeroPad1d extends Pad {
  constructor(padding: Padding) {
    super(zeroPad1d, zeroPad1d.made(arguments).padding, { value: 0 });
  }
}
/**
 * Zeros around images.
 * @shape x [batch, channels, height, width] -> [batch, channels, top + height + bottom, left + width + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ZeroPad2d
 */
export class ZeroPad2d extends Pad {
  constructor(padding: Padding) {
    super(zeroPad2d, zeroPad2d.made(arguments).padding, { value: 0 });
  }
}
/**
 * One value before and after the elements of the last dimension.
 * @shape x [batch, channels, length] -> [batch, channels, left + length + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ConstantPad1d
 */
export class ConstantPad1d extends Pad {
  constructor(padding: Padding, value: number) {
    const read = constantPad1d.made(arguments);
    super(constantPad1d, read.padding, { value: read.value });
  }
}
/**
 * One value around images.
 * @shape x [batch, channels, height, width] -> [batch, channels, top + height + bottom, left + width + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ConstantPad2d
 */
export class ConstantPad2d extends Pad {
  constructor(padding: Padding, value: number) {
    const read = constantPad2d.made(arguments);
    super(constantPad2d, read.padding, { value: read.value });
  }
}
/**
 * Reflects x at its ends, which come once. The padding is less than the length.
 * @shape x [batch, channels, length] -> [batch, channels, left + length + right]
 * @throws OptionError; ShapeError for another number of dimensions, or a length that the padding reaches
 * @see torch.nn.ReflectionPad1d
 */
export class ReflectionPad1d extends Pad {
  constructor(padding: Padding) {
    super(reflectionPad1d, reflectionPad1d.made(arguments).padding, reflect);
  }
}
/**
 * Reflects images at their sides, whose elements come once. The padding is less than the image.
 * @shape x [batch, channels, height, width] -> [batch, channels, top + height + bottom, left + width + right]
 * @throws OptionError; ShapeError for another number of dimensions, or an image that the padding reaches
 * @see torch.nn.ReflectionPad2d
 */
export class ReflectionPad2d extends Pad {
  constructor(padding: Padding) {
    super(reflectionPad2d, reflectionPad2d.made(arguments).padding, reflect);
  }
}
/**
 * Repeats the first and the last element.
 * @shape x [batch, channels, length] -> [batch, channels, left + length + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ReplicationPad1d
 */
export class ReplicationPad1d extends Pad {
  constructor(padding: Padding) {
    super(replicationPad1d, replicationPad1d.made(arguments).padding, replicate);
  }
}
/**
 * Repeats the elements at the sides of images.
 * @shape x [batch, channels, height, width] -> [batch, channels, top + height + bottom, left + width + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ReplicationPad2d
 */
export class ReplicationPad2d extends Pad {
  constructor(padding: Padding) {
    super(replicationPad2d, replicationPad2d.made(arguments).padding, replicate);
  }
}
/**
 * Goes on at each end with the other end. The padding is at most the length.
 * @shape x [batch, channels, length] -> [batch, channels, left + length + right]
 * @throws OptionError; ShapeError for another number of dimensions, or less length than padding
 * @see torch.nn.CircularPad1d
 */
export class CircularPad1d extends Pad {
  constructor(padding: Padding) {
    super(circularPad1d, circularPad1d.made(arguments).padding, circular);
  }
}
/**
 * Goes on at each side of an image with the other side. The padding is at most the image.
 * @shape x [batch, channels, height, width] -> [batch, channels, top + height + bottom, left + width + right]
 * @throws OptionError; ShapeError for another number of dimensions, or less than the padding
 * @see torch.nn.CircularPad2d
 */
export class CircularPad2d extends Pad {
  constructor(padding: Padding) {
    super(circularPad2d, circularPad2d.made(arguments).padding, circular);
  }
}
/**
 * Zeros around volumes.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, front + depth + back, top + height + bottom, left +
 * width + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ZeroPad3d
 */
export class ZeroPad3d extends Pad {
  constructor(padding: Padding) {
    super(zeroPad3d, zeroPad3d.made(arguments).padding, { value: 0 });
  }
}
/**
 * One value around volumes.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, front + depth + back, top + height + bottom, left +
 * width + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ConstantPad3d
 */
export class ConstantPad3d extends Pad {
  constructor(padding: Padding, value: number) {
    const read = constantPad3d.made(arguments);
    super(constantPad3d, read.padding, { value: read.value });
  }
}
/**
 * Reflects volumes at their sides, whose elements come once. The padding is less than the volume.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, front + depth + back, top + height + bottom, left +
 * width + right]
 * @throws OptionError; ShapeError for another number of dimensions, or a volume that the padding reaches
 * @see torch.nn.ReflectionPad3d
 */
export class ReflectionPad3d extends Pad {
  constructor(padding: Padding) {
    super(reflectionPad3d, reflectionPad3d.made(arguments).padding, reflect);
  }
}
/**
 * Repeats the elements at the sides of volumes.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, front + depth + back, top + height + bottom, left +
 * width + right]
 * @throws OptionError; ShapeError for another number of dimensions
 * @see torch.nn.ReplicationPad3d
 */
export class ReplicationPad3d extends Pad {
  constructor(padding: Padding) {
    super(replicationPad3d, replicationPad3d.made(arguments).padding, replicate);
  }
}
/**
 * Goes on at each side of a volume with the other side. The padding is at most the volume.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, front + depth + back, top + height + bottom, left +
 * width + right]
 * @throws OptionError; ShapeError for another number of dimensions, or less than the padding
 * @see torch.nn.CircularPad3d
 */
export class CircularPad3d extends Pad {
  constructor(padding: Padding) {
    super(circularPad3d, circularPad3d.made(arguments).padding, circular);
  }
}
