// losses.test.ts: a cross-entropy and its gradient in one instruction, and with the last layer of very many classes, whose logits are never kept whole:
// the bits of what they are made of, whatever stands between; and PyTorch's values (golden/models/head.json, made by make_head.py).
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { compile } from '../../lib/compile/compile.ts';
import type { Program } from '../../lib/compile/program.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { f32, i32, type Precision } from '../../lib/ir/op.ts';
import { target } from '../../lib/native/program.ts';
import { linear } from '../../lib/nn/layers/linear-product.ts';
import * as losses from '../../lib/nn/loss/index.ts';
import { add, gather, mul, relu, reshape, sum } from '../../lib/ops/index.ts';
import { SOME_TEAMS } from '../kit.ts';
import { runGraph } from '../run-graph.ts';
import { sameBits } from '../run-node.ts';

interface Case {
  readonly rows: number;
  readonly classes: number;
  readonly dim: number;
  readonly options?: losses.CrossEntropyOptions;
  /** What is made of the losses; default: they are. */
  readonly after?: (loss: Tensor) => Tensor;
  /** Another reader of the logits. */
  readonly beside?: (logits: Tensor, y: Tensor) => Tensor;
  /** The rows are of the table that they are multiplied with. */
  readonly tied?: boolean;
  readonly wanted?: readonly ('x' | 'w')[];
  readonly precision?: Precision;
}
const waves = (n: number, k: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(k * i + (i % 7)));

function graphOf({
  rows,
  classes,
  dim,
  options,
  after = (t) => t,
  beside,
  tied = false,
  wanted = ['x', 'w'],
  precision = 'f32',
}: Case) {
  const graph = new Graph('train');
  graph.precision = precision;
  const w = graph.input('w', f32(classes, dim), 'feed');
  const x = graph.input('x', f32(2, rows / 2, dim), 'feed');
  const y = graph.input('y', i32(2, rows / 2), 'feed');
  const hidden = tied ? relu(add(x, gather(w, y))) : x;
  const logits = linear(hidden, w);
  const loss = after(losses.crossEntropy(logits, y, options));
  const all = beside ? add(loss, beside(logits, y)) : loss;
  graph.output('loss', all);
  for (const [i, g] of grad(
    all,
    wanted.map((name) => ({ x, w })[name]),
  ).entries())
    graph.output(`d${wanted[i]}`, g);
  const labels = Int32Array.from({ length: rows }, (_, i) => (i * 7919) % classes);
  return { graph, inputs: { x: waves(rows * dim, 2), w: waves(classes * dim, 3), y: labels } };
}
const program = (c: Case): Program => compile(graphOf(c).graph, target());
const kernels = (c: Case): string[] => program(c).instrs.map((i) => i.kernel);
const run = (c: Case, fuse: boolean, threads = 1) => {
  const { graph, inputs } = graphOf(c);
  return [...runGraph(graph, { inputs, fuse, threads }).values()];
};

const SMALL = { rows: 36, classes: 37, dim: 5 };
const OPTIONS: Readonly<Record<string, losses.CrossEntropyOptions>> = {
  plain: {},
  sum: { reduction: 'sum' },
  smoothed: { labelSmoothing: 0.1 },
  ignoring: { ignoreIndex: 7 },
  weighed: { weight: Array.from({ length: 37 }, (_, i) => (i % 3) + 0.5), ignoreIndex: 3, labelSmoothing: 0.2 },
};

