// images.ts: layers over signals [channels, length], images [channels, height, width] and volumes: convolutions, pooling, padding, resampling.
import * as nn from '../../../lib/nn/index.ts';
import type { Size2d, Size3d } from '../../../lib/ops/index.ts';
import { given, type Random } from '../random.ts';
import type { Options, Row } from '../spec.ts';
import { kind, type LayerKind, room, type Unit } from './kind.ts';

/** One number, or one for each spatial dimension. */
type Sizes = number | readonly number[];

/** The same for all spatial dimensions, or one for each. */
function each(r: Random, row: Row, draw: (size: number) => number): Sizes {
  const space = row.slice(1);
  return r.chance(0.4) ? space.map(draw) : draw(Math.min(...space));
}

interface ConvOptions extends Options {
  readonly out: number;
  readonly kernel: Sizes;
  readonly grouped?: boolean;
  readonly stride?: number;
  readonly padding?: number | 'same' | 'valid';
  readonly dilation?: number;
  readonly bias?: boolean;
}

/** Groups: as many as divide both numbers of channels. */
const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));

function convolution(ranks: readonly number[], make: (ins: number, o: ConvOptions, options: object) => Unit): LayerKind {
  return kind<ConvOptions>({
    ranks,
    draw(r, row) {
      const [ins] = row as [number];
      const least = Math.min(...row.slice(1));
      const grouped = r.chance(0.25);
      const most = Math.min(room(row, 0), 40);
      const out = grouped && ins <= most ? ins * r.between(1, Math.floor(most / ins)) : r.size(most);
      const dilation = least >= 5 ? r.maybe(0.2, () => 2) : undefined;
      const reach = Math.max(1, Math.floor((least - 1) / (dilation ?? 1)) + 1);
      const stride = r.maybe(0.3, () => r.between(2, 3));
      const padding = r.maybe(0.6, () => (stride === undefined ? r.pick([1, 2, 'same', 'valid'] as const) : r.between(1, 2)));
      const options = {
        out,
        kernel: each(r, row, (d) => r.between(1, Math.min(d, reach, 5))),
        ...given({ stride, padding, dilation }),
      };
      return { options: { ...options, ...(grouped && { grouped }), ...given({ bias: r.maybe(0.3, () => false) }) } };
    },
    make({ out, kernel, grouped, ...options }, row) {
      const [ins] = row as [number];
      return make(ins, { out, kernel }, { ...options, ...(grouped && { groups: common(ins, out) }) });
    },
  });
}

function transposed(ranks: readonly number[], make: (ins: number, o: ConvOptions, options: object) => Unit): LayerKind {
  return kind<ConvOptions>({
    ranks,
    draw(r, row) {
      const [ins] = row as [number];
      const stride = r.maybe(0.4, () => 2);
      const grown = row.map((d, i) => (i === 0 ? d : d * (stride ?? 1) + 2));
      const grouped = r.chance(0.25);
      const most = Math.min(room(grown, 0), 30);
      const out = grouped && ins <= most ? ins : r.size(most);
      const kernel = each(r, row, () => r.between(1, 3));
      const padded = Math.min(...[kernel].flat()) === 3 ? r.maybe(0.4, () => 1) : undefined;
      const outputPadding = stride === undefined ? undefined : r.maybe(0.4, () => 1);
      const more = given({ stride, padding: padded, outputPadding, bias: r.maybe(0.3, () => false) });
      return { options: { out, kernel, ...(grouped && { grouped }), ...more } };
    },
    make({ out, kernel, grouped, ...options }, row) {
      const [ins] = row as [number];
      return make(ins, { out, kernel }, { ...options, ...(grouped && { groups: common(ins, out) }) });
    },
  });
}

interface PoolOptions extends Options {
  readonly kernel: Sizes;
  readonly stride?: number;
  readonly padding?: number;
  readonly ceilMode?: boolean;
  readonly dilation?: number;
  readonly countIncludePad?: boolean;
}

function pooling(ranks: readonly number[], max: boolean, make: (kernel: Sizes, options: object) => Unit): LayerKind {
  return kind<PoolOptions>({
    ranks,
    draw(r, row) {
      const least = Math.min(...row.slice(1));
      const kernel = each(r, row, (d) => r.between(1, Math.min(d, 4)));
      const smallest = Math.min(...[kernel].flat());
      return {
        options: {
          kernel,
          ...given({
            stride: r.maybe(0.5, () => r.between(1, 3)),
            padding: smallest >= 2 ? r.maybe(0.4, () => r.between(0, Math.floor(smallest / 2))) : undefined,
            ceilMode: r.maybe(0.3, () => true),
            dilation: max && smallest >= 2 && least >= 8 ? r.maybe(0.3, () => 2) : undefined,
            countIncludePad: max ? undefined : r.maybe(0.3, () => false),
          }),
        },
      };
    },
    make: ({ kernel, ...options }) => make(kernel, options),
  });
}

function adaptive(ranks: readonly number[], make: (size: Sizes) => Unit): LayerKind {
  return kind<{ size: Sizes }>({
    ranks,
    draw: (r, row) => ({ options: { size: each(r, row, (d) => r.between(1, d)) } }),
    make: ({ size }) => make(size),
  });
}

/** @param most of a side of so many elements */
function padding(ranks: readonly number[], most: (size: number) => number, make: (sides: Sizes) => Unit): LayerKind {
  return kind<{ sides: Sizes }>({
    ranks,
    draw(r, row) {
      const space = row.slice(1);
      const side = (size: number): number => r.between(0, Math.min(3, most(size)));
      // The last dimension comes first, each with two sides.
      const sides = space.toReversed().flatMap((d) => [side(d), side(d)]);
      return { options: { sides: r.chance(0.4) ? side(Math.min(...space)) : sides } };
    },
    make: ({ sides }) => make(sides),
  });
}
const anything = (): number => 3;
const below = (size: number): number => size - 1;
const upTo = (size: number): number => size;

