// torch-modules.test.ts: PyTorch's own table of its modules but the losses (torch-losses.test.ts): all of its cases with a counterpart here, outputs, gradients
// and running statistics (golden/parity/torch-modules.json, made by make_torch_modules.py); of what has none the reason why.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type State, type Tensor } from '../../lib/ir/graph.ts';
import { type DType, type RefArray, sizeOf } from '../../lib/ir/op.ts';
import * as nn from '../../lib/nn/index.ts';
import { bindParameters, type Module } from '../../lib/nn/module/module.ts';
import { add, cast, mul, reshape, sum } from '../../lib/ops/index.ts';
import { noise, uniform } from '../golden/runs/recipe.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

/** Shape, sum with weights, norm, first elements. */
type Digest = readonly [number[], number | string, number | string, readonly (number | string)[]];
interface Input {
  readonly shape: number[];
  readonly mask?: number[];
  readonly below?: number;
}
interface Case {
  readonly module: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly ins: Readonly<Record<string, Input>>;
  /** What inputs of [-1, 1) are multiplied with. */
  readonly scale: number;
  readonly mode: 'train' | 'eval';
  readonly outs: readonly Digest[];
  readonly grads: Readonly<Record<string, Digest>>;
  readonly weights: Readonly<Record<string, Digest>>;
  readonly buffers: Readonly<Record<string, Digest>>;
}
interface Count {
  /** Cases of the table; those that are others in another layout; those that are kept; those that ask for what there is not. */
  readonly table: number;
  readonly same: number;
  readonly kept: number;
  readonly left: Readonly<Record<string, number>>;
}
const golden = JSON.parse(readFileSync(new URL('../golden/parity/torch-modules.json', import.meta.url), 'utf8')) as {
  readonly modules: Readonly<Record<string, Count>>;
  readonly cases: readonly Case[];
};

/** Modules without a counterpart, and why. */
const WITHOUT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['LazyConv1d', 'LazyConv2d', 'LazyConv3d', 'LazyConvTranspose1d', 'LazyConvTranspose2d', 'LazyConvTranspose3d'].map(
      (name) => [name, 'sizes are given when a layer is made: parameters have shapes from the beginning'] as const,
    ),
  ),
  Bilinear: 'ops.einsum is that in a line',
  FractionalMaxPool2d: 'windows drawn at random are asked for by nobody',
  FractionalMaxPool3d: 'windows drawn at random are asked for by nobody',
  LPPool1d: 'powers, avgPool and a root',
  LPPool2d: 'powers, avgPool and a root',
  LPPool3d: 'powers, avgPool and a root',
  LocalResponseNorm: 'batch and group norm took its place',
  Softmin: 'softmax of what ops.neg gives',
  Threshold: 'ops.where is that in a line',
};
/** What cases ask for that no counterpart has, and why. */
const LEFT: Readonly<Record<string, string>> = {
  divisor_override: 'a factor after the pool',
  return_indices: 'what is pooled back takes the windows, not places',
  proj_size: 'a projection is a Linear after the layer',
  add_bias_kv: 'a row for keys and values that is learned: asked for by nobody',
  add_zero_attn: 'a row of zeros for keys and values: asked for by nobody',
  zero_batch: 'in training there are no statistics of nothing: it is refused',
  scalar: 'a scalar has no dimension to run along',
  beta: 'a scale before and after softplus',
};

// ---- the counterparts --------------------------------------------------------------------------------------------
/** Arguments that a constructor takes by position. */
const POSITIONAL: Readonly<Record<string, readonly string[]>> = {
  Linear: ['in_features', 'out_features'],
  Embedding: ['num_embeddings', 'embedding_dim'],
  GroupNorm: ['num_groups', 'num_channels'],
  LayerNorm: ['normalized_shape'],
  RMSNorm: ['normalized_shape'],
  MultiheadAttention: ['embed_dim', 'num_heads'],
};
/** The same for all whose name begins so. */
const FAMILIES: readonly (readonly [string, readonly string[]])[] = [
  ['ConvTranspose', ['in_channels', 'out_channels', 'kernel_size']],
  ['Conv', ['in_channels', 'out_channels', 'kernel_size']],
  ['AdaptiveAvgPool', ['output_size']],
  ['AdaptiveMaxPool', ['output_size']],
  ['MaxPool', ['kernel_size']],
  ['AvgPool', ['kernel_size']],
  ['BatchNorm', ['num_features']],
  ['InstanceNorm', ['num_features']],
  ['ConstantPad', ['padding', 'value']],
  ['CircularPad', ['padding']],
  ['ReflectionPad', ['padding']],
  ['ReplicationPad', ['padding']],
  ['ZeroPad', ['padding']],
  ['RNN', ['input_size', 'hidden_size']],
  ['LSTM', ['input_size', 'hidden_size']],
  ['GRU', ['input_size', 'hidden_size']],
  ['Transformer', ['d_model', 'nhead']],
];
const RENAMED: Readonly<Record<string, string>> = { dim: 'axis', lambd: 'lambda', min_val: 'min', max_val: 'max' };
const camel = (key: string): string => RENAMED[key] ?? key.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());
const classes = nn as unknown as Readonly<Record<string, (new (...args: unknown[]) => Module) | undefined>>;

