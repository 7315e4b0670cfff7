// conv.test.ts: convolutions against PyTorch in f64 (golden/nn/conv.json, made by make_conv.py), their fused forms, and what they refuse.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { compile } from '../../lib/compile/compile.ts';
import { defaultLayout } from '../../lib/compile/layout.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type RefArray, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { target } from '../../lib/native/program.ts';
import { Conv1d, Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d } from '../../lib/nn/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import { apply, ENDS } from '../../lib/ops/elementwise/maps.ts';
import { conv1d, conv2d, conv3d, convTranspose2d, convTranspose3d, mul, relu, sum } from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

interface Case {
  readonly layer: keyof typeof LAYERS;
  readonly args: [number, number, never];
  readonly options: object;
  readonly shape: number[];
  readonly x: number[];
  readonly y: { readonly shape: number[]; readonly data: number[] };
  readonly dx: number[];
  readonly parameters: Readonly<Record<string, { readonly data: number[]; readonly grad: number[] }>>;
}
const golden = JSON.parse(readFileSync(new URL('../golden/nn/conv.json', import.meta.url), 'utf8')) as { cases: Case[] };

const LAYERS = { Conv1d, Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d };

function close(got: RefArray, want: readonly number[], within: number): void {
  expect(got.length).toBe(want.length);
  for (const [i, w] of want.entries()) {
    if (!(Math.abs(got[i]! - w) <= within * Math.max(1, Math.abs(w)))) expect.fail(`element ${i}: expected ${w}, got ${got[i]}`);
  }
}

describe('as in PyTorch: names, shapes, values, gradients', () => {
  const named = golden.cases.map((c) => [`${c.layer} ${JSON.stringify([...c.args, c.options])} of [${c.shape}]`, c] as const);
  test.each(named)('%s', (_, c) => {
    const layer = new LAYERS[c.layer](...c.args, c.options);
    const names = Array.from(layer.namedParameters(), ([name]) => name);
    expect(names).toEqual(Object.keys(c.parameters));
    for (const [name, p] of layer.namedParameters()) p.data = Float32Array.from(c.parameters[name]!.data);
    const graph = new Graph('train');
    const unbind = bindParameters(graph, layer);
    const x = graph.input('x', { dtype: 'f32', shape: c.shape }, 'feed');
    const y = layer.forward(x);
    expect(y.shape).toEqual(c.y.shape);
    const weights = graph.constant(
      Float32Array.from({ length: sizeOf(y.shape) }, (_, i) => (i % 7) - 3),
      y.shape,
      'f32',
    );
    const gradients = grad(sum(mul(y, weights), { dtype: 'f64' }), [x, ...layer.parameters().map((p) => p.toTensor())]);
    for (const [i, t] of [y, ...gradients].entries()) graph.output(`out${i}`, t);
    unbind();
    const inputs = { x: Float64Array.from(c.x) };
    const init = (state: { init?(out: RefArray): void; type: { shape: readonly number[] } }): RefArray => {
      const data = new Float32Array(sizeOf(state.type.shape));
      state.init?.(data);
      return data;
    };
    const values = interpret(graph, { inputs, states: init as never, f64: true });
    const native = runGraph(graph, { inputs, threads: 2 });
    const want = [c.y.data, c.dx, ...names.map((name) => c.parameters[name]!.grad)];
    for (const [i, t] of [y, ...gradients].entries()) {
      close(values.get(t)!, want[i]!, 1e-7);
      close(native.get(`out${i}`)!, want[i]!, 1e-5);
    }
  });
});

/** The instructions that a graph with one output becomes. */
function instructions(build: (graph: Graph) => Tensor): string[] {
  const graph = new Graph('train');
  graph.output('y', build(graph));
  const program = compile(graph, { ...target(), layout: defaultLayout(graph) });
  return program.instrs.map((i) => i.kernel).filter((kernel) => kernel !== 'copy');
}

describe('the compiler puts the activation into the convolution', () => {
  const input = (graph: Graph, name: string, ...shape: number[]): Tensor => graph.input(name, { dtype: 'f32', shape }, 'feed');
  test('and only where nobody reads what comes before it', () => {
    const plain = (graph: Graph): Tensor =>
      conv2d(input(graph, 'x', 2, 3, 5, 5), input(graph, 'w', 4, 3, 3, 3), input(graph, 'b', 4));
    expect(instructions((graph) => relu(plain(graph)))).toEqual(['conv2d']);
    expect(instructions((graph) => relu(conv1d(input(graph, 'x', 2, 3, 5), input(graph, 'w', 4, 3, 3))))).toEqual(['conv2d']);
    expect(instructions((graph) => relu(convTranspose2d(input(graph, 'x', 2, 3, 5, 5), input(graph, 'w', 3, 4, 3, 3))))).toEqual([
      'conv2dGradInput',
    ]);
    expect(
      instructions((graph) =>
        relu(conv3d(input(graph, 'x', 2, 3, 4, 5, 5), input(graph, 'w', 4, 3, 3, 3, 3), input(graph, 'b', 4))),
      ),
    ).toEqual(['conv3d']);
    expect(
      instructions((graph) => relu(convTranspose3d(input(graph, 'x', 2, 3, 2, 5, 5), input(graph, 'w', 3, 4, 3, 3, 3)))),
    ).toEqual(['conv3dGradInput']);
    expect(
      instructions((graph) => {
        const y = plain(graph);
        return mul(y, relu(y));
      }),
    ).toEqual(['conv2d', 'map']);
  });
  test.each(ENDS)('%s: one instruction, the bits of two', (act) => {
    const graph = new Graph();
    const operands = [input(graph, 'x', 3, 2, 6, 7), input(graph, 'w', 5, 2, 3, 3), input(graph, 'b', 5)] as const;
    graph.output('y', apply(act, conv2d(...operands, { padding: 1 })));
    expect(compile(graph, { ...target(), layout: defaultLayout(graph) }).instrs.map((i) => i.kernel)).toEqual(['conv2d']);
    const inputs = Object.fromEntries(
      operands.map((t, k) => [
        ['x', 'w', 'b'][k],
        Float32Array.from({ length: sizeOf(t.shape) }, (_, i) => 2 * Math.sin(i * (k + 3))),
      ]),
    );
    for (const isa of addon().isas) {
      expect(runGraph(graph, { inputs, isa }).get('y')).toEqual(runGraph(graph, { inputs, isa, fuse: false }).get('y'));
    }
  });
});

