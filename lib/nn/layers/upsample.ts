// upsample.ts: sequences, images and volumes made larger (or smaller), by the nearest element or linearly between two.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { resample, type Tap } from '../../ops/image/resample.ts';
import { bool, choice, either, type Field, list, number, options, optionsOnly, whole } from '../../options/index.ts';
import { forwardOf } from '../fields.ts';
import { Module } from '../module/module.ts';
import { withOptions } from '../module/repr.ts';

/** Options of `nn.Upsample`. */
export interface UpsampleOptions {
  /** The new length, [height, width] or [depth, height, width]; one number for all. Default: as `scaleFactor` says. */
  readonly size?: number | readonly number[];
  /** In place of `size`: how many times as large, per dimension or one for all. Default: as `size` says. */
  readonly scaleFactor?: number | readonly number[];
  /** 'linear' for sequences, 'bilinear' for images and 'trilinear' for volumes are the same. Default 'nearest'. */
  readonly mode?: 'nearest' | 'linear' | 'bilinear' | 'trilinear';
  /** Linear: the centers of the first and the last element stay where they are. Default false: the edges do. */
  readonly alignCorners?: boolean;
}

/** The largest length that is made: each of its elements is looked up. */
const MOST = 2 ** 20;
const perDim = (one: Field<number>): Field<number | readonly number[], number | readonly number[]> =>
  either(one, list(one, { min: 1, max: 3 }));
const readUpsample = optionsOnly(
  'nn.Upsample',
  options<UpsampleOptions>()({
    size: perDim(whole({ min: 1, max: MOST })).optional(),
    scaleFactor: perDim(number({ above: 0 })).optional(),
    mode: choice('nearest', 'linear', 'bilinear', 'trilinear').default('nearest'),
    alignCorners: bool.default(false),
  }),
);
const readForward = forwardOf('Upsample');
/** How many dimensions x may have besides batch and channels. */
const DIMS: Readonly<Record<NonNullable<UpsampleOptions['mode']>, readonly number[]>> = {
  ...{ nearest: [1, 2, 3], linear: [1], bilinear: [2], trilinear: [3] },
};

/**
 * Sequences, images or volumes in another size.
 * @shape x [batch, channels, length], [batch, channels, height, width] or [batch, channels, depth, height, width] -> [batch, channels,
 * ...size]
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.Upsample
 */
export class Upsample extends Module {
  readonly #read: ReturnType<typeof readUpsample>;

  /** @throws OptionError unless one of `size` and `scaleFactor` is given. */
  constructor(options: UpsampleOptions) {
    super();
    this.#read = readUpsample(arguments);
    const { size, scaleFactor, mode, alignCorners } = this.#read;
    if ((size === undefined) === (scaleFactor === undefined)) {
      throw new OptionError('nn.Upsample: expected either option size or option scaleFactor');
    }
    if (alignCorners && mode === 'nearest') {
      throw new OptionError('nn.Upsample: option alignCorners: expected mode linear, bilinear or trilinear, got nearest');
    }
  }

  override extraRepr(): string {
    return withOptions(super.extraRepr(), this.#read);
  }

  forward(x: TensorLike): Tensor {
    let { x: t } = readForward(arguments);
    const { size, scaleFactor, mode, alignCorners } = this.#read;
    const dims = t.shape.length - 2;
    const given = [size ?? scaleFactor ?? []].flat();
    const fits = given.length === dims || !Array.isArray(size ?? scaleFactor);
    if (!fits || !DIMS[mode].includes(dims)) {
      const wanted = DIMS[mode]
        .map((n) => (n === 1 ? 'length' : ['depth', 'height', 'width'].slice(3 - n).join(', ')))
        .join(' or ');
      throw new ShapeError(`Upsample: expected x [batch, channels, ${wanted}] as options say, got [${t.shape}]`);
    }
    // The last dimension first: then the others are made of whole rows.
    for (let d = dims - 1; d >= 0; d--) {
      const from = t.shape[d + 2] as number;
      const factor = size === undefined ? (given[d] ?? (given[0] as number)) : null;
      const to = factor === null ? (given[d] ?? (given[0] as number)) : Math.floor(from * factor);
      if (from === 0 || to === 0) throw new ShapeError(`Upsample: expected at least one element each way, got [${t.shape}]`);
      if (to > MOST) throw new ShapeError(`Upsample: expected at most ${MOST} elements each way, got ${to} of [${t.shape}]`);
      const scale = factor === null ? from / to : 1 / factor;
      t = resample(t, d + 2, mode === 'nearest' ? nearest(from, to, scale) : linear(from, to, scale, alignCorners));
    }
    return t;
  }
}

/** PyTorch works this out in f32. */
const nearest = (from: number, to: number, scale: number): Tap[] =>
  Array.from({ length: to }, (_, j): Tap => {
    const k = Math.min(Math.floor(Math.fround(j * Math.fround(scale))), from - 1);
    return [k, k, 0];
  });

function linear(from: number, to: number, scale: number, alignCorners: boolean): Tap[] {
  const step = alignCorners ? (to > 1 ? (from - 1) / (to - 1) : 0) : scale;
  return Array.from({ length: to }, (_, j): Tap => {
    const at = alignCorners ? step * j : Math.max(0, step * (j + 0.5) - 0.5);
    const k = Math.min(Math.floor(at), from - 1);
    return k === from - 1 ? [k, k, 0] : [k, k + 1, at - k];
  });
}
