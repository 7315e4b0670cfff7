// program.test.ts: compiled programs against the graph they came from: fused or not, in place or not, states, skips, printing.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { compile } from '../../lib/compile/compile.ts';
import { printProgram } from '../../lib/compile/print.ts';
import { Graph, inSection, type State, type Tensor } from '../../lib/ir/graph.ts';
import { f32 } from '../../lib/ir/op.ts';
import { printGraph } from '../../lib/ir/print.ts';
import { addon } from '../../lib/native/addon.ts';
import { target } from '../../lib/native/program.ts';
import { add, clamp, exp, mul, relu, sigmoid, sub, sum, tanh } from '../../lib/ops/index.ts';
import { matmul } from '../../lib/ops/product/matmul.ts';
import { reshape, transpose } from '../../lib/ops/shape/shape.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

const waves = (n: number, k: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(k + i * 0.37));

function mlp(): { graph: Graph; inputs: Record<string, Float32Array> } {
  const graph = new Graph('train');
  const x = graph.input('x', f32(6, 5), 'feed');
  const w1 = graph.input('w1', f32(7, 5), 'feed');
  const b1 = graph.input('b1', f32(7), 'feed');
  const w2 = graph.input('w2', f32(3, 7), 'feed');
  const y = matmul(relu(add(matmul(x, w1, { transB: true }), b1)), w2, { transB: true });
  graph.output('y', y);
  return { graph, inputs: { x: waves(30, 1), w1: waves(35, 2), b1: waves(7, 3), w2: waves(21, 4) } };
}

it('prints graphs and programs readably', () => {
  const { graph } = mlp();
  expect(printGraph(graph)).toMatchSnapshot();
  expect(printProgram(compile(graph, target()))).toMatchSnapshot();
});

it('fuses bias and activation into the product, with the same bits', () => {
  const { graph, inputs } = mlp();
  const fused = compile(graph, target());
  expect(fused.instrs.map((i) => i.kernel)).toEqual(['matmul', 'matmul']);
  expect(compile(graph, { ...target(), fuse: false }).instrs.length).toBe(4);
  for (const isa of addon().isas) {
    const a = runGraph(graph, { inputs, isa }).get('y');
    const b = runGraph(graph, { inputs, isa, fuse: false }).get('y');
    expect(a).toEqual(b);
  }
});

it('what is added behind an activation is no bias, and what others read stays', () => {
  const graph = new Graph('train');
  const [x, w, b] = [graph.input('x', f32(6, 5), 'feed'), graph.input('w', f32(7, 5), 'feed'), graph.input('b', f32(7), 'feed')];
  const active = relu(matmul(x, w, { transB: true }));
  graph.output('y', add(active, b));
  const shared = mul(x, 2);
  graph.output('turned', transpose(shared));
  graph.output('more', exp(add(shared, 1)));
  const inputs = { x: waves(30, 1), w: waves(35, 2), b: waves(7, 3) };
  expect(runGraph(graph, { inputs })).toEqual(runGraph(graph, { inputs, fuse: false }));
});

it('nodes that differ in their attributes alone are not equal', () => {
  const graph = new Graph();
  const x = graph.input('x', f32(2, 2), 'feed');
  graph.output('columns', sum(x, { axes: [0] }));
  graph.output('rows', sum(x, { axes: [1] }));
  const out = runGraph(graph, { inputs: { x: Float32Array.of(1, 2, 3, 4) } });
  expect([out.get('columns'), out.get('rows')].map((of) => [...of!])).toEqual([
    [4, 6],
    [3, 7],
  ]);
});

it('merges equal nodes and drops unused ones', () => {
  const graph = new Graph();
  const x = graph.input('x', f32(4), 'feed');
  exp(x);
  graph.output('y', add(tanh(x), tanh(x)));
  expect(compile(graph, { ...target(), fuse: false }).instrs.map((i) => i.note)).toEqual(['tanh -> f32[4]', 'add -> f32[4]']);
});

it('no value is written over one that the next instruction reads', () => {
  const graph = new Graph();
  const t = exp(graph.input('x', f32(4), 'feed'));
  const u = tanh(t);
  graph.output('y', mul(sub(t, u), 1));
  const inputs = { x: Float32Array.of(-1, 0, 0.5, 1) };
  const y = runGraph(graph, { inputs, fuse: false }).get('y')!;
  inputs.x.forEach((x, i) => {
    expect(y[i]).toBeCloseTo(Math.exp(x) - Math.tanh(Math.exp(x)), 6);
  });
});

