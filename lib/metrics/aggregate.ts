// aggregate.ts: a metric that is no mean over rows, as the trainer measures it: what is added up of each batch, and what all of it makes.
import type { Tensor } from '../ir/graph.ts';

/** Sums by name, and what was kept of the batches, by name too. */
export type Sums = Readonly<Record<string, Float64Array>>;

/**
 * What `evaluate` computes in the graph for each batch, and the number that the whole data set makes of it. Tensors are f64 of any shape;
 * those in `kept` stay side by side in the order of the rows, at a cost in memory.
 */
export interface Aggregate {
  readonly summed?: Readonly<Record<string, Tensor>>;
  readonly kept?: Readonly<Record<string, Tensor>>;
  finish(sums: Sums): number;
}

/** A metric over arrays, batch by batch. The result is that of one call with all rows. */
export interface Metric<R = number> {
  /** Count a batch. Returns itself. */
  update(predictions: Values, targets: Values): this;
  /** Over all batches since it was made or reset; NaN where there is nothing to say. */
  result(): R;
  reset(): this;
  /** Count what another of the same options has counted: metrics of shards become that of the whole. */
  merge(other: this): this;
}

/** Numbers of a batch: an array with a shape, as `predict` gives, or one without. */
export type Values = ArrayLike<number> | { readonly data: ArrayLike<number>; readonly shape: readonly number[] };

export const dataOf = (values: Values): ArrayLike<number> => ('data' in values ? values.data : values);
