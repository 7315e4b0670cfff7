// lists.ts: on lists of f64 numbers, one per gradient or unit: sums of stretches, and the greedy budget of a norm. Kernels: lists.h.
import { ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { f64, type OpDef, sizeOf, typeName } from '../../ir/op.ts';
import { squareOf } from '../../math/index.ts';
import { gather } from '../rows/gather.ts';
import { moved } from '../shape/axes.ts';
import type { Units } from './stage.ts';

export interface SegmentsAttrs {
  /** Numbers in each stretch. */
  readonly counts: readonly number[];
}
export const SUM_SEGMENTS: OpDef<SegmentsAttrs> = {
  name: 'sumSegments',
  infer([x], { counts }) {
    const total = counts.reduce((a, b) => a + b, 0);
    if (x?.dtype !== 'f64' || sizeOf(x.shape) !== total || counts.length === 0) {
      throw new ShapeError(`sumSegments: expected f64[${total}], got ${x && typeName(x)}`);
    }
    return [f64(counts.length)];
  },
  lower({ attrs: { counts } }) {
    const start = [0];
    for (const n of counts) start.push(start.at(-1)! + n);
    return { ints: [counts.length, ...start] };
  },
  cost: (node) => moved(node, sizeOf(node.ins[0]!.shape)),
  ref([out], [x], { attrs: { counts } }) {
    let at = 0;
    for (const [k, n] of counts.entries()) {
      out![k] = 0;
      for (const end = at + n; at < end; at++) out![k]! += x![at]!;
    }
  },
  samples: () => [
    { ins: [f64(1)], attrs: { counts: [1] }, noGradient: true },
    { ins: [f64(133)], attrs: { counts: [0, 37, 16, 0, 80] }, noGradient: true },
  ],
};

export const GREEDY_BUDGET: OpDef<Record<string, never>> = {
  name: 'greedyBudget',
  infer([norms, budget]) {
    if (norms?.dtype !== 'f64' || norms.shape.length !== 1 || budget?.dtype !== 'f64' || budget.shape.length !== 0) {
      throw new ShapeError('greedyBudget: expected norms as f64[n] and a budget as f64[]');
    }
    return [norms];
  },
  lower: ({ outs }) => ({ ints: [sizeOf(outs[0]!.shape)] }),
  cost: (node) => moved(node, 10 * sizeOf(node.out.shape)),
  ref([out], [norms, budget]) {
    let rest = squareOf(budget![0]!);
    for (let k = norms!.length - 1; k >= 0; k--) {
      const s = Math.min(1, Math.sqrt(rest) / norms![k]!);
      out![k] = norms![k] === 0 ? 1 : s;
      rest = s < 1 ? 0 : Math.max(0, rest - squareOf(norms![k]!));
    }
  },
  samples: () => [
    {
      ins: [f64(1), f64()],
      attrs: {},
      fill: [
        [1, 2],
        [0.5, 1],
      ],
      noGradient: true,
    },
    {
      ins: [f64(9), f64()],
      attrs: {},
      fill: [
        [0.1, 1],
        [1, 1.5],
      ],
      noGradient: true,
    },
  ],
};

/** The sum of each stretch of a list of f64 numbers. */
export function sumSegments(x: Tensor, counts: readonly number[]): Tensor {
  return x.graph.add(SUM_SEGMENTS, [x], { counts }).out;
}

/** Scales of gradients of these norms, from the last to the first, each given at most what is left of the budget c^2. */
export function greedyBudget(norms: Tensor, c: Tensor): Tensor {
  return norms.graph.add(GREEDY_BUDGET, [norms, c], {}).out;
}

/** A number per gradient, f64 [n], repeated for each of its units. */
export function perUnit(each: Tensor, units: Units): Tensor {
  const index = Int32Array.from(units.counts.flatMap((n, t) => new Array<number>(n).fill(t)));
  return gather(each, each.graph.constant(index, [units.total], 'i32'));
}
