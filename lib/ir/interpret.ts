// interpret.ts: runs a graph node by node through the ops' `ref`: slowly, and independently of compiler and kernels.
import { CONSTANT, type Graph, INPUT, isOp, type Node, STATE, type State, type Tensor } from './graph.ts';
import { type DType, type RefArray, type RefContext, sizeOf } from './op.ts';

export interface InterpretOptions {
  /** Values of inputs by name. */
  readonly inputs?: Readonly<Record<string, RefArray>>;
  readonly states?: (state: State) => RefArray;
  /** Hold f32 values in f64: for gradient checks. */
  readonly f64?: boolean;
  readonly context?: Partial<RefContext>;
}

export function allocate(dtype: DType, length: number, f64 = false): RefArray {
  if (dtype === 'f64' || (dtype === 'f32' && f64)) return new Float64Array(length);
  return dtype === 'f32' ? new Float32Array(length) : dtype === 'i32' ? new Int32Array(length) : new Uint8Array(length);
}

/** Compute what one node gives, of values that are there. */
export function interpretNode(node: Node, values: Map<Tensor, RefArray>, context: RefContext, f64 = false): void {
  const outs = node.outs.map((t) => allocate(t.dtype, sizeOf(t.shape), f64));
  node.op.ref(
    outs,
    node.ins.map((t) => values.get(t)!),
    node,
    context,
  );
  for (const [i, t] of node.outs.entries()) values.set(t, outs[i]!);
}

/** The value of every tensor of the graph. */
export function interpret(graph: Graph, options: InterpretOptions = {}): Map<Tensor, RefArray> {
  const { inputs = {}, states, f64 = false } = options;
  const context: RefContext = { seed: 0n, attempt: 0, micro: 0, micros: 1, ...options.context };
  const values = new Map<Tensor, RefArray>();
  const copy = (t: Tensor, from: RefArray): void => {
    const out = allocate(t.dtype, sizeOf(t.shape), f64);
    if (from.length !== out.length) throw new Error(`expected ${out.length} values, got ${from.length}`);
    out.set(from);
    values.set(t, out);
  };
  for (const node of graph.nodes) {
    if (isOp(node, INPUT)) copy(node.outs[0]!, inputs[node.attrs.name]!);
    else if (isOp(node, STATE)) copy(node.outs[0]!, states!(node.attrs.state));
    else if (isOp(node, CONSTANT)) copy(node.outs[0]!, node.attrs.data);
    else interpretNode(node, values, context, f64);
  }
  return values;
}
