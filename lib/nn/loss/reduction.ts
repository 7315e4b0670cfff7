// reduction.ts: what losses share: their options, the check of their operands, and how elements become a mean, a sum, or stay.
import { ShapeError } from '../../errors.ts';
import type { Graph, Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape } from '../../ir/op.ts';
import { tensor } from '../../ops/args.ts';
import { add, cast, clamp, div, equal, mul, sub } from '../../ops/elementwise/elementwise.ts';
import { mean, sum } from '../../ops/reduce/reduce.ts';
import { choice, custom, either, type Field, number, pair, signature } from '../../options/index.ts';
import type { Fault } from './rows.ts';

/** What is made of the values of all rows: one number, or none. */
export type Reduction = 'mean' | 'sum' | 'none';

/** What every loss takes that makes one number of many. */
export interface ReductionOptions {
  /** `mean` and `sum` are over all elements (labels: over all rows) and give an f64 scalar; `none` gives each. Default `mean`. */
  readonly reduction?: Reduction;
}

/** Options of `loss.l1` and `loss.mse`. */
export interface LossOptions extends ReductionOptions {
  /**
   * Keep predictions (logits) within [-clamp, clamp], or within two bounds, before they are compared: no single output can make the loss
   * or its gradient huge. Outputs outside get no gradient. Default: as they are.
   */
  readonly clamp?: number | readonly [number, number];
}
export const reductionField: Field<Reduction, Reduction, false> = choice<Reduction>('mean', 'sum', 'none').default('mean');

type Bounds = readonly [min: number, max: number];
const bounds: Field<number | Bounds, Bounds> = either(
  number({ above: 0 }).map((most): Bounds => [-most, most]),
  pair(number(), number()).map(([min, max], place): Bounds => [min, number({ above: min }).read(max, place.item(1))]),
);
/** What all losses take. */
export const lossFields: {
  readonly reduction: typeof reductionField;
  readonly clamp: Field<number | Bounds, Bounds | undefined, false>;
} = { reduction: reductionField, clamp: bounds.optional() };
/** The same, as read. */
export interface LossRead {
  readonly reduction: Reduction;
  readonly clamp: Bounds | undefined;
}

/** Numbers in an array, or a tensor. */
export type Numbers = TensorLike | Float32Array | readonly number[];

const NUMBERS = 'finite numbers or a tensor';
export const numbersField: Field<Numbers> = custom(
  NUMBERS,
  (value, place) => {
    if (tensor.may(value)) return value as TensorLike;
    const list = Array.isArray(value) || value instanceof Float32Array ? (value as readonly unknown[]) : null;
    if (!list?.every((v) => typeof v === 'number' && Number.isFinite(Math.fround(v)))) throw place.wrong(NUMBERS, value);
    return list as readonly number[];
  },
  { type: 'array', items: { type: 'number' } },
);

/** Numbers as a tensor: a constant of one dimension, unless they are one already. */
export function numbers(graph: Graph, given: Numbers): Tensor {
  if ('toTensor' in given) return given.toTensor();
  const data = Float32Array.from(given);
  return graph.constant(data, [data.length], 'f32');
}

/** Operands beside `x`, which must have its shape. Integers, as targets may be, become floats. */
export function alike<const T extends readonly Tensor[]>(op: string, x: Tensor, ...others: T): { [K in keyof T]: Tensor } {
  for (const y of others) {
    if (!sameShape(x.shape, y.shape))
      throw new ShapeError(`${op}: expected a target of [${x.shape}], got [${y.shape}]${column(x, y)}`);
  }
  return others.map((y) => (y.dtype === 'i32' || y.dtype === 'u8' ? cast(y, x.dtype) : y)) as never;
}

/** One value a row, as a column or not. */
function column(x: Tensor, y: Tensor): string {
  const [a, b] = [x, y].map(({ shape }) => shape.filter((d) => d !== 1));
  if (!sameShape(a!, b!)) return '';
  if (y.shape.length === 1) return ': ops.reshape(outputs, [-1]) has the shape of the target';
  return x.shape.length === 1 ? ': ops.reshape(target, [-1]) has the shape of the outputs' : '';
}

export function difference(op: string, prediction: Tensor, target: Tensor, read: LossRead): Tensor {
  const x = clamped(prediction, read);
  const [y] = alike(op, x, target);
  return sub(x, y);
}

export function clamped(x: Tensor, { clamp: bounds }: LossRead): Tensor {
  return bounds ? clamp(x, { min: bounds[0], max: bounds[1] }) : x;
}

export function reduced(values: Tensor, { reduction }: { readonly reduction: Reduction }): Tensor {
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
export function reducedByWeight(values: Tensor, weights: Tensor | null, read: { readonly reduction: Reduction }): Tensor {
  if (!weights || read.reduction !== 'mean') return reduced(values, read);
  const [total, weight] = [sum(values, { dtype: 'f64' }), sum(weights, { dtype: 'f64' })];
  return asRatio(div(total, add(weight, equal(weight, 0))), { total, weight });
}

const readWeightedMean = signature('loss.weightedMean', { values: tensor, weights: tensor });

/**
 * The mean of elements with weights: sum(values * weights) / sum(weights); 0 without a gradient where all weights are
 * 0. For losses of one's own in which some elements count less, or not at all (a mask): micro-batches of a step, and
 * batches of `evaluate`, weigh by the sum of their weights.
 * @shape values [...], weights [...] -> f64 scalar
 * @param weights in a step of several micro-batches they may not depend on what is trained
 * @throws OptionError; ShapeError or DTypeError if the operands do not fit
 * @see gradclip: sum(values * weights) / sum(weights)
 */
export function weightedMean(values: TensorLike, weights: TensorLike): Tensor {
  const { values: v, weights: given } = readWeightedMean(arguments);
  const [w] = alike('weightedMean', v, given);
  return reducedByWeight(mul(v, w), w, { reduction: 'mean' });
}
