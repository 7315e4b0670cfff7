// scalars.test.ts: operations on single numbers, merged into one instruction wherever they lie between others, and what follows from
// constants alone: the same bits as without.
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { compile } from '../../lib/compile/compile.ts';
import { Graph, inSection, type State, type Tensor } from '../../lib/ir/graph.ts';
import { addon } from '../../lib/native/addon.ts';
import { target } from '../../lib/native/program.ts';
import { add, broadcastTo, cast, div, less, maximum, mean, mul, sqrt, square, sub, sum, where } from '../../lib/ops/index.ts';
import { statistic } from '../../lib/ops/list.ts';
import { buildApply } from '../../lib/optim/apply/apply.ts';
import * as optim from '../../lib/optim/index.ts';
import { between } from '../kit.ts';
import { runGraph } from '../run-graph.ts';

const kernels = (graph: Graph): string[] => compile(graph, target()).instrs.map((i) => i.kernel);
const same = (graph: Graph, inputs: Record<string, Float64Array>): void => {
  const plain = runGraph(graph, { inputs, fuse: false });
  for (const isa of addon().isas.filter((i) => i !== 'x86_64')) expect(runGraph(graph, { inputs, isa })).toEqual(plain);
};

it('one instruction for a policy’s decisions, which others may read half-way', () => {
  const graph = new Graph('train');
  const [x, y] = ['x', 'y'].map((name) => graph.input(name, { dtype: 'f64', shape: [3] }, 'feed')) as [Tensor, Tensor];
  const norm = sqrt(sum(square(x)));
  const scale = div(1, maximum(norm, 1));
  const scaled = mul(y, scale);
  graph.output('norm', norm);
  graph.output('after', mul(norm, scale));
  graph.output('clipped', less(scale, 1));
  graph.output('scaled', scaled);
  graph.output('late', add(mean(scaled), 1));
  expect(kernels(graph).filter((k) => k === 'scalars')).toHaveLength(1);
  same(graph, { x: Float64Array.of(1, 2, 3), y: Float64Array.of(-1, 0.1, 7) });
});

it('random graphs of scalars and what lies between them: same bits, fused or not', () => {
  const names = ['x', 'y'];
  const op = fc.record({
    kind: fc.integer({ min: 0, max: 7 }),
    a: fc.nat(),
    b: fc.nat(),
    out: fc.boolean(),
    apply: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(op, { minLength: 2, maxLength: 60 }),
      fc.array(between(-9, 9), { minLength: 2, maxLength: 2 }),
      (ops, values) => {
        const graph = new Graph('train');
        const pool = names.map((name) => graph.input(name, { dtype: 'f64', shape: [] }, 'feed'));
        const late: Tensor[] = [];
        for (const [i, { kind, a, b, out, apply }] of ops.entries()) {
          const all = apply ? [...pool, ...late] : pool;
          const [p, q] = [all[a % all.length]!, all[b % all.length]!];
          const made = inSection(graph, apply ? 'apply' : 'micro', () =>
            [
              () => add(p, q),
              () => sub(p, 0.25),
              () => mul(p, q),
              () => where(less(p, q), p, 3),
              () => sqrt(square(p)),
              () => sum(mul(broadcastTo(p, [5]), q)),
              () => cast(cast(p, 'f32'), 'f64'),
              () => statistic([broadcastTo(cast(p, 'f32'), [5])], { kind: 'sumSquares' }).total,
            ][kind]!(),
          );
          (apply ? late : pool).push(made);
          if (out) inSection(graph, 'apply', () => graph.output(`o${i}`, made));
        }
        inSection(graph, 'apply', () => graph.output('end', add(pool.at(-1)!, late.at(-1) ?? 0)));
        same(graph, Object.fromEntries(names.map((name, i) => [name, Float64Array.of(values[i]!)])));
      },
    ),
    { numRuns: 150 },
  );
});

describe('the skip decision', () => {
  const state: State = { name: 'p', type: { dtype: 'f32', shape: [1] } };
  const apply = (graph: Graph, policy: clip.ClipPolicy, skip: Tensor | null = null): void => {
    const gradient = graph.input('gradient', state.type, 'feed');
    const groups = [{ params: [{ name: 'p', state }], optimizer: optim.sgd() }];
    buildApply({ graph, groups, grads: [gradient], policy, skip });
  };
  const applied = (policy: clip.ClipPolicy): string[] => {
    const graph = new Graph('train');
    apply(graph, policy);
    return kernels(graph);
  };

  it('is taken by the instruction that makes it: what a policy measures and decides is one', () => {
    expect(applied(clip.globalNorm(1))).toEqual(['decide', 'update_sgd']);
    expect(applied(clip.none())).toEqual(['decide', 'update_sgd', 'copy']);
    expect(applied(clip.value(0.5))).toEqual(['decide', 'update_sgd', 'scalars']);
    expect(applied(clip.globalNorm(1, { nonFinite: 'propagate' }))).toEqual(['decide', 'update_sgd']);
  });

  it('stays where it was written until it is read, where what makes it does not take it', () => {
    const graph = new Graph('train');
    const x = graph.input('x', { dtype: 'f64', shape: [3] }, 'feed');
    const decision = inSection(graph, 'apply', () => sum(x));
    // Values of its size that come and go before the update.
    inSection(graph, 'apply', () => graph.output('y', sum(mul(square(add(x, 1)), mean(square(x))))));
    apply(graph, clip.none({ measure: false }), decision);
    const { instrs } = compile(graph, target());
    const read = instrs.findIndex((i) => i.kernel === 'skip_if');
    const [taken] = instrs[read]!.ins;
    const writers = instrs.slice(0, read).filter((i) => i.outs.some((p) => isDeepStrictEqual(p, taken)));
    expect(writers.map((i) => i.kernel)).toEqual(['sum']);
  });
});

describe('constants', () => {
  it('fold, and a number spread out is a number', () => {
    const graph = new Graph('train');
    const x = graph.input('x', { dtype: 'f64', shape: [6000] }, 'feed');
    const seed = broadcastTo(div(graph.scalar(1, 'f64'), 6000), [6000]);
    graph.output('y', mul(x, seed));
    expect(compile(graph, target()).instrs.map((i) => i.kernel)).toEqual(['map']);
    same(graph, { x: Float64Array.from({ length: 6000 }, (_, i) => i / 7) });
  });

  it('alone still make an output', () => {
    const graph = new Graph('train');
    const four = add(graph.scalar(1.5, 'f64'), 2.5);
    graph.output('y', four);
    graph.output('z', broadcastTo(four, [3]));
    expect(runGraph(graph, { inputs: {} }).get('y')).toEqual(Float64Array.of(4));
    same(graph, {});
  });
});
