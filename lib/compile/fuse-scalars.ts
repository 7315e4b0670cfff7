// fuse-scalars.ts: what a clip policy decides and reports are a dozen operations on single numbers; together they are one instruction.
import { CONSTANT, type Graph, isLeaf, isOp, type Node, type Tensor } from '../ir/graph.ts';
import type { MapArg, MapStep } from '../ops/elementwise/chain.ts';
import { SCALARS, type ScalarsAttrs, scalarsFit } from '../ops/elementwise/map.ts';
import { DECIDE } from '../ops/gradient/decide.ts';
import { STATISTIC, type StatisticAttrs } from '../ops/gradient/statistics.ts';
import { skippableNodes } from './order.ts';
import { Readers, rewrite, roots } from './rewrite.ts';

/** Chains of single numbers, and those that follow from what a policy measures in the instruction that measures it. */
export function fuseScalars(graph: Graph): Graph {
  return fuseDecisions(fuseChains(graph));
}

function fuseChains(graph: Graph): Graph {
  const groups = findGroups(graph);
  if (groups.length === 0) return graph;
  const groupOf = new Map(groups.flatMap((members) => members.map((node) => [node, members])));
  const readers = new Readers(graph);
  const wanted = new Set(roots(graph));
  const made = new Map<Node, Tensor>();
  const make = (members: readonly Node[], target: Graph, moved: (t: Tensor) => Tensor): void => {
    const inside = new Set(members);
    const outs = members.filter((m) => wanted.has(m.out) || readers.of(m.out).some((reader) => !inside.has(reader)));
    const { ins, steps } = chainOf(members);
    const step = new Map(members.map((m, i) => [m, i]));
    const skips = graph.skip && inside.has(graph.skip.node) ? { skips: { step: step.get(graph.skip.node)! } } : {};
    const attrs = { steps, outs: outs.map((m) => step.get(m)!), ...skips };
    for (const [o, t] of target.add(SCALARS, ins.map(moved), attrs).outs.entries()) made.set(outs[o]!, t);
  };
  return rewrite(
    graph,
    (node, target, moved) => {
      const members = groupOf.get(node);
      if (!members) return null;
      if (node === members[0]) make(members, target, moved);
      return made.has(node) ? [made.get(node)!] : [];
    },
    contracted(graph, groupOf),
  );
}

/** The steps of a chain, and what they read from outside. */
function chainOf(members: readonly Node[]): { ins: Tensor[]; steps: MapStep[] } {
  const ins: Tensor[] = [];
  const stepOf = new Map(members.map((m, i) => [m, i]));
  const argOf = (t: Tensor): MapArg => {
    const step = stepOf.get(t.node);
    if (step !== undefined) return { step };
    if (isOp(t.node, CONSTANT)) return t.node.attrs.data[0]!;
    const known = ins.indexOf(t);
    return { in: known >= 0 ? known : ins.push(t) - 1 };
  };
  const steps = members.map((m) => ({ map: m.op.map!, args: m.ins.map(argOf) }));
  return { ins, steps };
}

/**
 * Scalar operations that can run at one point of the program: in the same section, on the same side of the skip decision, and none
 * waits for an instruction that waits for another of them.
 */
function findGroups(graph: Graph): Node[][] {
  const skippable = skippableNodes(graph);
  const assigned = new Set(graph.assigns.map((a) => a.value));
  const found: Node[][] = [];
  const open = new Map<string, { members: Node[]; behind: Set<Node> }>();
  for (const node of graph.nodes) {
    if (isLeaf(node)) continue;
    const key = `${node.section} ${skippable.has(node)}`;
    for (const group of open.values()) {
      const inside = (t: Tensor): boolean => group.members.includes(t.node);
      const late = node.ins.some((t) => group.behind.has(t.node));
      if (group === open.get(key) && !late && isScalar(node) && !assigned.has(node.out)) {
        if (fits([...group.members, node])) group.members.push(node);
        else open.delete(key);
      } else if (late || node.ins.some(inside)) {
        group.behind.add(node);
      }
    }
    const group = open.get(key);
    if (!isScalar(node) || assigned.has(node.out) || group?.members.includes(node)) continue;
    // It comes too late for the group so far: a new one begins.
    const fresh = { members: [node], behind: new Set<Node>() };
    open.set(key, fresh);
    found.push(fresh.members);
  }
  return found.filter((members) => members.length > 1);
}

