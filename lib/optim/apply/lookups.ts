// lookups.ts: tables of which only the rows that were looked up are updated: how a gradient becomes lookups, and what cannot be updated so.
import type { Clipped } from '../../clip/clip.ts';
import { OptionError } from '../../errors.ts';
import { isOp, type Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { cast } from '../../ops/elementwise/elementwise.ts';
import { SCATTER_ADD, scatterAdd } from '../../ops/rows/gather.ts';
import { type Lookups, lookupRows, putRows, takeRows } from '../../ops/rows/sparse-rows.ts';
import { concat } from '../../ops/shape/concat.ts';
import { reshape } from '../../ops/shape/shape.ts';
import type { Finish } from '../../ops/update/finish.ts';
import type { Optimizer } from '../optimizer.ts';
import { isFused } from './build.ts';

const why = (name: string, what: string): OptionError =>
  new OptionError(`${name}: sparse updates ${what}; make it without sparse: true`, { name, option: 'sparse' });

/** The lookups that a gradient is the sum of. @throws OptionError where it is anything else */
export function lookupsOf(name: string, gradient: Tensor): Lookups {
  const parts: Lookups[] = [];
  const walk = (t: Tensor): void => {
    const { node } = t;
    if (isOp(node, SCATTER_ADD)) {
      const [values, indices] = node.ins as [Tensor, Tensor];
      parts.push({ values, indices, padding: node.attrs.padding });
    } else if (node.op.map === 'add' && node.ins.every((x) => x.shape.length === t.shape.length)) node.ins.forEach(walk);
    else throw why(name, 'need a gradient that comes from lookups alone, and this table is used otherwise too, or not at all');
  };
  walk(gradient);
  const [first, ...rest] = parts as [Lookups, ...Lookups[]];
  if (rest.length === 0) return first;
  if (rest.some((p) => p.padding !== first.padding)) throw why(name, 'need the same paddingIdx in all lookups');
  const row = gradient.shape.slice(1);
  const indices = parts.map((p) => cast(reshape(p.indices, [sizeOf(p.indices.shape)]), 'i32'));
  const values = parts.map((p, k) => reshape(p.values, [indices[k]!.shape[0]!, ...row]));
  return { values: concat(values), indices: concat(indices), padding: first.padding };
}

/** The gradient that lookups make, as large as the table: for policies to measure. */
export function denseOf({ values, indices, padding }: Lookups, rows: number): Tensor {
  return scatterAdd(values, indices, { rows, ...(padding !== undefined && { padding }) });
}

/** @throws OptionError if the optimizer does more than update each element independently */
export function checkSparse(name: string, optimizer: Optimizer): void {
  if (!isFused(optimizer)) throw why(name, `are not for ${optimizer.name}, an optimizer of one's own`);
  if (!optimizer.rowwise)
    throw why(name, `are not for ${optimizer.name}, which looks at whole tensors or counts on seeing every row`);
}

/** @throws OptionError if what the policy and the constraints do to a table is not done row by row */
export function checkStages(
  name: string,
  policy: string,
  { stages, grads }: Clipped,
  finish: Finish | null,
  place: number,
): void {
  if (grads) throw why(name, `do not go with ${policy}, which writes gradients of its own`);
  for (const { kind, at } of stages) {
    const applies = at === undefined || at[place]! >= 0;
    if (applies && (kind === 'scaleRows' || kind === 'scaleColumns' || kind === 'shiftRows' || kind === 'round')) {
      throw why(name, `do not go with ${policy}, which treats rows, columns or places of a table differently`);
    }
  }
  if (finish?.masks.some((m) => m !== null)) throw why(name, 'do not go with pruning in the same group');
}

/** The rows of a table and of its slots that were looked up, for an update to work on. */
export interface TakenRows {
  readonly param: Tensor;
  readonly grad: Tensor;
  readonly slots: readonly Tensor[];
  /** The whole of each, with new rows. */
  put(param: Tensor, slots: readonly Tensor[]): readonly Tensor[];
}

export function taken(lookups: Lookups, param: Tensor, slots: readonly Tensor[]): TakenRows {
  const { values, ids } = lookupRows(lookups, param.shape[0]!);
  const whole = [param, ...slots];
  const [rows, ...slotRows] = takeRows(ids, whole);
  return { param: rows!, grad: values, slots: slotRows, put: (p, s) => putRows(ids, whole, [p, ...s]) };
}
