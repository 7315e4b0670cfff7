// concat.ts: concat and stack: outputs put together from parts. Kernel: `concat` in concat.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { asNode } from '../../ir/onnx.ts';
import { f32, type OpDef, type RefArray } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { list, signature } from '../../options/index.ts';
import { axis, tensor } from '../args.ts';
import { add } from '../elementwise/elementwise.ts';
import { alike } from '../elementwise/promote.ts';
import { moved, resolveAxis, span } from './axes.ts';
import { concatInts, type Part } from './copy.ts';
import { expandDims } from './shape.ts';
import { slice } from './slice.ts';

export interface ConcatAttrs {
  readonly axis: number;
}
export const CONCAT: OpDef<ConcatAttrs> = {
  name: 'concat',
  infer(ins, { axis }) {
    const first = ins[0];
    if (!first) throw new ShapeError('concat: expected at least one tensor, got none');
    const at = resolveAxis('concat', axis, first.shape.length);
    let size = 0;
    for (const x of ins) {
      if (x.dtype !== first.dtype) throw new DTypeError(`concat: expected ${first.dtype}, got ${x.dtype}`);
      if (x.shape.length !== first.shape.length || !x.shape.every((d, i) => i === at || d === first.shape[i])) {
        throw new ShapeError(`concat: expected [${first.shape}] but for axis ${at}, got [${x.shape}]`);
      }
      size += x.shape[at] as number;
    }
    return [{ dtype: first.dtype, shape: first.shape.map((d, i) => (i === at ? size : d)) }];
  },
  vjp(node, [dy]) {
    const { axis } = node.attrs;
    let start = 0;
    return node.ins.map((x) => {
      const end = start + (x.shape[axis] as number);
      const dx = dy ? slice(dy, { axis, start, end }) : null;
      start = end;
      return dx;
    });
  },
  onnx: asNode('Concat', ({ axis }) => ({ axis })),
  lower(node) {
    const { axis } = node.attrs;
    const parts = node.ins.map((x, i): Part => [i, 1, span(x.shape, axis), 0]);
    return concatInts(node.out.type, span(node.out.shape, 0, axis), parts);
  },
  cost: moved,
  ref([y], ins, node) {
    const outer = span(node.out.shape, 0, node.attrs.axis);
    let at = 0;
    for (let o = 0; o < outer; o++) {
      for (const x of ins) {
        const n = x.length / outer;
        for (let i = 0; i < n; i++) (y as RefArray)[at++] = x[o * n + i] as number;
      }
    }
  },
  samplesOf: {
    lies(node, ins) {
      if (ins.every((lies) => lies === 'sum')) return ['sum'];
      return besides(node as Node, ins, (axis) => axis === node.attrs.axis);
    },
    summands: ({ ins, attrs: { axis } }, _, of) =>
      concat(
        ins.map((t) => of.summands(t)),
        axis + 1,
      ),
    sampleNorm: ({ ins }, _, of) => ins.map((t) => of.squares(t)).reduce((a, b) => add(a, b)),
  },
  samples: () => [
    { ins: [f32(2, 3), f32(2, 5)], attrs: { axis: 1 } },
    { ins: [f32(2, 3), f32(4, 3), f32(1, 3)], attrs: { axis: 0 } },
    { ins: [f32(2, 1, 3), f32(2, 0, 3), f32(2, 4, 3)], attrs: { axis: 1 } },
    { ins: [f32(7)], attrs: { axis: 0 } },
    {
      ins: [
        { dtype: 'u8', shape: [3, 5] },
        { dtype: 'u8', shape: [3, 2] },
      ],
      attrs: { axis: 1 },
      fill: [
        [0, 255],
        [0, 255],
      ],
    },
  ],
};

const parts = { xs: list(tensor, { min: 1 }), axis: axis.default(0) };
const readConcat = signature('ops.concat', parts);
const readStack = signature('ops.stack', parts);

/**
 * Join tensors along an existing axis (default 0). They must agree in every other dimension.
 * @shape xs [..., n1, ...], [..., n2, ...], ... -> [..., n1 + n2 + ..., ...]
 * @throws OptionError; ShapeError unless other dimensions agree
 * @see torch.cat
 */
export function concat(xs: readonly TensorLike[], axis = 0): Tensor {
  const ts = alike(readConcat(arguments).xs);
  const first = ts[0]!;
  if (ts.length === 1) return first;
  return first.graph.add(CONCAT, ts, { axis: resolveAxis('concat', axis, first.shape.length) }).out;
}

/**
 * Join tensors of one shape along a new axis (default 0).
 * @shape xs [...], [...], ... -> [n, ...], with the n tensors along `axis`
 * @throws OptionError; ShapeError unless all are of one shape
 * @see torch.stack
 */
export function stack(xs: readonly TensorLike[], axis = 0): Tensor {
  const ts = alike(readStack(arguments).xs);
  return concat(
    ts.map((t) => expandDims(t, axis)),
    resolveAxis('stack', axis, ts[0]!.shape.length + 1),
  );
}
