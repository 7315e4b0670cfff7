// convolve.ts: the public functions of convolutions. Their records: conv.ts.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { choice, either, type Field, options, pair, signature, triple, whole } from '../../options/index.ts';
import { optionalTensor, tensor } from '../args.ts';
import type { Pair } from '../image/windows.ts';
import { reshape } from '../shape/shape.ts';
import { CONV2D, CONV2D_GRAD_INPUT, CONV3D, CONV3D_GRAD_INPUT } from './conv.ts';
import type { ConvAttrs } from './conv-attrs.ts';
import { spaceOf } from './conv-geometry.ts';

/** One number for height and width, or [height, width]. */
export type Size2d = number | readonly [number, number];
/** One number for depth, height and width, or [depth, height, width]. */
export type Size3d = number | readonly [number, number, number];

export interface ConvOptions<Size> {
  /** Step from one output to the next; default 1. */
  readonly stride?: Size;
  /** Zeros around the input; default 0. 'same' gives an output of the input's size (stride 1 only), 'valid' is 0. */
  readonly padding?: Size | 'same' | 'valid';
  /** Distance between the elements that a kernel reads; default 1. */
  readonly dilation?: Size;
  /** Channels in so many groups, each convolved separately; as many as channels: depthwise. Default 1. */
  readonly groups?: number;
}
/** Options of `ops.conv2d`. */
export type Conv2dOptions = ConvOptions<Size2d>;
/** Options of `ops.conv1d`. */
export type Conv1dOptions = ConvOptions<number>;
/** Options of `ops.conv3d`. */
export type Conv3dOptions = ConvOptions<Size3d>;

export interface ConvTransposeOptions<Size> extends Omit<ConvOptions<Size>, 'padding'> {
  /** Rows and columns taken off each side of the output; default 0. */
  readonly padding?: Size;
  /** Rows and columns added at the end of the output, less than the stride or the dilation; default 0. */
  readonly outputPadding?: Size;
}
/** Options of `ops.convTranspose1d`. */
export type ConvTranspose1dOptions = ConvTransposeOptions<number>;
/** Options of `ops.convTranspose2d`. */
export type ConvTranspose2dOptions = ConvTransposeOptions<Size2d>;
/** Options of `ops.convTranspose3d`. */
export type ConvTranspose3dOptions = ConvTransposeOptions<Size3d>;

const one = (least: number): Field<number> => whole({ min: least, max: 65_535 });
/** Of height and width. */
export const size2d = (least: number): Field<Size2d, Pair> =>
  either(one(least), pair(one(least), one(least))).map((value): Pair => (typeof value === 'number' ? [value, value] : value));
type Triple = readonly [number, number, number];
/** Of depth, height and width. */
export const size3d = (least: number): Field<Size3d, Triple> =>
  either(one(least), triple(one(least))).map((value): Triple => (typeof value === 'number' ? [value, value, value] : value));
/** Of a sequence. */
export const size1d: (least: number) => Field<number> = one;

/** The options as fields, whose sizes are read as `Read`. */
export interface ConvTransposeFields<Size, Read> {
  readonly stride: Field<Size, Read, false>;
  readonly padding: Field<Size, Read, false>;
  readonly dilation: Field<Size, Read, false>;
  readonly groups: Field<number, number, false>;
  readonly outputPadding: Field<Size, Read, false>;
}
export interface ConvFields<Size, Read> extends Omit<ConvTransposeFields<Size, Read>, 'padding' | 'outputPadding'> {
  readonly padding: Field<Size | 'same' | 'valid', Read | 'same' | 'valid', false>;
}
/** `unit`: a size of 1, and `none`: one of 0, as callers give them. */
function fields<Size, Read>(size: (least: number) => Field<Size, Read>, unit: Size, none: Size): ConvFields<Size, Read> {
  return {
    stride: size(1).default(unit),
    padding: either(size(0), choice('same', 'valid')).default(none),
    dilation: size(1).default(unit),
    groups: whole({ min: 1 }).default(1),
  };
}
export const conv2dFields: ConvFields<Size2d, Pair> = fields(size2d, 1, 0);
export const conv1dFields: ConvFields<number, number> = fields(size1d, 1, 0);
export const conv3dFields: ConvFields<Size3d, Triple> = fields(size3d, 1, 0);
export const convTranspose2dFields: ConvTransposeFields<Size2d, Pair> = {
  ...conv2dFields,
  padding: size2d(0).default(0),
  outputPadding: size2d(0).default(0),
};

