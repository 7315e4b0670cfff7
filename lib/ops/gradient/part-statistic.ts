// part-statistic.ts: partial sums of gradients of which each process of a group has a part, those of all of them. Kernel: part_statistic.h.
import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import { inSection, type Node, type Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, f64, type OpDef, type RefArray, type Sample, sizeOf, typeName } from '../../ir/op.ts';
import { LARGE, partOf, type Ranked } from '../step/parts.ts';
import { BLOCK, KINDS, type StatisticAttrs, TERMS } from './statistics.ts';

interface PartStatisticAttrs extends Ranked {
  readonly kind: StatisticAttrs['kind'];
}

/**
 * Inputs: large tensors, of each of which the part of this process is read. Outputs: for each, what a statistic has of each of its blocks, f64, of all
 * processes: the statistic that takes it as `ready` has the bits of one over the whole tensor.
 */
export const PART_STATISTIC: OpDef<PartStatisticAttrs> = {
  name: 'partStatistic',
  infer(ins, { kind }) {
    if (kind === 'sumPow') throw new GraphError('partStatistic: expected a sum of squares or of abs, or a maximum, got sumPow');
    return ins.map((t) => {
      if (t.dtype !== 'f32') throw new DTypeError(`partStatistic: expected f32, got ${t.dtype}`);
      const elements = sizeOf(t.shape);
      if (elements <= LARGE) throw new ShapeError(`partStatistic: expected more than ${LARGE} elements, got ${typeName(t)}`);
      return f64(Math.ceil(elements / BLOCK));
    });
  },
  lower: ({ ins, attrs: { rank, size, kind } }) => ({
    ints: [rank, size, KINDS.indexOf(kind), ...ins.map((t) => sizeOf(t.shape))],
  }),
  cost: ({ ins, attrs: { size } }) => ({
    flops: ins.reduce((sum, t) => sum + (2 * sizeOf(t.shape)) / size, 0),
    bytes: ins.reduce((sum, t) => sum + bytesOf(t.type) / size, 0),
  }),
  // Of a group of one: another process's part is nowhere else.
  ref(outs, ins, { attrs }) {
    const term = TERMS[attrs.kind](2, 0);
    const join = (a: number, b: number): number => (attrs.kind === 'maxAbs' ? Math.max(a, b) : a + b);
    for (const [k, y] of outs.entries()) {
      (y as RefArray).fill(0);
      const [from, to] = partOf(ins[k]!.length, attrs);
      for (let i = from; i < to; i++) y[Math.floor(i / BLOCK)] = join(y[Math.floor(i / BLOCK)]!, term(ins[k]![i]!));
    }
  },
  samples: () =>
    KINDS.filter((kind) => kind !== 'sumPow').map(
      (kind): Sample<PartStatisticAttrs> => ({
        ins: [f32(LARGE + 1), f32(170, 111), f32(5, LARGE)],
        attrs: { rank: 0, size: 1, kind },
        noGradient: true,
      }),
    ),
};

/** What becomes of tensors of which this process has its part, as a statistic of the others' takes it. */
export function partStatistic(
  xs: readonly Tensor[],
  { attrs: { kind } }: Node<StatisticAttrs>,
  ranked: Ranked,
): readonly Tensor[] {
  const { graph } = xs[0]!;
  const { rank, size } = ranked;
  return inSection(graph, 'apply', () => graph.add(PART_STATISTIC, xs, { rank, size, kind }).outs);
}
