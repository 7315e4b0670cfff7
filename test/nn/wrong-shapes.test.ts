// wrong-shapes.test.ts: every layer refuses inputs that do not fit, with one error that names the layer's path, what was expected and what came.
import { describe, expect, it } from 'vitest';
import { DTypeError, GradclipError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { DType } from '../../lib/ir/op.ts';
import * as models from '../../lib/models/index.ts';
import { ResidualBlock } from '../../lib/models/resnet20.ts';
import * as nn from '../../lib/nn/index.ts';
import { Module } from '../../lib/nn/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';

type Shape = readonly number[] | { readonly dtype: DType; readonly shape: readonly number[] };
interface Case {
  readonly layer: () => Module;
  /** Inputs of one call; each call is refused. */
  readonly calls: readonly (readonly Shape[])[];
}
const ids = (...shape: number[]): Shape => ({ dtype: 'i32', shape });

const CASES: Readonly<Record<string, Case>> = {
  Linear: { layer: () => new nn.Linear(5, 3), calls: [[[2, 4]], [[]]] },
  Lora: { layer: () => new nn.Lora(5, 3), calls: [[[2, 4]], [[]]] },
  EmbeddingBag: { layer: () => new nn.EmbeddingBag(5, 3), calls: [[ids(4)]] },
  LayerNorm: { layer: () => new nn.LayerNorm(5), calls: [[[2, 4]], [[]]] },
  RMSNorm: { layer: () => new nn.RMSNorm([2, 5]), calls: [[[2, 4]], [[5]]] },
  RNN: { layer: () => new nn.RNN(5, 3), calls: [[[2, 5]], [[2, 7, 4]], [[2, 0, 5]]] },
  LSTM: { layer: () => new nn.LSTM(5, 3), calls: [[[2, 5]], [[2, 7, 4]], [[2, 0, 5]]] },
  GRU: { layer: () => new nn.GRU(5, 3), calls: [[[2, 5]], [[2, 7, 4]], [[2, 0, 5]]] },
  MultiheadAttention: {
    layer: () => new nn.MultiheadAttention(8, 2),
    calls: [
      [[2, 8]],
      [[2, 3, 7]],
      [
        [2, 3, 8],
        [3, 4, 8],
      ],
    ],
  },
  TransformerEncoderLayer: { layer: () => new nn.TransformerEncoderLayer(8, 2), calls: [[[2, 8]], [[2, 3, 7]]] },
  TransformerDecoderLayer: {
    layer: () => new nn.TransformerDecoderLayer(8, 2),
    calls: [
      [
        [2, 3, 8],
        [2, 3, 7],
      ],
      [
        [2, 3, 8],
        [3, 3, 8],
      ],
    ],
  },
  TransformerEncoder: {
    layer: () => new nn.TransformerEncoder(() => new nn.TransformerEncoderLayer(8, 2), 1),
    calls: [[[2, 3, 7]]],
  },
  TransformerDecoder: {
    layer: () => new nn.TransformerDecoder(() => new nn.TransformerDecoderLayer(8, 2), 1),
    calls: [
      [
        [2, 3, 8],
        [2, 3, 7],
      ],
    ],
  },
  LearnedPositions: { layer: () => new nn.LearnedPositions(4, 8), calls: [[[2, 5, 8]], [[2, 3, 7]]] },
  SinusoidalPositions: { layer: () => new nn.SinusoidalPositions(8), calls: [[[2, 3, 7]]] },
  Conv1d: { layer: () => new nn.Conv1d(3, 4, 3), calls: [[[3, 5]], [[2, 4, 5]], [[2, 3, 2]]] },
  Conv2d: { layer: () => new nn.Conv2d(3, 4, 3), calls: [[[3, 5, 5]], [[2, 4, 5, 5]], [[2, 3, 5, 2]]] },
  Conv3d: { layer: () => new nn.Conv3d(3, 4, 3), calls: [[[3, 5, 5, 5]], [[2, 4, 5, 5, 5]], [[2, 3, 2, 5, 5]]] },
  ConvTranspose3d: { layer: () => new nn.ConvTranspose3d(3, 4, 3), calls: [[[3, 5, 5, 5]], [[2, 4, 5, 5, 5]]] },
  ConvTranspose2d: { layer: () => new nn.ConvTranspose2d(3, 4, 3), calls: [[[3, 5, 5]], [[2, 4, 5, 5]]] },
  ConvTranspose1d: { layer: () => new nn.ConvTranspose1d(3, 4, 3), calls: [[[3, 5]], [[2, 4, 5]]] },
  MaxPool1d: { layer: () => new nn.MaxPool1d(3), calls: [[[3]], [[2, 3, 2]]] },
  MaxPool2d: { layer: () => new nn.MaxPool2d(3), calls: [[[3, 5]], [[2, 3, 2, 5]]] },
  AvgPool1d: { layer: () => new nn.AvgPool1d(3), calls: [[[3]], [[2, 3, 2]]] },
  AvgPool2d: { layer: () => new nn.AvgPool2d(3), calls: [[[3, 5]], [[2, 3, 2, 5]]] },
  AdaptiveAvgPool1d: { layer: () => new nn.AdaptiveAvgPool1d(3), calls: [[[3]]] },
  AdaptiveAvgPool2d: { layer: () => new nn.AdaptiveAvgPool2d(3), calls: [[[3, 5]]] },
  AdaptiveMaxPool1d: { layer: () => new nn.AdaptiveMaxPool1d(3), calls: [[[3]], [[2, 3, 0]]] },
  AdaptiveMaxPool2d: { layer: () => new nn.AdaptiveMaxPool2d(3), calls: [[[3, 5]], [[2, 3, 0, 5]]] },
  MaxPool3d: { layer: () => new nn.MaxPool3d(3), calls: [[[3, 5, 5]], [[2, 3, 2, 5, 5]], [[2, 3, 5, 5, 2]]] },
  AvgPool3d: { layer: () => new nn.AvgPool3d(3), calls: [[[3, 5, 5]], [[2, 3, 2, 5, 5]], [[2, 3, 5, 5, 2]]] },
  AdaptiveAvgPool3d: { layer: () => new nn.AdaptiveAvgPool3d(3), calls: [[[3, 5, 5]], [[2, 3, 5, 0, 5]]] },
  AdaptiveMaxPool3d: { layer: () => new nn.AdaptiveMaxPool3d(3), calls: [[[3, 5, 5]], [[2, 3, 5, 0, 5]]] },
  PixelShuffle: { layer: () => new nn.PixelShuffle(2), calls: [[[4, 3, 3]], [[2, 6, 3, 3]]] },
  PixelUnshuffle: { layer: () => new nn.PixelUnshuffle(2), calls: [[[4, 4, 4]], [[2, 3, 4, 5]]] },
  Dropout1d: { layer: () => new nn.Dropout1d(), calls: [[[2, 3]], [[2, 3, 4, 5]]] },
  Dropout2d: { layer: () => new nn.Dropout2d(), calls: [[[2, 3, 4]]] },
  Dropout3d: { layer: () => new nn.Dropout3d(), calls: [[[2, 3, 4, 5]]] },
  Softmax: { layer: () => new nn.Softmax({ axis: 2 }), calls: [[[2, 3]], [[]]] },
  LogSoftmax: { layer: () => new nn.LogSoftmax({ axis: 2 }), calls: [[[2, 3]], [[]]] },
  RNNCell: {
    layer: () => new nn.RNNCell(5, 3),
    calls: [
      [[2, 4]],
      [[2, 6, 5]],
      [
        [2, 5],
        [3, 3],
      ],
    ],
  },
  LSTMCell: { layer: () => new nn.LSTMCell(5, 3), calls: [[[2, 4]], [[5]]] },
  GRUCell: {
    layer: () => new nn.GRUCell(5, 3),
    calls: [
      [[2, 4]],
      [
        [2, 5],
        [2, 4],
      ],
    ],
  },
  Transformer: {
    layer: () => new nn.Transformer(8, 2, { numEncoderLayers: 1, numDecoderLayers: 1 }),
    calls: [
      [
        [2, 3, 7],
        [2, 3, 8],
      ],
      [
        [2, 3, 8],
        [3, 3, 8],
      ],
    ],
  },
  BatchNorm1d: { layer: () => new nn.BatchNorm1d(3), calls: [[[2]], [[2, 4]], [[2, 3, 4, 5]], [[1, 3]]] },
  BatchNorm2d: { layer: () => new nn.BatchNorm2d(3), calls: [[[2, 3]], [[2, 4, 5, 5]], [[1, 3, 1, 1]]] },
  BatchNorm3d: { layer: () => new nn.BatchNorm3d(3), calls: [[[2, 3, 5, 5]], [[2, 4, 5, 5, 5]], [[1, 3, 1, 1, 1]]] },
  GroupNorm: { layer: () => new nn.GroupNorm(2, 4), calls: [[[4]], [[2, 3, 5]], [[2, 4, 0]]] },
  InstanceNorm1d: { layer: () => new nn.InstanceNorm1d(3), calls: [[[2, 3]], [[2, 4, 5]]] },
  InstanceNorm2d: { layer: () => new nn.InstanceNorm2d(3), calls: [[[2, 3, 5]], [[2, 4, 5, 5]]] },
  InstanceNorm3d: { layer: () => new nn.InstanceNorm3d(3), calls: [[[2, 3, 5, 5]], [[2, 4, 5, 5, 5]]] },
  ZeroPad3d: { layer: () => new nn.ZeroPad3d(2), calls: [[[3, 3, 3]]] },
  ConstantPad3d: { layer: () => new nn.ConstantPad3d(2, 1), calls: [[[3, 3, 3]]] },
  ReflectionPad3d: { layer: () => new nn.ReflectionPad3d(2), calls: [[[3, 3, 3]], [[1, 1, 2, 3, 3]]] },
  ReplicationPad3d: { layer: () => new nn.ReplicationPad3d(2), calls: [[[3, 3, 3]], [[1, 1, 3, 0, 3]]] },
  CircularPad3d: { layer: () => new nn.CircularPad3d(2), calls: [[[3, 3, 3]], [[1, 1, 3, 3, 1]]] },
  ZeroPad1d: { layer: () => new nn.ZeroPad1d(2), calls: [[[3]], [[1, 1, 1, 3]]] },
  ZeroPad2d: { layer: () => new nn.ZeroPad2d(2), calls: [[[3, 3]]] },
  ConstantPad1d: { layer: () => new nn.ConstantPad1d(2, 1), calls: [[[3]]] },
  ConstantPad2d: { layer: () => new nn.ConstantPad2d(2, 1), calls: [[[3, 3]]] },
  ReflectionPad1d: { layer: () => new nn.ReflectionPad1d(2), calls: [[[3]], [[1, 1, 2]]] },
  ReflectionPad2d: { layer: () => new nn.ReflectionPad2d(2), calls: [[[3, 3]], [[1, 1, 2, 3]]] },
  ReplicationPad1d: { layer: () => new nn.ReplicationPad1d(2), calls: [[[3]], [[1, 1, 0]]] },
  ReplicationPad2d: { layer: () => new nn.ReplicationPad2d(2), calls: [[[3, 3]]] },
  CircularPad1d: { layer: () => new nn.CircularPad1d(2), calls: [[[3]], [[1, 1, 1]]] },
  CircularPad2d: { layer: () => new nn.CircularPad2d(2), calls: [[[3, 3]], [[1, 1, 3, 1]]] },
  Upsample: { layer: () => new nn.Upsample({ scaleFactor: 2 }), calls: [[[3, 3]], [[1, 1, 0]]] },
  Unflatten: { layer: () => new nn.Unflatten(1, [2, 3]), calls: [[[2, 7]]] },
  Sequential: { layer: () => new nn.Sequential(new nn.Linear(5, 3)), calls: [[[2, 4]]] },
  PReLU: { layer: () => new nn.PReLU({ numParameters: 3 }), calls: [[[2, 4]], [[2, 4, 5]]] },
  GLU: { layer: () => new nn.GLU(), calls: [[[2, 3]]] },
  LeNet: { layer: () => new models.LeNet(), calls: [[[2, 28, 28]], [[2, 1, 27, 31]]] },
  MLP: { layer: () => new models.MLP([5, 3]), calls: [[[2, 4]]] },
  ResidualBlock: { layer: () => new ResidualBlock(3, 4, 2), calls: [[[2, 3, 4]], [[2, 4, 4, 4]]] },
  ResNet20: { layer: () => new models.ResNet20(), calls: [[[2, 1, 32, 32]], [[2, 3, 32]]] },
  NCF: {
    layer: () => new models.NCF({ users: 3, items: 4, dim: 2 }),
    calls: [[ids(4), ids(5)]],
  },
  CharRNN: { layer: () => new models.CharRNN(5, { embedding: 4, hidden: 3 }), calls: [[ids(2)]] },
  GPT: { layer: () => new models.GPT(5, { context: 4, layers: 1, heads: 2, width: 8 }), calls: [[ids(2, 5)]] },
};
/** Layers that take any shape. */
const ANY = [
  ...['Dropout', 'Embedding', 'Flatten', 'Identity', 'GELU', 'ReLU', 'Sigmoid', 'SiLU', 'Softplus', 'Tanh'],
  ...['LeakyReLU', 'ReLU6', 'ELU', 'CELU', 'SELU', 'Hardtanh', 'Hardsigmoid', 'Hardswish', 'Hardshrink', 'Softshrink'],
  ...['Tanhshrink', 'Mish', 'Softsign', 'LogSigmoid'],
];

class Outer extends Module {
  readonly blocks: { readonly inner: Module }[];
  constructor(inner: Module) {
    super();
    this.blocks = [{ inner }];
  }
  forward(...ins: Tensor[]): unknown {
    return (this.blocks[0]!.inner.forward as (...ins: Tensor[]) => unknown)(...ins);
  }
}

function refusal(layer: Module, shapes: readonly Shape[]): GradclipError {
  const model = new Outer(layer).initialize(0);
  const graph = new Graph('train');
  const ins = shapes.map((s, i) => graph.input(`x${i}`, 'dtype' in s ? s : { dtype: 'f32', shape: s }, 'feed'));
  const unbind = bindParameters(graph, model);
  try {
    const out = model.forward(...ins);
    throw new Error(`accepted, and gave ${JSON.stringify((out as Tensor).shape)}`);
  } catch (error) {
    if (error instanceof GradclipError) return error;
    throw error;
  } finally {
    unbind();
  }
}

describe.each(Object.keys(CASES))('%s', (name) => {
  const { layer, calls } = CASES[name]!;
  it.each(calls.map((shapes) => [JSON.stringify(shapes), shapes] as const))('refuses %s', (_, shapes) => {
    const error = refusal(layer(), shapes);
    expect([ShapeError, DTypeError]).toContain(error.constructor);
    expect(error.message).toMatch(/^blocks\.0\.inner[\w.]*: .*expected .*, got .*/);
    expect(error.details.layer).toMatch(/^blocks\.0\.inner/);
    expect(error.stack).toContain(error.message);
  });
});

it('has a case for each layer and model', () => {
  const classes = Object.entries({ ...nn, ...models }).filter(
    ([, x]) => typeof x === 'function' && x.prototype instanceof Module,
  );
  expect(classes.map(([name]) => name).filter((name) => !CASES[name] && !ANY.includes(name))).toEqual([]);
});
