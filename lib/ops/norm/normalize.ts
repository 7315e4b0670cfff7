// normalize.ts: batch norm in two: the statistics of channels from sums of their planes, and x normalized by them. The compiler makes both of a
// batch norm after a convolution, which takes the sums. Kernels: normalize.h.
import { ShapeError } from '../../errors.ts';
import { f32, f64, type OpDef, type RefArray, type Sample, type TensorType } from '../../ir/op.ts';
import { squareOf } from '../../math/index.ts';
import { moved, span } from '../shape/axes.ts';
import { expectType, expectX, firstInts } from './batch-norm.ts';

/** Elements of a plane from which on it has sums of its own. */
export const LEAST_PLANE = 64;

/** How x is normalized by statistics that are given: by its mean and variance, inputs, and by weight and bias after them. */
export interface Normalization {
  readonly eps: number;
  readonly affine: boolean;
  readonly relu: boolean;
}
/** How many inputs a normalization has. */
export const lineInputs = (norm: Normalization | undefined): number => (norm ? (norm.affine ? 4 : 2) : 0);

export function expectLine(op: string, line: readonly (TensorType | undefined)[], channels: number): void {
  for (const [i, t] of line.entries()) {
    const what = ['the mean', 'the variance', 'a weight', 'a bias'][i] as string;
    expectType(op, what, t, i < 2 ? f64(channels) : f32(channels));
  }
}

/** x [batch, channels, space] normalized, in f64. */
export function normalizedRef(x: RefArray, line: readonly RefArray[], { eps, relu }: Normalization, space: number): Float64Array {
  const [mean, variance, weight, bias] = line as [RefArray, RefArray, RefArray | undefined, RefArray | undefined];
  return Float64Array.from(x, (v, i) => {
    const c = Math.floor(i / space) % mean.length;
    const z = (v - mean[c]!) / Math.sqrt(variance[c]! + eps);
    const y = weight && bias ? z * weight[c]! + bias[c]! : z;
    return relu && y < 0 ? 0 : y;
  });
}

/** The type of the sums of planes of x [batch, channels, ...]. */
export const planeSumsType = (batch: number, channels: number): TensorType => f64(batch, 3, channels);

/** Of what the elements of each plane are above its first one: their sum, that of their squares, and the first one. */
export function planeSumsRef(sums: RefArray, x: RefArray, channels: number, space: number): void {
  for (let plane = 0; plane * space < x.length; plane++) {
    const [n, c] = [Math.floor(plane / channels), plane % channels];
    const above = Array.from({ length: space }, (_, k) => x[plane * space + k]! - x[plane * space]!);
    const of = [above.reduce((a, b) => a + b, 0), above.reduce((a, b) => a + squareOf(b), 0), x[plane * space]!];
    for (const [j, value] of of.entries()) sums[(n * 3 + j) * channels + c] = value;
  }
}

export interface BatchStatisticsAttrs {
  /** Elements of a plane. */
  readonly space: number;
}

/** Input: the sums of planes [batch, 3, channels]. Outputs: mean and variance (that of the batch itself) of each channel. */
export const BATCH_STATISTICS: OpDef<BatchStatisticsAttrs> = {
  name: 'batchStatistics',
  infer([sums], { space }) {
    const [batch, , channels] = (sums as TensorType).shape as [number, number, number];
    expectType('batchStatistics', 'sums', sums, planeSumsType(batch, channels));
    if (space < LEAST_PLANE) throw new ShapeError(`batchStatistics: expected planes of ${LEAST_PLANE} or more, got ${space}`);
    return [f64(channels), f64(channels)];
  },
  lower: ({ ins: [sums], attrs: { space } }) => ({ ints: [sums!.shape[0]!, sums!.shape[2]!, space] }),
  cost: (node) => moved(node, 4 * span(node.ins[0]!.shape, 0)),
  ref([mean, variance], [sums], { ins, attrs: { space } }) {
    const [batch, , channels] = ins[0]!.shape as [number, number, number];
    const of = (n: number, j: number, c: number): number => sums![(n * 3 + j) * channels + c]!;
    for (let c = 0; c < channels; c++) {
      const rows = Array.from({ length: batch }, (_, n) => n);
      const m = rows.reduce((s, n) => s + of(n, 0, c) / space + of(n, 2, c), 0) / batch;
      // Around the mean of all: what a plane's squares are above its own first element, moved.
      const v = rows.reduce((s, n) => {
        const d = of(n, 2, c) - m;
        return s + of(n, 1, c) / space + (2 * d * of(n, 0, c)) / space + squareOf(d);
      }, 0);
      mean![c] = m;
      variance![c] = v / batch;
    }
  },
  samples: () =>
    [
      [1, 1, 64],
      [3, 5, 81],
      [40, 17, 256],
    ].map(([batch, channels, space]) => ({
      ins: [planeSumsType(batch!, channels!)],
      attrs: { space: space! },
      fill: [{ exactly: sumsOf(batch!, channels!, space!) }],
      tolerance: 1e-9,
    })),
};