const isScalarTensor = ({ dtype, shape }: Tensor): boolean => dtype === 'f64' && shape.length === 0;
const isScalar = (node: Node): boolean => node.op.map !== undefined && isScalarTensor(node.out) && node.ins.every(isScalarTensor);

function fits(members: readonly Node[]): boolean {
  const { ins, steps } = chainOf(members);
  return scalarsFit(ins.length, steps);
}

/** The nodes in an order in which the members of each group follow one another. */
function contracted(graph: Graph, groupOf: ReadonlyMap<Node, readonly Node[]>): Node[] {
  const order: Node[] = [];
  const done = new Set<Node>();
  const emit = (node: Node): void => {
    if (done.has(node)) return;
    const members = groupOf.get(node) ?? [node];
    for (const m of members) done.add(m);
    for (const m of members) for (const t of m.ins) emit(t.node);
    order.push(...members);
  };
  for (const node of graph.nodes) emit(node);
  return order;
}

// Outputs of a statistic that are single numbers: all but the first.
const NUMBERS = 3;

/** A statistic, and the first chain that reads those and nothing else that is not there before it, are one instruction. */
function fuseDecisions(graph: Graph): Graph {
  const chains = decisionsOf(graph);
  if (chains.size === 0) return graph;
  const made = new Map<Node, Node>(); // by chain
  return rewrite(
    graph,
    (node, target, moved) => {
      if (made.has(node)) return made.get(node)!.outs.slice(-node.outs.length);
      const chain = chains.get(node);
      if (!chain) return null;
      const more = chain.ins.filter((t) => t.node !== node);
      const arg = (a: MapArg): MapArg => {
        if (typeof a === 'number' || !('in' in a)) return a;
        const t = chain.ins[a.in]!;
        return { in: t.node === node ? t.index - 1 : NUMBERS + more.indexOf(t) };
      };
      const { attrs } = chain;
      const own = graph.skip?.node === node ? { in: graph.skip.index - 1 } : undefined;
      const skips = attrs.skips === undefined ? own : arg(attrs.skips);
      const both = target.add(DECIDE, [...node.ins, ...more].map(moved), {
        statistic: node.attrs as StatisticAttrs,
        chain: {
          steps: attrs.steps.map(({ map, args }) => ({ map, args: args.map(arg) })),
          outs: attrs.outs,
          ...(skips !== undefined && { skips }),
        },
      });
      made.set(chain, both);
      return both.outs.slice(0, node.outs.length);
    },
    [...graph.nodes.filter(isLeaf), ...graph.nodes.filter((node) => !isLeaf(node))],
  );
}

/** The chains by their statistics. */
function decisionsOf(graph: Graph): Map<Node, Node<ScalarsAttrs>> {
  const skippable = skippableNodes(graph);
  const found = new Map<Node, Node<ScalarsAttrs>>();
  for (const node of graph.nodes) {
    if (!isOp(node, SCALARS)) continue;
    const of = node.ins.find((t) => isOp(t.node, STATISTIC) && t.index > 0)?.node;
    if (!of || found.has(of) || of.section !== node.section || skippable.has(of) !== skippable.has(node)) continue;
    const more = node.ins.filter((t) => t.node !== of);
    const early = more.every((t) => isLeaf(t.node) || t.node.id < of.id);
    if (early && scalarsFit(NUMBERS + more.length, node.attrs.steps)) found.set(of, node as Node<ScalarsAttrs>);
  }
  return found;
}
