// analyze.ts: all that there is to know of a list of tensors, in one instruction that reads them once. Kernel: analyze.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, type OpDef, type RefArray, type Sample, sizeOf } from '../../ir/op.ts';
import { segments } from './stage.ts';

// Elements in one partial sum. The kernel's kBlock.
const BLOCK = 4096;

/** What is known of each tensor: f64 [n]. `first`: index of the first element that is not finite, -1 if there is none. */
export const ANALYZED = ['sumSquares', 'sumAbs', 'maxAbs', 'zeros', 'nonFinite', 'first'] as const;
export type Analyzed = Readonly<Record<(typeof ANALYZED)[number], Tensor>>;

type NoAttrs = Record<string, never>;

export const ANALYZE: OpDef<NoAttrs> = {
  name: 'analyze',
  infer(ins) {
    if (ins.length === 0) throw new ShapeError('analyze: expected at least one tensor, got none');
    ins.forEach((x, i) => {
      if (x.dtype !== 'f32') throw new DTypeError(`analyze: expected f32 for input ${i}, got ${x.dtype}`);
    });
    return ANALYZED.map(() => ({ dtype: 'f64', shape: [ins.length] }));
  },
  lower(node) {
    const sizes = node.ins.map((x) => sizeOf(x.shape));
    return { ints: [sizes.length, ...sizes, ...segments(sizes, BLOCK)] };
  },
  cost(node) {
    return {
      flops: 8 * node.ins.reduce((n, t) => n + sizeOf(t.shape), 0),
      bytes: node.ins.reduce((n, t) => n + bytesOf(t.type), 0),
    };
  },
  ref(outs, ins) {
    ins.forEach((x, i) => {
      const values = Array.from(x);
      const largest = (m: number, v: number): number => (Number.isNaN(m) || Math.abs(v) <= m ? m : Math.abs(v));
      const found = [
        values.reduce((s, v) => s + v * v, 0),
        values.reduce((s, v) => s + Math.abs(v), 0),
        values.reduce(largest, 0),
        values.filter((v) => v === 0).length,
        values.filter((v) => !Number.isFinite(v)).length,
        values.findIndex((v) => !Number.isFinite(v)),
      ];
      found.forEach((value, k) => {
        (outs[k] as RefArray)[i] = value;
      });
    });
  },
  samples(): Sample<NoAttrs>[] {
    return [
      { ins: [f32(1)], attrs: {} },
      { ins: [f32(31, 17)], attrs: {} },
      { ins: [f32(0)], attrs: {} },
      { ins: [f32(3, 5), f32(0), f32(4099), f32(16), f32(8192)], attrs: {} },
      { ins: [f32(40), f32(5000)], attrs: {}, fill: [[0, 0], 'normal'] },
    ];
  },
};

/** Measure f32 tensors of one graph. */
export function analyzed(xs: readonly Tensor[]): Analyzed {
  const [first] = xs;
  if (!first) throw new ShapeError('analyze: expected at least one tensor, got none');
  const { outs } = first.graph.add(ANALYZE, xs, {});
  return Object.fromEntries(ANALYZED.map((name, k) => [name, outs[k]])) as Analyzed;
}
