// basic.ts: linear layers, activations, norms, dropout, and what changes shapes.
import type { Tensor } from '../../../lib/ir/graph.ts';
import * as nn from '../../../lib/nn/index.ts';
import type { GELUOptions } from '../../../lib/ops/index.ts';
import * as ops from '../../../lib/ops/index.ts';
import { given, type Random } from '../random.ts';
import type { Row } from '../spec.ts';
import { kind, type LayerKind, room, type Unit } from './kind.ts';

const ANY = [1, 2, 3];
const affine = (r: Random): { affine?: boolean } => given({ affine: r.maybe(0.4, () => r.chance(0.5)) });
const eps = (r: Random): { eps?: number } => given({ eps: r.maybe(0.2, () => r.pick([1e-3, 1e-6])) });

/** A layer without options that changes no shape. */
const plain = (make: () => Unit): LayerKind => kind({ ranks: ANY, keepsTime: true, draw: () => ({ options: {} }), make });

/** Norms that look at the channels, which come first. */
const channels = (ranks: readonly number[], make: (count: number, options: nn.InstanceNormOptions) => Unit): LayerKind =>
  kind<nn.InstanceNormOptions & Record<string, unknown>>({
    ranks,
    draw: (r, row) => ({
      options: {
        ...affine(r),
        ...eps(r),
        ...given({ bias: r.maybe(0.2, () => false), momentum: r.maybe(0.2, () => 0.5) }),
        // One value per channel has no variance.
        ...given({ trackRunningStats: row.slice(1).some((d) => d > 1) ? r.maybe(0.3, () => true) : undefined }),
      },
    }),
    make: (options, row) => make(row[0]!, options),
  });

const batchNorm = (ranks: readonly number[], make: (count: number, options: nn.BatchNormOptions) => Unit): LayerKind =>
  kind<nn.BatchNormOptions & Record<string, unknown>>({
    ranks,
    draw: (r) => ({
      options: {
        ...affine(r),
        ...eps(r),
        ...given({
          bias: r.maybe(0.2, () => false),
          momentum: r.maybe(0.3, () => r.pick([null, 0.5, 1])),
          trackRunningStats: r.maybe(0.15, () => false),
        }),
      },
    }),
    make: (options, row) => make(row[0]!, options),
  });

/** Sizes of `count` dimensions that make n. */
function factors(r: Random, n: number, count: number): number[] {
  if (count === 1) return [n];
  const first = r.divisor(n);
  return [first, ...factors(r, n / first, count - 1)];
}

/** The last dimensions of a row, so many of them. */
const tail = (row: Row, dims: number): number | readonly number[] => (dims === 1 ? row.at(-1)! : row.slice(-dims));

/** The places of the last axis, the last one first. */
const backwards = (x: Tensor): Tensor => ops.broadcastTo(ops.flip(ops.arange(x, x.shape.at(-1)!, { dtype: 'i32' })), x.shape);

/** Ops that change no shape, by what they are called here. */
const APPLIED = {
  ...{ celu: ops.celu, elu: ops.elu, hardshrink: ops.hardshrink, hardsigmoid: ops.hardsigmoid, hardswish: ops.hardswish },
  ...{ hardtanh: ops.hardtanh, leakyRelu: ops.leakyRelu, logSigmoid: ops.logSigmoid, mish: ops.mish, relu6: ops.relu6 },
  ...{ selu: ops.selu, softshrink: ops.softshrink, softsign: ops.softsign, tanhshrink: ops.tanhshrink },
  ...{ sin: ops.sin, cos: ops.cos, stopped: (x) => ops.add(x, ops.stopGradient(ops.tanh(x))) },
  running: (x) => ops.mul(ops.cumsum(x), 1 / x.shape.at(-1)!),
  rounded: (x) => ops.straightThrough(ops.round(x), x),
  turned: (x) => ops.roll(ops.flip(x, -1), 1, -1),
  drawn: (x) => ops.add(x, ops.mul(ops.randn(x), 0.125)),
  grown: (x) => ops.cumprod(ops.sigmoid(x)),
  ordered: (x) => ops.add(x, ops.sort(x).values),
  led: (x) => ops.sub(x, ops.sum(ops.topK(x, Math.min(3, x.shape.at(-1)!)).values, { axes: -1, keepDims: true })),
  taken: (x) => ops.mul(x, ops.takeAlongAxis(x, backwards(x))),
  put: (x) => ops.scatter(x, backwards(x), ops.tanh(x)),
  putMore: (x) => ops.scatter(x, ops.zeros(x, x.shape, { dtype: 'i32' }), x, { reduce: 'add' }),
  scaled: (x) => ops.div(x, ops.add(ops.norm(x, { axes: -1, keepDims: true }), 1)),
} satisfies Readonly<Record<string, (x: Tensor) => Tensor>>;
type Applied = keyof typeof APPLIED;
class AppliedOp extends nn.Module {
  readonly name: Applied;
  constructor(name: Applied) {
    super();
    this.name = name;
  }
  forward(x: Tensor): Tensor {
    return APPLIED[this.name](x);
  }
}

