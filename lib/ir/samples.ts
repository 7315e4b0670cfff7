// samples.ts: where the samples of a batch lie in the tensors of a graph, for gradients of one sample each.
import { GraphError } from '../errors.ts';
import type { Node, Tensor } from './graph.ts';

/** Sample s has the places [s * each, (s + 1) * each) of this axis. */
export interface Rows {
  readonly axis: number;
  readonly each: number;
}
/** How a tensor depends on the samples of a batch: each has its own rows; it is a sum of one summand of each; null: no sample has a part in it. */
export type Lies = Rows | 'sum' | null;

/** What is known of a graph's samples, as rules of ops ask for it. */
export interface Samples {
  /** How many there are. */
  readonly count: number;
  lies(t: Tensor): Lies;
  /** Of a sum over samples: its summands [samples, ...]. */
  summands(t: Tensor): Tensor;
  /** The squares of their 2-norms, f64 [samples]. */
  squares(t: Tensor): Tensor;
}

/** What an op's record holds about the samples of a batch. */
export interface SampleRules<A> {
  /**
   * How each output lies, by how the inputs lie.
   * @throws GraphError of `mixes`, where what a sample has in an output depends on other samples
   */
  lies(node: Node<A>, ins: readonly Lies[], count: number): readonly Lies[];
  /** Of output `i`, which is a sum: its summands. Absent: the op gives no sums, but of inputs that are sums. */
  summands?(node: Node<A>, i: number, of: Samples): Tensor;
  /** The squares of their 2-norms, where these are to be had without them; null: here they are not. */
  sampleNorm?(node: Node<A>, i: number, of: Samples): Tensor | null;
  /** The input whose rows of a sample its summand is a multiple of. */
  weighs?: number;
}

/** Where samples are mixed up, so that the gradient of one is not its own. */
export function mixes({ op, layer, gradientOf }: Node<never> | Node, advice: string = ''): GraphError {
  const what = gradientOf ? `the gradient of ${gradientOf.op.name}` : op.name;
  const where = layer === '' ? '' : ` in ${layer}`;
  const text = `clip.perSample: ${what}${where} mixes the samples of a batch, so none has a gradient of its own${advice && `: ${advice}`}`;
  return new GraphError(text, { op: op.name, layer });
}

export const isRows = (lies: Lies | undefined): lies is Rows => lies !== null && lies !== undefined && lies !== 'sum';

/** The rows of all inputs that have such, once each. */
export const rowsAmong = (ins: readonly Lies[]): readonly Rows[] => ins.filter(isRows);

/** All outputs are alike. */
const all = (node: Node, lies: Lies): readonly Lies[] => node.outs.map(() => lies);

/** Elements by elements of a shape that inputs broadcast to. */
export function byElement(node: Node, ins: readonly Lies[]): readonly Lies[] {
  if (ins.every((lies) => lies === null)) return all(node, null);
  if (ins.includes('sum')) throw mixes(node);
  const rank = node.outs[0]!.shape.length;
  const found = node.ins.flatMap((t, i): Rows[] => {
    const lies = ins[i];
    return isRows(lies) ? [{ ...lies, axis: lies.axis + rank - t.shape.length }] : [];
  });
  const [first] = found as [Rows];
  // A sample that is the only one in another axis's place would meet all the others.
  if (found.some((lies) => lies.axis !== first.axis || lies.each !== first.each)) throw mixes(node);
  return all(node, first);
}

/**
 * What an op does along some axes alone: rows of samples along others stay where they are, in all inputs of one rank.
 * @param acted whether it acts along this axis
 */
export function besides(node: Node, ins: readonly Lies[], acted: (axis: number) => boolean): readonly Lies[] {
  const [first, ...others] = rowsAmong(ins);
  if (ins.includes('sum')) throw mixes(node);
  if (!first) return all(node, null);
  if (acted(first.axis) || others.some(({ axis, each }) => axis !== first.axis || each !== first.each)) throw mixes(node);
  return all(node, first);
}

/** The first axis of all inputs is one of items that know nothing of each other; that of outputs, too. */
export function byItem(node: Node, ins: readonly Lies[], count: number): readonly Lies[] {
  const found = rowsAmong(ins);
  if (ins.includes('sum') || found.some(({ axis }) => axis !== 0)) throw mixes(node);
  if (found.length === 0) return all(node, null);
  return node.outs.map((t) => {
    const each = (t.shape[0] ?? 0) / count;
    if (!Number.isInteger(each)) throw mixes(node);
    return { axis: 0, each };
  });
}