function make(name: string, options: Case['options']): Module {
  if (name === 'Softmax2d') return new nn.Softmax({ axis: -3 });
  if (name === 'TransformerEncoder') {
    const layer = (): nn.TransformerEncoderLayer =>
      make('TransformerEncoderLayer', options.encoder_layer as Case['options']) as nn.TransformerEncoderLayer;
    return new nn.TransformerEncoder(layer, options.num_layers as number);
  }
  const first = POSITIONAL[name] ?? FAMILIES.find(([start]) => name.startsWith(start))?.[1] ?? [];
  const named = Object.entries(options).filter(([key]) => !first.includes(key));
  const own = Object.fromEntries(named.map(([key, value]) => [camel(key), value]));
  if (name.startsWith('Transformer')) own.dropout = 0;
  const positional = first.map((key) => options[key]);
  return new classes[name]!(...positional, ...(named.length > 0 || name.startsWith('Transformer') ? [own] : []));
}

type Ins = Readonly<Record<string, Tensor>>;
const masksOf = (ins: Ins): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(ins)
      .filter(([key]) => key.endsWith('mask'))
      .map(([key, t]) => [camel(key), t]),
  );
/** What a module gives, in the order of PyTorch. */
function forward(name: string, module: Module, ins: Ins): Tensor[] {
  const list = Object.values(ins);
  if (name === 'LSTMCell') {
    const { h, c } = (module as nn.LSTMCell).forward(list[0]!, { h: ins.h!, c: ins.c! });
    return [h, c];
  }
  if (name === 'LSTM') {
    const { output, h, c } = (module as nn.LSTM).forward(list[0]!, { ...(ins.h && { h: ins.h, c: ins.c! }) });
    return [output, h, c];
  }
  if (name === 'RNN' || name === 'GRU') {
    const { output, h } = (module as nn.RNN).forward(list[0]!, { ...(ins.hx && { h: ins.hx }) });
    return [output, h];
  }
  const masks = masksOf(ins);
  switch (name) {
    case 'MultiheadAttention': {
      const { query, key, value } = ins;
      const [B, T] = query!.shape;
      const heads = (module as nn.MultiheadAttention).numHeads;
      const { attnMask, keyPaddingMask } = masks;
      // A mask for each head, of all rows one after the other.
      const mask = attnMask && { mask: reshape(attnMask, [B!, heads, T!, key!.shape[1]!]) };
      return [
        (module as nn.MultiheadAttention).forward(query!, key!, value!, { ...mask, ...(keyPaddingMask && { keyPaddingMask }) }),
      ];
    }
    case 'TransformerEncoder':
    case 'TransformerEncoderLayer': {
      const mask = masks.mask ?? masks.srcMask;
      const { srcKeyPaddingMask: keyPaddingMask } = masks;
      const own = { ...(mask && { mask }), ...(keyPaddingMask && { keyPaddingMask }) };
      return [(module as nn.TransformerEncoder).forward(ins.src!, own)];
    }
    case 'TransformerDecoderLayer': {
      const { tgtMask: mask, tgtKeyPaddingMask: keyPaddingMask, ...there } = masks;
      const own = { ...(mask && { mask }), ...(keyPaddingMask && { keyPaddingMask }), ...there };
      return [(module as nn.TransformerDecoderLayer).forward(ins.tgt!, ins.memory!, own)];
    }
    case 'Transformer':
      return [(module as nn.Transformer).forward(ins.src!, ins.tgt!, masks)];
    default:
      return [(module.forward as (...ins: Tensor[]) => Tensor).apply(module, list)];
  }
}

// ---- the comparison ----------------------------------------------------------------------------------------------
const numberOf = (v: number | string): number => Number(String(v).replace('inf', 'Infinity'));

function expectDigest(got: RefArray, shape: readonly number[], want: Digest, tolerance: number, what: string): void {
  const [dims, total, norm, first] = want;
  expect(shape, what).toEqual(dims);
  let [sum, squares] = [0, 0];
  for (const [i, v] of got.entries()) {
    sum += v * Math.cos(i + 1);
    squares += v * v;
  }
  const scale = Math.max(1, numberOf(norm));
  const pairs = [[sum, total], [Math.sqrt(squares), norm], ...first.map((v, i) => [got[i]!, v] as const)] as const;
  for (const [i, [g, w]] of pairs.entries()) {
    const off = Math.abs(g! - numberOf(w!));
    if (!(off <= tolerance * scale)) throw new Error(`${what}, number ${i}: expected ${w}, got ${g}`);
  }
}

