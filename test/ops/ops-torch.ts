// ops-torch.ts: the twin of golden/ops/make_ops.py: each op of `ops` on the inputs of a case of PyTorch's. A name is the op's own, and after a
// space which form of it. An op that needs tensors alone needs no line here.
import type { Tensor } from '../../lib/ir/graph.ts';
import * as ops from '../../lib/ops/index.ts';
import { maxAbs, softmaxCrossEntropy, sumSquares, sumTo, windows } from '../../lib/ops/list.ts';

type Build = (...ins: Tensor[]) => Tensor | readonly Tensor[];

const sorted = ({ values, indices }: ops.Sorted): Tensor[] => [values, indices];

/** Cases whose op takes more than tensors, or is not the one of that name; others are the op of their name on their tensors. */
const GIVEN: Readonly<Record<string, Build>> = {
  'gelu tanh': (x) => ops.gelu(x, { approximate: 'tanh' }),
  'pow whole': (x) => ops.pow(x, 3),
  clamp: (x) => ops.clamp(x, { min: -0.5, max: 0.75 }),
  'clamp one side': (x) => ops.clamp(x, { min: 0.125 }),
  cast: (x) => ops.cast(x, 'i32'),
  'sum axis': (x) => ops.sum(x, { axes: 1 }),
  'sum keep': (x) => ops.sum(x, { axes: [0, 2], keepDims: true }),
  mean: (x) => ops.mean(x, { axes: -1 }),
  max: (x) => ops.max(x, { axes: 1 }),
  min: (x) => ops.min(x, { axes: [0, 1] }),
  maxAbs: (x) => maxAbs(x),
  sumSquares: (x) => sumSquares(x),
  logSumExp: (x) => ops.logSumExp(x, { axes: 1 }),
  softmaxCrossEntropy: (x, labels) => softmaxCrossEntropy(x, labels!),
  // PyTorch's gradient has that of the log-softmax in it.
  ctcLoss: (x, targets) => ops.ctcLoss(ops.logSoftmax(x), targets!),
  'ctcLoss blank': (x, targets) => ops.ctcLoss(ops.logSoftmax(x), targets!, { blank: 2 }),
  'ctcDecode lengths': (x, inputLengths) => ops.ctcDecode(x, { inputLengths: inputLengths!, blank: 2 }),
  reshape: (x) => ops.reshape(x, [4, 6]),
  transpose: (x) => ops.transpose(x, { axes: [2, 0, 1] }),
  squeeze: (x) => ops.squeeze(x, 1),
  expandDims: (x) => ops.expandDims(x, 1),
  broadcastTo: (x) => ops.broadcastTo(x, [2, 3, 4]),
  sumTo: (x) => sumTo(x, [3, 1]),
  slice: (x) => ops.slice(x, { axis: 1, start: 1, end: 3 }),
  concat: (a, b) => ops.concat([a!, b!], 1),
  stack: (a, b) => ops.stack([a!, b!], 1),
  pad: (x) => ops.pad(x, { before: 1, after: 2 }),
  windows: (text) => windows(text!, text!.graph.constant(Int32Array.from([0, 1, 2, 3, 4, 5]), [6], 'i32'), { length: 4 }),
  embedding: (table, at) => ops.embedding(at!, table!),
  embeddingBag: (table, at) => ops.embeddingBag(at!, table!),
  scatterAdd: (values, at) => ops.scatterAdd(values!, at!, { rows: 5 }),
  oneHot: (at) => ops.oneHot(at!, { classes: 4 }),
  'matmul transposed': (a, b) => ops.matmul(a!, b!, { transA: true, transB: true }),
  conv1d: (x, w, b) => ops.conv1d(x, w!, b!, { stride: 2, padding: 1 }),
  conv2d: (x, w, b) => ops.conv2d(x, w!, b!, { stride: [2, 1], padding: [1, 0], dilation: [1, 2] }),
  convTranspose2d: (x, w, b) => ops.convTranspose2d(x, w!, b!, { stride: 2, padding: 1 }),
  conv3d: (x, w, b) => ops.conv3d(x, w!, b!, { stride: [2, 1, 2], padding: [1, 2, 0], dilation: [1, 2, 1] }),
  convTranspose3d: (x, w, b) => ops.convTranspose3d(x, w!, b!, { stride: [2, 1, 2], padding: 1 }),
  maxPool3d: (x) => ops.maxPool3d(x, [2, 3, 2], { stride: [2, 1, 2], padding: [1, 0, 1] }),
  avgPool3d: (x) => ops.avgPool3d(x, [2, 3, 2], { stride: [2, 1, 2], padding: [1, 0, 1] }),
  adaptiveAvgPool3d: (x) => ops.adaptiveAvgPool3d(x, [2, 3, 4]),
  adaptiveMaxPool3d: (x) => ops.adaptiveMaxPool3d(x, [2, 3, 4]),
  maxPool1d: (x) => ops.maxPool1d(x, 3, { stride: 2 }),
  maxPool2d: (x) => ops.maxPool2d(x, 2, { stride: 2, padding: 1 }),
  avgPool1d: (x) => ops.avgPool1d(x, 3, { stride: 2 }),
  avgPool2d: (x) => ops.avgPool2d(x, 2, { stride: 2, padding: 1 }),
  adaptiveAvgPool1d: (x) => ops.adaptiveAvgPool1d(x, 4),
  adaptiveAvgPool2d: (x) => ops.adaptiveAvgPool2d(x, [2, 3]),
  layerNorm: (x, weight, bias) => ops.layerNorm(x, { weight: weight!, bias: bias! }),
  rmsNorm: (x, weight) => ops.rmsNorm(x, { weight: weight!, eps: 1e-3 }),
  batchNorm: (x, weight, bias) => ops.batchNorm(x, weight!, bias!).y,
  'attention causal': (q, k, v) => ops.attention(q!, k!, v!, { causal: true }),
  headsAttention: (q, k, v) => ops.headsAttention(q!, k!, v!, { heads: 2 }),
  rnn: (x, w, h) => {
    const { states, last } = ops.rnn(x, h!, w!);
    return [states, last];
  },
  lstm: (x, w, h, c) => {
    const { states, last, cell } = ops.lstm(x, h!, c!, w!);
    return [states, last, cell];
  },
  'hardswish ends': (x) => ops.hardswish(x),
  'softsign large': (x) => ops.softsign(x),
  leakyRelu: (x) => ops.leakyRelu(x, { negativeSlope: 0.125 }),
  elu: (x) => ops.elu(x, { alpha: 0.75 }),
  celu: (x) => ops.celu(x, { alpha: 0.75 }),
  hardtanh: (x) => ops.hardtanh(x, { min: -0.5, max: 3 }),
  'prelu one': (x, weight) => ops.prelu(x, weight!),
  glu: (x) => ops.glu(x, { axis: 1 }),
  'sin far': (x) => ops.sin(x),
  'cos far': (x) => ops.cos(x),
  norm: (x) => ops.norm(x, { axes: 1 }),
  'norm one': (x) => ops.norm(x, { p: 1 }),
  'norm three': (x) => ops.norm(x, { p: 3, axes: [0, 2], keepDims: true }),
  'norm most': (x) => ops.norm(x, { p: Infinity, axes: -1 }),
  'norm of zeros': (x) => ops.norm(x, { axes: -1 }),
  variance: (x) => ops.variance(x, { axes: 1 }),
  'variance of the whole': (x) => ops.variance(x, { axes: [0, 2], correction: 0, keepDims: true }),
  std: (x) => ops.std(x, { axes: -1 }),
  cumsum: (x) => ops.cumsum(x, { axis: 1 }),
  'cumsum reverse': (x) => ops.cumsum(x, { reverse: true }),
  sort: (x) => sorted(ops.sort(x)),
  'sort descending': (x) => sorted(ops.sort(x, { axis: 0, descending: true })),
  'sort of equals': (x) => sorted(ops.sort(x)),
  'sort of equals down': (x) => sorted(ops.sort(x, { descending: true })),
  topK: (x) => sorted(ops.topK(x, 3)),
  'topK least': (x) => sorted(ops.topK(x, 2, { axis: 0, largest: false })),
  takeAlongAxis: (x, at) => ops.takeAlongAxis(x, at!, { axis: 1 }),
  'scatter add': (x, at, values) => ops.scatter(x, at!, values!, { axis: 1, reduce: 'add' }),
  scatter: (x, at, values) => ops.scatter(x, at!, values!, { axis: 0 }),
  triu: (x) => ops.triu(x, { diagonal: -1 }),
  flip: (x) => ops.flip(x, [0, 2]),
  roll: (x) => ops.roll(x, [1, -2], [0, 2]),
  'roll flat': (x) => ops.roll(x, -5),
  repeat: (x) => ops.repeat(x, [2, 1, 3, 2]),
  split: (x) => ops.split(x, [1, 0, 3]),
  'split even': (x) => ops.split(x, 3),
  chunk: (x) => ops.chunk(x, 3),
  arange: (x) => ops.arange(x, 2, { start: -1, step: 0.5 }),
  full: (x) => ops.full(x, [2, 3], 0.25),
  gru: (x, w, h, bias) => {
    const { states, last } = ops.gru(x, h!, w!, bias!);
    return [states, last];
  },
};

/** What the case of this name computes here. */
export function twinOf(name: string): Build {
  if (name.startsWith('einsum ')) return (...xs) => ops.einsum(name.slice('einsum '.length), xs);
  const twin = GIVEN[name] ?? (ops as Readonly<Record<string, unknown>>)[name];
  if (typeof twin !== 'function') throw new Error(`no twin of ${name}`);
  return twin as Build;
}
/** The cases that have a twin of their own. */
export const GIVEN_NAMES: readonly string[] = Object.keys(GIVEN);
