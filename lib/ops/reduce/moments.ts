// moments.ts: norms, variances and standard deviations over axes, of sums of f64. Where one is 0, its gradient is 0.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { bool, number, type OptionsField, options, signature } from '../../options/index.ts';
import { axes, tensor } from '../args.ts';
import { abs, cast, div, equal, mul, pow, sqrt, square, sub, where } from '../elementwise/elementwise.ts';
import { resolveAxes } from '../shape/axes.ts';
import { max, mean, type Reduce, type ReduceOptions, sum } from './reduce.ts';

const REDUCE = { axes: axes.optional(), keepDims: bool.default(false) };

/** Options of `ops.norm`. */
export interface NormOptions extends ReduceOptions {
  /** Which norm: 1, 2, any number above, or Infinity for the largest magnitude. Default 2. */
  readonly p?: number;
}
const normOptions: OptionsField<NormOptions, Reduce & { readonly p: number }> = options<NormOptions>()({
  ...REDUCE,
  p: number({ min: 1, infinite: true }).default(2),
});

/** Options of `ops.variance` and `ops.std`. */
export interface VarianceOptions extends ReduceOptions {
  /** What is taken from the number of elements that the sum of squares is divided by. Default 1. */
  readonly correction?: number;
}
const varianceOptions: OptionsField<VarianceOptions, Reduce & { readonly correction: number }> = options<VarianceOptions>()({
  ...REDUCE,
  correction: number({ min: 0 }).default(1),
});
const readNorm = signature('ops.norm', { x: tensor }, normOptions);
const readVariance = signature('ops.variance', { x: tensor }, varianceOptions);
const readStd = signature('ops.std', { x: tensor }, varianceOptions);

/** In f64: squares of large f32 would be infinite, and a mean that is rounded is not that of its elements. */
const wide = (x: Tensor): Tensor => cast(x, 'f64');
/** What is computed in f64 as the dtype of x; of integers as f32. */
const likeFloats = (y: Tensor, { dtype }: Tensor): Tensor => cast(y, dtype === 'f64' ? 'f64' : 'f32');
/** A root whose gradient is 0 where it is 0. */
function root(x: Tensor, of: (x: Tensor) => Tensor): Tensor {
  const none = equal(x, 0);
  return where(none, 0, of(where(none, 1, x)));
}

/**
 * The norm over `axes`: the p-th root of the sum of |x|^p, in f64. Its gradient is 0 where it is
 * 0; for `p: Infinity` the largest share it equally.
 * @shape x [...] -> scalar, or without the dimensions of `axes`
 * @throws OptionError; ShapeError for the largest of nothing
 * @see torch.linalg.vector_norm
 */
export function norm(x: TensorLike, options: NormOptions = {}): Tensor {
  const { x: t, p, axes: over, keepDims } = readNorm(arguments);
  const reduced: ReduceOptions = { ...(over !== undefined && { axes: over }), keepDims };
  const y = wide(t);
  if (p === Infinity) return likeFloats(max(abs(y), reduced), t);
  if (p === 1) return likeFloats(sum(abs(y), reduced), t);
  if (p === 2) return likeFloats(root(sum(square(y), reduced), sqrt), t);
  return likeFloats(
    root(sum(pow(abs(y), p), reduced), (total) => pow(total, 1 / p)),
    t,
  );
}

/** The variance in f64. */
function varianceOf(
  op: string,
  t: Tensor,
  { axes: over, keepDims, correction }: Reduce & { readonly correction: number },
): Tensor {
  const list = resolveAxes(op, over, t.shape.length);
  const n = list.reduce((product, a) => product * t.shape[a]!, 1);
  const x = wide(t);
  const total = sum(square(sub(x, mean(x, { axes: list, keepDims: true }))), { axes: list, keepDims });
  // Of fewer elements than that there is none: NaN, as PyTorch has it.
  return n > correction ? div(total, n - correction) : mul(total, Number.NaN);
}

/**
 * The variance over `axes`, in f64: the sum of squares of what elements are from their mean,
 * over n - `correction`; NaN where that is not above 0.
 * @shape x [...] -> scalar, or without the dimensions of `axes`
 * @throws OptionError
 * @see torch.var
 */
export function variance(x: TensorLike, options: VarianceOptions = {}): Tensor {
  const { x: t, ...read } = readVariance(arguments);
  return likeFloats(varianceOf('variance', t, read), t);
}

/**
 * The standard deviation over `axes`: the root of `variance`. Its gradient is 0 where it is 0.
 * @shape x [...] -> scalar, or without the dimensions of `axes`
 * @throws OptionError
 * @see torch.std
 */
export function std(x: TensorLike, options: VarianceOptions = {}): Tensor {
  const { x: t, ...read } = readStd(arguments);
  return likeFloats(root(varianceOf('std', t, read), sqrt), t);
}