export const BASIC: Readonly<Record<string, LayerKind>> = {
  Linear: kind<{ out: number; bias?: boolean }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r, row) => ({
      options: { out: r.size(room(row, row.length - 1)), ...given({ bias: r.maybe(0.2, () => false) }) },
    }),
    make: ({ out, ...options }, row) => new nn.Linear(row.at(-1)!, out, options),
  }),
  Lora: kind<{ out: number; rank: number; dropout?: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r, row) => ({
      options: {
        out: r.size(room(row, row.length - 1)),
        rank: r.between(1, 9),
        ...given({ dropout: r.maybe(0.3, () => r.pick([0.1, 0.5])) }),
      },
    }),
    make: ({ out, ...options }, row) => new nn.Lora(row.at(-1)!, out, options),
  }),
  Identity: plain(() => new nn.Identity()),
  ReLU: plain(() => new nn.ReLU()),
  Tanh: plain(() => new nn.Tanh()),
  Sigmoid: plain(() => new nn.Sigmoid()),
  SiLU: plain(() => new nn.SiLU()),
  Softplus: plain(() => new nn.Softplus()),
  ReLU6: plain(() => new nn.ReLU6()),
  SELU: plain(() => new nn.SELU()),
  Hardsigmoid: plain(() => new nn.Hardsigmoid()),
  Hardswish: plain(() => new nn.Hardswish()),
  Tanhshrink: plain(() => new nn.Tanhshrink()),
  Mish: plain(() => new nn.Mish()),
  Softsign: plain(() => new nn.Softsign()),
  LogSigmoid: plain(() => new nn.LogSigmoid()),
  LeakyReLU: kind<{ negativeSlope?: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r) => ({ options: given({ negativeSlope: r.maybe(0.5, () => r.pick([0, 0.2, -0.5])) }) }),
    make: (options) => new nn.LeakyReLU(options),
  }),
  GLU: kind<{ out: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r, row) => ({ options: { out: r.size(room(row, row.length - 1)) } }),
    make: ({ out }, row) => new nn.Sequential(new nn.Linear(row.at(-1)!, 2 * out), new nn.GLU()),
  }),
  PReLU: kind<{ numParameters?: number; init?: number }>({
    ranks: ANY,
    draw: (r, row) => ({
      options: given({ numParameters: r.maybe(0.5, () => row[0]!), init: r.maybe(0.3, () => r.pick([0, 1, -0.5])) }),
    }),
    make: (options) => new nn.PReLU(options),
  }),
  ELU: kind<{ alpha?: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r) => ({ options: given({ alpha: r.maybe(0.5, () => r.pick([0.1, 2])) }) }),
    make: (options) => new nn.ELU(options),
  }),
  CELU: kind<{ alpha?: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r) => ({ options: given({ alpha: r.maybe(0.5, () => r.pick([0.1, 2])) }) }),
    make: (options) => new nn.CELU(options),
  }),
  Hardtanh: kind<{ min?: number; max?: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r) => ({ options: given({ min: r.maybe(0.5, () => -0.3), max: r.maybe(0.5, () => 2) }) }),
    make: (options) => new nn.Hardtanh(options),
  }),
  Hardshrink: kind<{ lambda?: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r) => ({ options: given({ lambda: r.maybe(0.5, () => r.pick([0, 0.1])) }) }),
    make: (options) => new nn.Hardshrink(options),
  }),
  Softshrink: kind<{ lambda?: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r) => ({ options: given({ lambda: r.maybe(0.5, () => r.pick([0, 0.1])) }) }),
    make: (options) => new nn.Softshrink(options),
  }),
  GELU: kind<GELUOptions & Record<string, unknown>>({
    ranks: ANY,
    keepsTime: true,
    draw: (r) => ({ options: given({ approximate: r.maybe(0.5, () => r.pick(['none', 'tanh'] as const)) }) }),
    make: (options) => new nn.GELU(options),
  }),
  AppliedOp: kind<{ name: Applied }>({
    ranks: ANY,
    keepsTime: true,
    own: true,
    draw: (r) => ({ options: { name: r.pick(Object.keys(APPLIED) as Applied[]) } }),
    make: ({ name }) => new AppliedOp(name),
  }),
  Dropout: kind<{ p: number }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r) => ({ options: { p: r.pick([0, 0.1, 0.5, 0.9]) } }),
    make: ({ p }) => new nn.Dropout(p),
  }),
  Dropout1d: kind<{ p: number }>({
    ranks: [2],
    draw: (r) => ({ options: { p: r.pick([0, 0.1, 0.5, 0.9]) } }),
    make: ({ p }) => new nn.Dropout1d(p),
  }),
  Dropout2d: kind<{ p: number }>({
    ranks: [3],
    draw: (r) => ({ options: { p: r.pick([0, 0.1, 0.5, 0.9]) } }),
    make: ({ p }) => new nn.Dropout2d(p),
  }),
  Dropout3d: kind<{ p: number }>({
    ranks: [4],
    draw: (r) => ({ options: { p: r.pick([0, 0.1, 0.5, 0.9]) } }),
    make: ({ p }) => new nn.Dropout3d(p),
  }),
  Softmax: kind<{ axis: number }>({
    ranks: ANY,
    draw: (r, row) => ({ options: { axis: r.between(1, row.length) } }),
    make: (options) => new nn.Softmax(options),
  }),
  LogSoftmax: kind<{ axis: number }>({
    ranks: ANY,
    draw: (r, row) => ({ options: { axis: r.between(1, row.length) } }),
    make: (options) => new nn.LogSoftmax(options),
  }),
  LayerNorm: kind<{ dims: number; eps?: number; elementwiseAffine?: boolean; bias?: boolean }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r, row) => ({
      options: {
        dims: r.between(1, row.length),
        ...eps(r),
        ...given({ elementwiseAffine: r.maybe(0.2, () => false), bias: r.maybe(0.2, () => false) }),
      },
    }),
    make: ({ dims, ...options }, row) => new nn.LayerNorm(tail(row, dims), options),
  }),
  RMSNorm: kind<{ dims: number; eps?: number; elementwiseAffine?: boolean }>({
    ranks: ANY,
    keepsTime: true,
    draw: (r, row) => ({
      options: { dims: r.between(1, row.length), ...eps(r), ...given({ elementwiseAffine: r.maybe(0.2, () => false) }) },
    }),
    make: ({ dims, ...options }, row) => new nn.RMSNorm(tail(row, dims), options),
  }),
  BatchNorm1d: batchNorm([1, 2], (count, options) => new nn.BatchNorm1d(count, options)),
  BatchNorm2d: batchNorm([3], (count, options) => new nn.BatchNorm2d(count, options)),
  BatchNorm3d: batchNorm([4], (count, options) => new nn.BatchNorm3d(count, options)),
  InstanceNorm1d: channels([2], (count, options) => new nn.InstanceNorm1d(count, options)),
  InstanceNorm2d: channels([3], (count, options) => new nn.InstanceNorm2d(count, options)),
  InstanceNorm3d: channels([4], (count, options) => new nn.InstanceNorm3d(count, options)),
  GroupNorm: kind<{ groups: number; affine?: boolean; bias?: boolean; eps?: number }>({
    ranks: ANY,
    draw: (r, row) => ({
      options: { groups: r.divisor(row[0]!), ...affine(r), ...eps(r), ...given({ bias: r.maybe(0.2, () => false) }) },
    }),
    make: ({ groups, ...options }, row) => new nn.GroupNorm(groups, row[0]!, options),
  }),
  Flatten: kind<{ startDim?: number; endDim?: number }>({
    ranks: ANY,
    draw: (r, row) => {
      if (row.length < 3 || r.chance(0.5)) return { options: {} };
      return { options: r.chance(0.5) ? { startDim: 2 } : { startDim: 1, endDim: 2 } };
    },
    make: (options) => new nn.Flatten(options),
  }),
  Unflatten: kind<{ dim: number; sizes: readonly number[] }>({
    ranks: [1, 2],
    draw: (r, row) => {
      const dim = r.between(1, row.length);
      return { options: { dim, sizes: factors(r, row[dim - 1]!, r.between(2, 4 - row.length)) } };
    },
    make: ({ dim, sizes }) => new nn.Unflatten(dim, sizes),
  }),
};
