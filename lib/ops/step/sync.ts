// sync.ts: sums over the processes that train together. Kernel: sync.h.
import { DTypeError } from '../../errors.ts';
import { inSection, type Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, f64, type OpDef, type RefArray, sizeOf } from '../../ir/op.ts';

/**
 * Tensors as this process has them, and their sums over all processes of the group, in the order of ranks: of 2^k of them, by the tree by which
 * micro-batches are summed. Of a step that this process takes all micro-batches of, they stay as they are.
 */
export const SYNC: OpDef<Record<string, never>> = {
  name: 'sync',
  infer(ins) {
    for (const { dtype } of ins) {
      if (dtype !== 'f32' && dtype !== 'f64') throw new DTypeError(`sync: expected f32 or f64, got ${dtype}`);
    }
    return [...ins];
  },
  lower: ({ ins }) => ({ ints: ins.flatMap((t) => [t.dtype === 'f64' ? 1 : 0, sizeOf(t.shape)]) }),
  cost: ({ ins }) => ({
    flops: ins.reduce((sum, t) => sum + sizeOf(t.shape), 0),
    bytes: ins.reduce((sum, t) => sum + 3 * bytesOf(t.type), 0),
  }),
  inplace: ({ ins }) => ins.map((_, k) => [k, k] as const),
  ref: (outs, ins) => outs.forEach((y, k) => void (y as RefArray).set(ins[k] as RefArray)),
  samples: () => [
    { ins: [f32(37)], attrs: {}, noGradient: true },
    { ins: [f32(5, 129), f64(), f32(0, 3), f32()], attrs: {}, noGradient: true },
    { ins: [f32(170, 111), f64(3)], attrs: {}, noGradient: true },
  ],
};

/** The sum of a tensor over all processes of the group. The compiler makes one exchange of all that are in a graph. */
export function sync(x: Tensor): Tensor {
  return inSection(x.graph, 'apply', () => x.graph.add(SYNC, [x], {}).out);
}
