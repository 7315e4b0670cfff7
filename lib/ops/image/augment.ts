// augment.ts: images moved, mirrored, and with a square blanked out, at random, in training only. Kernel: augment.h.

import { DTypeError, OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { DTYPE_BYTES, type OpDef, type RefArray, type TensorType, typeName } from '../../ir/op.ts';
import { PHILOX_TAG, philox4x32, philoxKey } from '../../ir/philox.ts';
import { byItem } from '../../ir/samples.ts';
import { choice, number, options, Place, whole } from '../../options/index.ts';
import { moved } from '../shape/axes.ts';

/** What lies outside an image that was moved: `fill`, the nearest value, or the image mirrored at its edge. */
export type Border = 'constant' | 'edge' | 'reflect';
const BORDERS = ['constant', 'edge', 'reflect'] as const;

export interface AugmentOptions {
  /** Move by up to so many places, up or down and left or right; default 0. */
  readonly shift?: number;
  /** Default 'constant'. */
  readonly border?: Border;
  /** Probability of mirroring left to right; default 0. */
  readonly horizontal?: number;
  /** Probability of mirroring top to bottom; default 0. */
  readonly vertical?: number;
  /** Side of a square that is blanked out, with its middle anywhere in the image; default 0. */
  readonly cutout?: number;
  /** Probability of that square; default 1. */
  readonly cutoutProbability?: number;
  /** Value of a constant border and of the square; default 0. */
  readonly fill?: number;
}

export interface AugmentAttrs extends Required<AugmentOptions> {
  /** Of this use of the op; see Graph.randomKey. */
  readonly key: number;
}

/** Channels, height and width; images without channels have one. */
function sizesOf(shape: readonly number[]): readonly [number, number, number] {
  const [h, w] = shape.slice(-2) as [number, number];
  return [shape.length === 4 ? shape[1]! : 1, h, w];
}

const threshold = (probability: number, whole: number): number => Math.round(probability * whole);

export const AUGMENT: OpDef<AugmentAttrs> = {
  name: 'augment',
  infer([x], { shift }) {
    const { dtype, shape } = x as TensorType;
    if (dtype !== 'f32' && dtype !== 'u8') throw new DTypeError(`augment: expected images as f32 or u8, got ${typeName(x!)}`);
    if ((shape.length !== 3 && shape.length !== 4) || shape.slice(1).includes(0)) {
      throw new ShapeError(`augment: expected images [n, height, width] or [n, channels, height, width], got [${shape}]`);
    }
    const [, h, w] = sizesOf(shape);
    if (shift >= Math.min(h, w))
      throw new ShapeError(`augment: expected a shift below ${Math.min(h, w)}, the size of [${shape}], got ${shift}`);
    return [x!];
  },
  lower({ out, attrs: a }) {
    const [c, h, w] = sizesOf(out.shape);
    const mirror = [threshold(a.horizontal, 2 ** 16), threshold(a.vertical, 2 ** 16)];
    const cut = [a.cutout, a.cutout === 0 ? 0 : threshold(a.cutoutProbability, 2 ** 24)];
    const ints = [out.shape[0]!, c, h, w, DTYPE_BYTES[out.dtype], a.shift, BORDERS.indexOf(a.border), ...mirror, ...cut, a.key];
    return { ints, floats: [a.fill] };
  },
  cost: (node) => moved(node, 0),
  ref([y], [x], { out, attrs: a }, { seed, attempt }) {
    const [c, h, w] = sizesOf(out.shape);
    const tag = PHILOX_TAG.augment ^ Math.floor(attempt / 2 ** 32);
    const words = new Uint32Array(4);
    const below = (bits: number, n: number): number => Math.floor((bits * n) / 2 ** 16);
    const inside = (at: number, n: number): number | null => {
      if (at >= 0 && at < n) return at;
      if (a.border === 'constant') return null;
      if (a.border === 'edge') return at < 0 ? 0 : n - 1;
      return at < 0 ? -at : 2 * (n - 1) - at;
    };
    for (let n = 0; n < out.shape[0]!; n++) {
      philox4x32(words, n, attempt >>> 0, tag, a.key, ...philoxKey(seed));
      const high = (i: number): number => words[i]! >>> 16;
      const low = (i: number): number => words[i]! & 0xffff;
      const [dy, dx] = [below(high(0), 2 * a.shift + 1) - a.shift, below(low(0), 2 * a.shift + 1) - a.shift];
      const [mirror, turn] = [high(1) < threshold(a.horizontal, 2 ** 16), low(1) < threshold(a.vertical, 2 ** 16)];
      const blank = words[3]! >>> 8 < threshold(a.cutoutProbability, 2 ** 24);
      const [top, left] = [below(high(2), h) - Math.floor(a.cutout / 2), below(low(2), w) - Math.floor(a.cutout / 2)];
      for (let i = 0; i < c * h * w; i++) {
        const [k, row, column] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
        const fromRow = inside((turn ? h - 1 - row : row) + dy, h);
        const fromColumn = inside((mirror ? w - 1 - column : column) + dx, w);
        const cut = blank && row >= top && row < top + a.cutout && column >= left && column < left + a.cutout;
        const there = !cut && fromRow !== null && fromColumn !== null;
        y![n * c * h * w + i] = there ? (x as RefArray)[((n * c + k) * h + fromRow) * w + fromColumn]! : a.fill;
      }
    }
  },
  samplesOf: { lies: byItem },
  samples() {
    const none = {
      shift: 0,
      border: 'constant',
      horizontal: 0,
      vertical: 0,
      cutout: 0,
      cutoutProbability: 1,
      fill: 0,
      key: 0,
    } as const;
    const images = (...shape: number[]): TensorType[] => [{ dtype: 'f32', shape }];
    return [
      { ins: images(1, 1, 1), attrs: none },
      { ins: images(0, 3, 4, 5), attrs: none },
      { ins: images(19, 5, 7), attrs: { ...none, shift: 3, fill: 0.5, key: 2 } },
      { ins: images(17, 2, 6, 5), attrs: { ...none, shift: 4, border: 'reflect', horizontal: 0.5, vertical: 0.5 } },
      { ins: images(9, 3, 8, 33), attrs: { ...none, shift: 7, border: 'edge', horizontal: 1 } },
      {
        ins: [{ dtype: 'u8', shape: [23, 1, 9, 9] }],
        attrs: { ...none, shift: 2, horizontal: 0.25, cutout: 5, cutoutProbability: 0.5, fill: 7 },
        fill: [[0, 256]],
      },
      { ins: images(11, 3, 4), attrs: { ...none, vertical: 0.7, cutout: 9, fill: -1 } },
    ];
  },
};

/**
 * In a training graph, images [n, height, width] or [n, channels, height, width] (f32 or u8), each moved, mirrored and with a square
 * blanked out by random numbers of its own, keyed by seed, batch and place in the batch. In an evaluation graph, x itself.
 * @throws OptionError; ShapeError where x holds no images, or smaller ones than the shift; DTypeError
 */
export function augment(x: TensorLike, options: AugmentOptions): Tensor {
  const attrs = augmentOptions.read(options, new Place('augment', 'option', ''));
  const t = x.toTensor();
  if (t.graph.mode === 'eval') return t;
  if (t.dtype === 'u8' && (!Number.isInteger(attrs.fill) || attrs.fill < 0 || attrs.fill > 255)) {
    throw new OptionError(`augment: option fill: expected a byte for images of u8, got ${attrs.fill}`, { option: 'fill' });
  }
  return t.graph.add(AUGMENT, [t], { ...attrs, key: t.graph.randomKey() }).out;
}

const places = whole({ min: 0, max: 2 ** 20 });
const probability = number({ min: 0, max: 1 });
const augmentOptions = options<AugmentOptions>()({
  shift: places.default(0),
  border: choice(...BORDERS).default('constant'),
  horizontal: probability.default(0),
  vertical: probability.default(0),
  cutout: places.default(0),
  cutoutProbability: probability.default(1),
  fill: number().default(0),
});
