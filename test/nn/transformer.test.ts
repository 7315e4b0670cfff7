// transformer.test.ts: norms, attention and transformer layers: names, values and gradients against PyTorch in f64 (golden/nn/transformer.json,
// made by make_transformer.py); positions against their formulas.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type DType, type RefArray, sizeOf } from '../../lib/ir/op.ts';
import * as nn from '../../lib/nn/index.ts';
import { Module } from '../../lib/nn/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import { cast, mul, sum } from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

interface Values {
  readonly shape: number[];
  readonly dtype: DType;
  readonly data: (number | '-inf')[];
}
interface Case {
  readonly ins: Values[];
  readonly masks: Readonly<Record<string, Values>>;
  readonly parameters: Readonly<Record<string, Values>>;
  readonly out: Values;
  readonly grads: number[][];
}
const golden = JSON.parse(readFileSync(new URL('../golden/nn/transformer.json', import.meta.url), 'utf8')) as Record<
  string,
  Case
>;
const numbers = ({ data }: Values): number[] => data.map((v) => (v === '-inf' ? -Infinity : v));

type Masks = Readonly<Record<string, Tensor>>;
type Built = readonly [Module, (ins: Tensor[], masks: Masks) => Tensor];
const mha = (options?: nn.MultiheadAttentionOptions): Built => {
  const layer = new nn.MultiheadAttention(4, 2, options);
  return [layer, ([q, k, v], m) => layer.forward(q!, k, v, { mask: m.attn_mask!, keyPaddingMask: m.key_padding_mask! })];
};
const self = (options?: nn.MultiheadAttentionOptions): Built => {
  class Self extends Module {
    inner: nn.MultiheadAttention = new nn.MultiheadAttention(4, 2, options);
    forward(x: Tensor, mask: Tensor): Tensor {
      return this.inner.forward(x, x, x, { mask });
    }
  }
  const model = new Self();
  return [model, ([x], m) => model.forward(x!, m.attn_mask!)];
};
const plain = (layer: Module & { forward(x: Tensor): Tensor }): Built => [layer, ([x]) => layer.forward(x!)];
const small = { dimFeedforward: 3, dropout: 0 };
const encoder = (options?: nn.TransformerLayerOptions): nn.TransformerEncoderLayer =>
  new nn.TransformerEncoderLayer(4, 2, { ...small, ...options });
const decoder = (options?: nn.TransformerLayerOptions): nn.TransformerDecoderLayer =>
  new nn.TransformerDecoderLayer(4, 2, { ...small, ...options });
const masked = (layer: nn.TransformerEncoderLayer): Built => [layer, ([x], m) => layer.forward(x!, { mask: m.src_mask! })];
const attending = (layer: nn.TransformerDecoderLayer | nn.TransformerDecoder): Built => [
  layer,
  ([x, y], m) => layer.forward(x!, y!, { mask: m.tgt_mask!, memoryKeyPaddingMask: m.memory_key_padding_mask! }),
];
const CASES: Readonly<Record<string, () => Built>> = {
  LayerNorm: () => plain(new nn.LayerNorm(5)),
  'LayerNorm-2': () => plain(new nn.LayerNorm([3, 5], { eps: 0.1, bias: false })),
  'LayerNorm-plain': () => plain(new nn.LayerNorm(5, { elementwiseAffine: false })),
  RMSNorm: () => plain(new nn.RMSNorm(5, { eps: 1e-6 })),
  'RMSNorm-plain': () => plain(new nn.RMSNorm([5], { eps: 0.1, elementwiseAffine: false })),
  self: () => self(),
  'self-hidden': () => self({ bias: false }),
  cross: () => mha(),
  'cross-wide': () => mha({ kdim: 3, vdim: 5 }),
  encoder: () => masked(encoder()),
  'encoder-gelu': () => plain(encoder({ normFirst: true, activation: 'gelu', bias: false })),
  decoder: () => attending(decoder()),
  'decoder-first': () => attending(decoder({ normFirst: true, activation: 'gelu' })),
  encoders: () => plain(new nn.TransformerEncoder(() => encoder({ normFirst: true }), 2, { norm: new nn.LayerNorm(4) })),
  decoders: () => attending(new nn.TransformerDecoder(() => decoder(), 2)),
};

