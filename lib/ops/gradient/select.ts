// select.ts: the k-th largest magnitude of tensors, exactly. Kernel: select.h.
import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, f64, type OpDef, type RefArray, type Sample, sizeOf } from '../../ir/op.ts';
import { CHUNK, segments } from './stage.ts';

export interface KthLargestAttrs {
  /** Which of each tensor, from 1; 0 gives infinity. One number: which of all tensors together. */
  readonly k: readonly number[] | number;
}

export const KTH_LARGEST: OpDef<KthLargestAttrs> = {
  name: 'kthLargest',
  infer(ins, { k }) {
    if (ins.length === 0) throw new ShapeError('kthLargest: expected at least one tensor, got none');
    for (const x of ins) if (x.dtype !== 'f32') throw new DTypeError(`kthLargest: expected f32, got ${x.dtype}`);
    const sizes = ins.map((x) => sizeOf(x.shape));
    const all = sizes.reduce((a, b) => a + b, 0);
    const fits = typeof k === 'number' ? k <= all : k.length === sizes.length && k.every((v, t) => v <= sizes[t]!);
    if (!fits) throw new ShapeError(`kthLargest: expected numbers of elements as k, got ${k} of ${sizes}`);
    return [typeof k === 'number' ? f64() : f64(ins.length)];
  },
  lower({ ins, attrs: { k } }) {
    const sizes = ins.map((t) => sizeOf(t.shape));
    const each = typeof k === 'number' ? [k] : k;
    return { ints: [ins.length, Number(typeof k === 'number'), ...each, ...sizes, ...segments(sizes, CHUNK)] };
  },
  cost({ ins }) {
    const bytes = ins.reduce((n, t) => n + bytesOf(t.type), 0);
    return { flops: bytes, bytes: 3 * bytes };
  },
  ref([out], ins, { attrs: { k } }) {
    const nth = (x: readonly number[], at: number): number =>
      at === 0 ? Number.POSITIVE_INFINITY : x.map(Math.abs).sort((a, b) => b - a)[at - 1]!;
    const arrays = ins.map((x) => Array.from(x as RefArray));
    if (typeof k === 'number') out![0] = nth(arrays.flat(), k);
    else for (const [t, x] of arrays.entries()) out![t] = nth(x, k[t]!);
  },
  samples: (): Sample<KthLargestAttrs>[] => [
    { ins: [f32(1)], attrs: { k: 1 }, noGradient: true },
    { ins: [f32(33, 70), f32(5), f32(0), f32(2100)], attrs: { k: [700, 5, 0, 1] }, noGradient: true },
    { ins: [f32(33, 70), f32(5), f32(0), f32(2100)], attrs: { k: 2000 }, noGradient: true },
    // So many that a sample says where to look: near the ends, in the middle, and where it says too little.
    { ins: [f32(9001), f32(90, 100), f32(8192), f32(8200)], attrs: { k: [90, 8999, 4096, 1] }, noGradient: true },
    { ins: [f32(5000), f32(0), f32(4300)], attrs: { k: 100 }, noGradient: true },
    { ins: [f32(9001)], attrs: { k: [100] }, fill: [[1, 1]], noGradient: true },
  ],
};

/** The k-th largest |x| of each tensor (f64 [n]), or of all together (`k` one number, f64 []); infinity for k = 0. */
export function kthLargest(xs: readonly Tensor[], k: readonly number[] | number): Tensor {
  const [first] = xs;
  if (!first) throw new GraphError('kthLargest: expected at least one tensor, got none', { op: 'kthLargest' });
  return first.graph.add(KTH_LARGEST, [...xs], { k }).out;
}
