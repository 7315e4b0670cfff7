// interpret.ts: runs a graph node by node through the ops' `ref`: the independent truth that compiled programs are compared with.
import { CONSTANT, type Graph, INPUT, isOp, STATE, type State, type Tensor } from '../lib/ir/graph.ts';
import { type DType, type RefArray, type RefContext, sizeOf } from '../lib/ir/op.ts';

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
    else {
      const outs = node.outs.map((t) => allocate(t.dtype, sizeOf(t.shape), f64));
      node.op.ref(
        outs,
        node.ins.map((t) => values.get(t)!),
        node,
        context,
      );
      for (const [i, t] of node.outs.entries()) values.set(t, outs[i]!);
    }
  }
  return values;
}