/** Output and gradients of a case, in a graph whose inputs are the case's. */
function trace(name: string): { graph: Graph; inputs: Record<string, RefArray>; outs: Tensor[]; model: Module } {
  const { ins, masks, parameters } = golden[name]!;
  const [model, forward] = CASES[name]!();
  for (const [n, p] of model.namedParameters()) p.data = numbers(parameters[n]!);
  const graph = new Graph('train');
  const inputs: Record<string, RefArray> = {};
  const input = (n: string, x: Values): Tensor => {
    inputs[n] = x.dtype === 'u8' ? Uint8Array.from(numbers(x)) : Float32Array.from(numbers(x));
    return graph.input(n, { dtype: x.dtype, shape: x.shape }, 'feed');
  };
  const unbind = bindParameters(graph, model);
  try {
    const tensors = ins.map((x, i) => input(`x${i}`, x));
    const out = forward(tensors, Object.fromEntries(Object.entries(masks).map(([n, x]) => [n, input(n, x)])));
    const weights = Float32Array.from({ length: sizeOf(out.shape) }, (_, i) => Math.cos(i));
    const loss = sum(mul(cast(out, 'f64'), cast(graph.constant(weights, out.shape, 'f32'), 'f64')));
    const outs = [out, ...grad(loss, [...tensors, ...model.parameters().map((p) => p.toTensor())])];
    outs.forEach((t, i) => {
      graph.output(`y${i}`, t);
    });
    return { graph, inputs, outs, model };
  } finally {
    unbind();
  }
}
const states = (model: Module): Map<unknown, Float32Array> => new Map(model.parameters().map((p) => [p.state, p.data]));
/** |got - want|, over |want| of the whole tensor. */
function distance(got: ArrayLike<number>, want: readonly number[]): number {
  expect(got.length).toBe(want.length);
  const norm = (values: readonly number[]): number => Math.hypot(...values);
  return norm(want.map((w, i) => got[i]! - w)) / Math.max(1e-3, norm(want));
}

describe('as in PyTorch', () => {
  it.each(Object.keys(golden))('%s', (name) => {
    const { parameters, out, grads } = golden[name]!;
    const { graph, inputs, outs, model } = trace(name);
    expect(Array.from(model.namedParameters(), ([n, p]) => [n, p.shape])).toEqual(
      Object.entries(parameters).map(([n, p]) => [n, p.shape]),
    );
    expect(outs[0]!.shape).toEqual(out.shape);
    const want = [numbers(out), ...grads];
    const own = states(model);
    const exact = interpret(graph, { inputs, states: (s) => own.get(s)!, f64: true });
    // The weights of the sum are f32 here, so the last digits differ.
    for (const [i, w] of want.entries()) expect(distance(exact.get(outs[i]!)!, w), `${name} ${i} in f64`).toBeLessThan(1e-6);
    const run = runGraph(graph, { inputs });
    for (const [i, w] of want.entries()) expect(distance(run.get(`y${i}`)!, w), `${name} ${i}`).toBeLessThan(1e-5);
  });
});

describe('positions', () => {
  const run = (layer: Module & { forward(x: Tensor): Tensor }, shape: number[]): RefArray => {
    const graph = new Graph();
    const unbind = bindParameters(graph, layer.initialize(1));
    try {
      const x = graph.input('x', { dtype: 'f32', shape }, 'feed');
      const y = layer.forward(x);
      const own = states(layer);
      const inputs = { x: new Float32Array(sizeOf(shape)).fill(2) };
      return interpret(graph, { inputs, states: (s) => own.get(s)! }).get(y)!;
    } finally {
      unbind();
    }
  };

  it('sinusoidal', () => {
    const y = run(new nn.SinusoidalPositions(4), [2, 3, 4]);
    for (let t = 0; t < 3; t++) {
      const want = [Math.sin(t), Math.cos(t), Math.sin(t / 100), Math.cos(t / 100)];
      want.forEach((w, c) => {
        for (const b of [0, 1]) expect(y[(b * 3 + t) * 4 + c]).toBeCloseTo(2 + w, 6);
      });
    }
  });

  it('learned, for the first places of many', () => {
    const layer = new nn.LearnedPositions(5, 4);
    const y = run(layer, [2, 3, 4]);
    for (let i = 0; i < 24; i++) expect(y[i]).toBe(Math.fround(2 + layer.weight.data[i % 12]!));
    expect(() => run(layer, [2, 6, 4])).toThrow('LearnedPositions: expected x [..., at most 5, 4], got [2,6,4]');
  });
});

it('wrong use', () => {
  expect(() => new nn.MultiheadAttention(6, 4)).toThrow('expected numHeads to divide embedDim, got 4 and 6');
  expect(() => new nn.TransformerEncoderLayer(4, 2, { activation: 'gelo' } as object)).toThrow(/did you mean gelu/);
  expect(() => new nn.TransformerEncoder(encoder() as never, 2)).toThrow(/expected a function that makes a layer/);
  expect(() => new nn.LayerNorm([])).toThrow(/expected a list of at least 1/);
  const graph = new Graph();
  const layer = new nn.LayerNorm(4);
  const unbind = bindParameters(graph, layer);
  expect(() => layer.forward(graph.input('x', { dtype: 'f32', shape: [2, 5] }, 'feed'))).toThrow(
    'LayerNorm: expected x [..., 4], got [2,5]',
  );
  unbind();
});
