// pruned.ts: how much pruning has taken of a model.
import type { State } from '../../ir/graph.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import type { Buffer, Parameter } from '../../nn/module/module.ts';
import type { Finishing } from '../../optim/apply/finishing.ts';

/** The share of weights that are pruned: of all that `prune` is for, and of each tensor. */
export interface Sparsity {
  /** The part that is pruned of all weights that `prune` is for, 0 to 1. */
  readonly total: number;
  /** The part that is pruned of each tensor, 0 to 1, by name. */
  readonly tensors: Readonly<Record<string, number>>;
}

/** A model's parameters and buffers with all their names, and how they are pruned. */
export interface Pruned {
  readonly finishing: Finishing;
  readonly names: ReadonlyMap<Parameter | Buffer, readonly string[]>;
}

export function sparsityOf({ finishing, names }: Pruned, values: ReadonlyMap<State, Data>): Sparsity {
  const named = new Map(Array.from(names, ([{ state }, all]) => [state, all[0]!]));
  const each = finishing.prunings.flatMap(({ params, pruned }) => {
    return params.map(({ state }, t) => ({
      name: named.get(state)!,
      gone: values.get(pruned)![t]!,
      size: sizeOf(state.type.shape),
    }));
  });
  const sum = (f: (x: (typeof each)[number]) => number): number => each.reduce((n, x) => n + f(x), 0);
  return {
    total:
      sum((x) => x.gone) /
      Math.max(
        1,
        sum((x) => x.size),
      ),
    tensors: Object.fromEntries(each.map(({ name, gone, size }) => [name, gone / Math.max(1, size)])),
  };
}
