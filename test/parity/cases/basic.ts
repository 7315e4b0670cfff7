// basic.ts: linear layers, embeddings, activations, row norms, the mlp.
import { MLP, NCF } from '../../../lib/models/index.ts';
import {
  CELU,
  ELU,
  Embedding,
  EmbeddingBag,
  Flatten,
  GELU,
  GLU,
  Hardshrink,
  Hardsigmoid,
  Hardswish,
  Hardtanh,
  Identity,
  LayerNorm,
  LeakyReLU,
  Linear,
  LogSigmoid,
  LogSoftmax,
  Mish,
  PReLU,
  ReLU6,
  RMSNorm,
  SELU,
  Sequential,
  SiLU,
  SinusoidalPositions,
  Softmax,
  Softplus,
  Softshrink,
  Softsign,
  Tanh,
  Tanhshrink,
  Unflatten,
} from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

export const BASIC: Readonly<Record<string, ParityCase>> = {
  linear: parity({ module: () => new Linear(5, 3), inputs: { x: { shape: [4, 5] } } }),
  linearRank3: parity({ module: () => new Linear(5, 3, { bias: false }), inputs: { x: { shape: [2, 3, 5] } } }),
  embedding: parity({ module: () => new Embedding(7, 4), inputs: { x: { shape: [3, 5], below: 7 } } }),
  embeddingPadding: parity({ module: () => new Embedding(5, 4, { paddingIdx: 2 }), inputs: { x: { shape: [3, 5], below: 5 } } }),
  embeddingBagMean: parity({
    module: () => new EmbeddingBag(7, 4, { paddingIdx: 1 }),
    inputs: { x: { shape: [6, 5], below: 7 } },
  }),
  embeddingBagMax: parity({ module: () => new EmbeddingBag(7, 4, { mode: 'max' }), inputs: { x: { shape: [6, 5], below: 7 } } }),
  embeddingBagSum: parity({
    module: () => new EmbeddingBag(7, 4, { mode: 'sum' }),
    inputs: { x: { shape: [11], below: 7 }, offsets: { shape: [4], below: 12, values: [0, 3, 3, 10] }, w: { shape: [11] } },
    run: (m, { x, offsets, w }) => ({ y: m.forward(x!, { offsets: offsets!, perSampleWeights: w! }) }),
  }),
  activations: parity({
    module: () => new Sequential(new Linear(6, 8), new GELU(), new Linear(8, 8), new SiLU(), new Tanh(), new Softplus()),
    inputs: { x: { shape: [3, 6] } },
  }),
  rectifiers: parity({
    module: () =>
      new Sequential(
        new Linear(6, 8),
        new LeakyReLU({ negativeSlope: 0.2 }),
        new ELU({ alpha: 0.5 }),
        new Linear(8, 8),
        new SELU(),
        new CELU({ alpha: 2 }),
        new PReLU(),
        new ReLU6(),
      ),
    inputs: { x: { shape: [3, 6] } },
  }),
  preluOfChannels: parity({
    module: () => new PReLU({ numParameters: 4, init: 0.1 }),
    inputs: { x: { shape: [3, 4, 5] } },
  }),
  bounded: parity({
    module: () =>
      new Sequential(
        new Linear(6, 8),
        new Hardswish(),
        new Linear(8, 8),
        new Softshrink({ lambda: 0.05 }),
        new Hardshrink({ lambda: 0.1 }),
        new Linear(8, 8),
        new Tanhshrink(),
        new Hardtanh({ min: -0.5 }),
        new Hardsigmoid(),
      ),
    inputs: { x: { shape: [3, 6] } },
  }),
  smooth: parity({
    module: () => new Sequential(new Linear(6, 8), new Mish(), new GLU(), new Softsign(), new Linear(4, 5), new LogSigmoid()),
    inputs: { x: { shape: [3, 6] } },
  }),
  softmax: parity({ module: () => new Softmax({ axis: 1 }), inputs: { x: { shape: [3, 4, 5] } } }),
  logSoftmax: parity({
    module: () => new Sequential(new Linear(6, 4), new LogSoftmax()),
    inputs: { x: { shape: [3, 6] } },
  }),
  shapes: parity({
    module: () => new Sequential(new Unflatten(1, [2, -1]), new Identity(), new Flatten(), new Linear(6, 2)),
    inputs: { x: { shape: [4, 6] } },
  }),
  sinusoidalPositions: parity({ module: () => new SinusoidalPositions(6), inputs: { x: { shape: [2, 7, 6] } } }),
  layerNorm: parity({ module: () => new LayerNorm(17), inputs: { x: { shape: [5, 17] } } }),
  layerNorm2d: parity({ module: () => new LayerNorm([3, 5]), inputs: { x: { shape: [4, 3, 5] } } }),
  rmsNorm: parity({ module: () => new RMSNorm(17), inputs: { x: { shape: [5, 17] } } }),
  mlp: parity({ module: () => new MLP([6, 10, 8, 3]), inputs: { x: { shape: [5, 6] } } }),
  ncf: parity({
    module: () => new NCF({ users: 9, items: 5, dim: 4, hidden: [6, 3] }),
    inputs: { x: { shape: [12], below: 9 }, y: { shape: [12], below: 5 } },
  }),
  mlpSmall: parity({ module: () => new MLP([784, 256, 128, 10]), inputs: { x: { shape: [64, 784] } }, large: true }),
};
