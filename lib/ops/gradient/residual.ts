// residual.ts: what stages take away from tensors: x minus what they make of it. Kernel: staged.h.
import { ShapeError } from '../../errors.ts';
import type { Graph, Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, f64, type OpDef, type RefArray, sizeOf, typeName } from '../../ir/op.ts';
import { applyStages, CHUNK, checkStages, type Stage, segments, splitStages, stageInts, stageOperands } from './stage.ts';
import type { StagedAttrs } from './staged.ts';

/** Inputs: tensors, the states that the outputs may replace (they are not read), operands of the stages. */
export const RESIDUAL: OpDef<StagedAttrs> = {
  name: 'residual',
  skippable: true,
  infer(ins, { stages }) {
    const count = (ins.length - stageOperands(stages)) / 2;
    if (!Number.isInteger(count) || count < 1) throw new ShapeError('residual: expected tensors and as many states');
    for (let t = 0; t < count; t++) {
      const [x, e] = [ins[t]!, ins[count + t]!];
      if (x.dtype !== 'f32' || typeName(x) !== typeName(e)) {
        throw new ShapeError(`residual: expected ${typeName({ ...x, dtype: 'f32' })}, got ${typeName(x)} and ${typeName(e)}`);
      }
    }
    checkStages(
      'residual',
      stages,
      ins.slice(2 * count),
      ins.slice(0, count).map((x) => sizeOf(x.shape)),
    );
    return ins.slice(0, count);
  },
  lower({ outs, attrs: { stages } }, context) {
    const sizes = outs.map((t) => sizeOf(t.shape));
    return {
      ints: [outs.length, stages.length, ...stageInts(stages, outs.length, context), ...sizes, ...segments(sizes, CHUNK)],
    };
  },
  cost({ outs, attrs: { stages } }) {
    const elements = outs.reduce((n, t) => n + sizeOf(t.shape), 0);
    return { flops: elements * (1 + stages.length), bytes: 2 * outs.reduce((n, t) => n + bytesOf(t.type), 0) };
  },
  inplace: ({ outs }) => outs.map((_, i) => [i, outs.length + i]),
  ref(outs, ins, { attrs: { stages } }, context) {
    const count = outs.length;
    for (const [t, out] of outs.entries()) {
      const x = ins[t] as RefArray;
      const { values } = applyStages(stages, ins.slice(2 * count), t, x, context);
      for (const [i, v] of values.entries()) out[i] = x[i]! - v;
    }
  },
  samples: () => [
    {
      ins: [f32(1), f32(2100), f32(0), f32(1), f32(2100), f32(0), f64(3)],
      attrs: { stages: [{ kind: 'zeroBelow', at: 'each' }] },
      fill: [null, null, null, null, null, null, [0.1, 1]],
      noGradient: true,
    },
    { ins: [f32(33, 70), f32(33, 70)], attrs: { stages: [{ kind: 'round', at: [0], key: 3 }] }, noGradient: true },
  ],
};

/** x minus what stages make of it, for each of `xs`, in the memory of `states`: their next values. A skipped step leaves them alone. */
export function residual(
  graph: Graph,
  xs: readonly Tensor[],
  states: readonly Tensor[],
  stages: readonly Stage[],
): readonly Tensor[] {
  const { attrs, ins } = splitStages(graph, stages);
  return graph.add(RESIDUAL, [...xs, ...states, ...ins], { stages: attrs }).outs;
}
