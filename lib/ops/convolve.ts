// convolve.ts: the public functions of convolutions. Their records: conv.ts.
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { checkNumber, checkOptions, show } from '../options.ts';
import { CONV2D, CONV2D_GRAD_INPUT, type ConvAttrs } from './conv.ts';
import { reshape } from './shape.ts';

/** One number for height and width, or [height, width]. */
export type Size2d = number | readonly [number, number];

export interface ConvOptions<Size> {
  /** Step from one output to the next; default 1. */
  readonly stride?: Size;
  /** Zeros around the input; default 0. 'same' gives an output of the input's size (stride 1 only), 'valid' is 0. */
  readonly padding?: Size | 'same' | 'valid';
  /** Distance between the elements that a kernel reads; default 1. */
  readonly dilation?: Size;
  /** Channels in so many groups, each convolved by itself; as many as channels: depthwise. Default 1. */
  readonly groups?: number;
}
export type Conv2dOptions = ConvOptions<Size2d>;
export type Conv1dOptions = ConvOptions<number>;

export interface ConvTransposeOptions<Size> extends Omit<ConvOptions<Size>, 'padding'> {
  /** Rows and columns taken off each side of the output; default 0. */
  readonly padding?: Size;
  /** Rows and columns added at the end of the output, less than the stride or the dilation; default 0. */
  readonly outputPadding?: Size;
}
export type ConvTranspose2dOptions = ConvTransposeOptions<Size2d>;

/** The names of the options, for checkOptions. */
export const CONV_OPTIONS: readonly string[] = ['stride', 'padding', 'dilation', 'groups'];
export const CONV_TRANSPOSE_OPTIONS: readonly string[] = [...CONV_OPTIONS, 'outputPadding'];

/** `value` as [height, width], each a whole number of at least `min`. */
export function sizePair(where: string, option: string, value: unknown, min: number): [number, number] {
  const both = Array.isArray(value) ? value : [value, value];
  if (both.length !== 2) throw new OptionError(`${where}: option ${option}: expected a number or two, got ${show(value)}`);
  return [0, 1].map((i) => checkNumber(where, option, both[i], { min, integer: true, max: 65_535 })) as [number, number];
}

/** Padding before and after, which for 'same' differ by one where the kernel's reach is even: PyTorch puts the rest at the end. */
function paddingOf(
  where: string,
  padding: unknown,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
) {
  if (padding === 'same') {
    if (stride.some((s) => s !== 1)) {
      throw new OptionError(`${where}: option padding: expected a number with stride ${stride.join('x')}, got "same"`);
    }
    const [th, tw] = [dilation[0]! * (kernel[0]! - 1), dilation[1]! * (kernel[1]! - 1)];
    return [th >> 1, tw >> 1, th - (th >> 1), tw - (tw >> 1)] as const;
  }
  if (typeof padding === 'string' && padding !== 'valid') {
    throw new OptionError(`${where}: option padding: expected a number, same or valid, got ${show(padding)}`);
  }
  const [ph, pw] = sizePair(where, 'padding', padding === 'valid' ? 0 : padding, 0);
  return [ph, pw, ph, pw] as const;
}

function attrsOf(where: string, options: Conv2dOptions, weight: Tensor): ConvAttrs {
  checkOptions(where, options, CONV_OPTIONS);
  const stride = sizePair(where, 'stride', options.stride ?? 1, 1);
  const dilation = sizePair(where, 'dilation', options.dilation ?? 1, 1);
  const groups = checkNumber(where, 'groups', options.groups ?? 1, { min: 1, integer: true });
  const padding = paddingOf(where, options.padding ?? 0, weight.shape.slice(2), stride, dilation);
  return { stride, padding, dilation, groups };
}

function expectRank(where: string, what: string, t: Tensor, rank: number): void {
  const names = ['n', 'channels', ...(rank === 4 ? ['height', 'width'] : ['length'])];
  const layout = what === 'x' ? names : ['out', 'in', ...(rank === 4 ? ['height', 'width'] : ['length'])];
  if (t.shape.length !== rank) throw new ShapeError(`${where}: expected ${what} [${layout.join(', ')}], got [${t.shape}]`);
}

/**
 * Convolution (cross-correlation) of x[n, in, h, w] with weight[out, in / groups, kh, kw], plus bias[out], to [n, out, oh, ow],
 * where oh = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1. As `torch.nn.functional.conv2d`.
 * Each output adds its products in the order of the weight's memory, whatever the number of threads.
 * @throws ShapeError if shapes do not fit or the kernel is larger than the padded input, OptionError for bad options.
 */
