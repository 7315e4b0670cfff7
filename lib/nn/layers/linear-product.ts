// linear-product.ts: what a fully connected layer computes, for whoever has a weight: layers, attention, recurrences, adapters.
import { ShapeError } from '../../errors.ts';
import { isOp, STATE, type Tensor, type TensorLike } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { add } from '../../ops/elementwise/elementwise.ts';
import { matmul } from '../../ops/product/matmul.ts';
import { GATHER, gather } from '../../ops/rows/gather.ts';
import { reshape } from '../../ops/shape/shape.ts';

/**
 * `x w^T + b`: x [..., in], weight [out, in], bias [out] -> [..., out]. As `torch.nn.functional.linear`.
 * @throws ShapeError if the last dimension of x is not `in`.
 */
export function linear(x: TensorLike, weight: TensorLike, bias?: TensorLike | null): Tensor {
  const t = x.toTensor();
  const w = weight.toTensor();
  const [outs, ins] = w.shape as [number, number];
  if (w.shape.length !== 2 || t.shape.length === 0 || t.shape.at(-1) !== ins) {
    throw new ShapeError(`linear: expected x [..., ${ins}] for a weight of [${w.shape}], got [${t.shape}]`);
  }
  const table = t.graph.forAnyRows ? null : looksUp(t);
  if (table) return gather(linear(table.rows, w, bias), table.indices);
  // One product of two matrices whatever the rank of x, so that fuse can put bias and activation into it.
  const lead = t.shape.slice(0, -1);
  const product = matmul(lead.length === 1 ? t : reshape(t, [sizeOf(lead), ins]), w, { transB: true });
  const y = bias ? add(product, bias) : product;
  return lead.length === 1 ? y : reshape(y, [...lead, outs]);
}

/**
 * Whether x is rows of a table that has fewer than it: then the table is multiplied in its place, and the products looked up. The values
 * are the same bit for bit; the gradient is summed by rows of the table before it is multiplied. Not where it must stay the rows looked up.
 */
function looksUp({ node }: Tensor): { rows: Tensor; indices: Tensor } | null {
  if (!isOp(node, GATHER)) return null;
  const [rows, indices] = node.ins as [Tensor, Tensor];
  if (isOp(rows.node, STATE) && rows.node.attrs.state.byRows) return null;
  return rows.shape.length === 2 && 2 * rows.shape[0]! <= sizeOf(indices.shape) ? { rows, indices } : null;
}
