// volume-pool.ts: pooling of volumes, made of that of planes: of each plane first, then along the depth. The largest of a window is the
// largest of its planes, and the first of several; a mean is that of means.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { bool, either, type Field, list, nullable, type OptionsField, options, signature, whole } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { mean } from '../reduce/reduce.ts';
import { reshape } from '../shape/shape.ts';
import { maxOfPlanes } from './adaptive-max-pool.ts';
import { AVG_POOL, type AvgPool2dOptions, adaptiveSpans, type OutputSize, spansOf } from './avg-pool.ts';
import { MAX_POOL, type MaxPoolOptions } from './max-pool.ts';
import type { Span } from './pool-attrs.ts';
import { expectPlanes, type Pair, type PerDim, windowCount } from './windows.ts';

/** Of depth, height and width. */
type Triple = readonly [number, number, number];

const perVolume = (least: number): Field<PerDim, Triple> => {
  const one = whole({ min: least, max: 2 ** 31 - 1 });
  return either(one, list(one, { min: 3, max: 3 })).map((given): Triple => {
    return typeof given === 'number' ? [given, given, given] : (given as unknown as Triple);
  });
};
/** The size of a window of volumes. */
export const volumeSize: Field<PerDim, Triple> = perVolume(1);

/** Windows of volumes. */
export interface VolumeWindows {
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly padding: Triple;
  readonly dilation: Triple;
  readonly ceil: boolean;
  /** Of averages: whether zeros of the padding count, and what is divided by in place of counts; 0: the counts. */
  readonly countPadding: boolean;
  readonly divisor: number;
}

interface Read {
  readonly kernelSize: Triple;
  readonly stride: Triple | undefined;
  readonly padding: Triple;
  readonly ceilMode: boolean;
  readonly dilation?: Triple;
  readonly countIncludePad?: boolean;
  readonly divisorOverride?: number | undefined;
}
const shared = {
  stride: perVolume(1).optional(),
  padding: perVolume(0).default(0),
  ceilMode: bool.default(false),
};
type MaxRead = Omit<Required<Read>, 'kernelSize' | 'countIncludePad' | 'divisorOverride'>;
export const maxPool3dOptions: OptionsField<MaxPoolOptions, MaxRead> = options<MaxPoolOptions>()({
  ...shared,
  dilation: perVolume(1).default(1),
});
type AvgRead = Omit<Read, 'kernelSize' | 'dilation' | 'countIncludePad'> & { readonly countIncludePad: boolean };
export const avgPool3dOptions: OptionsField<AvgPool2dOptions, AvgRead> = options<AvgPool2dOptions>()({
  ...shared,
  countIncludePad: bool.default(true),
  divisorOverride: whole({ min: 1, max: 2 ** 31 - 1 }).optional(),
});

/** What was read of a pooling layer or function `where`. */
export function volumeWindows(where: string, read: Read): VolumeWindows {
  const { kernelSize: kernel, stride = kernel, padding, dilation = [1, 1, 1], ceilMode: ceil } = read;
  for (const [d, k] of kernel.entries()) {
    const reach = dilation[d]! * (k - 1) + 1;
    if (padding[d]! * 2 <= reach) continue;
    throw new OptionError(`${where}: option padding: expected at most half a window of ${reach}, got ${padding[d]}`);
  }
  const { countIncludePad: countPadding = true, divisorOverride: divisor = 0 } = read;
  return { kernel, stride, padding, dilation, ceil, countPadding, divisor };
}

/** x with its last three dimensions. */
function volumeOf(where: string, x: TensorLike): [t: Tensor, space: Triple] {
  const t = x.toTensor();
  if (t.shape.length !== 4 && t.shape.length !== 5) {
    const space = 'depth, height, width';
    throw new ShapeError(`${where}: expected [batch, channels, ${space}] or [channels, ${space}], got [${t.shape}]`);
  }
  expectPlanes(where, t.type);
  return [t, t.shape.slice(-3) as unknown as Triple];
}

