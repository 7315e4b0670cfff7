// all-gather.ts: tensors of which each process of a group computes a part. Kernel: all_gather.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import { inSection, type Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, type OpDef, type RefArray, sizeOf, typeName } from '../../ir/op.ts';
import { partOf, type Ranked } from './parts.ts';

/** Inputs: tensors of which nothing is read but where they lie, and of each the part [n] of this process. Outputs: the tensors, all parts put together. */
export const ALL_GATHER: OpDef<Ranked> = {
  name: 'allGather',
  infer(ins, ranked) {
    const count = ins.length / 2;
    return ins.slice(0, count).map((whole, k) => {
      const part = ins[count + k]!;
      const [from, to] = partOf(sizeOf(whole.shape), ranked);
      if (whole.dtype !== 'f32' || part.dtype !== 'f32') throw new DTypeError(`allGather: expected f32, got ${typeName(whole)}`);
      if (part.shape.length !== 1 || part.shape[0] !== to - from) {
        throw new ShapeError(`allGather: expected f32[${to - from}] as part of ${typeName(whole)}, got ${typeName(part)}`);
      }
      return whole;
    });
  },
  lower: ({ outs, attrs: { rank, size } }) => ({ ints: [rank, size, ...outs.map((t) => sizeOf(t.shape))] }),
  cost: ({ outs }) => ({ flops: 0, bytes: outs.reduce((sum, t) => sum + 2 * bytesOf(t.type), 0) }),
  inplace: ({ outs }) => outs.map((_, k) => [k, k] as const),
  within: ({ outs, attrs }) =>
    outs.map(({ type }, k) => ({
      out: k,
      input: outs.length + k,
      at: bytesOf(f32(partOf(sizeOf(type.shape), attrs)[0])),
    })),
  // Of a group of one: another process's part is nowhere else.
  ref: (outs, ins) => outs.forEach((y, k) => void (y as RefArray).set(ins[outs.length + k] as RefArray)),
  samples: () => [
    { ins: [f32(5, 9), f32(45)], attrs: { rank: 0, size: 1 }, noGradient: true },
    { ins: [f32(3), f32(0, 2), f32(40, 50), f32(3), f32(0), f32(2000)], attrs: { rank: 0, size: 1 }, noGradient: true },
  ],
};

/** Of tensors, and the part of each that this process has computed: the tensors with the parts of all. */
export function allGather(wholes: readonly Tensor[], parts: readonly Tensor[], ranked: Ranked): readonly Tensor[] {
  const { graph } = wholes[0]!;
  return inSection(
    graph,
    'apply',
    () => graph.add(ALL_GATHER, [...wholes, ...parts], { rank: ranked.rank, size: ranked.size }).outs,
  );
}