function check(one: Case): void {
  const module = make(one.module, one.options);
  const filled = (seed: number, n: number, scale: number): Float64Array => Float64Array.from(uniform(seed, n), (v) => v * scale);
  const states = new Map<State, Float64Array>();
  for (const [name, { state }] of module.namedBuffers()) {
    const { shape } = state.type;
    if (name === 'running_mean') states.set(state, filled(400, sizeOf(shape), 0.5));
    if (name === 'running_var')
      states.set(
        state,
        filled(401, sizeOf(shape), 0.5).map((v) => Math.fround(1.25 + v)),
      );
  }
  const graph = new Graph(one.mode);
  const inputs: Record<string, RefArray> = {};
  const ins = Object.fromEntries(
    Object.entries(one.ins).map(([name, { shape, mask, below }], k) => {
      const n = sizeOf(shape);
      const dtype: DType = mask ? 'u8' : below === undefined ? 'f32' : 'i32';
      inputs[name] = mask
        ? Uint8Array.from(mask)
        : below === undefined
          ? filled(100 + k, n, one.scale)
          : Int32Array.from(noise(100 + k, n), (v) => v % below);
      return [name, graph.input(name, { dtype, shape }, 'feed')];
    }),
  );
  const parameters = [...module.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  expect(parameters.map(([name]) => name)).toEqual(Object.keys(one.weights));
  for (const [j, [, { state }]] of parameters.entries()) states.set(state, filled(300 + j, sizeOf(state.type.shape), 0.5));
  const names = new Map(Array.from(module.namedBuffers(), ([name, { state }]) => [state, name]));
  const unbind = bindParameters(graph, module);
  const outs: [string, Tensor, Digest][] = [];
  try {
    const ys = forward(one.module, module, ins);
    const terms = ys.map((y) => {
      const weights = Float64Array.from({ length: sizeOf(y.shape) }, (_, i) => Math.cos(i + 1));
      return sum(mul(cast(y, 'f64'), graph.constant(weights, y.shape, 'f64')));
    });
    const wanted = [
      ...Object.entries(one.grads).map(([name, want]) => [`gradient of ${name}`, ins[name]!, want] as const),
      ...parameters.map(([name, p]) => [`gradient of ${name}`, p.toTensor(), one.weights[name]!] as const),
    ];
    const gradients = grad(
      terms.reduce((a, b) => add(a, b)),
      wanted.map(([, t]) => t),
    );
    for (const [k, y] of ys.entries()) outs.push([`output ${k}`, y, one.outs[k]!]);
    for (const [k, [what, , want]] of wanted.entries()) outs.push([what, gradients[k]!, want]);
  } finally {
    unbind();
  }
  expect(one.outs.length).toBe(outs.filter(([what]) => what.startsWith('output')).length);
  for (const { state, value } of graph.assigns) {
    const name = names.get(state)!;
    const want = one.buffers[name];
    if (want) outs.push([name, value, want]);
  }
  if (one.mode === 'train')
    expect(outs.filter(([what]) => what.startsWith('running')).length).toBe(Object.keys(one.buffers).length);
  for (const [k, [, t]] of outs.entries()) graph.output(`y${k}`, t);
  const given = (state: State): Float64Array => states.get(state) ?? new Float64Array(sizeOf(state.type.shape));
  const exact = interpret(graph, { inputs, f64: true, states: given });
  const native = runGraph(graph, { inputs, states: given });
  for (const [k, [what, t, want]] of outs.entries()) {
    expectDigest(exact.get(t)!, t.shape, want, 2e-7, `${what} in f64`);
    expectDigest(native.get(`y${k}`)!, t.shape, want, 2e-5, what);
  }
}

test('every module of the table has cases, or a reason, and so has every case', () => {
  const { modules, cases } = golden;
  const there = new Set(cases.map(({ module }) => module));
  const none = Object.keys(modules).filter((name) => !there.has(name) || (!classes[name] && name !== 'Softmax2d'));
  expect(none.sort()).toEqual(Object.keys(WITHOUT).sort());
  for (const [name, { table, same, kept, left }] of Object.entries(modules)) {
    for (const key of Object.keys(left)) expect(Object.keys(LEFT), name).toContain(key);
    const reasons = Object.values(left).reduce((a, b) => a + b, 0);
    expect(same + kept + reasons, name).toBe(there.has(name) ? table : 0);
    const modes = new Set(cases.filter((one) => one.module === name).map(({ mode }) => mode)).size;
    expect(cases.filter((one) => one.module === name).length, name).toBe(kept * Math.max(1, modes));
  }
});

const counted = Object.keys(golden.modules).filter(
  (name) => golden.cases.some(({ module }) => module === name) && !WITHOUT[name],
);
describe.each(counted)('%s', (name) => {
  const own = golden.cases.filter(({ module }) => module === name);
  test.each(own.map((one, i) => [i, one.mode, JSON.stringify(one.options), one] as const))(
    '#%i %s %s',
    (_, _mode, _options, one) => check(one),
  );
});