/** How many windows there are along each dimension. */
function expectWindows(where: string, t: Tensor, space: Triple, w: VolumeWindows): void {
  const along = (d: number): number => {
    const [kernel, stride, padding, dilation] = [w.kernel[d]!, w.stride[d]!, w.padding[d]!, w.dilation[d]!];
    return windowCount(space[d]!, { kernel, stride, padding, dilation, ceil: w.ceil });
  };
  if (space.every((_, d) => along(d) >= 1)) return;
  const least = w.kernel.map((k, d) => w.dilation[d]! * (k - 1) + 1 - 2 * w.padding[d]!);
  throw new ShapeError(`${where}: expected at least ${least.join(' x ')} elements a volume, got [${t.shape}]`);
}

/** Call `pool` with planes of depth by all that a plane has, of a tensor [..., depth, height, width]. */
function alongDepth(t: Tensor, pool: (planes: Tensor) => Tensor): Tensor {
  const [lead, [depth, ...plane]] = [t.shape.slice(0, -3), t.shape.slice(-3) as [number, ...number[]]];
  const pooled = pool(reshape(t, [...lead, depth, sizeOf(plane)]));
  return reshape(pooled, [...lead, pooled.shape.at(-2)!, ...plane]);
}

/** Max pooling by windows that were checked. */
export function maxPoolVolumes(where: string, x: TensorLike, w: VolumeWindows): Tensor {
  const [t, space] = volumeOf(where, x);
  expectWindows(where, t, space, w);
  // Relu of the largest, as of planes.
  const relu = t.node.op.map === 'relu';
  const of = ([, down, across]: Triple): Pair => [down, across];
  const planes = t.graph.add(MAX_POOL, [relu ? t.node.ins[0]! : t], {
    ...{ kernel: of(w.kernel), stride: of(w.stride), padding: of(w.padding), dilation: of(w.dilation) },
    ...{ ceil: w.ceil, relu },
  }).outs[0]!;
  if (w.kernel[0] === 1 && w.stride[0] === 1) return planes;
  return alongDepth(planes, (p) => {
    const along = (list: Triple, across: number): Pair => [list[0], across];
    return p.graph.add(MAX_POOL, [p], {
      ...{ kernel: along(w.kernel, 1), stride: along(w.stride, 1), padding: along(w.padding, 0), dilation: along(w.dilation, 1) },
      ...{ ceil: w.ceil, relu: false },
    }).outs[0]!;
  });
}

/** Average pooling by windows that were checked. */
export function avgPoolVolumes(where: string, x: TensorLike, w: VolumeWindows): Tensor {
  const [t, space] = volumeOf(where, x);
  expectWindows(where, t, space, w);
  const [depth, rows, columns] = space.map((size, d) => {
    const [kernel, stride, padding] = [w.kernel[d]!, w.stride[d]!, w.padding[d]!];
    return spansOf(where, size, { kernel, stride, padding, ceil: w.ceil, countPadding: w.countPadding });
  }) as [Span[], Span[], Span[]];
  return averages(t, depth, rows, columns, w.divisor);
}

/** Means of spans of depth, rows and columns. */
function averages(t: Tensor, depth: readonly Span[], rows: readonly Span[], columns: readonly Span[], divisor: number): Tensor {
  const planes = t.graph.add(AVG_POOL, [t], { rows, columns, divisor }).out;
  const size = t.shape.at(-3)!;
  if (depth.length === size && depth.every(([from, end, count], i) => from === i && end === i + 1 && count === 1)) return planes;
  return alongDepth(planes, (p) => {
    const each = Array.from({ length: p.shape.at(-1)! }, (_, i): Span => [i, i + 1, 1]);
    // Where one number was divided by, what is left are sums.
    return p.graph.add(AVG_POOL, [p], { rows: depth, columns: each, divisor: divisor ? 1 : 0 }).out;
  });
}

/** How many outputs along depth, height and width; null: as many as inputs. */
type AdaptiveVolume = readonly (number | null)[];
const oneSize = nullable(whole({ min: 1, max: 65_535 }));
export const volumeOutput: Field<OutputSize, AdaptiveVolume> = either(oneSize, list(oneSize, { min: 3, max: 3 })).map(
  (given): AdaptiveVolume => (typeof given === 'number' || given === null ? [given, given, given] : given),
);

