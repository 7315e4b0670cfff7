// pruning.ts: which parameters are pruned from now on: the smallest, or the rows of the smallest norm. Kernels: pruning.h.
import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import type { Node, Tensor } from '../../ir/graph.ts';
import {
  bytesOf,
  f32,
  f64,
  type OpDef,
  type RefArray,
  type Sample,
  sameShape,
  sizeOf,
  type TensorType,
  typeName,
  u8,
} from '../../ir/op.ts';
import { CHUNK, segments } from '../gradient/stage.ts';

export interface PruneMagnitudeAttrs {
  readonly count: number;
  /** The smallest of all tensors, or of each. */
  readonly together: boolean;
}
/** The norm that rows are compared by. */
export type RowNorm = 1 | 2 | 'inf';
const NORMS: readonly RowNorm[] = [2, 1, 'inf'];
export interface PruneRowsAttrs {
  readonly count: number;
  readonly norm: RowNorm;
  /** Per bias, which of the weights its elements are pruned with. */
  readonly owners: readonly number[];
}

// What both have in common: tensors, their masks, how many elements of each are pruned; and the share to prune, negative for none.
function pruneOp<A extends { readonly count: number }>(
  name: string,
  rest: Pick<OpDef<A>, 'lower' | 'samples'> & {
    extra(attrs: A): number;
    check(ins: readonly TensorType[], attrs: A): void;
    /** Which are pruned, given the tensors and masks, the masks changed in place. */
    choose(ins: readonly RefArray[], masks: readonly RefArray[], share: number, node: Node<A>): void;
  },
): OpDef<A> {
  return {
    name,
    skippable: true,
    infer(ins, attrs) {
      const n = attrs.count + rest.extra(attrs);
      if (attrs.count < 1 || ins.length !== 2 * n + 2)
        throw new GraphError(`${name}: expected ${2 * n + 2} inputs, got ${ins.length}`);
      for (let t = 0; t < n; t++) {
        const [p, mask] = [ins[t]!, ins[n + t]!];
        if (p.dtype !== 'f32' || mask.dtype !== 'u8')
          throw new DTypeError(`${name}: expected f32 and u8, got ${p.dtype} and ${mask.dtype}`);
        if (!sameShape(p.shape, mask.shape))
          throw new ShapeError(`${name}: expected a mask of [${p.shape}], got ${typeName(mask)}`);
      }
      const [pruned, share] = [ins[2 * n]!, ins[2 * n + 1]!];
      if (pruned.dtype !== 'f64' || !sameShape(pruned.shape, [n]) || share.dtype !== 'f64' || share.shape.length > 0) {
        throw new ShapeError(`${name}: expected f64[${n}] and f64[], got ${typeName(pruned)} and ${typeName(share)}`);
      }
      rest.check(ins, attrs);
      return ins.slice(0, -1);
    },
    lower: rest.lower!,
    // Of a step that prunes: other steps cost nothing.
    cost(node) {
      const bytes = node.ins.reduce((n, t) => n + bytesOf(t.type), 0);
      return { flops: 0, bytes };
    },
    inplace: (node) => node.outs.map((_, i) => [i, i]),
    ref(outs, ins, node) {
      const n = node.attrs.count + rest.extra(node.attrs);
      for (const [o, out] of outs.entries()) out.set(ins[o]!);
      const share = ins[2 * n + 1]![0]!;
      if (!(share >= 0)) return;
      const masks = outs.slice(n, 2 * n);
      rest.choose(ins.slice(0, n), masks, share, node);
      for (const [t, mask] of masks.entries()) {
        outs[2 * n]![t] = mask.filter((m) => m === 0).length;
        mask.forEach((m, i) => {
          if (m === 0) outs[t]![i] = 0;
        });
      }
    },
    samples: rest.samples,
  };
}

/** A share of n as a whole number, halves to even, as Python's round. */
function shareOf(share: number, n: number): number {
  const x = share * n;
  const whole = Math.floor(x);
  const rest = x - whole;
  return Math.min(n, whole + (rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? 1 : 0));
}

/** Places of the smallest, those that are gone already first, the first of equal ones, a NaN last. */
function smallest(sizes: readonly number[], gone: (i: number) => boolean, count: number): number[] {
  const key = (i: number): number => (gone(i) ? -1 : Number.isNaN(sizes[i]) ? Number.POSITIVE_INFINITY : sizes[i]!);
  return sizes
    .map((_, i) => i)
    .sort((a, b) => key(a) - key(b) || a - b)
    .slice(0, count);
}

/** The elements with the smallest |p| of each tensor, or of all together; of equal ones the first. */
export const PRUNE_MAGNITUDE: OpDef<PruneMagnitudeAttrs> = pruneOp<PruneMagnitudeAttrs>('pruneMagnitude', {
  extra: () => 0,
  check: () => {},
  lower({ ins, attrs: { count, together } }) {
    const sizes = ins.slice(0, count).map((t) => sizeOf(t.shape));
    return { ints: [count, Number(together), ...sizes, ...segments(sizes, CHUNK)] };
  },
  choose(ins, masks, share, { attrs: { together } }) {
    const groups = together ? [ins.map((_, t) => t)] : ins.map((_, t) => [t]);
    for (const group of groups) {
      const places = group.flatMap((t) => Array.from(ins[t]!, (_, i) => [t, i] as const));
      const sizes = places.map(([t, i]) => Math.abs(ins[t]![i]!));
      const before = places.map(([t, i]) => masks[t]![i] === 0);
      for (const k of smallest(sizes, (i) => before[i]!, shareOf(share, places.length))) {
        const [t, i] = places[k]!;
        masks[t]![i] = 0;
      }
    }
  },
  samples() {
    const sample = (together: boolean, ...shapes: number[][]): Sample<PruneMagnitudeAttrs> => {
      const n = shapes.length;
      return {
        ins: [...shapes.map((shape) => f32(...shape)), ...shapes.map((shape) => u8(...shape)), f64(n), f64()],
        attrs: { count: n, together },
        fill: [...shapes.map(() => 'normal' as const), ...shapes.map(() => [0, 4] as const), [0, 1], [0.2, 0.9]],
      };
    };
    return [sample(false, [1]), sample(true, [17, 3], [0], [3000], [5]), sample(false, [2049], [31, 2])];
  },
});