/** Sums of planes that there may be. */
export function sumsOf(batch: number, channels: number, space: number): number[] {
  const sums = new Float64Array(batch * 3 * channels);
  const x = Float32Array.from(
    { length: batch * channels * space },
    (_, i) => ((i * 7919) % 997) / 500 - ((i / space) % channels),
  );
  planeSumsRef(sums, x, channels, space);
  return [...sums];
}

export interface NormalizeAttrs extends Normalization {
  /** Another input is added, before relu. */
  readonly sum: boolean;
}

/** Inputs x, its mean and variance, then weight and bias, then what is added. */
export const NORMALIZE: OpDef<NormalizeAttrs> = {
  name: 'normalize',
  infer([x, ...rest], attrs) {
    const { channels, space } = expectX('normalize', x as TensorType);
    if (space < LEAST_PLANE) throw new ShapeError(`normalize: expected planes of ${LEAST_PLANE} or more, got ${space}`);
    expectLine('normalize', rest.slice(0, lineInputs(attrs)), channels);
    if (attrs.sum) expectType('normalize', 'what is added', rest.at(-1), x as TensorType);
    return [x as TensorType];
  },
  lower: (node) => {
    const { affine, sum, relu, eps } = node.attrs;
    return { ints: [...firstInts(node), +affine, +sum, +relu], floats: [eps] };
  },
  cost: (node) => moved(node, 4 * span(node.out.shape, 0)),
  inplace: ({ ins, attrs: { sum } }) => [[0, 0], ...(sum ? [[0, ins.length - 1] as const] : [])],
  ref([y], [x, ...rest], { out, attrs }) {
    const normed = normalizedRef(x!, rest.slice(0, lineInputs(attrs)), { ...attrs, relu: false }, span(out.shape, 2));
    for (const [i, v] of normed.entries()) {
      const value = v + (attrs.sum ? rest.at(-1)![i]! : 0);
      y![i] = attrs.relu && value < 0 ? 0 : value;
    }
  },
  samples: () =>
    [
      { affine: false, sum: false, relu: false },
      { affine: true, sum: false, relu: true },
      { affine: true, sum: true, relu: true },
      { affine: false, sum: true, relu: false },
    ].flatMap((attrs) => [normalizeSample([2, 3, 8, 8], attrs), normalizeSample([5, 17, 9, 10], attrs)]),
};

function normalizeSample(shape: readonly number[], attrs: Omit<NormalizeAttrs, 'eps'>): Sample<NormalizeAttrs> {
  const x = f32(...shape);
  const channels = shape[1] as number;
  const line = [f64(channels), f64(channels), ...(attrs.affine ? [f32(channels), f32(channels)] : [])];
  return {
    ins: [x, ...line, ...(attrs.sum ? [x] : [])],
    attrs: { eps: 1e-5, ...attrs },
    fill: ['normal', [-0.1, 0.1], [0.5, 1.5]],
    tolerance: 1e-5,
  };
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const NORMALIZATIONS: readonly OpDef<any>[] = [BATCH_STATISTICS, NORMALIZE];
