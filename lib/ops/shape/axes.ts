// axes.ts: axis and stride arithmetic that the ops share.
import { ShapeError } from '../../errors.ts';
import type { Node } from '../../ir/graph.ts';
import { bytesOf } from '../../ir/op.ts';

/** `axis` as a number in [0, rank); negative axes count from the end. `op` names the op in errors. */
export function resolveAxis(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(`${op}: expected an axis in [${-rank}, ${rank}), got ${axis}`, { op, axis, rank });
  }
  return axis < 0 ? axis + rank : axis;
}

/** Several axes, resolved, ascending, each once. Absent means all. */
export function resolveAxes(op: string, axes: readonly number[] | number | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === 'number' ? [axes] : axes).map((a) => resolveAxis(op, a, rank));
  if (new Set(list).size !== list.length) throw new ShapeError(`${op}: expected each axis once, got [${axes}]`, { op, axes });
  return list.sort((a, b) => a - b);
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let n = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = n;
    n *= shape[i] as number;
  }
  return strides;
}

/** Product of `shape[from..to)`. */
export function span(shape: readonly number[], from: number, to: number = shape.length): number {
  let n = 1;
  for (let i = from; i < to; i++) n *= shape[i] as number;
  return n;
}

/** The cost of an op that moves its inputs to its outputs, with `flops` of arithmetic. */
export function moved(node: Node, flops = 0): { flops: number; bytes: number } {
  let bytes = 0;
  for (const t of [...node.ins, ...node.outs]) bytes += bytesOf(t.type);
  return { flops, bytes };
}
