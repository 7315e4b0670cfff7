// reduction.ts: what losses share: their options, the check of their operands, and how elements become a mean, a sum, or stay.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Graph, Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape, sizeOf } from '../../ir/op.ts';
import { tensor } from '../../ops/args.ts';
import { add, cast, clamp, div, equal, mul, sub, where } from '../../ops/elementwise/elementwise.ts';
import { floats } from '../../ops/elementwise/promote.ts';
import { mean, sum } from '../../ops/reduce/reduce.ts';
import { broadcastTo, reshape } from '../../ops/shape/shape.ts';
import { choice, custom, either, type Field, number, pair, signature } from '../../options/index.ts';
import type { Fault } from './rows.ts';

/** What is made of the values of all rows: one number, or none. */
export type Reduction = 'mean' | 'sum' | 'none';

/** What every loss takes that makes one number of many. */
export interface ReductionOptions {
  /** `mean` and `sum` are over all elements (labels: over all rows) and give an f64 scalar; `none` gives each. Default `mean`. */
  readonly reduction?: Reduction;
  /**
   * What each element counts, or each row: a tensor of the shape that `none` gives, or of its first dimensions; numbers in a list are one a row. A mean
   * divides by the sum of what all count. Where it is 0, prediction and target are not read: they may be NaN, a label none. Default: all 1.
   */
  readonly sampleWeight?: Numbers;
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

interface ReductionFields {
  readonly reduction: typeof reductionField;
  readonly sampleWeight: Field<Numbers, Numbers | undefined, false>;
}
/** What all losses take that make one number of many. */
export const reductionFields: ReductionFields = { reduction: reductionField, sampleWeight: numbersField.optional() };
/** The same, as read. */
export interface ReductionRead {
  readonly reduction: Reduction;
  readonly sampleWeight: Numbers | undefined;
}

/** What losses of predictions take. */
export const lossFields: ReductionFields & { readonly clamp: Field<number | Bounds, Bounds | undefined, false> } = {
  ...reductionFields,
  clamp: bounds.optional(),
};
/** The same, as read. */
export interface LossRead extends ReductionRead {
  readonly clamp: Bounds | undefined;
}

/** Numbers as a tensor: a constant of one dimension, unless they are one already. */
export function numbers(graph: Graph, given: Numbers): Tensor {
  if ('toTensor' in given) return given.toTensor();
  const data = Float32Array.from(given);
  return graph.constant(data, [data.length], 'f32');
}

/** Differences and squares of integers would end where their range does. @throws DTypeError for integers */
export function expectFloats(op: string, ...predictions: readonly Tensor[]): void {
  for (const { dtype } of predictions) {
    if (dtype !== 'f32' && dtype !== 'f64') {
      throw new DTypeError(`${op}: expected f32 or f64, got ${dtype}; convert it with cast(x, 'f32')`, { op, dtype });
    }
  }
}

/** Operands beside `x`, which must have its shape. Integers, as targets may be, become floats. */
export function alike<const T extends readonly Tensor[]>(op: string, x: Tensor, ...others: T): { [K in keyof T]: Tensor } {
  expectFloats(op, x);
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

export function clamped(x: Tensor, { clamp: bounds }: { readonly clamp?: Bounds | undefined }): Tensor {
  return bounds ? clamp(x, { min: bounds[0], max: bounds[1] }) : x;
}

/** All elements, or none of them, made one number. */
export function reduced(values: Tensor, { reduction }: { readonly reduction: Reduction }): Tensor {
  if (reduction === 'none') return values;
  return (reduction === 'mean' ? mean : sum)(values, { dtype: 'f64' });
}

/** What elements count. */
export class Counting {
  /** Of as many dimensions as the elements have, of which some may be 1. */
  readonly weight: Tensor;
  readonly #shape: readonly number[];

  constructor(weight: Tensor, shape: readonly number[]) {
    this.weight = weight;
    this.#shape = shape;
  }

  /**
   * Something else in place of what does not count, so that nobody reads it. Each element of the weights is one of `t`, or all of a vector.
   * @param instead finite, and so what is computed of it
   */
  hide(t: Tensor, instead: number = 0): Tensor {
    const [x, { weight }] = [t.dtype === 'f32' || t.dtype === 'f64' ? t : cast(t, 'f64'), this];
    const dims = [...weight.shape, ...x.shape.slice(weight.shape.length).map(() => 1)];
    const counts = sub(1, equal(weight, 0));
    return where(reshape(cast(counts, x.dtype), dims), x, instead);
  }

  /** Elements, as often as they count. */
  times(values: Tensor): Tensor {
    return mul(values, cast(this.weight, values.dtype));
  }

  /** f64: one for each element. */
  get each(): Tensor {
    return broadcastTo(cast(this.weight, 'f64'), this.#shape);
  }

  /** f64: what its sum is the sum over all elements of. */
  get summands(): Tensor {
    const repeated = sizeOf(this.#shape) / Math.max(1, sizeOf(this.weight.shape));
    return repeated === 1 ? cast(this.weight, 'f64') : mul(cast(this.weight, 'f64'), repeated);
  }
}

/**
 * What elements of a shape count by option `sampleWeight`; null where all count alike.
 * @throws ShapeError unless the weights are of its first dimensions
 */
export function countingOf(
  op: string,
  graph: Graph,
  shape: readonly number[],
  { sampleWeight: given }: Pick<ReductionRead, 'sampleWeight'>,
): Counting | null {
  if (given === undefined) return null;
  const read = numbers(graph, given);
  let dims = read.shape;
  // A column has one a row, too.
  while (dims.length > shape.length && dims.at(-1) === 1) dims = dims.slice(0, -1);
  if (dims.length > shape.length || dims.some((d, i) => d !== shape[i] && d !== 1)) {
    const [last = ''] = shape.length > 1 ? [`, or the first of these dimensions`] : [];
    throw new ShapeError(`${op}: expected sampleWeight of [${shape}]${last}, got [${read.shape}]`);
  }
  const weight = read.dtype === 'f32' || read.dtype === 'f64' ? read : cast(read, 'f32');
  return new Counting(reshape(weight, [...dims, ...shape.slice(dims.length).map(() => 1)]), shape);
}

/** Operands of one shape, the first the prediction, as losses of elements read them. */
export interface Operands<T> {
  readonly x: Tensor;
  readonly others: T;
  readonly counting: Counting | null;
}

/**
 * @param instead of predictions that do not count
 * @throws ShapeError unless all are of the shape of `x`; for weights of another
 */
export function operandsOf<const T extends readonly Tensor[]>(
  op: string,
  x: Tensor,
  others: T,
  read: ReductionRead & Partial<LossRead>,
  instead: number = 0,
): Operands<{ [K in keyof T]: Tensor }> {
  const all = alike(op, x, ...others);
  const counting = countingOf(op, x.graph, x.shape, read);
  const hidden = counting ? (all.map((t) => counting.hide(t)) as unknown as typeof all) : all;
  return { x: clamped(counting ? counting.hide(x, instead) : x, read), others: hidden, counting };
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

/**
 * As `reducedByWeight`, of elements that do not count alike.
 * @param own weights of the elements by which they are multiplied already, and which a mean divides by, too: f64; null: none
 */
export function reducedBy(values: Tensor, counting: Counting | null, read: ReductionRead, own: Tensor | null = null): Tensor {
  if (!counting) return reducedByWeight(values, own, read);
  return reducedByWeight(counting.times(values), own ? mul(own, counting.each) : counting.summands, read);
}

const readWeightedMean = signature('loss.weightedMean', { values: tensor, weights: tensor });

/**
 * The mean of elements with weights: sum(values * weights) / sum(weights); 0 without a gradient where all weights are
 * 0. For losses of one's own in which some elements count less: micro-batches of a step, and batches of `evaluate`,
 * weigh by the sum of their weights. Values that are NaN make it NaN whatever they weigh: option `sampleWeight` of the
 * losses does not read what does not count.
 * @shape values [...], weights [...] -> f64 scalar
 * @param weights in a step of several micro-batches they may not depend on what is trained
 * @throws OptionError; ShapeError if the operands do not fit
 * @see gradclip: sum(values * weights) / sum(weights)
 */
export function weightedMean(values: TensorLike, weights: TensorLike): Tensor {
  const { values: read, weights: given } = readWeightedMean(arguments);
  const v = floats(read);
  const [w] = alike('weightedMean', v, given);
  return reducedByWeight(mul(v, w), w, { reduction: 'mean' });
}
