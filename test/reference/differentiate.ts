// differentiate.ts: how often an op can be differentiated: by taking gradients of gradients until one is refused.
import { GradclipError, Graph, grad, ops, type Tensor } from '../../lib/index.ts';
import type { DType } from '../../lib/ir/op.ts';
import { PUBLIC } from '../faces/public.ts';
import { argumentsOf } from '../faces/samples.ts';

/** As far as anybody looks: three times is as often as wanted. */
const MOST = 3;

type Input = (dtype: DType, ...shape: number[]) => Tensor;
/** Arguments of ops that take no tensors [4, 6]. */
const FITTING: Readonly<Record<string, (of: Input) => readonly unknown[]>> = {
  attention: (of) => [of('f32', 1, 2, 3), of('f32', 1, 2, 3), of('f32', 1, 2, 3)],
  headsAttention: (of) => [of('f32', 1, 2, 6), of('f32', 1, 2, 6), of('f32', 1, 2, 6), { heads: 2 }],
  adaptiveAvgPool1d: (of) => [of('f32', 1, 2, 4), 2],
  adaptiveAvgPool2d: (of) => [of('f32', 1, 1, 4, 4), 2],
  adaptiveMaxPool1d: (of) => [of('f32', 1, 2, 4), 2],
  adaptiveMaxPool2d: (of) => [of('f32', 1, 1, 4, 4), 2],
  avgPool1d: (of) => [of('f32', 1, 2, 4), 2],
  avgPool2d: (of) => [of('f32', 1, 1, 4, 4), 2],
  maxPool1d: (of) => [of('f32', 1, 2, 4), 2],
  maxPool2d: (of) => [of('f32', 1, 1, 4, 4), 2],
  maxPool3d: (of) => [of('f32', 1, 1, 4, 4, 4), 2],
  avgPool3d: (of) => [of('f32', 1, 1, 4, 4, 4), 2],
  adaptiveAvgPool3d: (of) => [of('f32', 1, 1, 4, 4, 4), 2],
  adaptiveMaxPool3d: (of) => [of('f32', 1, 1, 4, 4, 4), 2],
  batchNorm: (of) => [of('f32', 4, 2), of('f32', 2), of('f32', 2)],
  broadcastTo: (of) => [of('f32', 1, 3), [2, 3]],
  clamp: (of) => [of('f32', 4), { min: 0 }],
  cast: (of) => [of('f32', 4), 'f64'],
  conv1d: (of) => [of('f32', 1, 2, 4), of('f32', 2, 2, 3), of('f32', 2)],
  conv2d: (of) => [of('f32', 1, 2, 4, 4), of('f32', 2, 2, 3, 3), of('f32', 2)],
  conv3d: (of) => [of('f32', 1, 2, 3, 4, 4), of('f32', 2, 2, 2, 3, 3), of('f32', 2)],
  convTranspose1d: (of) => [of('f32', 1, 2, 4), of('f32', 2, 2, 3), of('f32', 2)],
  convTranspose2d: (of) => [of('f32', 1, 2, 4, 4), of('f32', 2, 2, 3, 3), of('f32', 2)],
  ctcLoss: (of) => [of('f32', 2, 5, 3), of('i32', 2, 2)],
  convTranspose3d: (of) => [of('f32', 1, 2, 3, 4, 4), of('f32', 2, 2, 2, 3, 3), of('f32', 2)],
  embedding: (of) => [of('i32', 3), of('f32', 4, 2)],
  embeddingBag: (of) => [of('i32', 3, 2), of('f32', 4, 2)],
  gather: (of) => [of('f32', 4, 2), of('i32', 3)],
  scatterAdd: (of) => [of('f32', 3, 2), of('i32', 3), { rows: 4 }],
  matmul: (of) => [of('f32', 2, 3), of('f32', 3, 2)],
  gru: (of) => [of('f32', 2, 3, 6), of('f32', 2, 2), of('f32', 6, 2), of('f32', 6)],
  lstm: (of) => [of('f32', 2, 3, 8), of('f32', 2, 2), of('f32', 2, 2), of('f32', 8, 2)],
  rnn: (of) => [of('f32', 2, 3, 2), of('f32', 2, 2), of('f32', 2, 2)],
  oneHot: (of) => [of('i32', 3), { classes: 4 }],
  concat: (of) => [[of('f32', 2), of('f32', 3)]],
  stack: (of) => [[of('f32', 2), of('f32', 2)]],
  reshape: (of) => [of('f32', 4, 6), [24]],
  squeeze: (of) => [of('f32', 1, 3)],
  prelu: (of) => [of('f32', 4, 6), of('f32', 6)],
  takeAlongAxis: (of) => [of('f32', 4, 6), of('i32', 4, 6), { axis: 1 }],
  scatter: (of) => [of('f32', 4, 6), of('i32', 4, 6), of('f32', 4, 6), { axis: 1 }],
  repeat: (of) => [of('f32', 2, 3), [2, 1]],
  roll: (of) => [of('f32', 4), 1],
  flip: (of) => [of('f32', 4)],
  split: (of) => [of('f32', 4), 2],
  chunk: (of) => [of('f32', 4), 2],
  full: (of) => [of('f32', 4), [2], 1],
  arange: (of) => [of('f32', 4), 3],
  topK: (of) => [of('f32', 4), 2],
  einsum: (of) => ['ij,jk->ik', [of('f32', 2, 3), of('f32', 3, 2)]],
  categorical: (of) => [of('f32', 2, 3)],
  rotary: (of) => [of('f32', 1, 4, 6)],
};

