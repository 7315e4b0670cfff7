// accumulate.ts: sums over the micro-batches of a step. Kernel: accumulate.h.
import { DTypeError, ShapeError } from '../errors.ts';
import type { Graph, State, Tensor } from '../ir/graph.ts';
import { bytesOf, type OpDef, type RefArray, sizeOf, type TensorType, typeName } from '../ir/op.ts';

/** Inputs: the sum so far and the next value. The first micro-batch replaces the sum, the last one divides it by their number. */
export const ACCUMULATE: OpDef<Record<string, never>> = {
  name: 'accumulate',
  infer([sum, value]) {
    const [a, b] = [sum as TensorType, value as TensorType];
    if (typeName(a) !== typeName(b)) throw new ShapeError(`accumulate: expected ${typeName(a)}, got ${typeName(b)}`);
    if (a.dtype !== 'f32' && a.dtype !== 'f64') throw new DTypeError(`accumulate: expected f32 or f64, got ${a.dtype}`);
    return [a];
  },
  lower: (node) => ({ ints: [sizeOf(node.out.shape), node.out.dtype === 'f64' ? 1 : 0] }),
  cost: (node) => ({ flops: sizeOf(node.out.shape), bytes: 3 * bytesOf(node.out.type) }),
  inplace: () => [[0, 0]],
  ref([out], [sum, value], _node, { micro, micros }) {
    const [o, s, v] = [out, sum, value] as [RefArray, RefArray, RefArray];
    for (let i = 0; i < o.length; i++) {
      const total = micro === 0 ? v[i]! : s[i]! + v[i]!;
      o[i] = micro === micros - 1 ? total / micros : total;
    }
  },
  samples: () => [
    { ins: [f32(37), f32(37)], attrs: {}, noGradient: true },
    { ins: [f64(), f64()], attrs: {}, noGradient: true },
  ],
};

const f32 = (...shape: number[]): TensorType => ({ dtype: 'f32', shape });
const f64 = (...shape: number[]): TensorType => ({ dtype: 'f64', shape });

/**
 * The mean of `value` over the micro-batches of a step, kept in `state` from one to the next. Valid in the `apply` section.
 */
export function accumulate(graph: Graph, state: State, value: Tensor): Tensor {
  const next = graph.add(ACCUMULATE, [graph.state(state), value], {}).out;
  graph.assign(state, next, { always: true });
  return next;
}
