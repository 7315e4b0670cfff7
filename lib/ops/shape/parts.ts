// parts.ts: tensors cut into parts, turned, repeated, and with one side of the diagonal left out: of slices, concatenations and choices.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { either, list, options, signature, whole } from '../../options/index.ts';
import { type AxisOptions, axes, axisOptions, tensor } from '../args.ts';
import { where } from '../elementwise/elementwise.ts';
import { resample, type Tap } from '../image/resample.ts';
import { takeAlongAxis } from '../rows/along.ts';
import { resolveAxes, resolveAxis } from './axes.ts';
import { concat } from './concat.ts';
import { broadcastTo, reshape } from './shape.ts';
import { slice } from './slice.ts';

const count = whole({ min: 0 });
const readSplit = signature('ops.split', { x: tensor, sizes: either(whole({ min: 1 }), list(count)) }, axisOptions);
const readChunk = signature('ops.chunk', { x: tensor, chunks: whole({ min: 1 }) }, axisOptions);

/** Parts of these sizes along an axis. */
function cut(x: Tensor, axis: number, sizes: readonly number[]): Tensor[] {
  let start = 0;
  return sizes.map((size) => {
    const part = slice(x, { axis, start, end: start + size });
    start += size;
    return part;
  });
}
const equalParts = (n: number, size: number): number[] =>
  Array.from({ length: Math.max(1, Math.ceil(n / size)) }, (_, i) => Math.min(size, n - i * size));

/**
 * Parts along `axis` (default -1): of `sizes`, or of one size, the last of which may be smaller.
 * @shape x [..., n, ...] -> a list of [..., size, ...]
 * @param sizes one number, or a list whose sum is n
 * @throws OptionError; ShapeError if x has no such dimension, or sizes do not add up to it
 * @see torch.split
 */
export function split(x: TensorLike, sizes: number | readonly number[], options: AxisOptions = {}): Tensor[] {
  const { x: t, sizes: given, ...read } = readSplit(arguments);
  const axis = resolveAxis('split', read.axis, t.shape.length);
  const n = t.shape[axis]!;
  const all = typeof given === 'number' ? equalParts(n, given) : given;
  const sum = all.reduce((a, b) => a + b, 0);
  if (sum !== n) throw new ShapeError(`split: expected sizes whose sum is ${n}, dimension ${axis} of [${t.shape}], got [${all}]`);
  return cut(t, axis, all);
}

/**
 * At most so many parts of one size along `axis` (default -1); the last one may be smaller.
 * @shape x [..., n, ...] -> a list of [..., ceil(n / chunks), ...]
 * @throws OptionError; ShapeError if x has no such dimension
 * @see torch.chunk
 */
export function chunk(x: TensorLike, chunks: number, options: AxisOptions = {}): Tensor[] {
  const { x: t, chunks: many, ...read } = readChunk(arguments);
  const axis = resolveAxis('chunk', read.axis, t.shape.length);
  const n = t.shape[axis]!;
  return cut(t, axis, equalParts(n, Math.max(1, Math.ceil(n / many))));
}

const readFlip = signature('ops.flip', { x: tensor, axes: axes.optional() });

/**
 * The elements along `axes` (default: all dimensions) in opposite order.
 * @shape x [...] -> [...]
 * @throws OptionError; ShapeError if x has no such dimension
 * @see torch.flip
 */
export function flip(x: TensorLike, axes?: number | readonly number[]): Tensor {
  const { x: t, axes: given } = readFlip(arguments);
  return resolveAxes('flip', given, t.shape.length).reduce((y, axis) => {
    const n = y.shape[axis]!;
    if (n < 2) return y;
    const order = Array.from({ length: n }, (_, k) => n - 1 - k);
    if (y.dtype === 'f32') return resample(y, axis, order.map((k): Tap => [k, k, 0])); // biome-ignore format: one line
    const places = y.graph.constant(Int32Array.from(order), [n], 'i32');
    const shape = y.shape.map((_, i) => (i === axis ? n : 1));
    return takeAlongAxis(y, reshape(places, shape), { axis });
  }, t);
}

const readRoll = signature('ops.roll', { x: tensor, shifts: either(whole(), list(whole())), axes: axes.optional() });

/**
 * The elements moved by `shifts` places along `axes`; those that leave at the end come in at the beginning. Without
 * `axes` those of the flattened tensor are.
 * @shape x [...] -> [...]
 * @param shifts one number, or one for each of `axes`
 * @throws OptionError, also unless there is a shift for each axis; ShapeError if x has no such dimension
 * @see torch.roll
 */
