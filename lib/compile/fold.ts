// fold.ts: what follows from constants alone is computed here: the factor 1 / n of a mean's gradient, spread over the rows.
import { CONSTANT, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { ARRAYS, type DType, sizeOf } from '../ir/op.ts';
import { CAST } from '../ops/elementwise/map.ts';
import { BROADCAST_TO, RESHAPE } from '../ops/shape/shape.ts';
import type { Visit } from './rewrite.ts';

// Rounded correctly by kernels and by JavaScript alike, so that folding changes no bit.
const EXACT: ReadonlySet<string> = new Set(['add', 'sub', 'mul', 'div', 'neg', 'abs', 'square', 'sqrt']);
// Nothing that is folded reads it.
const NO_RUN = { seed: 0n, attempt: 0, micro: 0, micros: 1 } as const;
// Elements that a program may carry with it.
const MOST = 4096;

/** What replaces computations on constants by their result. Outputs and next states stay computed: they need an instruction anyway. */
export function folder(wanted: ReadonlySet<Tensor>): Visit {
  return (node, target, moved) => {
    if (!isExact(node) || wanted.has(node.out)) return null;
    const ins = node.ins.map(moved);
    if (!ins.every(isConstant)) return null;
    const { dtype, shape } = node.out;
    const value = new ARRAYS[dtype](sizeOf(shape));
    node.op.ref([value], ins.map(dataOf), node, NO_RUN);
    const scalar = shape.length === 0 && (dtype === 'f32' || dtype === 'f64');
    return [scalar ? target.scalar(value[0]!, dtype) : target.constant(value, shape, dtype)];
  };
}

function isExact(node: Node): boolean {
  if (!isOp(node, CAST) && !isOp(node, BROADCAST_TO) && !isOp(node, RESHAPE) && !EXACT.has(node.op.map ?? '')) return false;
  return node.outs.length === 1 && isFloat(node.out.dtype) && sizeOf(node.out.shape) <= MOST && node.ins.every(isFloatTensor);
}

const isFloat = (dtype: DType): boolean => dtype === 'f32' || dtype === 'f64';
const isFloatTensor = (t: Tensor): boolean => isFloat(t.dtype);
const isConstant = (t: Tensor): boolean => isOp(t.node, CONSTANT);
const dataOf = (t: Tensor) => (t.node.attrs as { data: Float32Array | Float64Array }).data;
