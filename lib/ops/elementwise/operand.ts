// operand.ts: how the public functions of ops accept tensors, parameters and plain numbers alike.
import { GraphError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';

/** A tensor, a parameter, or a number (which becomes a scalar constant of the other operands' dtype). */
export type Operand = TensorLike | number;

/** Resolve operands; `op` names the op in errors. At least one must be a tensor or parameter. */
export function tensors(op: string, ...operands: readonly Operand[]): Tensor[] {
  const known = operands.map((x) => (typeof x === 'number' ? null : x.toTensor()));
  const like = known.find((t) => t !== null);
  if (!like) throw new GraphError(`${op}: expected at least one tensor, got numbers only`, { op });
  const dtype = like.dtype === 'f64' ? 'f64' : 'f32';
  return known.map((t, i) => t ?? like.graph.scalar(operands[i] as number, dtype));
}
