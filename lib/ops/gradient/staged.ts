// staged.ts: gradients written out as a policy's stages make them, for what needs them in memory. Kernel: staged.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Graph, Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, f64, type OpDef, type RefArray, type Sample, sizeOf, type TensorType } from '../../ir/op.ts';
import type { OwnChain } from '../elementwise/own.ts';
import {
  applyStages,
  CHUNK,
  checkStages,
  type Stage,
  type StageAttrs,
  segments,
  splitStages,
  stageInts,
  stageOperands,
  unitsOf,
} from './stage.ts';

export interface StagedAttrs {
  readonly stages: readonly StageAttrs[];
}

export const STAGED: OpDef<StagedAttrs> = {
  name: 'staged',
  infer(ins, { stages }) {
    const count = ins.length - stageOperands(stages);
    if (count < 1) throw new ShapeError('staged: expected at least one tensor, got none');
    const xs = ins.slice(0, count);
    for (const x of xs) if (x.dtype !== 'f32') throw new DTypeError(`staged: expected f32, got ${x.dtype}`);
    checkStages(
      'staged',
      stages,
      ins.slice(count),
      xs.map((x) => sizeOf(x.shape)),
    );
    return xs;
  },
  lower({ outs, attrs: { stages } }, context) {
    const sizes = outs.map((t) => sizeOf(t.shape));
    return {
      ints: [outs.length, stages.length, ...stageInts(stages, outs.length, context), ...sizes, ...segments(sizes, CHUNK)],
    };
  },
  cost({ outs, attrs: { stages } }) {
    const elements = outs.reduce((n, t) => n + sizeOf(t.shape), 0);
    return { flops: elements * stages.length, bytes: 2 * outs.reduce((n, t) => n + bytesOf(t.type), 0) };
  },
  inplace: ({ outs }) => outs.map((_, i) => [i, i]),
  ref(outs, ins, { attrs: { stages } }, context) {
    for (const [t, out] of outs.entries()) {
      const { values } = applyStages(stages, ins.slice(outs.length), t, ins[t] as RefArray, context);
      for (const [i, v] of values.entries()) out[i] = v;
    }
  },
  samples,
};

/** g / (a + |g|), and within b. */
const CHAIN: OwnChain = {
  vectors: 1,
  given: 2,
  steps: [
    { map: 'abs', args: [{ in: 0 }] },
    { map: 'add', args: [{ in: 1 }, { step: 0 }] },
    { map: 'div', args: [{ in: 0 }, { step: 1 }] },
    { map: 'neg', args: [{ in: 2 }] },
    { map: 'clamp', args: [{ step: 2 }, { step: 3 }, { in: 2 }] },
  ],
  outs: [{ step: 4 }],
};

function samples(): Sample<StagedAttrs>[] {
  const shapes = [[1], [33, 70], [0], [5, 3, 2], [2100], [40, 1]];
  const xs = shapes.map((s) => f32(...s));
  const rows = unitsOf(shapes, 'rows');
  const columns = unitsOf(shapes, 'columns');
  const one = (stage: StageAttrs, operands: TensorType[], fill: (readonly [number, number])[]): Sample<StagedAttrs> => ({
    ins: [...xs, ...operands],
    attrs: { stages: [stage] },
    fill: [...xs.map(() => 'normal' as const), ...fill],
    noGradient: true,
  });
  const n = shapes.length;
  const groups = segments(
    shapes.map((s) => sizeOf(s)),
    64,
  ).slice(0, -1);
  return [
    one({ kind: 'scale', at: [2, -1, 0, 3, 1, 0] }, [f64(4)], [[0.1, 2]]),
    one({ kind: 'limit', at: 'one' }, [f64(), f64()], [[-1, 0], [0, 1]]), // biome-ignore format: pairs
    one({ kind: 'zeroNonFinite', at: 'one' }, [], []),
    one({ kind: 'sign', at: 'one' }, [], []),
    one({ kind: 'shrinkAbove', at: 'each' }, [f64(n), f64(n)], [[0.2, 1], [0.1, 0.5]]), // biome-ignore format: pairs
    one({ kind: 'zeroBelow', at: 'each' }, [f64(n)], [[0.2, 1]]),
    one({ kind: 'soft', at: 'each' }, [f64(n)], [[0.01, 5]]),
    one({ kind: 'tanh', at: 'each' }, [f64(n)], [[0.01, 5]]),
    one({ kind: 'scaleRows', at: rows.at, unit: rows.unit }, [f64(rows.total)], [[0.1, 2]]),
    one({ kind: 'scaleColumns', at: columns.at, unit: columns.unit }, [f64(columns.total)], [[0.1, 2]]),
    one({ kind: 'shiftRows', at: rows.at, unit: rows.unit }, [f64(rows.total)], [[-1, 1]]),
    one({ kind: 'round', at: groups, key: 7 }, [], []),
    one({ kind: 'map', at: shapes.map((_, t) => (t === 3 ? -1 : 0)), chain: CHAIN }, [f64(2)], [[0.1, 2]]),
  ];
}

/** f32 tensors as stages make them, in order: `stages` as for `statistic`. In place where nobody else reads a tensor. */
export function staged(graph: Graph, xs: readonly Tensor[], stages: readonly Stage[]): readonly Tensor[] {
  const { attrs, ins } = splitStages(graph, stages);
  return graph.add(STAGED, [...xs, ...ins], { stages: attrs }).outs;
}
