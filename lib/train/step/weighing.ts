// weighing.ts: what a loss divides by, so that the batches of a step, or of a data set, weigh by what counts in each.
import { INPUT, isOp, type Node, type Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { ratioOf } from '../../nn/loss/reduction.ts';
import type { Fault } from '../../nn/loss/rows.ts';
import { add, cast, div, mul, neg } from '../../ops/elementwise/elementwise.ts';
import { CAST } from '../../ops/elementwise/map.ts';
import { MAX, MEAN, MIN, SUM } from '../../ops/reduce/reduce.ts';
import { RESHAPE, reshape } from '../../ops/shape/shape.ts';

/** A mean, f64 scalar: a loss, or a summand of one. */
export type Part =
  /** Among batches it weighs by their rows. */
  | { readonly mean: Tensor; readonly count: null }
  /** A sum and what it is divided by: of batches, both are summed first. */
  | { readonly total: Tensor; readonly count: Tensor; readonly faults: readonly Fault[] };

/** A multiple of a mean. */
interface Term {
  readonly mean: Tensor;
  readonly count: Tensor | null;
  readonly faults: readonly Fault[];
  /** Of the sum, if there is a count, or of the mean. */
  multiple(): Tensor;
}

/**
 * The means of which a loss is the sum, one for each count that they divide by. Seen are sums, differences and multiples (by what does not
 * depend on the batch) of means with weights (`ratioOf`), in any shape of one value; all else counts as a mean over rows.
 * @param loss f64 scalar
 */
export function partsOf(loss: Tensor): readonly Part[] {
  const terms = termsOf(loss);
  if (terms.every((t) => t.count === null)) return [{ mean: loss, count: null }];
  // What is the same for all batches, as a penalty on weights, goes with any mean.
  const fixed = terms.filter((t) => t.count === null && !dependsOnBatch(t.mean));
  const counts = [...new Set(terms.filter((t) => !fixed.includes(t)).map((t) => t.count))];
  return counts.map((count, i): Part => {
    const own = terms.filter((t) => t.count === count && !fixed.includes(t));
    const more = i > 0 ? [] : fixed.map((t) => (count ? mul(t.multiple(), count) : t.multiple()));
    const sum = [...own.map((t) => t.multiple()), ...more].reduce((a, b) => add(a, b));
    return count ? { total: sum, count, faults: own.flatMap((t) => t.faults) } : { mean: sum, count };
  });
}

function termsOf(t: Tensor): readonly Term[] {
  const ratio = ratioOf(t);
  const { total = t, weight: count = null, faults = [] } = ratio ?? {};
  const whole: readonly Term[] = [{ mean: t, count, faults, multiple: () => total }];
  const [a, b] = t.node.ins;
  if (ratio || !a) return whole;
  const each = (of: Tensor, change: (x: Tensor) => Tensor): readonly Term[] =>
    termsOf(of).map((term) => ({ ...term, multiple: () => change(term.multiple()) }));
  const { node } = t;
  const { map } = node.op;
  if (map === 'add') return [...termsOf(a), ...termsOf(b!)];
  if (map === 'sub') return [...termsOf(a), ...each(b!, (x) => neg(x))];
  if (map === 'neg') return each(a, (x) => neg(x));
  // What becomes a whole number is no multiple of it.
  if (isOp(node, CAST) && (t.dtype === 'f32' || t.dtype === 'f64')) return each(a, (x) => cast(x, t.dtype));
  // Of one value these change the shape alone, and the dtype.
  const same = isOp(node, RESHAPE) || isOp(node, SUM) || isOp(node, MEAN) || isOp(node, MAX) || isOp(node, MIN);
  if (same && sizeOf(a.shape) === 1) return each(a, (x) => cast(reshape(x, t.shape), t.dtype));
  if (map === 'mul' && !dependsOnBatch(b!)) return each(a, (x) => mul(x, b!));
  if (map === 'mul' && !dependsOnBatch(a)) return each(b!, (x) => mul(a, x));
  if (map === 'div' && !dependsOnBatch(b!)) return each(a, (x) => div(x, b!));
  return whole;
}

function dependsOnBatch(t: Tensor): boolean {
  const origins = new Set<Node>([t.node]);
  for (const node of origins) for (const { node: from } of node.ins) origins.add(from);
  return [...origins].some((node) => isOp(node, INPUT));
}
