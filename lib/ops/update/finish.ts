// finish.ts: what an update does with new parameters before anybody sees them: bounds, and masks of those that are pruned.
// The twin of kernels/update/finish.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Graph, Tensor } from '../../ir/graph.ts';
import { type RefArray, sameShape, type TensorType, typeName } from '../../ir/op.ts';

/** Bounds and masks of the parameters of a group, in their order. */
export interface Finish {
  /** Per parameter; infinities where there is none. Rounded once to f32. A NaN stays one. */
  readonly bounds: readonly (readonly [lower: number, upper: number])[] | null;
  /** u8, of the shape of their parameter: where it is 0 the parameter becomes 0. */
  readonly masks: readonly (Tensor | null)[];
}

/** As attributes of an op. Its operands, in order: lower and upper bounds (f64, one each per parameter), and the masks there are. */
export interface FinishAttrs {
  readonly bounded: boolean;
  readonly masked: readonly boolean[];
}

export function splitFinish(graph: Graph, finish: Finish): { attrs: FinishAttrs; ins: Tensor[] } {
  const { bounds, masks } = finish;
  const side = (k: 0 | 1): Tensor => {
    const each = Float64Array.from(bounds!, (b) => b[k]);
    return graph.constant(each, [each.length], 'f64');
  };
  return {
    attrs: { bounded: bounds !== null, masked: masks.map((m) => m !== null) },
    ins: [...(bounds ? [side(0), side(1)] : []), ...masks.filter((m) => m !== null)],
  };
}

/** Number of operands. */
export function finishOperands(finish: FinishAttrs | undefined): number {
  return finish ? 2 * Number(finish.bounded) + finish.masked.filter(Boolean).length : 0;
}

/** For the kernel: is there a bound, and which of `count` parameters have a mask. */
export function finishCodes(finish: FinishAttrs | undefined, count: number): number[] {
  if (!finish) return [0, ...new Array<number>(count).fill(0)];
  return [Number(finish.bounded), ...finish.masked.map(Number)];
}

/** Check the operands for these parameters. */
export function checkFinish(
  op: string,
  { bounded, masked }: FinishAttrs,
  ins: readonly TensorType[],
  params: readonly TensorType[],
): void {
  if (masked.length !== params.length)
    throw new ShapeError(`${op}: expected ${params.length} masks or none, got ${masked.length}`);
  let at = 0;
  for (let k = 0; bounded && k < 2; k++) {
    const type = ins[at++]!;
    if (type.dtype !== 'f64' || !sameShape(type.shape, [params.length])) {
      throw new ShapeError(`${op}: expected f64[${params.length}] as bounds, got ${typeName(type)}`);
    }
  }
  for (const [t, p] of params.entries()) {
    if (!masked[t]) continue;
    const type = ins[at++]!;
    if (type.dtype !== 'u8') throw new DTypeError(`${op}: expected u8 for the mask of parameter ${t}, got ${type.dtype}`);
    if (!sameShape(type.shape, p.shape)) throw new ShapeError(`${op}: expected a mask of [${p.shape}], got ${typeName(type)}`);
  }
}

/** Finish parameter `t`, in place. */
export function applyFinish({ bounded, masked }: FinishAttrs, operands: readonly RefArray[], t: number, p: RefArray): void {
  const mask = masked[t] ? operands[2 * Number(bounded) + masked.slice(0, t).filter(Boolean).length]! : null;
  p.forEach((v, i) => {
    if (bounded) p[i] = Math.max(operands[0]![t]!, Math.min(operands[1]![t]!, v));
    if (mask?.[i] === 0) p[i] = 0;
  });
}
