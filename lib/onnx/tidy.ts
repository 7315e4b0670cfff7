// tidy.ts: what is left of the nodes that were written: those that outputs need, biases within products, outputs by their names.
import type { OnnxNode, OnnxTensor } from './model.ts';

/** Nodes and numbers of a file. */
export interface Written {
  readonly nodes: readonly OnnxNode[];
  readonly tensors: ReadonlyMap<string, OnnxTensor>;
}

/** How often each value is read. */
function readsOf(nodes: readonly OnnxNode[]): Map<string, number> {
  const reads = new Map<string, number>();
  for (const value of nodes.flatMap(({ ins }) => ins)) reads.set(value, (reads.get(value) ?? 0) + 1);
  return reads;
}

/** Without what no output needs. */
export function needed({ nodes, tensors }: Written, outputs: Iterable<string>): Written {
  const wanted = new Set(outputs);
  const kept = [...nodes].reverse().filter(({ ins, outs }) => {
    const read = outs.some((value) => wanted.has(value));
    if (read) for (const value of ins) wanted.add(value);
    return read;
  });
  return { nodes: kept.reverse(), tensors: new Map([...tensors].filter(([name]) => wanted.has(name))) };
}

/** A vector that is added to a product of matrices is the product's third operand. */
export function withBiases({ nodes, tensors }: Written, outputs: ReadonlySet<string>): Written {
  const reads = readsOf(nodes);
  const makers = new Map(nodes.flatMap((node) => node.outs.map((value) => [value, node] as const)));
  const gone = new Set<OnnxNode>();
  const merged = nodes.map((node): OnnxNode => {
    const [x, bias] = node.ins as [string, string?];
    const product = makers.get(x);
    const fits =
      node.op === 'Add' &&
      product?.op === 'Gemm' &&
      product.ins.length === 2 &&
      reads.get(x) === 1 &&
      !outputs.has(x) &&
      tensors.get(bias!)?.shape.length === 1;
    if (!fits) return node;
    gone.add(product);
    return { ...product, ins: [...product.ins, bias!], outs: node.outs };
  });
  return { nodes: merged.filter((node) => !gone.has(node)), tensors };
}

/**
 * Outputs by the names that they are to have.
 * @param values what each output is, by its name
 */
export function named({ nodes, tensors }: Written, values: ReadonlyMap<string, string>): Written {
  const made = new Set(nodes.flatMap(({ outs }) => outs));
  const names = new Map<string, string>();
  const copies: OnnxNode[] = [];
  for (const [name, value] of values) {
    // An input, a weight, or what is an output already, is given as a copy.
    if (made.has(value) && !names.has(value)) names.set(value, name);
    else copies.push({ name: `${name}/Identity`, op: 'Identity', ins: [value], outs: [name], attributes: {} });
  }
  const renamed = (list: readonly string[]): string[] => list.map((value) => names.get(value) ?? value);
  const all = [...nodes, ...copies].map((node) => ({ ...node, ins: renamed(node.ins), outs: renamed(node.outs) }));
  return { nodes: all, tensors };
}
