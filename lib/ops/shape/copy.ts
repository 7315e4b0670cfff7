// copy.ts: ops that only move elements, for the kernels `copy` (a view made real, shape.h) and `concat` (parts put together, concat.h).
import { ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { DTYPE_BYTES, type OpDef, type RefArray, type TensorType } from '../../ir/op.ts';
import { moved } from './axes.ts';

/** A view of the input: output element i is input element offset + sum of index * stride. */
export interface View {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Attributes of the `copy` kernel: [element bytes, offset, then shape and strides], neighboring dimensions merged. */
function copyInts(type: TensorType, view: View): { ints: number[] } {
  const shape: number[] = [];
  const strides: number[] = [];
  view.shape.forEach((d, i) => {
    const s = view.strides[i] as number;
    const last = shape.length - 1;
    if (d === 1) return;
    if (last >= 0 && strides[last] === s * d) {
      shape[last] = (shape[last] as number) * d;
      strides[last] = s;
    } else {
      shape.push(d);
      strides.push(s);
    }
  });
  return { ints: [DTYPE_BYTES[type.dtype], view.offset, ...shape, ...strides] };
}

function copyRef(y: RefArray, x: RefArray, view: View): void {
  const index = view.shape.map(() => 0);
  for (let i = 0; i < y.length; i++) {
    y[i] = x[index.reduce((at, k, d) => at + k * (view.strides[d] as number), view.offset)] as number;
    for (let d = index.length - 1; d >= 0; d--) {
      if (++(index[d] as number) < (view.shape[d] as number)) break;
      index[d] = 0;
    }
  }
}

/** An op whose output is a view of its input, made real. */
export function copyOp<A>(
  name: string,
  view: (x: TensorType, attrs: A) => View,
  rest: Required<Pick<OpDef<A>, 'vjp' | 'onnx' | 'samplesOf' | 'samples'>> & { check(x: TensorType, attrs: A): void },
): OpDef<A> {
  return {
    name,
    kernel: 'copy',
    infer(ins, attrs) {
      const x = ins[0] as TensorType;
      rest.check(x, attrs);
      const { shape } = view(x, attrs);
      if (shape.length > 8) throw new ShapeError(`${name}: expected at most 8 dimensions, got ${shape.length}`);
      return [{ dtype: x.dtype, shape }];
    },
    vjp: rest.vjp,
    onnx: rest.onnx,
    lower(node) {
      const x = (node.ins[0] as Tensor).type;
      return copyInts(x, view(x, node.attrs));
    },
    cost: moved,
    ref: ([y], [x], node) => copyRef(y as RefArray, x as RefArray, view((node.ins[0] as Tensor).type, node.attrs)),
    samplesOf: rest.samplesOf,
    samples: rest.samples,
  };
}

/** A part of each row that the `concat` kernel writes: `blocks` blocks from input `source` (-1: zeros), `gap` zeros between. */
export type Part = readonly [source: number, blocks: number, block: number, gap: number];

/** Attributes of the `concat` kernel. */
export function concatInts(type: TensorType, outer: number, parts: readonly Part[]): { ints: number[] } {
  return { ints: [DTYPE_BYTES[type.dtype], outer, ...parts.flat()] };
}
