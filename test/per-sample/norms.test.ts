// norms.test.ts: the norm of each sample's gradient is that of a backward pass of it alone, in f64, for every layer and model.
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../lib/ir/graph.ts';
import * as models from '../../lib/models/index.ts';
import * as nn from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import * as ops from '../../lib/ops/index.ts';
import { type Case, floats, indices, normsOneByOne, normsTogether } from './traced.ts';

const { Linear, Sequential } = nn;

/** Any module on x; what it gives is compared with a target of its shape. */
function regress(model: nn.Module & { forward(x: never): unknown }, x: Case['batch'][string]): Case {
  return {
    model: model.initialize(5),
    batch: { x },
    loss: ({ x: t }) => ops.mean(ops.square(ops.add(model.forward(t as never) as Tensor, 0.3)), { dtype: 'f64' }),
  };
}
/** The output of a recurrent layer. */
class States extends nn.Module {
  inner: nn.Module & { forward(x: never): unknown };
  constructor(inner: States['inner']) {
    super();
    this.inner = inner;
  }
  forward(x: never): unknown {
    return (this.inner.forward(x) as { output: unknown }).output;
  }
}
const B = 5;

const CASES: Record<string, () => Case> = {
  'Linear of one position': () => regress(new Linear(7, 4), floats(B, 7)),
  'Linear of few positions, pairs': () => regress(new Linear(17, 19), floats(B, 3, 17)),
  'Linear of many positions, summands': () => regress(new Linear(3, 4), floats(B, 33, 3)),
  'Linear of two dimensions of positions': () => regress(new Linear(3, 4, { bias: false }), floats(B, 2, 5, 3)),
  Conv2d: () => regress(new nn.Conv2d(3, 4, 3, { padding: 1 }), floats(B, 3, 6, 5)),
  'Conv2d in groups': () => regress(new nn.Conv2d(4, 6, 3, { groups: 2, stride: 2 }), floats(B, 4, 7, 7)),
  Conv1d: () => regress(new nn.Conv1d(3, 4, 3), floats(B, 3, 9)),
  Conv3d: () => regress(new nn.Conv3d(2, 3, 2), floats(B, 2, 4, 4, 3)),
  ConvTranspose2d: () => regress(new nn.ConvTranspose2d(4, 6, 3, { groups: 2, stride: 2 }), floats(B, 4, 4, 4)),
  ConvTranspose1d: () => regress(new nn.ConvTranspose1d(4, 6, 3), floats(B, 4, 7)),
  LayerNorm: () => regress(new nn.LayerNorm([6]), floats(B, 3, 6)),
  'LayerNorm of two dimensions': () => regress(new nn.LayerNorm([3, 6]), floats(B, 2, 3, 6)),
  RMSNorm: () => regress(new nn.RMSNorm([6]), floats(B, 3, 6)),
  GroupNorm: () => regress(new nn.GroupNorm(2, 6), floats(B, 6, 4, 3)),
  InstanceNorm2d: () => regress(new nn.InstanceNorm2d(3, { affine: true }), floats(B, 3, 4, 5)),
  PReLU: () => regress(new nn.PReLU({ numParameters: 3 }), floats(B, 3, 5)),
  'PReLU of one slope': () => regress(new nn.PReLU(), floats(B, 3, 5)),
  RNN: () => regress(new States(new nn.RNN(4, 6)), floats(B, 7, 4)),
  LSTM: () => regress(new States(new nn.LSTM(4, 6)), floats(B, 7, 4)),
  'LSTM both ways, two layers': () =>
    regress(new States(new nn.LSTM(4, 6, { numLayers: 2, bidirectional: true })), floats(B, 5, 4)),
  GRU: () => regress(new States(new nn.GRU(4, 6)), floats(B, 7, 4)),
  MultiheadAttention: () => regress(new nn.MultiheadAttention(8, 2), floats(B, 4, 8)),
  Embedding: () => regress(new nn.Embedding(40, 6), indices(40, B, 4)),
  'Embedding of many lookups': () => regress(new nn.Embedding(4, 3), indices(4, B, 20)),
  'Embedding with padding': () => regress(new nn.Embedding(10, 3, { paddingIdx: 2 }), indices(10, B, 6)),
  EmbeddingBag: () => regress(new nn.EmbeddingBag(10, 3), indices(10, B, 6)),
  Dropout: () => regress(new Sequential(new Linear(4, 4)), floats(B, 4)),
  mlp: () => ({
    model: new Sequential(new Linear(7, 9), new nn.ReLU(), new Linear(9, 3)).initialize(1),
    batch: { x: floats(B, 7), y: indices(3, B) },
    loss: ({ x, y }, m) => loss.crossEntropy((m as nn.Sequential).forward(x!) as never, y!),
  }),
  LeNet: () => ({
    model: new models.LeNet().initialize(1),
    batch: { x: floats(B, 1, 28, 28), y: indices(10, B) },
    loss: ({ x, y }, m) => loss.crossEntropy((m as models.LeNet).forward(x!), y!),
  }),
  CharRNN: () => ({
    model: new models.CharRNN(11, { embedding: 5, hidden: 8, kind: 'lstm' }).initialize(1),
    batch: { x: indices(11, B, 30), y: indices(11, B, 30) },
    loss: ({ x, y }, m) => loss.crossEntropy((m as models.CharRNN).forward(x!), y!),
  }),
  'GPT, tied': () => ({
    model: new models.GPT(13, { context: 6, layers: 2, heads: 2, width: 8 }).initialize(1),
    batch: { x: indices(13, B, 6), y: indices(13, B, 6) },
    loss: ({ x, y }, m) => models.gptLoss({ x: x!, y: y! }, m as models.GPT),
  }),
  'weights of samples': () => ({
    model: new Linear(5, 4).initialize(1),
    batch: { x: floats(B, 3, 5), y: indices(4, B, 3), w: floats(B, 3) },
    loss: ({ x, y, w }, m) => loss.crossEntropy((m as nn.Linear).forward(x!), y!, { sampleWeight: ops.abs(w!), ignoreIndex: 1 }),
  }),
};

describe.each(Object.keys(CASES))('%s', (name) => {
  it('has norms of each sample alone', () => {
    const of = CASES[name]!();
    const [together, alone] = [normsTogether(of), normsOneByOne(of)];
    for (const [parameter, norms] of Object.entries(alone.each)) {
      for (const [s, norm] of norms.entries()) {
        expect(Math.abs(together.each[parameter]![s]! - norm), `${parameter}, sample ${s}: ${norm}`).toBeLessThanOrEqual(
          1e-6 * Math.max(norm, 1e-3 * alone.all[s]!),
        );
      }
    }
    for (const [s, norm] of alone.all.entries()) expect(Math.abs(together.all[s]! - norm)).toBeLessThanOrEqual(1e-6 * norm);
  });
});
