// set-up.ts: the node and the arrays of a case that was drawn: with odd numbers among them now and then, outputs in place of inputs now and then.
import { Graph, type Node } from '../../lib/ir/graph.ts';
import type { Data, OpDef } from '../../lib/ir/op.ts';
import { fillSample } from '../run-graph.ts';
import type { Case, Draw } from './draw.ts';

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
type AnyOp = OpDef<any>;

export interface SetUp {
  readonly node: Node;
  /** What the inputs hold. */
  readonly data: Data[];
  /** Zeros of both signs, denormals, perhaps infinities and NaN are among the floats. */
  readonly odd: boolean;
  /** [output, input]: these outputs lie where these inputs lie. */
  readonly inplace: readonly (readonly [number, number])[];
  /** The case in words. */
  readonly what: string;
}

export function setUp(op: AnyOp, drawn: Case, seed: number, d: Draw): SetUp {
  const node = nodeOf(op, drawn);
  const data = fillSample({ ...drawn, attrs: drawn.attrs }, seed);
  const odd = d.rarely(3);
  if (odd) sprinkle(drawn, data, d);
  const inplace = d.flag() ? pairsOf(node) : [];
  const what = `${op.name}(${drawn.ins.map((t) => `${t.dtype}[${t.shape}]`)}) ${JSON.stringify(drawn.attrs)}`;
  return { node, data, odd, inplace, what };
}

export function nodeOf(op: AnyOp, { ins, attrs }: Case): Node {
  const graph = new Graph('train');
  const inputs = ins.map((type, i) => graph.input(`x${i}`, type, 'feed'));
  if (op.skippable) graph.section = 'apply';
  return graph.add(op, inputs, attrs);
}

/** What may lie in place, one input for each output. */
function pairsOf(node: Node): [number, number][] {
  const used = new Set<number>();
  const pairs = new Map<number, number>();
  for (const [o, i] of node.op.inplace?.(node) ?? []) {
    if (pairs.has(o) || used.has(i)) continue;
    pairs.set(o, i);
    used.add(i);
  }
  return [...pairs];
}

const ODD = [0, -0, 1e-40, -1e-40, 2 ** -149, Infinity, -Infinity, NaN, 3e38, -3e38, 1e-38, 1e30];
/** Puts odd numbers among the floats, but for those that a case gives exactly. */
function sprinkle({ ins, fill }: Case, data: Data[], d: Draw): void {
  const some = d.pick(ODD.slice(0, 5), ODD);
  for (const [k, x] of data.entries()) {
    const given = fill?.[k];
    if (ins[k]!.dtype[0] !== 'f' || x.length === 0 || (given && typeof given === 'object' && 'exactly' in given)) continue;
    for (let n = d.int(0, 8); n > 0; n--) x[d.int(0, x.length - 1)] = d.pick(...some);
  }
}