const isTensor = (value: unknown): value is Tensor =>
  typeof value === 'object' && value !== null && 'node' in value && 'graph' in value;
const isFloat = ({ dtype }: Tensor): boolean => dtype === 'f32' || dtype === 'f64';

/** `0` to `2`, or `any` for as often as anybody looks. @param name of an op */
export function timesDifferentiable(name: string): string {
  const graph = new Graph('train');
  let count = 0;
  const of: Input = (dtype, ...shape) => graph.input(`x${count++}`, { dtype, shape }, 'feed');
  const ofThisGraph = (arg: unknown): unknown => {
    if (Array.isArray(arg)) return arg.map(ofThisGraph);
    return isTensor(arg) ? of(arg.dtype, ...arg.shape) : arg;
  };
  const given = FITTING[name]?.(of) ?? argumentsOf(`ops.${name}`).map(ofThisGraph);
  const op = PUBLIC.find(({ path }) => path === `ops.${name}`)!.value as (...args: readonly unknown[]) => unknown;
  const made = op(...given);
  const outs = (isTensor(made) ? [made] : Object.values(made as object).filter(isTensor)).filter(isFloat);
  const inputs = given.flat().filter(isTensor).filter(isFloat);
  // Only the first: some ops have outputs of which no gradient is wanted.
  if (outs.length === 0 || inputs.length === 0) return '0';
  let from = outs.slice(0, 1);
  const wrt = [...inputs];
  for (let times = 0; times < MOST; times++) {
    try {
      // Each output times a weight of its own: a gradient depends on those, as well as on the inputs.
      const weights = from.map((t) => of(t.dtype, ...t.shape));
      const loss = from.map((t, i) => ops.sum(ops.mul(t, weights[i]!), { dtype: 'f64' })).reduce((a, b) => ops.add(a, b));
      from = grad(loss, wrt);
      wrt.push(...weights);
      if (times === 0 && !reads(from, weights)) return '0';
    } catch (error) {
      if (!(error instanceof GradclipError)) throw error;
      return String(times);
    }
  }
  return 'any';
}

/** Whether gradients come of the weights; else they are zeros, since the op has none. */
function reads(gradients: readonly Tensor[], weights: readonly Tensor[]): boolean {
  const seen = new Set<number>();
  const visit = (t: Tensor): boolean => {
    if (weights.some((w) => w.node === t.node)) return true;
    if (seen.has(t.node.id)) return false;
    seen.add(t.node.id);
    return t.node.ins.some(visit);
  };
  return gradients.some(visit);
}