export const IMAGES: Readonly<Record<string, LayerKind>> = {
  Conv1d: convolution([2], (ins, { out, kernel }, options) => new nn.Conv1d(ins, out, [kernel].flat()[0]!, options)),
  Conv2d: convolution([3], (ins, { out, kernel }, options) => new nn.Conv2d(ins, out, kernel as Size2d, options)),
  Conv3d: convolution([4], (ins, { out, kernel }, options) => new nn.Conv3d(ins, out, kernel as Size3d, options)),
  ConvTranspose1d: transposed([2], (ins, { out, kernel }, options) => {
    return new nn.ConvTranspose1d(ins, out, [kernel].flat()[0]!, options);
  }),
  ConvTranspose2d: transposed([3], (ins, { out, kernel }, options) => {
    return new nn.ConvTranspose2d(ins, out, kernel as Size2d, options);
  }),
  ConvTranspose3d: transposed([4], (ins, { out, kernel }, options) => {
    return new nn.ConvTranspose3d(ins, out, kernel as Size3d, options);
  }),
  MaxPool1d: pooling([2], true, (kernel, options) => new nn.MaxPool1d(kernel, options)),
  MaxPool2d: pooling([3], true, (kernel, options) => new nn.MaxPool2d(kernel, options)),
  AvgPool1d: pooling([2], false, (kernel, options) => new nn.AvgPool1d(kernel, options)),
  AvgPool2d: pooling([3], false, (kernel, options) => new nn.AvgPool2d(kernel, options)),
  AdaptiveAvgPool1d: adaptive([2], (size) => new nn.AdaptiveAvgPool1d(size)),
  AdaptiveAvgPool2d: adaptive([3], (size) => new nn.AdaptiveAvgPool2d(size)),
  AdaptiveMaxPool1d: adaptive([2], (size) => new nn.AdaptiveMaxPool1d(size)),
  AdaptiveMaxPool2d: adaptive([3], (size) => new nn.AdaptiveMaxPool2d(size)),
  MaxPool3d: pooling([4], true, (kernel, options) => new nn.MaxPool3d(kernel, options)),
  AvgPool3d: pooling([4], false, (kernel, options) => new nn.AvgPool3d(kernel, options)),
  AdaptiveAvgPool3d: adaptive([4], (size) => new nn.AdaptiveAvgPool3d(size)),
  AdaptiveMaxPool3d: adaptive([4], (size) => new nn.AdaptiveMaxPool3d(size)),
  PixelShuffle: kind<{ factor: number }>({
    ranks: [3],
    draw: (r, row) => (row[0]! % 4 === 0 ? { options: { factor: r.pick([1, 2]) } } : null),
    make: ({ factor }) => new nn.PixelShuffle(factor),
  }),
  PixelUnshuffle: kind<{ factor: number }>({
    ranks: [3],
    draw: (r, row) => (row[1]! % 2 === 0 && row[2]! % 2 === 0 ? { options: { factor: r.pick([1, 2]) } } : null),
    make: ({ factor }) => new nn.PixelUnshuffle(factor),
  }),
  ZeroPad1d: padding([2], anything, (sides) => new nn.ZeroPad1d(sides)),
  ZeroPad2d: padding([3], anything, (sides) => new nn.ZeroPad2d(sides)),
  ConstantPad1d: padding([2], anything, (sides) => new nn.ConstantPad1d(sides, 0.5)),
  ConstantPad2d: padding([3], anything, (sides) => new nn.ConstantPad2d(sides, -1)),
  ReflectionPad1d: padding([2], below, (sides) => new nn.ReflectionPad1d(sides)),
  ReflectionPad2d: padding([3], below, (sides) => new nn.ReflectionPad2d(sides)),
  ReplicationPad1d: padding([2], anything, (sides) => new nn.ReplicationPad1d(sides)),
  ReplicationPad2d: padding([3], anything, (sides) => new nn.ReplicationPad2d(sides)),
  CircularPad1d: padding([2], upTo, (sides) => new nn.CircularPad1d(sides)),
  CircularPad2d: padding([3], upTo, (sides) => new nn.CircularPad2d(sides)),
  ZeroPad3d: padding([4], anything, (sides) => new nn.ZeroPad3d(sides)),
  ConstantPad3d: padding([4], anything, (sides) => new nn.ConstantPad3d(sides, 2)),
  ReflectionPad3d: padding([4], below, (sides) => new nn.ReflectionPad3d(sides)),
  ReplicationPad3d: padding([4], anything, (sides) => new nn.ReplicationPad3d(sides)),
  CircularPad3d: padding([4], upTo, (sides) => new nn.CircularPad3d(sides)),
  Upsample: kind<nn.UpsampleOptions & Options>({
    ranks: [2, 3, 4],
    draw(r, row) {
      const mode = r.pick(['nearest', (['linear', 'bilinear', 'trilinear'] as const)[row.length - 2]!] as const);
      const size = r.chance(0.5)
        ? { size: each(r, row, (d) => r.between(1, Math.min(2 * d, 12))) }
        : { scaleFactor: r.pick([1, 1.5, 2]) };
      return { options: { ...size, mode, ...(mode !== 'nearest' && given({ alignCorners: r.maybe(0.5, () => true) })) } };
    },
    make: (options) => new nn.Upsample(options),
  }),
};
