// windows.ts: pieces of a text. Kernel: gather.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { bytesOf, DTYPE_BYTES, i32, type OpDef, type RefArray, sizeOf, type TensorType, typeName, u8 } from '../../ir/op.ts';
import { mixes } from '../../ir/samples.ts';
import { expectIndices } from './indices.ts';

const typeOf = (node: Node, i: number): TensorType => (node.ins[i] as Tensor).type;

export interface WindowsAttrs {
  readonly length: number;
}
export const WINDOWS: OpDef<WindowsAttrs> = {
  name: 'windows',
  infer(ins, { length }) {
    const [text, starts] = ins as [TensorType, TensorType];
    expectIndices('windows', 'the text', text);
    if (starts.dtype !== 'i32') throw new DTypeError(`windows: expected starts as i32, got ${typeName(starts)}`);
    if (text.shape.length !== 1 || starts.shape.length !== 1) {
      throw new ShapeError(`windows: expected a text [n] and starts [b], got [${text.shape}] and [${starts.shape}]`);
    }
    if (!Number.isInteger(length) || length < 1 || length > (text.shape[0] as number)) {
      throw new ShapeError(`windows: expected a length in [1, ${text.shape[0]}], got ${length}`);
    }
    return [i32(starts.shape[0] as number, length)];
  },
  lower(node) {
    const [text, starts] = [typeOf(node, 0), typeOf(node, 1)];
    return { ints: [sizeOf(text.shape), sizeOf(starts.shape), node.attrs.length, DTYPE_BYTES[text.dtype]] };
  },
  cost: (node) => ({ flops: 0, bytes: 2 * bytesOf(node.out.type) }),
  indices: (node) => [{ input: 1, bound: typeOf(node, 0).shape[0]! - node.attrs.length + 1 }],
  ref([y], [text, starts], node) {
    const { length } = node.attrs;
    (starts as RefArray).forEach((s: number, k: number) => {
      for (let t = 0; t < length; t++) (y as RefArray)[k * length + t] = (text as RefArray)[s + t] as number;
    });
  },
  samplesOf: {
    lies(node, [text, starts]) {
      if (text || starts === 'sum') throw mixes(node);
      return [starts ?? null];
    },
  },
  samples: () => [
    {
      ins: [u8(50), i32(4)],
      attrs: { length: 17 },
      fill: [
        [0, 255],
        [0, 34],
      ],
    },
    {
      ins: [i32(9), i32(3)],
      attrs: { length: 9 },
      fill: [
        [-9, 9],
        [0, 1],
      ],
    },
    {
      ins: [u8(1), i32(1)],
      attrs: { length: 1 },
      fill: [
        [0, 255],
        [0, 1],
      ],
    },
  ],
};

/**
 * `length` neighboring tokens of `text` (u8 or i32 [n]) from each of `starts` (i32 [b]): i32 [b, length].
 * A start outside [0, n - length] ends the run with an IndexError.
 */
export function windows(text: TensorLike, starts: TensorLike, options: { readonly length: number }): Tensor {
  const t = text.toTensor();
  return t.graph.add(WINDOWS, [t, starts.toTensor()], { length: options.length }).out;
}
