// project.ts: constraints by norm: parts of tensors (rows, columns, the whole) scaled to a largest norm, or to a norm of 1. Kernel: project.h.
import { DTypeError, GraphError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, type OpDef, type RefArray, type Sample, type TensorType } from '../../ir/op.ts';
import { AXES, matrixOf, type UnitAxis } from '../gradient/axis.ts';
import { CHUNK } from '../gradient/stage.ts';

// Columns of a stripe in the kernel.
const STRIPE = 256;

export interface Projection {
  /** To a norm of 1, or (if false) to a norm of at most `limit`. */
  readonly unit: boolean;
  readonly limit: number;
  readonly axis: UnitAxis;
  /** Above 0: Keras' formula, which divides by the norm plus this. */
  readonly eps: number;
}

export interface ProjectAttrs {
  readonly each: readonly Projection[];
}

/**
 * A part of norm n is multiplied by limit / n where n exceeds the limit, or by 1 / n: divided in f64 and rounded once to f32; where that is 1 no
 * bit changes. Norms are f64. A norm of 0, or one that is not finite, leaves its part alone.
 */
export const PROJECT: OpDef<ProjectAttrs> = {
  name: 'project',
  skippable: true,
  infer(ins, { each }) {
    if (each.length < 1 || ins.length !== each.length) {
      throw new GraphError(`project: expected ${each.length} tensors, got ${ins.length}`);
    }
    for (const t of ins) if (t.dtype !== 'f32') throw new DTypeError(`project: expected f32, got ${t.dtype}`);
    return [...ins];
  },
  lower({ ins, attrs: { each } }) {
    const parts = ins.map((t, i) => partsOf(t.type, each[i]!.axis));
    const start = [0];
    for (const { axis, rows, row } of parts) {
      const [size, unit] = { rows: [rows, heightOf(row)], columns: [row, STRIPE], tensor: [rows * row, CHUNK] }[axis];
      start.push(start.at(-1)! + Math.ceil(size! / unit!));
    }
    const column = (f: (k: number) => number): number[] => parts.map((_, k) => f(k));
    return {
      ints: [
        parts.length,
        ...column((k) => Number(each[k]!.unit)),
        ...column((k) => AXES.indexOf(parts[k]!.axis)),
        ...column((k) => parts[k]!.rows),
        ...column((k) => parts[k]!.row),
        ...start,
      ],
      floats: [...each.map((e) => e.limit), ...each.map((e) => e.eps)],
    };
  },
  cost(node) {
    const bytes = node.ins.reduce((n, t) => n + bytesOf(t.type), 0);
    return { flops: bytes, bytes: 2 * bytes };
  },
  inplace: (node) => node.ins.map((_, i) => [i, i]),
  ref(outs, ins, { attrs: { each }, ins: types }) {
    for (const [t, rule] of each.entries()) {
      const x = ins[t]!;
      const { axis, rows, row } = partsOf(types[t]!.type, rule.axis);
      const part = (i: number): number => (axis === 'rows' ? Math.floor(i / row) : axis === 'columns' ? i % row : 0);
      const squares = new Float64Array(axis === 'rows' ? rows : axis === 'columns' ? row : 1);
      x.forEach((v, i) => {
        squares[part(i)]! += v * v;
      });
      const scales = squares.map((s) => scaleOf(rule, Math.sqrt(s)));
      x.forEach((v, i) => {
        (outs[t] as RefArray)[i] = v * scales[part(i)]!;
      });
    }
  },
  samples() {
    const rule = (unit: boolean, limit: number, axis: UnitAxis, eps = 0): Projection => ({ unit, limit, axis, eps });
    const sample = (ins: TensorType[], ...each: Projection[]): Sample<ProjectAttrs> => ({ ins, attrs: { each } });
    return [
      sample([f32(1)], rule(true, 0, 'rows')),
      sample([f32(7, 5), f32(0, 3), f32(2100)], rule(false, 1.5, 'rows'), rule(true, 0, 'columns'), rule(false, 2, 'tensor')),
      sample([f32(3, 1500), f32(40, 3, 11)], rule(true, 0, 'rows'), rule(false, 3, 'columns')),
      sample([f32(300, 37), f32(50, 3)], rule(false, 15, 'columns'), rule(true, 0, 'tensor', 1e-7)),
      sample([f32(6, 4, 5)], rule(false, 3, 'rows', 1e-7)),
    ];
  },
};

function scaleOf({ unit, limit, eps }: Projection, norm: number): number {
  if (!Number.isFinite(norm)) return 1;
  const wanted = unit ? 1 : Math.min(norm, limit);
  if (eps > 0) return wanted / (eps + norm);
  return norm === 0 ? 1 : wanted / norm;
}

/** The matrix whose rows or columns have a norm; the kernel has a way of its own with whole tensors. */
function partsOf({ shape }: TensorType, axis: UnitAxis): { axis: UnitAxis; rows: number; row: number } {
  const one = axis === 'tensor' || shape.length < 2;
  const { rows, width } = matrixOf(shape, one ? 'tensor' : axis);
  return { axis: one ? 'tensor' : axis, rows, row: width };
}

/** Rows of one task. */
function heightOf(row: number): number {
  return row >= CHUNK || row === 0 ? 1 : Math.floor(CHUNK / row);
}

/** The tensors, each by its rule. */
export function project(tensors: readonly Tensor[], each: readonly Projection[]): readonly Tensor[] {
  const [first] = tensors;
  return first ? first.graph.add(PROJECT, tensors, { each }).outs : [];
}