describe('a loss with its gradient', () => {
  it.each(Object.entries(OPTIONS))('%s', (_, options) => {
    const c = { ...SMALL, options };
    expect(kernels(c)).toContain('softmaxCrossEntropyBoth');
    expect(kernels(c)).not.toContain('softmaxCrossEntropyGrad');
    for (const threads of SOME_TEAMS) expect(sameBits(run(c, true, threads), run(c, false))).toBe(true);
  });

  it('stays apart where the gradient is of the loss', () => {
    const c = { ...SMALL, after: (t: Tensor) => mul(t, t) };
    expect(kernels(c)).toContain('softmaxCrossEntropyGrad');
    expect(sameBits(run(c, true), run(c, false))).toBe(true);
  });

  it('of several losses of the same logits', () => {
    const more = (logits: Tensor, y: Tensor): Tensor => {
      logits.graph.output('other', losses.crossEntropy(logits, y, { labelSmoothing: 0.3 }));
      return losses.crossEntropy(logits, y, { ignoreIndex: 1 });
    };
    const c: Case = { ...SMALL, beside: more };
    expect(kernels(c).filter((k) => k === 'softmaxCrossEntropyBoth')).toHaveLength(2);
    expect(sameBits(run(c, true), run(c, false))).toBe(true);
  });

  it('of logits that are read elsewhere too', () => {
    const c = { ...SMALL, beside: (logits: Tensor) => sum(mul(logits, logits), { dtype: 'f64' }) };
    expect(kernels(c)).toContain('softmaxCrossEntropyBoth');
    expect(sameBits(run(c, true), run(c, false))).toBe(true);
  });
});

interface Golden {
  readonly rows: number;
  readonly classes: number;
  readonly dim: number;
  /** Rows of the weights. */
  readonly at: readonly number[];
  readonly cases: readonly {
    readonly options: losses.CrossEntropyOptions;
    readonly loss: number;
    readonly norms: readonly number[];
    readonly dx: readonly number[];
    readonly dw: readonly number[];
  }[];
}
const golden = JSON.parse(readFileSync(new URL('../golden/models/head.json', import.meta.url), 'utf8')) as Golden;

// 2^24 logits and more.
const LARGE = { rows: 330, classes: 50_970, dim: 3 };
describe('a last layer of very many classes', () => {
  it.each<[string, Partial<Case>]>([
    ['tied, with an ignored label', { tied: true, options: { ignoreIndex: 7919 } }],
    ['smoothed, of the weights alone', { options: { labelSmoothing: 0.1 }, wanted: ['w'] }],
    // A third of the rows would be an odd number of them, and cut a pair.
    ['in bf16', { rows: 350, classes: 50_000, precision: 'bf16' }],
  ])('%s', (_, more) => {
    const c: Case = { ...LARGE, ...more };
    const { arenaBytes, instrs } = program(c);
    expect(instrs.map((i) => i.kernel)).toContain('linearCrossEntropy');
    expect(arenaBytes).toBeLessThan(4 * c.rows * c.classes * 0.25);
    expect(sameBits(run(c, true, 3), run(c, false, 2))).toBe(true);
  });

  it.each(golden.cases)("has PyTorch's values: $options", ({ options, ...want }) => {
    const c: Case = { rows: golden.rows, classes: golden.classes, dim: golden.dim, tied: true, options };
    expect(kernels(c)).toContain('linearCrossEntropy');
    const [loss, dx, dw] = run(c, true, 2) as [Float64Array, Float32Array, Float32Array];
    const near = (got: number, wanted: number) =>
      expect(Math.abs(got - wanted)).toBeLessThan(4e-5 * Math.max(0.01, Math.abs(wanted)));
    near(loss[0]!, want.loss);
    near(Math.hypot(...dx), want.norms[0]!);
    near(Math.sqrt(dw.reduce((sum, v) => sum + v * v, 0)), want.norms[1]!);
    for (const [i, v] of want.dx.entries()) near(dx[i]!, v);
    for (const [i, v] of want.dw.entries()) near(dw[golden.at[Math.floor(i / golden.dim)]! * golden.dim + (i % golden.dim)]!, v);
  });

  it('without a gradient', () => {
    const c: Case = { ...LARGE, wanted: [] };
    expect(kernels(c)).toContain('linearCrossEntropy');
    expect(sameBits(run(c, true, 2), run(c, false, 2))).toBe(true);
  });

  it('keeps logits that somebody else reads', () => {
    expect(kernels({ ...LARGE, beside: (logits) => sum(reshape(logits, [-1]), { dtype: 'f64' }) })).not.toContain(
      'linearCrossEntropy',
    );
    expect(kernels({ ...LARGE, rows: 300 })).not.toContain('linearCrossEntropy');
  });
});