function expectElements(where: string, t: Tensor, space: Triple): void {
  if (space.includes(0)) throw new ShapeError(`${where}: expected volumes with elements, got [${t.shape}]`);
}

/** Adaptive average pooling to a size that was checked. */
export function adaptiveAvgPoolVolumes(where: string, x: TensorLike, size: AdaptiveVolume): Tensor {
  const [t, space] = volumeOf(where, x);
  expectElements(where, t, space);
  const [depth, height, width] = space.map((n, d) => size[d] ?? n) as [number, number, number];
  if (depth === 1 && height === 1 && width === 1) {
    const y = mean(reshape(t, [...t.shape.slice(0, -3), sizeOf(space)]), { axes: -1 });
    return reshape(y, [...y.shape, 1, 1, 1]);
  }
  return averages(t, adaptiveSpans(space[0], depth), adaptiveSpans(space[1], height), adaptiveSpans(space[2], width), 0);
}

/** Adaptive max pooling to a size that was checked. */
export function adaptiveMaxPoolVolumes(where: string, x: TensorLike, size: AdaptiveVolume): Tensor {
  const [t, space] = volumeOf(where, x);
  expectElements(where, t, space);
  const planes = maxOfPlanes(t, [size[1] ?? space[1], size[2] ?? space[2]]);
  const depth = size[0] ?? space[0];
  if (depth === space[0]) return planes;
  return alongDepth(planes, (p) => maxOfPlanes(p, [depth, p.shape.at(-1)!]));
}

const readMaxPool3d = signature('ops.maxPool3d', { x: tensor, kernelSize: volumeSize }, maxPool3dOptions);
const readAvgPool3d = signature('ops.avgPool3d', { x: tensor, kernelSize: volumeSize }, avgPool3dOptions);
const readAdaptiveAvgPool3d = signature('ops.adaptiveAvgPool3d', { x: tensor, outputSize: volumeOutput });
const readAdaptiveMaxPool3d = signature('ops.adaptiveMaxPool3d', { x: tensor, outputSize: volumeOutput });

/**
 * The largest element of each window of volumes. Where several are equal, the gradient goes to the first; NaN is larger than all.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, planes, rows, columns], or both without batch
 * @param kernelSize of a window: depth, rows and columns, or one number for all
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.functional.max_pool3d
 */
export function maxPool3d(x: TensorLike, kernelSize: PerDim, options: MaxPoolOptions = {}): Tensor {
  const read = readMaxPool3d(arguments);
  return maxPoolVolumes('maxPool3d', read.x, volumeWindows('ops.maxPool3d', read));
}

/**
 * The mean of each window of volumes, made of the means of its planes, which are rounded to f32. Sums run in f64.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, planes, rows, columns], or both without batch
 * @param kernelSize of a window: depth, rows and columns, or one number for all
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.functional.avg_pool3d
 */
export function avgPool3d(x: TensorLike, kernelSize: PerDim, options: AvgPool2dOptions = {}): Tensor {
  const read = readAvgPool3d(arguments);
  return avgPoolVolumes('avgPool3d', read.x, volumeWindows('ops.avgPool3d', read));
}

/**
 * The mean of each of so many windows of volumes, of nearly equal size.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, planes, rows, columns], or both without batch
 * @param outputSize depth, rows and columns, or one number for all; null: as many as x has
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.functional.adaptive_avg_pool3d
 */
export function adaptiveAvgPool3d(x: TensorLike, outputSize: OutputSize): Tensor {
  const read = readAdaptiveAvgPool3d(arguments);
  return adaptiveAvgPoolVolumes('adaptiveAvgPool3d', read.x, read.outputSize);
}

/**
 * The largest element of each of so many windows of volumes, of nearly equal size. Where several are equal, the gradient goes to the first;
 * NaN is larger than all.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, planes, rows, columns], or both without batch
 * @param outputSize depth, rows and columns, or one number for all; null: as many as x has
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.functional.adaptive_max_pool3d
 */
export function adaptiveMaxPool3d(x: TensorLike, outputSize: OutputSize): Tensor {
  const read = readAdaptiveMaxPool3d(arguments);
  return adaptiveMaxPoolVolumes('adaptiveMaxPool3d', read.x, read.outputSize);
}