export function conv2d(x: TensorLike, weight: TensorLike, bias?: TensorLike | null, options: Conv2dOptions = {}): Tensor {
  const [t, w] = [x.toTensor(), weight.toTensor()];
  expectRank('conv2d', 'x', t, 4);
  expectRank('conv2d', 'a weight', w, 4);
  return t.graph.add(CONV2D, [t, w, ...(bias ? [bias.toTensor()] : [])], attrsOf('conv2d', options, w)).out;
}

/** One dimension of size 1 before the last. */
const flat = (t: Tensor): Tensor => reshape(t, [...t.shape.slice(0, -1), 1, t.shape.at(-1)!]);
const both = <T>(value: T | undefined, one: number): T | undefined | [number, number] =>
  typeof value === 'number' ? [one, value] : value;

/**
 * Convolution of x[n, in, length] with weight[out, in / groups, k], plus bias[out]. As `torch.nn.functional.conv1d`.
 * @throws ShapeError if shapes do not fit, OptionError for bad options.
 */
export function conv1d(x: TensorLike, weight: TensorLike, bias?: TensorLike | null, options: Conv1dOptions = {}): Tensor {
  checkOptions('conv1d', options, CONV_OPTIONS);
  const [t, w] = [x.toTensor(), weight.toTensor()];
  expectRank('conv1d', 'x', t, 3);
  expectRank('conv1d', 'a weight', w, 3);
  const wide = flat(w);
  const attrs = attrsOf(
    'conv1d',
    {
      stride: both(options.stride, 1) as Size2d,
      padding: both(options.padding, 0) as Size2d,
      dilation: both(options.dilation, 1) as Size2d,
      groups: options.groups as number,
    },
    wide,
  );
  const y = t.graph.add(CONV2D, [flat(t), wide, ...(bias ? [bias.toTensor()] : [])], attrs).out;
  return reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]);
}

/**
 * Transposed convolution of x[n, in, h, w] with weight[in, out / groups, kh, kw], plus bias[out]: what `conv2d` does to the gradient
 * of its output. The output has (h - 1) stride - 2 padding + dilation (kh - 1) + outputPadding + 1 rows.
 * As `torch.nn.functional.conv_transpose2d`.
 * @throws ShapeError if shapes do not fit, OptionError for bad options.
 */
export function convTranspose2d(
  x: TensorLike,
  weight: TensorLike,
  bias?: TensorLike | null,
  options: ConvTranspose2dOptions = {},
): Tensor {
  const where = 'convTranspose2d';
  checkOptions(where, options, CONV_TRANSPOSE_OPTIONS);
  const [t, w] = [x.toTensor(), weight.toTensor()];
  expectRank(where, 'x', t, 4);
  if (w.shape.length !== 4 || t.shape[1] !== w.shape[0]) {
    throw new ShapeError(`${where}: expected a weight [${t.shape[1]}, out / groups, height, width], got [${w.shape}]`);
  }
  const { outputPadding = 0, ...rest } = options;
  if (typeof rest.padding === 'string')
    throw new OptionError(`${where}: option padding: expected a number, got ${show(rest.padding)}`);
  const attrs = attrsOf(where, rest, w);
  const extra = sizePair(where, 'outputPadding', outputPadding, 0);
  const size = [0, 1].map((i) => {
    const [stride, dilation] = [attrs.stride[i]!, attrs.dilation[i]!];
    if (extra[i]! >= Math.max(stride, dilation)) {
      throw new OptionError(
        `${where}: option outputPadding: expected less than the stride or the dilation (${Math.max(stride, dilation)}), got ${extra[i]}`,
      );
    }
    const n = (t.shape[2 + i]! - 1) * stride - 2 * attrs.padding[i]! + dilation * (w.shape[2 + i]! - 1) + extra[i]! + 1;
    if (n < 1) throw new ShapeError(`${where}: expected an output of at least 1x1, got ${n} along ${i ? 'width' : 'height'}`);
    return n;
  }) as [number, number];
  // An outputPadding of a whole stride or more (dilated kernels may have it) would make room for one more input: none is there.
  const [top, left, bottom, right] = attrs.padding;
  const spare = (i: 0 | 1): number => extra[i]! - (extra[i]! % attrs.stride[i]!);
  const padding = [top, left, bottom - spare(0), right - spare(1)] as const;
  return t.graph.add(CONV2D_GRAD_INPUT, [t, w, ...(bias ? [bias.toTensor()] : [])], { ...attrs, padding, size }).out;
}
