// accumulate.ts: what goes from one micro-batch of a step to the next: sums, and states that move on. Kernel: accumulate.h.
import { DTypeError, ShapeError } from '../errors.ts';
import type { Graph, State, Tensor } from '../ir/graph.ts';
import { bytesOf, type OpDef, type RefArray, sameType, sizeOf, type TensorType, typeName } from '../ir/op.ts';

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

/** Inputs: what a state is at the start of the step, and what the micro-batch before left of it. The first takes the one, the others the other. */
export const CARRY: OpDef<Record<string, never>> = {
  name: 'carry',
  infer([before, after]) {
    const [a, b] = [before as TensorType, after as TensorType];
    if (!sameType(a, b)) throw new ShapeError(`carry: expected ${typeName(a)}, got ${typeName(b)}`);
    return [a];
  },
  lower: (node) => ({ ints: [bytesOf(node.out.type)] }),
  cost: (node) => ({ flops: 0, bytes: 2 * bytesOf(node.out.type) }),
  inplace: () => [[0, 1]],
  ref([out], [start, left], _node, { micro }) {
    (out as RefArray).set((micro === 0 ? start : left) as RefArray);
  },
  samples: () => [
    { ins: [f32(37), f32(37)], attrs: {}, noGradient: true },
    {
      ins: [
        { dtype: 'i32', shape: [] },
        { dtype: 'i32', shape: [] },
      ],
      attrs: {},
      noGradient: true,
      fill: [
        [0, 9],
        [0, 9],
      ],
    },
  ],
};

/** Inputs: a pending state and what this micro-batch leaves in it. An op of its own, so that it is done in every micro-batch, in place. */
export const LEAVE: OpDef<Record<string, never>> = {
  ...CARRY,
  name: 'leave',
  inplace: () => [[0, 0]],
  ref([out], [, value]) {
    (out as RefArray).set(value as RefArray);
  },
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

/**
 * The value of `state` as the micro-batch of a step sees it: as the step before left it, then as each micro-batch left it in `pending`, a
 * transient state. So what moves on with each micro-batch can still be given up with a skipped step.
 */
export function carry(graph: Graph, state: State, pending: State): Tensor {
  return graph.add(CARRY, [graph.state(state), graph.state(pending)], {}).out;
}

/** Let this micro-batch leave `value` in `pending`, for the next one. */
export function leave(graph: Graph, pending: State, value: Tensor): void {
  graph.assign(pending, graph.add(LEAVE, [graph.state(pending), value], {}).out, { always: true });
}
