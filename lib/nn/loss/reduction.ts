// reduction.ts: what losses share: their options, the check of their operands, and how elements become a mean, a sum, or stay.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Graph, Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape } from '../../ir/op.ts';
import { add, cast, clamp, div, equal, mul, sub } from '../../ops/elementwise.ts';
import { mean, sum } from '../../ops/reduce.ts';
import { checkChoice, checkNumber, show } from '../../options.ts';
import type { Fault } from './rows.ts';

export type Reduction = 'mean' | 'sum' | 'none';

export interface ReductionOptions {
  /** `mean` and `sum` are over all elements (labels: over all rows) and give an f64 scalar; `none` gives each. Default `mean`. */
  readonly reduction?: Reduction;
}

export interface LossOptions extends ReductionOptions {
  /**
   * Keep predictions (logits) within [-clamp, clamp], or within two bounds, before they are compared: no single output can make the loss
   * or its gradient huge. Outputs outside get no gradient. Default: as they are.
   */
  readonly clamp?: number | readonly [number, number];
}
export const LOSS_OPTIONS = ['reduction', 'clamp'] as const;

/** Numbers in an array, or a tensor. */
export type Numbers = TensorLike | Float32Array | readonly number[];

/** Numbers as a tensor: a constant of one dimension, unless they are one already. */
export function numbers(op: string, option: string, graph: Graph, given: Numbers): Tensor {
  if (typeof (given as TensorLike).toTensor === 'function') return (given as TensorLike).toTensor();
  const isList = Array.isArray(given) || given instanceof Float32Array;
  if (!isList || !(given as number[]).every((v) => Number.isFinite(v))) {
    throw new OptionError(`${op}: option ${option}: expected finite numbers or a tensor, got ${show(given)}`, { option });
  }
  const data = Float32Array.from(given as number[]);
  return graph.constant(data, [data.length], 'f32');
}

/** The tensors of operands, which must have the shape of the first. Integers, as targets may be, become floats. */
export function alike(op: string, first: TensorLike, ...others: TensorLike[]): Tensor[] {
  const [x, ...rest] = [first, ...others].map((t) => t.toTensor()) as [Tensor, ...Tensor[]];
  for (const y of rest) {
    if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: expected a target of [${x.shape}], got [${y.shape}]`);
  }
  return [x, ...rest.map((y) => (y.dtype === 'i32' || y.dtype === 'u8' ? cast(y, x.dtype) : y))];
}

export function difference(op: string, prediction: TensorLike, target: TensorLike, options: LossOptions): Tensor {
  const [x, y] = alike(op, clamped(op, prediction, options), target);
  return sub(x!, y!);
}

export function clamped(op: string, x: TensorLike, options: LossOptions): TensorLike {
  const { clamp: given } = options;
  if (given === undefined) return x;
  if (typeof given === 'number') {
    checkNumber(op, 'clamp', given, { above: 0 });
    return clamp(x, { min: -given, max: given });
  }
  if (!Array.isArray(given) || given.length !== 2) {
    throw new OptionError(`${op}: option clamp: expected a number or two bounds, got ${show(given)}`, { option: 'clamp' });
  }
  const [min, max] = given.map((v, i) => checkNumber(op, `clamp[${i}]`, v)) as [number, number];
  checkNumber(op, 'clamp[1]', max, { above: min });
  return clamp(x, { min, max });
}

export function reduced(op: string, values: Tensor, { reduction = 'mean' }: ReductionOptions): Tensor {
  checkChoice(op, 'reduction', reduction, ['mean', 'sum', 'none']);
  if (reduction === 'none') return values;
  return (reduction === 'mean' ? mean : sum)(values, { dtype: 'f64' });
}

/** A mean with weights: what was summed, and the sum of the weights. */
export interface Ratio {
  readonly total: Tensor;
  readonly weight: Tensor;
  /** What was found wrong with its labels, where they are not checked as it runs. */
  readonly faults?: readonly Fault[];
}
const ratios = new WeakMap<Tensor, Ratio>();

/** Sums of a loss that is a mean with weights, null for others. Over several batches they are summed before they are divided. */
export function ratioOf(loss: Tensor): Ratio | null {
  return ratios.get(loss) ?? null;
}

/** Let a scalar be measured over a data set by its sums. */
export function asRatio(loss: Tensor, ratio: Ratio): Tensor {
  ratios.set(loss, ratio);
  return loss;
}

/**
 * As `reduced`, of losses that are already multiplied by their weights: a mean divides by the sum of the weights. Where all weights are 0
 * the mean is 0 and has no gradient.
 */
export function reducedByWeight(op: string, values: Tensor, weights: Tensor | null, options: ReductionOptions): Tensor {
  if (!weights || (options.reduction ?? 'mean') !== 'mean') return reduced(op, values, options);
  const [total, weight] = [sum(values, { dtype: 'f64' }), sum(weights, { dtype: 'f64' })];
  return asRatio(div(total, add(weight, equal(weight, 0))), { total, weight });
}

/**
 * The mean of elements with weights, of one shape: sum(values weights) / sum(weights), an f64 scalar; 0 without a gradient where all weights are 0.
 * For losses of one's own in which some elements count less, or not at all (a mask): micro-batches of a step, and batches of `evaluate`, weigh
 * by the sum of their weights.
 * @param weights in a step of several micro-batches they may not depend on what is trained
 * @throws ShapeError or DTypeError if the operands do not fit
 */
export function weightedMean(values: TensorLike, weights: TensorLike): Tensor {
  const [v, w] = alike('weightedMean', values, weights) as [Tensor, Tensor];
  return reducedByWeight('weightedMean', mul(v, w), w, {});
}
