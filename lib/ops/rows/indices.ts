// indices.ts: what may be an index, and floats that are.

import { DTypeError, IndexError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import type { OnnxBuilder, OnnxValue } from '../../ir/onnx.ts';
import { f32, i32, type OpDef, type RefArray, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { byElement } from '../../ir/samples.ts';
import { moved } from '../shape/axes.ts';

/** Throws unless `type` can hold indices. */
export function expectIndices(op: string, what: string, type: TensorType): void {
  if (type.dtype !== 'i32' && type.dtype !== 'u8') {
    throw new DTypeError(`${op}: expected ${what} as i32 or u8, got ${typeName(type)}`);
  }
}

const typeOf = (node: Node, i: number): TensorType => (node.ins[i] as Tensor).type;

/** Indices as operators of ONNX take them: bytes they do not. */
export const wide = (b: OnnxBuilder, indices: Tensor): OnnxValue =>
  indices.dtype === 'u8' ? b.cast(b.value(indices), 'u8', 'i32') : b.value(indices);

/** Floats whose values are whole numbers, as i32. */
export const INDICES: OpDef<Readonly<Record<string, never>>> = {
  name: 'indices',
  infer([x]) {
    if (x?.dtype !== 'f32' && x?.dtype !== 'f64') throw new DTypeError(`indices: expected f32 or f64, got ${x?.dtype}`);
    return [i32(...x.shape)];
  },
  vjp: () => [null],
  // Which values are no whole numbers, nobody says there.
  onnx: (node, b) => [b.cast(b.value(node.ins[0]!), node.ins[0]!.dtype, 'i32')],
  lower: (node) => ({ ints: [sizeOf(node.out.shape), Number(typeOf(node, 0).dtype === 'f64')] }),
  cost: (node) => moved(node, 0),
  ref([y], [x], node) {
    const bound = typeOf(node, 0).dtype === 'f64' ? 2 ** 31 : 2 ** 24;
    (x as RefArray).forEach((value: number, position: number) => {
      if (!Number.isInteger(value) || Math.abs(value) >= bound) {
        throw new IndexError(`indices: got ${value} at position ${position}`, { op: 'indices', position, value, bound });
      }
      (y as RefArray)[position] = value;
    });
  },
  samplesOf: { lies: byElement },
  samples: () => [
    { ins: [f32(7)], attrs: {}, fill: [{ exactly: [0, 1, 2, -100, 5, 16777215, -16777215] }], noGradient: true },
    { ins: [{ dtype: 'f64', shape: [2, 2] }], attrs: {}, fill: [{ exactly: [0, 3, 2147483647, -2147483647] }], noGradient: true },
    { ins: [f32()], attrs: {}, fill: [{ exactly: [4] }], noGradient: true },
    { ins: [f32(0, 3)], attrs: {}, fill: [{ exactly: [] }], noGradient: true },
  ],
};

/**
 * Integers as they are, and floats as i32, where an op wants indices: labels and tokens may come in a column of floats. A value that is no whole
 * number, or so large (2^24 in f32) that it may have been another, ends the run with an IndexError.
 */
export function asIndices(x: TensorLike): Tensor {
  const t = x.toTensor();
  return t.dtype === 'f32' || t.dtype === 'f64' ? t.graph.add(INDICES, [t], {}).out : t;
}
