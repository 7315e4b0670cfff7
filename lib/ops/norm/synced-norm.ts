// synced-norm.ts: batch norm by the statistics of all rows of a step, over its micro-batches and processes. Made of other ops, but for its gradient.

import type { Node, Tensor } from '../../ir/graph.ts';
import { f32, f64, type OpDef, type RefArray, sizeOf } from '../../ir/op.ts';
import { mixes } from '../../ir/samples.ts';
import { add, cast, div, maximum, mul, rsqrt, square, sub } from '../elementwise/elementwise.ts';
import { sum } from '../reduce/reduce.ts';
import { reshape } from '../shape/shape.ts';
import { type BatchNormed, batchNorm } from './batch-norm.ts';

/** Sums a tensor over the micro-batches of a step: `Graph.overStep`. */
type OverStep = (x: Tensor) => Tensor;

export interface SyncedNormAttrs {
  readonly eps: number;
  /** Weight and bias are inputs, of which the gradient reads the weight. */
  readonly affine: boolean;
}

const wide = (x: Tensor): Tensor => cast(x, 'f64');
/** A number per channel, for x [batch, channels, ...]. */
const across = (t: Tensor, { shape }: Tensor): Tensor => reshape(t, [t.shape[0]!, ...shape.slice(2).map(() => 1)]);
/** The sum over all but channels, f64. */
const overRows = (x: Tensor): Tensor => sum(x, { axes: x.shape.map((_, i) => i).filter((i) => i !== 1), dtype: 'f64' });

/**
 * Inputs: y, which it is; then x, and of all rows of the step mean and variance of each channel and the number of values in one; then weight and bias.
 * What is summed over the step has no gradient of its own: that of x knows that the statistics are those of all x.
 */
export const SYNCED_NORM: OpDef<SyncedNormAttrs> = {
  name: 'syncedBatchNorm',
  alias: true,
  infer: ([y]) => [y!],
  vjp({ ins, attrs: { eps, affine } }, [dy]) {
    if (!dy) return ins.map(() => null);
    const [, x, mean, variance, count, weight] = ins as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor?];
    const overStep = dy.graph.overStep!;
    const inverse = rsqrt(add(variance, eps));
    // The gradients of bias and weight, of this micro-batch.
    const total = overRows(dy);
    const centered = sub(wide(x), across(mean, x));
    const product = mul(overRows(cast(mul(wide(dy), centered), 'f32')), inverse);
    const [ofStep, totalOfStep] = [overStep(product), overStep(total)];
    const scale = affine ? mul(inverse, wide(weight!)) : inverse;
    // scale (dy - mean of dy - z times the mean of dy z), where z = (x - mean) inverse.
    const slope = mul(mul(scale, inverse), div(ofStep, count));
    const level = sub(mul(mean, slope), mul(scale, div(totalOfStep, count)));
    const dx = add(sub(mul(wide(dy), across(scale, x)), mul(wide(x), across(slope, x))), across(level, x));
    return [null, cast(dx, 'f32'), null, null, null, ...(affine ? [cast(product, 'f32'), cast(total, 'f32')] : [])];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
  ref: ([y], [given]) => (y as RefArray).set(given as RefArray),
  samplesOf: {
    lies(node) {
      throw mixes(node as Node, 'take nn.GroupNorm in its place');
    },
  },
  samples: () => [
    { ins: [f32(3, 5), f32(3, 5), f64(5), f64(5), f64()], attrs: { eps: 1e-5, affine: false }, noGradient: true },
    {
      ins: [f32(2, 3, 4), f32(2, 3, 4), f64(3), f64(3), f64(), f32(3), f32(3)],
      attrs: { eps: 1e-5, affine: true },
      noGradient: true,
    },
  ],
};

/** As `batchNorm`, with the statistics of all rows of the step, and how many values of each channel those are, an f64 scalar. */
export interface SyncedNormed extends BatchNormed {
  readonly count: Tensor;
}

/**
 * Batch norm of x [batch, channels, ...] by all rows of a step. The variance is that of the sums of squares less that of the mean, in f64: its error is that
 * of numbers of f64 as large as the mean's square, which is below what f32 leaves of x.
 */
export function syncedBatchNorm(
  x: Tensor,
  [weight, bias]: readonly [Tensor, Tensor] | readonly [null, null],
  eps: number,
  overStep: OverStep,
): SyncedNormed {
  const own = batchNorm(x, null, null, { eps });
  const rows = x.graph.scalar(sizeOf(x.shape) / x.shape[1]!, 'f64');
  // All of them before any is read: micro-batches wait for each other once.
  const count = overStep(rows);
  const total = overStep(mul(own.mean, rows));
  const squares = overStep(mul(add(own.variance, square(own.mean)), rows));
  const mean = div(total, count);
  const variance = maximum(sub(div(squares, count), square(mean)), 0);
  const inverse = rsqrt(add(variance, eps));
  const scale = weight ? mul(inverse, wide(weight)) : inverse;
  const shift = mul(mean, scale);
  // One multiplication and one addition, in f64: nothing is lost where the mean is large.
  const level = bias ? sub(wide(bias), shift) : mul(shift, -1);
  const y = cast(add(mul(wide(x), across(scale, x)), across(level, x)), 'f32');
  const line = weight ? [weight, bias] : [];
  const ins = [y, x, mean, variance, count, ...line];
  return { y: x.graph.add(SYNCED_NORM, ins, { eps, affine: weight !== null }).out, mean, variance, count };
}