describe('what is refused', () => {
  const graph = new Graph('train');
  const t = (...shape: number[]): Tensor => graph.input(`x${graph.inputs.size}`, { dtype: 'f32', shape }, 'feed');
  test.each<[string, () => unknown, new (...args: never[]) => Error, string]>([
    ['rank', () => conv2d(t(3, 5, 5), t(4, 3, 3, 3)), ShapeError, 'conv2d: expected x [n, channels, height, width], got [3,5,5]'],
    ['channels', () => conv2d(t(1, 2, 5, 5), t(4, 3, 3, 3)), ShapeError, 'expected x of 3 channels'],
    ['groups', () => conv2d(t(1, 4, 5, 5), t(3, 2, 3, 3), null, { groups: 2 }), ShapeError, 'a multiple of 2 filters'],
    ['bias', () => conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), t(3)), ShapeError, 'conv2d: expected a bias f32[4], got f32[3]'],
    ['small input', () => conv2d(t(1, 3, 2, 5), t(4, 3, 3, 3)), ShapeError, 'within the padded input of 2x5, got one of 3x3'],
    [
      'rank of volumes',
      () => conv3d(t(3, 4, 5, 5), t(4, 3, 3, 3, 3)),
      ShapeError,
      'conv3d: expected x [n, channels, depth, height, width], got [3,4,5,5]',
    ],
    [
      'rank of a weight',
      () => conv3d(t(1, 3, 4, 5, 5), t(4, 3, 3, 3)),
      ShapeError,
      'a weight [out, in, depth, height, width], got [4,3,3,3]',
    ],
    [
      'channels last',
      () => conv3d(t(1, 4, 5, 6, 3), t(4, 3, 3, 3, 3)),
      ShapeError,
      'volumes are [n, channels, depth, height, width]: ops.transpose(x, { axes: [0, 4, 1, 2, 3] })',
    ],
    [
      'low volume',
      () => conv3d(t(1, 3, 2, 5, 5), t(4, 3, 3, 3, 3)),
      ShapeError,
      'within the padded input of 2x5x5, got one of 3x3x3',
    ],
    [
      'sizes of images',
      () => conv3d(t(1, 3, 5, 5, 5), t(4, 3, 3, 3, 3), null, { stride: [1, 2] as never }),
      OptionError,
      'ops.conv3d: option stride: expected',
    ],
    [
      'same with a stride of depth',
      () => conv3d(t(1, 3, 5, 5, 5), t(4, 3, 3, 3, 3), null, { stride: [2, 1, 1], padding: 'same' }),
      OptionError,
      'stride 2x1x1',
    ],
    [
      'too much taken off',
      () => convTranspose3d(t(1, 3, 1, 5, 5), t(3, 4, 3, 3, 3), null, { padding: 2 }),
      ShapeError,
      'an output of at least 1x1x1, got -1 along depth',
    ],
    [
      'same with a stride',
      () => conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), null, { stride: 2, padding: 'same' }),
      OptionError,
      'stride 2x2',
    ],
    [
      'padding by name',
      () => conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), null, { padding: 'full' as 'same' }),
      OptionError,
      'got "full"',
    ],
    [
      'negative padding',
      () => conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), null, { padding: -1 }),
      OptionError,
      'option padding: expected',
    ],
    ['stride 0', () => conv1d(t(1, 3, 5), t(4, 3, 3), null, { stride: 0 }), OptionError, 'conv1d: option stride: expected'],
    ['unknown option', () => conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), null, { pad: 1 } as never), OptionError, 'unknown option pad'],
    [
      'outputPadding',
      () => convTranspose2d(t(1, 3, 5, 5), t(3, 4, 3, 3), null, { outputPadding: 1 }),
      OptionError,
      'expected less than the stride or the dilation (1), got 1',
    ],
    [
      'weight of the transposed',
      () => convTranspose2d(t(1, 3, 5, 5), t(4, 3, 3, 3)),
      ShapeError,
      'expected a weight [3, out / groups',
    ],
    ['channels of a layer', () => new Conv2d(0, 4, 3), OptionError, 'nn.Conv2d: argument inChannels: expected'],
    ['groups of a layer', () => new Conv2d(6, 4, 3, { groups: 3 }), OptionError, 'expected a divisor of outChannels 4, got 3'],
    ['kernel of a layer', () => new Conv1d(3, 4, 1.5), OptionError, 'nn.Conv1d: argument kernelSize: expected'],
    ['option of a layer', () => new ConvTranspose2d(3, 4, 3, { dilatoin: 1 } as never), OptionError, 'did you mean dilation'],
  ])('%s', (_, build, type, message) => {
    expect(build).toThrow(type);
    expect(build).toThrow(message);
  });
});

test('initial values as in PyTorch: uniform within 1 / sqrt(inChannels / groups * kh * kw)', () => {
  const layer = new Conv2d(8, 64, 3, { groups: 2 }).initialize(1);
  const bound = 1 / Math.sqrt(4 * 9);
  for (const p of layer.parameters()) {
    const largest = p.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.9 * bound);
  }
});