export function roll(x: TensorLike, shifts: number | readonly number[], axes?: number | readonly number[]): Tensor {
  const { x: t, shifts: given, axes: along } = readRoll(arguments);
  const moves = typeof given === 'number' ? [given] : given;
  if (along === undefined) {
    if (moves.length !== 1) throw new OptionError(`ops.roll: expected axes for [${moves}] shifts, got none`);
    return reshape(rolled(reshape(t, [-1]), 0, moves[0]!), t.shape);
  }
  const list = typeof along === 'number' ? [along] : along;
  if (list.length !== moves.length)
    throw new OptionError(`ops.roll: expected a shift for each of axes [${list}], got [${moves}]`);
  return list.reduce((y, a, i) => rolled(y, resolveAxis('roll', a, t.shape.length), moves[i]!), t);
}
function rolled(x: Tensor, axis: number, shift: number): Tensor {
  const n = x.shape[axis]!;
  const start = n === 0 ? 0 : ((-shift % n) + n) % n;
  if (start === 0) return x;
  return concat([slice(x, { axis, start }), slice(x, { axis, start: 0, end: start })], axis);
}

const readRepeat = signature('ops.repeat', { x: tensor, repeats: list(whole({ min: 0 }), { min: 1 }) });

/**
 * The tensor so many times along each dimension, one copy after the other. With more numbers than dimensions, those
 * that lack in front are of 1.
 * @shape x [..., n, ...] -> [..., repeats n, ...]
 * @throws OptionError; ShapeError if there are fewer numbers than dimensions
 * @see torch.Tensor.repeat
 */
export function repeat(x: TensorLike, repeats: readonly number[]): Tensor {
  const { x: t, repeats: times } = readRepeat(arguments);
  const lead = times.length - t.shape.length;
  if (lead < 0) throw new ShapeError(`repeat: expected a number for each dimension of [${t.shape}], got [${times}]`);
  const dims = times.map((_, i) => (i < lead ? 1 : t.shape[i - lead]!));
  const spread = reshape(t, dims.flatMap((d) => [1, d])); // biome-ignore format: one line
  const wide = broadcastTo(spread, dims.flatMap((d, i) => [times[i]!, d])); // biome-ignore format: one line
  return reshape(
    wide,
    dims.map((d, i) => d * times[i]!),
  );
}

/** Options of `ops.tril` and `ops.triu`. */
export interface DiagonalOptions {
  /** 0 is the main diagonal, 1 the one above it, -1 the one below. Default 0. */
  readonly diagonal?: number;
}
const diagonalOptions = options<DiagonalOptions>()({ diagonal: whole().default(0) });
const readTril = signature('ops.tril', { x: tensor }, diagonalOptions);
const readTriu = signature('ops.triu', { x: tensor }, diagonalOptions);

/** Elements (i, j) of each matrix where `keeps(j - i)` holds, else 0. */
function side(op: string, x: Tensor, keeps: (above: number) => boolean): Tensor {
  if (x.shape.length < 2) throw new ShapeError(`${op}: expected at least 2 dimensions, got [${x.shape}]`);
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const each = (_: unknown, at: number): number => (keeps((at % columns) - Math.floor(at / columns)) ? 1 : 0);
  const wide = x.dtype === 'f64';
  const mask = wide ? Float64Array.from({ length: rows * columns }, each) : Float32Array.from({ length: rows * columns }, each);
  return where(x.graph.constant(mask, [rows, columns], wide ? 'f64' : 'f32'), x, 0);
}

/**
 * Each matrix on and below a diagonal, 0 above it.
 * @shape x [..., m, n] -> [..., m, n]
 * @throws OptionError; ShapeError for fewer than two dimensions; DTypeError unless x is f32 or f64
 * @see torch.tril
 */
export function tril(x: TensorLike, options: DiagonalOptions = {}): Tensor {
  const { x: t, diagonal } = readTril(arguments);
  return side('tril', t, (above) => above <= diagonal);
}

/**
 * Each matrix on and above a diagonal, 0 below it.
 * @shape x [..., m, n] -> [..., m, n]
 * @throws OptionError; ShapeError for fewer than two dimensions; DTypeError unless x is f32 or f64
 * @see torch.triu
 */
export function triu(x: TensorLike, options: DiagonalOptions = {}): Tensor {
  const { x: t, diagonal } = readTriu(arguments);
  return side('triu', t, (above) => above >= diagonal);
}