export const convTranspose1dFields: ConvTransposeFields<number, number> = {
  ...conv1dFields,
  padding: size1d(0).default(0),
  outputPadding: size1d(0).default(0),
};

export const convTranspose3dFields: ConvTransposeFields<Size3d, Triple> = {
  ...conv3dFields,
  padding: size3d(0).default(0),
  outputPadding: size3d(0).default(0),
};

/** What of the options makes attributes, as read: of each dimension. */
interface Read {
  readonly stride: readonly number[];
  readonly padding: readonly number[] | 'same' | 'valid';
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** Padding before and after, which for 'same' differ by one where the kernel's reach is even: PyTorch puts the rest at the end. */
function paddingOf(where: string, { padding, stride, dilation }: Read, kernel: readonly number[]): number[] {
  if (padding === 'same') {
    if (stride.some((s) => s !== 1)) {
      throw new OptionError(`${where}: option padding: expected a number with stride ${stride.join('x')}, got "same"`);
    }
    const total = kernel.map((k, i) => dilation[i]! * (k - 1));
    return [...total.map((n) => n >> 1), ...total.map((n) => n - (n >> 1))];
  }
  const around = padding === 'valid' ? kernel.map(() => 0) : padding;
  return [...around, ...around];
}

function attrsOf(where: string, read: Read, weight: Tensor): ConvAttrs {
  const { stride, dilation, groups } = read;
  return { stride, padding: paddingOf(where, read, weight.shape.slice(2)), dilation, groups };
}

function expectRank(where: string, what: string, t: Tensor, rank: number): void {
  const layout = [...(what === 'x' ? ['n', 'channels'] : ['out', 'in']), ...spaceOf(rank - 2)];
  if (t.shape.length === rank) return;
  const hint = what === 'x' && t.shape.length === rank - 1 ? '; is the first dimension, rows, missing?' : '';
  throw new ShapeError(`${where}: expected ${what} [${layout.join(', ')}], got [${t.shape}]${hint}`);
}

const readConv2d = signature(
  'ops.conv2d',
  { x: tensor, weight: tensor, bias: optionalTensor },
  options<Conv2dOptions>()(conv2dFields),
);

/**
 * Convolution (cross-correlation), where oh = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1. Each
 * output adds its products in the order of the weight's memory, in precision bf16 those of two channels together,
 * whatever the number of threads.
 * @shape x [n, in, h, w], weight [out, in / groups, kh, kw], bias [out] -> [n, out, oh, ow]
 * @throws OptionError; ShapeError if shapes do not fit or the kernel is larger than the padded input; DTypeError
 * unless all are f32
 * @see torch.nn.functional.conv2d
 */
export function conv2d(x: TensorLike, weight: TensorLike, bias?: TensorLike | null, options: Conv2dOptions = {}): Tensor {
  const { x: t, weight: w, bias: b, ...read } = readConv2d(arguments);
  expectRank('conv2d', 'x', t, 4);
  expectRank('conv2d', 'a weight', w, 4);
  return t.graph.add(CONV2D, [t, w, ...(b ? [b] : [])], attrsOf('ops.conv2d', read, w)).out;
}

const readConv3d = signature(
  'ops.conv3d',
  { x: tensor, weight: tensor, bias: optionalTensor },
  options<Conv3dOptions>()(conv3dFields),
);

/**
 * Convolution (cross-correlation) over volumes, where along each dimension windows = floor((size + 2 padding - dilation (k - 1) - 1) /
 * stride) + 1. Each output adds its products in one order, depth by depth of the weight, in precision bf16 those of two channels together,
 * whatever the number of threads.
 * @shape x [n, in, d, h, w], weight [out, in / groups, kd, kh, kw], bias [out] -> [n, out, od, oh, ow]
 * @throws OptionError; ShapeError if shapes do not fit or the kernel is larger than the padded input; DTypeError
 * unless all are f32
 * @see torch.nn.functional.conv3d
 */
export function conv3d(x: TensorLike, weight: TensorLike, bias?: TensorLike | null, options: Conv3dOptions = {}): Tensor {
  const { x: t, weight: w, bias: b, ...read } = readConv3d(arguments);
  expectRank('conv3d', 'x', t, 5);
  expectRank('conv3d', 'a weight', w, 5);
  return t.graph.add(CONV3D, [t, w, ...(b ? [b] : [])], attrsOf('ops.conv3d', read, w)).out;
}

/** One dimension of size 1 before the last. */
const flat = (t: Tensor): Tensor => reshape(t, [...t.shape.slice(0, -1), 1, t.shape.at(-1)!]);
const readConv1d = signature(
  'ops.conv1d',
  { x: tensor, weight: tensor, bias: optionalTensor },
  options<Conv1dOptions>()(conv1dFields),
);

/**
 * Convolution (cross-correlation) over one dimension, where windows = floor((length + 2 padding - dilation (k - 1) -
 * 1) / stride) + 1.
 * @shape x [n, in, length], weight [out, in / groups, k], bias [out] -> [n, out, windows]
 * @throws OptionError; ShapeError if shapes do not fit or the kernel is larger than the padded input; DTypeError
 * unless all are f32
 * @see torch.nn.functional.conv1d
 */
export function conv1d(x: TensorLike, weight: TensorLike, bias?: TensorLike | null, options: Conv1dOptions = {}): Tensor {
  const { x: t, weight: w, bias: b, stride, padding, dilation, groups } = readConv1d(arguments);
  expectRank('conv1d', 'x', t, 3);
  expectRank('conv1d', 'a weight', w, 3);
  const wide = flat(w);
  const read: Read = {
    stride: [1, stride],
    padding: typeof padding === 'number' ? [0, padding] : padding,
    dilation: [1, dilation],
    groups,
  };
  const y = t.graph.add(CONV2D, [flat(t), wide, ...(b ? [b] : [])], attrsOf('ops.conv1d', read, wide)).out;
  return reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]);
}

