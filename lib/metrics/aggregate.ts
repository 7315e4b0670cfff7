// aggregate.ts: a metric that is no mean over rows, as the trainer measures it: what is added up of each batch, and what all of it makes.
import type { Nested } from '../data/nested.ts';
import type { Tensor } from '../ir/graph.ts';
import type { Fault } from '../nn/loss/rows.ts';

/** Sums by name, and what was kept of the batches, by name too. */
export type Sums = Readonly<Record<string, Float64Array>>;

/**
 * What `evaluate` computes in the graph for each batch, and the number that the whole data set makes of it. Tensors are f64 of any shape;
 * those in `kept` stay side by side in the order of the rows, at a cost in memory.
 */
export interface Aggregate {
  /** Sums of this batch, each a tensor of any shape: added to those of the batches before. */
  readonly summed?: Readonly<Record<string, Tensor>>;
  /** What is kept of every row of this batch, each [rows, ...]. */
  readonly kept?: Readonly<Record<string, Tensor>>;
  /** Makes a number of the sums of all batches. */
  finish(sums: Sums): number;
}

/** A metric over arrays, batch by batch. The result is that of one call with all rows. */
export interface Metric<R = number> {
  /** Count a batch. Returns itself. A batch that is refused leaves it as it was. */
  update(predictions: Values, targets: Values): this;
  /** Over all batches since it was made or reset; NaN where there is nothing to say. */
  result(): R;
  /** Forgets all it has counted. */
  reset(): this;
  /** Count what another of the same options has counted: metrics of shards become that of the whole. */
  merge(other: this): this;
}

/** Numbers of a batch: an array with a shape, as `predict` gives, rows in arrays, or numbers without a shape. */
export type Values =
  | ArrayLike<number>
  | ArrayLike<bigint>
  | Nested
  | { readonly data: ArrayLike<number> | ArrayLike<bigint> | Nested; readonly shape: readonly number[] };

/** A metric that also tells what no batch may have. */
export interface Checked extends Aggregate {
  /** The metric alone. */
  readonly metric: Aggregate;
  /** Looks at the sums of a batch, or of all. @throws IndexError */
  check(sums: Sums): void;
}

/** `metric` with faults measured beside it, which are looked at before it is finished. */
export function checked(metric: Aggregate, faults: readonly Fault[]): Checked {
  const check = (sums: Sums): void => {
    for (const [i, fault] of faults.entries()) fault.check(sums[`fault${i}`]!);
  };
  const found = Object.fromEntries(faults.map((fault, i) => [`fault${i}`, fault.found]));
  const finish = (sums: Sums): number => {
    check(sums);
    return metric.finish(sums);
  };
  return { ...metric, kept: { ...metric.kept, ...found }, metric, check, finish };
}
