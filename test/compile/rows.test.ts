// rows.test.ts: the gradient of a table of which few rows were read stays rows; what comes out is, bit for bit, what a dense one gives.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import * as clip from '../../lib/clip/index.ts';
import { compile } from '../../lib/compile/compile.ts';
import { Graph, inSection, type State, type Tensor } from '../../lib/ir/graph.ts';
import { addon } from '../../lib/native/addon.ts';
import { target } from '../../lib/native/program.ts';
import { add, gather, mul, sum } from '../../lib/ops/index.ts';
import { buildApply } from '../../lib/optim/apply/apply.ts';
import * as optim from '../../lib/optim/index.ts';
import { SOME_TEAMS } from '../kit.ts';
import { runGraph } from '../run-graph.ts';

interface Case {
  readonly rows: number;
  readonly row: number;
  readonly indices: readonly number[];
  readonly policy: clip.ClipPolicy;
  readonly optimizer: optim.Optimizer;
  /** Reads the table once more, beside the gather. */
  readonly more?: (table: Tensor) => Tensor;
}

/** A table, a weight for each element of a batch of its rows as the loss, and what a step makes of it all. */
function step({ rows, row, indices, policy, optimizer, more }: Case) {
  const graph = new Graph('train');
  const state: State = {
    name: 'table',
    type: { dtype: 'f32', shape: [rows, row] },
    init: (out) => out.set(Float32Array.from(out, (_, i) => Math.sin(i))),
  };
  const table = graph.state(state);
  const at = graph.input('at', { dtype: 'i32', shape: [indices.length] }, 'feed');
  const weight = graph.input('weight', { dtype: 'f32', shape: [indices.length, row] }, 'feed');
  const loss = sum(mul(gather(table, at), weight));
  const [gradient] = grad(more ? add(loss, more(table)) : loss, [table]);
  const groups = [{ params: [{ name: 'table', state }], optimizer }];
  const { fillRows } = buildApply({ graph, groups, grads: [gradient!], policy });
  inSection(graph, 'apply', () => {
    for (const a of [...graph.assigns]) graph.output(`next ${a.state.name}`, a.value);
  });
  const hyper = fillRows(
    { bytes: 512, columns: [...graph.inputs.values()].map((t, i) => ({ name: nameOf(t), offset: 64 * i, type: t.type })) },
    0,
    1,
  );
  const inputs: Record<string, ArrayLike<number>> = {
    at: Int32Array.from(indices),
    weight: Float32Array.from({ length: indices.length * row }, (_, i) => Math.cos(i * i)),
  };
  [...graph.inputs.values()].forEach((t, i) => {
    inputs[nameOf(t)] ??= new Float64Array(hyper.buffer.slice(64 * i, 64 * i + 64)).slice(0, t.shape[0] ?? 1);
  });
  return { graph, inputs: inputs as Record<string, Float64Array> };
}
const nameOf = (t: Tensor): string => (t.node.attrs as { name: string }).name;

const kernels = (graph: Graph): string[] => compile(graph, target()).instrs.map((i) => i.kernel);
const adamw = optim.adamw({ lr: 0.1 });
const free = clip.none({ measure: false });

describe('what a step gives, against a dense gradient', () => {
  const policies: Record<string, clip.ClipPolicy> = {
    none: free,
    'norm that does not bite': clip.globalNorm(1e9),
    'value, measured in the update': clip.value(0.3, { nonFinite: 'propagate' }),
  };
  for (const [name, policy] of Object.entries(policies)) {
    it(`${name}: same bits on every ISA and team`, () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 25 }),
          fc.integer({ min: 16, max: 1100 }),
          fc.constantFrom(adamw, optim.sgd({ lr: 0.1, momentum: 0.9 })),
          fc.array(fc.nat(), { minLength: 0, maxLength: 30 }),
          (rows, row, optimizer, picks) => {
            const indices = picks.slice(0, rows >> 1).map((v) => v % rows);
            const { graph, inputs } = step({ rows, row, indices, policy, optimizer });
            expect(kernels(graph)).toContain('scatterRows');
            const dense = runGraph(graph, { inputs, fuse: false });
            for (const isa of addon().isas.filter((isa) => isa !== 'x86_64')) {
              for (const threads of [1, ...SOME_TEAMS]) {
                const sparse = runGraph(graph, { inputs, isa, threads });
                for (const [k, v] of dense) if (k.startsWith('next')) expect(sparse.get(k), k).toEqual(v);
              }
            }
          },
        ),
        { numRuns: 6 },
      );
    });
  }

  it('clips by the same norm', () => {
    const indices = [3, 70, 3, 3, 99, 12];
    const { graph, inputs } = step({ rows: 100, row: 50, indices, policy: clip.globalNorm(0.5), optimizer: adamw });
    const [sparse, dense] = [runGraph(graph, { inputs }), runGraph(graph, { inputs, fuse: false })];
    expect(sparse.get('norm')![0]).toBeCloseTo(dense.get('norm')![0]!, 12);
    expect(sparse.get('clipped')).toEqual(Float64Array.of(1));
  });
});

describe('stays dense', () => {
  const base = { rows: 100, row: 20, indices: [1, 2, 3], policy: free, optimizer: adamw };
  it('is rows otherwise', () => expect(kernels(step(base).graph)).toContain('scatterRows'));
  it.each<[string, Partial<Case>]>([
    ['where more than half of the rows may have one', { rows: 5 }],
    ['where rows are short', { row: 15 }],
    ['where the table is used elsewhere', { more: (t) => sum(mul(t, t)) }],
    ['where a measure would see the zeros', { policy: clip.chain(clip.value({ lower: 0.1 }), clip.globalNorm(1)) }],
  ])('%s', (_, change) => {
    const found = kernels(step({ ...base, ...change }).graph);
    expect(found).toContain('scatterAdd');
    expect(found).not.toContain('scatterRows');
  });
});

it('an index out of bounds ends the run, and nothing is updated', () => {
  const { graph, inputs } = step({ rows: 100, row: 20, indices: [1, 100, 3], policy: free, optimizer: adamw });
  expect(() => runGraph(graph, { inputs })).toThrow(/100/);
});