const readConvTranspose2d = signature(
  'ops.convTranspose2d',
  { x: tensor, weight: tensor, bias: optionalTensor },
  options<ConvTranspose2dOptions>()(convTranspose2dFields),
);

/**
 * Transposed convolution: what `conv2d` does to the gradient of its output. oh = (h - 1) stride - 2 padding +
 * dilation (kh - 1) + outputPadding + 1.
 * @shape x [n, in, h, w], weight [in, out / groups, kh, kw], bias [out] -> [n, out, oh, ow]
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless all are f32
 * @see torch.nn.functional.conv_transpose2d
 */
export function convTranspose2d(
  x: TensorLike,
  weight: TensorLike,
  bias?: TensorLike | null,
  options: ConvTranspose2dOptions = {},
): Tensor {
  const where = 'convTranspose2d';
  const { x: t, weight: w, bias: b, outputPadding: extra, ...read } = readConvTranspose2d(arguments);
  expectTransposed(where, t, w, 2);
  return transposed(where, t, w, b, read, extra);
}

const readConvTranspose3d = signature(
  'ops.convTranspose3d',
  { x: tensor, weight: tensor, bias: optionalTensor },
  options<ConvTranspose3dOptions>()(convTranspose3dFields),
);

/**
 * Transposed convolution over volumes: what `conv3d` does to the gradient of its output. Along each dimension out = (size - 1) stride - 2
 * padding + dilation (k - 1) + outputPadding + 1.
 * @shape x [n, in, d, h, w], weight [in, out / groups, kd, kh, kw], bias [out] -> [n, out, od, oh, ow]
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless all are f32
 * @see torch.nn.functional.conv_transpose3d
 */
