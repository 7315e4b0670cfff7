// accumulate.ts: what goes from one micro-batch of a step to the next: sums, and states that move on. Kernel: accumulate.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Graph, State, Tensor } from '../../ir/graph.ts';
import {
  bytesOf,
  f32,
  f64,
  type OpDef,
  type RefArray,
  sameShape,
  sameType,
  sizeOf,
  type TensorType,
  typeName,
} from '../../ir/op.ts';
import { toBf16 } from '../../math/bf16.ts';
import { placeInTree } from './tree.ts';

export interface SumAttrs {
  /**
   * f32 that travel between processes as bf16: the value of each micro-batch is rounded to that, and each sum in the tree but that of all of them, so that
   * it is the same wherever they are summed.
   */
  readonly rounded?: boolean;
}

/** Twin: SumKind. */
export const sumKind = (type: TensorType, { rounded = false }: SumAttrs): number => (type.dtype === 'f64' ? 1 : rounded ? 2 : 0);

export function checkRounded(op: string, { dtype }: TensorType, { rounded = false }: SumAttrs): void {
  if (rounded && dtype !== 'f32') throw new DTypeError(`${op}: expected f32 to round to bf16, got ${dtype}`);
}

/**
 * Inputs: partial sums [levels, ...], the next value [...] and, optional, an f64 scalar. Output: the partial sums after it. After the last
 * micro-batch the first of them is the whole sum, divided by the scalar.
 */
export const ACCUMULATE: OpDef<SumAttrs> = {
  name: 'accumulate',
  infer([sums, value, divisor], attrs) {
    const [a, b] = [sums as TensorType, value as TensorType];
    if (a.dtype !== b.dtype || (a.shape[0] ?? 0) < 1 || !sameShape(a.shape.slice(1), b.shape)) {
      throw new ShapeError(`accumulate: expected partial sums [levels, ${b.shape}] of ${b.dtype}, got ${typeName(a)}`);
    }
    if (b.dtype !== 'f32' && b.dtype !== 'f64') throw new DTypeError(`accumulate: expected f32 or f64, got ${b.dtype}`);
    checkRounded('accumulate', b, attrs);
    if (divisor && (divisor.dtype !== 'f64' || divisor.shape.length > 0)) {
      throw new DTypeError(`accumulate: expected an f64 scalar to divide by, got ${typeName(divisor)}`);
    }
    return [a];
  },
  lower: ({ ins: [sums, value], attrs }) => ({ ints: [sums!.shape[0]!, sizeOf(value!.shape), sumKind(value!.type, attrs)] }),
  cost: ({ ins: [, value] }) => ({ flops: sizeOf(value!.shape), bytes: 3 * bytesOf(value!.type) }),
  inplace: () => [[0, 0]],
  ref([out], [sums, value, divisor], { attrs }, { micro, micros }) {
    const [o, s, v] = [out, sums, value] as [RefArray, RefArray, RefArray];
    const { held, joins } = placeInTree(micro, micros);
    const slot = held - joins;
    const rounded = attrs.rounded ? toBf16 : (x: number): number => x;
    o.set(s);
    for (let i = 0; i < v.length; i++) {
      let sum = rounded(v[i]!);
      for (let level = held - 1; level >= slot; level--) {
        sum += s[level * v.length + i]!;
        if (level > slot || micro < micros - 1) sum = rounded(sum);
      }
      o[slot * v.length + i] = divisor && micro === micros - 1 ? sum / divisor[0]! : sum;
    }
  },
  samples: () => [
    { ins: [f32(1, 37), f32(37)], attrs: {}, noGradient: true },
    { ins: [f32(3, 5, 129), f32(5, 129), f64()], attrs: {}, fill: ['normal', 'normal', 'positive'], noGradient: true },
    { ins: [f64(2), f64()], attrs: {}, noGradient: true },
    { ins: [f32(2, 77), f32(77)], attrs: { rounded: true }, noGradient: true },
    { ins: [f32(2, 0, 3), f32(0, 3)], attrs: {}, noGradient: true },
  ],
};

/** The first of several tensors that lie one after the other. No instruction is made. */
export const HEAD: OpDef<Record<string, never>> = {
  name: 'head',
  alias: true,
  infer([x]) {
    if (!x!.shape[0]) throw new ShapeError(`head: expected at least one tensor in [${x!.shape}]`);
    return [{ dtype: x!.dtype, shape: x!.shape.slice(1) }];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
  ref: ([y], [x]) => (y as RefArray).set((x as RefArray).subarray(0, y!.length)),
  samples: () => [
    { ins: [f32(3, 5)], attrs: {}, noGradient: true },
    { ins: [f64(2)], attrs: {}, noGradient: true },
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

/**
 * The sum of `value` over the micro-batches of a step, divided by `divisor`, an f64 scalar of the last of them, if given. Valid in the `apply`
 * section.
 * @param state partial sums, kept from one micro-batch to the next: `levelsOf` tensors like `value`
 */
export function accumulate(graph: Graph, state: State, value: Tensor, divisor?: Tensor, attrs: SumAttrs = {}): Tensor {
  const sums = graph.add(ACCUMULATE, [graph.state(state), value, ...(divisor ? [divisor] : [])], attrs).out;
  graph.assign(state, sums, { always: true });
  return graph.add(HEAD, [sums], {}).out;
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
  hold(graph, pending, value);
}

/** Put `value` into a transient state: there all that come after it can read it, whatever micro-batch they are of. */
export function hold(graph: Graph, state: State, value: Tensor): Tensor {
  const { out } = graph.add(LEAVE, [graph.state(state), value], {});
  graph.assign(state, out, { always: true });
  return out;
}
