// probing.ts: the graph of a step that changes nothing and tells all: the gradients, what the policy makes of them, and what the update would make
// of the parameters; and which units of rectifiers are 0.
import { GraphError } from '../../errors.ts';
import { type Graph, inSection, type Node, type Tensor } from '../../ir/graph.ts';
import type { Module } from '../../nn/module/module.ts';
import { namesOf } from '../../nn/module/module.ts';
import { mul } from '../../ops/elementwise/elementwise.ts';
import { cast, max } from '../../ops/index.ts';
import { buildApply } from '../../optim/apply/apply.ts';
import type { Tensors } from '../feed/source.ts';
import { differentiate, graphOf, type TrainSpec, traceTrained } from './step.ts';

/** Columns of its report, by parameter and by rectifier. */
export const PROBED = {
  gradient: (i: number): string => `gradient ${i}`,
  clipped: (i: number): string => `clipped ${i}`,
  next: (i: number): string => `next ${i}`,
  units: (k: number): string => `units ${k}`,
} as const;

/** What is known of such a program beside its graph. */
export interface Probing {
  /** Whether the policy changes nothing, whatever the gradients are: the column of those clipped is not there. */
  readonly unclipped: boolean;
  /** Paths of the modules whose rectifiers these are. */
  readonly units: readonly string[];
}

/** The graph of one step on batches of `rows` rows that `trace` declares. Guards and averages are left out. */
export function traceProbe(
  spec: Omit<TrainSpec<Module>, 'perLayer' | 'guarding' | 'ema'>,
  rows: number,
  trace: (graph: Graph) => Tensors,
): { graph: Graph; extra: Probing } {
  const graph = graphOf('train', spec.precision);
  const { groups, states, policy, finishing, scaling, accumulators } = spec;
  const trained = groups.flatMap((g) => g.params);
  const loss = traceTrained(graph, spec, trace, accumulators?.binding(graph, rows));
  const rectified = rectifiersOf(graph);
  const { total, grads, sums } = differentiate(loss, rows, { ...spec, trained }, scaling?.seed(graph) ?? null);
  const largest = rectified.map(({ out }) => max(out, { axes: unitsApart(out) }));
  for (const [k, x] of largest.entries()) graph.output(PROBED.units(k), sums ? sums.sum(`units ${k}`, x) : x);
  const overflow = scaling?.overflow(graph, grads) ?? null;
  const unscale = scaling?.inverse(graph) ?? null;
  graph.precision = 'f32';
  let clipped!: readonly Tensor[];
  buildApply({
    ...{ graph, groups, allNames: namesOf(spec.model), states, grads, policy, loss: total, finishing, skip: overflow, unscale },
    clipped(found) {
      clipped = found;
    },
  });
  const next = new Map(graph.assigns.map(({ state, value }) => [state, value]));
  const unclipped = clipped.every((c, i) => c === grads[i]);
  inSection(graph, 'apply', () => {
    for (const [i, p] of trained.entries()) {
      const g = grads[i]!;
      graph.output(PROBED.gradient(i), unscale ? mul(g, cast(unscale, 'f32')) : g);
      if (!unclipped) graph.output(PROBED.clipped(i), clipped[i]!);
      const value = next.get(p.state);
      if (!value) throw new GraphError(`probe: ${p.name} has no next value`);
      graph.output(PROBED.next(i), value);
    }
  });
  // A step that would be skipped is computed as any other; whether it would be is column `skipped`.
  graph.skip = null;
  graph.assigns.splice(0, graph.assigns.length, ...graph.assigns.filter(({ state }) => state.transient));
  return { graph, extra: { unclipped, units: numbered(rectified.map(({ path }) => path)) } };
}

/** Outputs of rectifiers that are there so far, with the path of the module in whose `forward` they are computed. */
function rectifiersOf({ nodes }: Graph): { readonly path: string; readonly out: Tensor }[] {
  return nodes.flatMap((node) =>
    node.op.name === 'relu' && node.out.shape.length > 1 && node.out.dtype === 'f32' ? [{ path: node.layer, out: node.out }] : [],
  );
}

/**
 * The dimensions over which a unit is looked at: rows, and places. Of an image, and of what a convolution has made, dimension 1 counts units, which are
 * channels; else the last one.
 */
function unitsApart({ shape, node }: Tensor): number[] {
  const unit = shape.length > 3 || (shape.length === 3 && isOfConvolution(node)) ? 1 : shape.length - 1;
  return [...shape.keys()].filter((d) => d !== unit);
}

/** Between a convolution and its rectifier there are a bias and a normalization, and no other product. */
function isOfConvolution({ ins }: Node, depth: number = 6): boolean {
  if (depth === 0) return false;
  return ins.some(({ node }) => /^conv/.test(node.op.name) || (!node.op.multiplies && isOfConvolution(node, depth - 1)));
}

/** Those that are there several times get numbers. */
function numbered(paths: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return paths.map((path) => {
    const n = (seen.get(path) ?? 0) + 1;
    seen.set(path, n);
    return n === 1 ? path : `${path} (${n})`;
  });
}