describe('states', () => {
  const counter: State = { name: 'counter', type: f32(3), init: (out) => out.fill(1) };
  const copyOf: State = { name: 'copy', type: f32(3) };

  it('reads the value before the step, writes the next one after it', () => {
    const graph = new Graph();
    const before = graph.state(counter);
    graph.assign(counter, mul(before, 2));
    graph.assign(copyOf, add(before, 0.5));
    graph.output('seen', add(before, graph.state(copyOf)));
    const out = runGraph(graph, { inputs: {}, steps: 3 });
    // Before step 3: counter 4, copy 2 + 0.5.
    expect(Array.from(out.get('seen')!)).toEqual([6.5, 6.5, 6.5]);
  });

  it('refuses a copy from one assigned state to another', () => {
    const graph = new Graph();
    graph.assign(counter, graph.state(copyOf));
    graph.assign(copyOf, graph.state(counter));
    expect(() => compile(graph, target())).toThrow(/memory of another assigned state/);
  });

  it('makes a next value in place, in several ops, unless somebody reads what lies between, or the old value, later', () => {
    const made = (late: (steps: Tensor[]) => Tensor | null): { copies: number; seen: number[]; next: number[] } => {
      const graph = new Graph();
      const steps = [graph.state(counter)];
      for (const f of [exp, tanh, sigmoid]) steps.push(f(steps.at(-1)!));
      graph.assign(counter, steps[3]!, { always: true });
      const read = late(steps);
      if (read) graph.output('seen', add(read, mul(steps[3]!, 0)));
      graph.output('next', mul(steps[3]!, 1));
      const kernels = compile(graph, { ...target(), fuse: false }).instrs.map((i) => i.kernel);
      const out = runGraph(graph, { inputs: {}, fuse: false });
      const of = (name: string): number[] => Array.from(out.get(name) ?? []);
      return { copies: kernels.filter((k) => k === 'copy').length, seen: of('seen'), next: of('next') };
    };
    const plain = made(() => null);
    expect(plain.copies).toBe(0);
    expect(plain.next[0]).toBeCloseTo(1 / (1 + Math.exp(-Math.tanh(Math.E))), 6);
    for (const [k, want] of [1, Math.E, Math.tanh(Math.E)].entries()) {
      const read = made((steps) => reshape(reshape(steps[k]!, [1, 3]), [3]));
      expect(read.seen[0]).toBeCloseTo(want, 6);
      expect(read.next).toEqual(plain.next);
    }
  });

  it('the skip decision keeps its memory while other values come and go, until it is read', () => {
    const graph = new Graph();
    const bad = graph.input('bad', { dtype: 'f64', shape: [] }, 'feed');
    inSection(graph, 'apply', () => {
      graph.skip = mul(bad, 2);
      graph.output('other', tanh(exp(add(bad, 1))));
      graph.assign(counter, mul(graph.state(counter), 2));
      graph.output('seen', mul(graph.state(counter), 1));
    });
    const out = runGraph(graph, { inputs: { bad: new Float64Array([0]) }, steps: 3, fuse: false });
    expect(out.get('seen')![0]).toBe(4);
  });

  it('a skipped step leaves skippable states alone and counts attempts only', () => {
    const graph = new Graph();
    const bad = graph.input('bad', { dtype: 'f64', shape: [] }, 'feed');
    inSection(graph, 'apply', () => {
      graph.assign(counter, mul(graph.state(counter), 2));
      graph.assign(copyOf, add(graph.state(copyOf), 1), { always: true });
      graph.skip = bad;
      graph.output('seen', add(mul(graph.state(counter), 100), graph.state(copyOf)));
    });
    const skipped = runGraph(graph, { inputs: { bad: new Float64Array([1]) }, steps: 3 });
    expect(skipped.get('seen')![0]).toBe(102);
    const kept = runGraph(graph, { inputs: { bad: new Float64Array([0]) }, steps: 3 });
    expect(kept.get('seen')![0]).toBe(402);
  });
});

it('random graphs give the same with and without fusing, and what their refs say', () => {
  const unary = [tanh, relu, sigmoid, (x: Tensor) => clamp(x, { min: -0.5, max: 0.75 }), (x: Tensor) => transpose(x)];
  const binary = [add, sub, mul];
  const step = fc.record({ kind: fc.nat(9), a: fc.nat(50), b: fc.nat(50) });
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 14 }),
      fc.array(fc.nat(50), { minLength: 1, maxLength: 3 }),
      (steps, outs) => {
        const graph = new Graph();
        const values: Tensor[] = [
          graph.input('x', f32(4, 4), 'feed'),
          graph.input('y', f32(4), 'feed'),
          graph.input('z', f32(1), 'feed'),
        ];
        for (const { kind, a, b } of steps) {
          const p = values[a % values.length]!;
          const q = values[b % values.length]!;
          if (kind < 5) {
            if (kind < 4 || p.shape.length === 2) values.push(unary[kind]!(p));
          } else if (kind < 8) values.push(binary[kind - 5]!(p, q));
          else if (kind === 8 && p.shape.length === 2 && q.shape.length === 2) values.push(matmul(p, q));
          else if (kind === 9 && p.shape.length === 2) values.push(reshape(reshape(p, [16]), [4, 4]));
        }
        for (const [i, o] of outs.entries()) graph.output(`o${i}`, values[values.length - 1 - (o % values.length)]!);
        const inputs = { x: waves(16, 1), y: waves(4, 2), z: waves(1, 3) };
        const truth = interpret(graph, { inputs, f64: true });
        const fused = runGraph(graph, { inputs, threads: 2 });
        const plain = runGraph(graph, { inputs, fuse: false });
        for (const [name, t] of graph.outputs) {
          expect(fused.get(name)).toEqual(plain.get(name));
          fused.get(name)!.forEach((v: number, i: number) => {
            const want = truth.get(t)![i]!;
            expect(Math.abs(v - want)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(want)));
          });
        }
      },
    ),
    { numRuns: 150 },
  );
});

describe('grad', () => {
  it('sums over all uses, gives zeros where nothing depends', () => {
    const graph = new Graph();
    const x = graph.input('x', f32(), 'feed');
    const y = graph.input('y', f32(2), 'feed');
    const [dx, dy] = grad(add(mul(x, x), mul(x, 3)), [x, y]) as [Tensor, Tensor];
    graph.output('dx', dx);
    graph.output('dy', dy);
    const out = runGraph(graph, { inputs: { x: new Float32Array([5]), y: waves(2, 0) } });
    expect(Array.from(out.get('dx')!)).toEqual([13]);
    expect(Array.from(out.get('dy')!)).toEqual([0, 0]);
  });

  it('refuses a loss that is not a scalar', () => {
    const graph = new Graph();
    const x = graph.input('x', f32(2), 'feed');
    expect(() => grad(x, [x])).toThrow('grad: expected a scalar loss of f32 or f64, got f32[2]');
  });
});