/** The rows (dims 1..) with the smallest norm of each weight; of equal ones the first. Elements of biases go with their rows. */
export const PRUNE_ROWS: OpDef<PruneRowsAttrs> = pruneOp<PruneRowsAttrs>('pruneRows', {
  extra: ({ owners }) => owners.length,
  check(ins, { count, owners }) {
    for (let t = 0; t < count; t++) {
      if (ins[t]!.shape.length < 2) throw new ShapeError(`pruneRows: expected rows, got ${typeName(ins[t]!)}`);
    }
    for (const [b, owner] of owners.entries()) {
      const rows = ins[owner]?.shape[0];
      if (!(owner < count) || !sameShape(ins[count + b]!.shape, [rows!])) {
        throw new ShapeError(`pruneRows: expected f32[${rows}] as bias of weight ${owner}, got ${typeName(ins[count + b]!)}`);
      }
    }
  },
  lower({ ins, attrs: { count, norm, owners } }) {
    const weights = ins.slice(0, count).map((t) => t.shape);
    const rows = [...weights.map((s) => s[0]!), ...weights.map((s) => sizeOf(s.slice(1)))];
    return { ints: [count, owners.length, NORMS.indexOf(norm), ...rows, ...owners] };
  },
  choose(ins, masks, share, { attrs: { count, norm, owners }, ins: types }) {
    for (let t = 0; t < count; t++) {
      const [rows, ...dims] = types[t]!.shape as [number, ...number[]];
      const row = sizeOf(dims);
      if (row === 0) continue;
      const norms = Array.from({ length: rows }, (_, r) => normOf(ins[t]!.slice(r * row, (r + 1) * row), norm));
      const gone = new Set(norms.map((_, r) => r).filter((r) => masks[t]![r * row] === 0));
      for (const r of smallest(norms, (i) => gone.has(i), shareOf(share, rows))) gone.add(r);
      for (const r of gone) {
        masks[t]!.fill(0, r * row, (r + 1) * row);
        for (const [b, owner] of owners.entries()) if (owner === t) masks[count + b]![r] = 0;
      }
    }
  },
  samples() {
    const sample = (norm: RowNorm, weights: number[][], owners: number[] = []): Sample<PruneRowsAttrs> => {
      const shapes = [...weights, ...owners.map((t) => [weights[t]![0]!])];
      const n = shapes.length;
      return {
        ins: [...shapes.map((shape) => f32(...shape)), ...shapes.map((shape) => u8(...shape)), f64(n), f64()],
        attrs: { count: weights.length, norm, owners },
        fill: [...shapes.map(() => 'normal' as const), ...shapes.map(() => [1, 2] as const), [0, 1], [0.2, 0.9]],
      };
    };
    return [
      sample(2, [[1, 1]]),
      sample(
        2,
        [
          [40, 17],
          [0, 3],
          [300, 5, 2],
        ],
        [2, 0],
      ),
      sample(1, [[9, 40]], [0]),
      sample('inf', [[50, 3]]),
    ];
  },
});

function normOf(x: RefArray, norm: RowNorm): number {
  const a = Array.from(x, Math.abs);
  if (norm === 'inf') return a.reduce((m, v) => Math.max(m, v), 0);
  return norm === 1 ? a.reduce((s, v) => s + v, 0) : Math.sqrt(a.reduce((s, v) => s + v * v, 0));
}

export interface PruneOperands {
  readonly tensors: readonly Tensor[];
  readonly masks: readonly Tensor[];
  /** f64, how many elements of each tensor are pruned. */
  readonly pruned: Tensor;
  /** f64 scalar: the share that is to be pruned after this step, or negative to leave all as it is. */
  readonly share: Tensor;
}

function pruned(outs: readonly Tensor[], n: number): Omit<PruneOperands, 'share'> {
  return { tensors: outs.slice(0, n), masks: outs.slice(n, 2 * n), pruned: outs[2 * n]! };
}

export function pruneMagnitude(x: PruneOperands, together: boolean): Omit<PruneOperands, 'share'> {
  const operands = [...x.tensors, ...x.masks, x.pruned, x.share];
  return pruned(x.share.graph.add(PRUNE_MAGNITUDE, operands, { count: x.tensors.length, together }).outs, x.tensors.length);
}

/** The first tensors are weights, the last ones biases: for each of those its weight's place. */
export function pruneRows(x: PruneOperands, norm: RowNorm, owners: readonly number[]): Omit<PruneOperands, 'share'> {
  const operands = [...x.tensors, ...x.masks, x.pruned, x.share];
  const attrs = { count: x.tensors.length - owners.length, norm, owners };
  return pruned(x.share.graph.add(PRUNE_ROWS, operands, attrs).outs, x.tensors.length);
}