export function convTranspose3d(
  x: TensorLike,
  weight: TensorLike,
  bias?: TensorLike | null,
  options: ConvTranspose3dOptions = {},
): Tensor {
  const where = 'convTranspose3d';
  const { x: t, weight: w, bias: b, outputPadding: extra, ...read } = readConvTranspose3d(arguments);
  expectTransposed(where, t, w, 3);
  return transposed(where, t, w, b, read, extra);
}

const readConvTranspose1d = signature(
  'ops.convTranspose1d',
  { x: tensor, weight: tensor, bias: optionalTensor },
  options<ConvTranspose1dOptions>()(convTranspose1dFields),
);

/**
 * Transposed convolution over one dimension: what `conv1d` does to the gradient of its output. out = (length - 1) stride - 2 padding + dilation (k - 1) +
 * outputPadding + 1.
 * @shape x [n, in, length], weight [in, out / groups, k], bias [out] -> [n, out channels, out]
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless all are f32
 * @see torch.nn.functional.conv_transpose1d
 */
export function convTranspose1d(
  x: TensorLike,
  weight: TensorLike,
  bias?: TensorLike | null,
  options: ConvTranspose1dOptions = {},
): Tensor {
  const where = 'convTranspose1d';
  const { x: t, weight: w, bias: b, outputPadding: extra, stride, padding, dilation, groups } = readConvTranspose1d(arguments);
  expectTransposed(where, t, w, 1);
  const read: Read = { stride: [1, stride], padding: [0, padding], dilation: [1, dilation], groups };
  const y = transposed(where, flat(t), flat(w), b, read, [0, extra]);
  return reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]);
}

function expectTransposed(where: string, t: Tensor, w: Tensor, dims: number): void {
  expectRank(where, 'x', t, dims + 2);
  if (w.shape.length === dims + 2 && t.shape[1] === w.shape[0]) return;
  throw new ShapeError(
    `${where}: expected a weight [${[t.shape[1], 'out / groups', ...spaceOf(dims)].join(', ')}], got [${w.shape}]`,
  );
}

/** Of images or volumes that fit the weight. */
function transposed(where: string, t: Tensor, w: Tensor, b: Tensor | null, read: Read, extra: readonly number[]): Tensor {
  const attrs = attrsOf(where, read, w);
  const dims = w.shape.length - 2;
  const size = extra.map((added, i) => {
    const [stride, dilation] = [attrs.stride[i]!, attrs.dilation[i]!];
    if (added >= Math.max(stride, dilation)) {
      throw new OptionError(
        `ops.${where}: option outputPadding: expected less than the stride or the dilation (${Math.max(stride, dilation)}), got ${added}`,
      );
    }
    const n = (t.shape[2 + i]! - 1) * stride - 2 * attrs.padding[i]! + dilation * (w.shape[2 + i]! - 1) + added + 1;
    if (n < 1) {
      const least = extra.map(() => 1).join('x');
      throw new ShapeError(`${where}: expected an output of at least ${least}, got ${n} along ${spaceOf(dims)[i]}`);
    }
    return n;
  });
  // An outputPadding of a whole stride or more (dilated kernels may have it) would make room for one more input: none is there.
  const spare = extra.map((added, i) => added - (added % attrs.stride[i]!));
  const padding = attrs.padding.map((n, i) => (i < dims ? n : n - spare[i - dims]!));
  const op = dims === 3 ? CONV3D_GRAD_INPUT : CONV2D_GRAD_INPUT;
  return t.graph.add(op, [t, w, ...(b ? [b] : [])], { ...attrs, padding, size }).out;
}
