// kernels.ts: the cases of the kernels suite: one operation each, in sizes of the workloads, and larger than every cache.
import type { StreamKind } from '../lib/cli/bench/probe.ts';
import { Graph, type Node, type Tensor } from '../lib/ir/graph.ts';
import type { Data, DType } from '../lib/ir/op.ts';
import * as stage from '../lib/ops/gradient/stage.ts';
import { MAX_POOL_GRAD } from '../lib/ops/image/max-pool.ts';
import * as ops from '../lib/ops/index.ts';
import { gaussianNoise, softmaxCrossEntropy, statistic, update } from '../lib/ops/list.ts';
import { CONV2D_GRAD_INPUT, CONV2D_GRAD_WEIGHT } from '../lib/ops/product/conv.ts';
import { RNN_GRAD } from '../lib/ops/recurrent/rnn.ts';
import { SOFTMAX_CROSS_ENTROPY_GRAD } from '../lib/ops/reduce/cross-entropy.ts';
import { SCATTER_ROWS } from '../lib/ops/rows/scatter-rows.ts';
import { UPDATES } from '../lib/optim/list.ts';
import { noise, uniform } from '../test/golden/runs/recipe.ts';

/** How an input is filled: floats evenly over [low, high), integers from 0 to below `high`, or with the values given. */
interface Fill {
  readonly dtype?: DType;
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly number[];
}
type Input = (shape: readonly number[], fill?: Fill) => Tensor;

export interface KernelCase {
  /** One operation on inputs; any of its outputs. */
  readonly build: (input: Input, repeat: number) => Tensor;
  /** So many tensors alike, each with an output of its own: verified against `ref` on one of them, which would take minutes on all. */
  readonly repeat?: number;
  /** What moves memory as the kernel does. */
  readonly stream: StreamKind;
  /** Largest |a - b| / max(1, |b|) between the kernel and `ref`. */
  readonly tolerance?: number;
}

const MLP = [784 * 256, 256, 256 * 128, 128, 128 * 10, 10];
const LARGE = 1024 * 1024;

/** An update scaled by a clip, as in a step with a global norm. */
function updateCase(
  name: string,
  variant: string,
  row: Readonly<Record<string, number>>,
  sizes: readonly number[],
  repeat: number,
): KernelCase {
  const op = UPDATES.find((op) => op.name === name)!;
  const hyper = op.hyper.map((name) => row[name]!);
  return {
    stream: 'axpy',
    repeat,
    build(input, repeat) {
      const all = Array<readonly number[]>(repeat).fill(sizes).flat();
      const each = (fill: Fill): Tensor[] => all.map((n) => input([n], fill));
      const { params } = update(op, variant, {
        params: each({}),
        grads: each({ low: -0.5 }),
        slots: op.slots[variant]!.map(() => each({ low: 0.25 })),
        hyper: input([hyper.length], { dtype: 'f64', values: hyper }),
        stages: [stage.scale(input([], { dtype: 'f64', values: [0.5] }))],
        measure: false,
      });
      return params[0]!;
    },
  };
}
const ADAMW = {
  stepSize: 1e-6,
  oneMinusBeta1: 0.1,
  beta2: 0.999,
  oneMinusBeta2: 0.001,
  inverseRoot: 1,
  eps: 1e-8,
  decay: 1 - 1e-8,
};
const MOMENTUM = { lr: 1e-6, weightDecay: 0, momentum: 0.9, oneMinusDampening: 1, first: 0 };
const adamw = (sizes: readonly number[], repeat = 1): KernelCase => updateCase('update_adam', 'adamw', ADAMW, sizes, repeat);
const momentum = (sizes: readonly number[], repeat = 1): KernelCase =>
  updateCase('update_sgd', 'momentum', MOMENTUM, sizes, repeat);

const norm = (sizes: number[]): KernelCase => {
  const build = (input: Input): Tensor => {
    return statistic(
      sizes.map((n) => input([n])),
      { kind: 'sumSquares' },
    ).total;
  };
  return { stream: 'read', build };
};

const product = (m: number, n: number, k: number): KernelCase => {
  return {
    stream: 'read',
    tolerance: 2e-6 * Math.sqrt(k),
    build: (input) => ops.matmul(input([m, k]), input([n, k]), { transB: true }),
  };
};

const rows = (n: number, classes: number, gradient: boolean): KernelCase => {
  const build = (input: Input): Tensor => {
    const labels = (): Tensor => input([n], { dtype: 'i32', high: classes });
    const logits = input([n, classes], { low: -4, high: 4 });
    if (!gradient) return softmaxCrossEntropy(logits, labels());
    const { graph } = logits;
    return graph.add(SOFTMAX_CROSS_ENTROPY_GRAD, [logits, labels(), input([n], { dtype: 'f64' })], {
      smoothing: 0,
      ignored: null,
    }).out;
  };
  return { stream: gradient ? 'copy' : 'read', tolerance: 1e-5, build };
};

/** 8 images of size x size, through kernels of k x k that keep the size: forward, or the gradient of the input or of the weight. */
function conv(
  op: 'conv2d' | 'conv2dGradInput' | 'conv2dGradWeight',
  channels: number,
  filters: number,
  size: number,
  k: number,
): KernelCase {
  const p = (k - 1) / 2;
  const attrs = { stride: [1, 1], padding: [p, p, p, p], dilation: [1, 1], groups: 1 } as const;
  const build = (input: Input): Tensor => {
    const [x, w, y] = [
      () => input([8, channels, size, size]),
      () => input([filters, channels, k, k]),
      () => input([8, filters, size, size]),
    ];
    if (op === 'conv2d') return ops.conv2d(x(), w(), null, { padding: p });
    if (op === 'conv2dGradInput') {
      const dy = y();
      return dy.graph.add(CONV2D_GRAD_INPUT, [dy, w()], { ...attrs, size: [size, size] }).out;
    }
    const of = x();
    return of.graph.add(CONV2D_GRAD_WEIGHT, [of, y()], { ...attrs, kernel: [k, k], bias: true }).outs[0]!;
  };
  return { stream: 'read', tolerance: 2e-6 * Math.sqrt(8 * size * size), build };
}
const convs = (channels: number, filters: number, size: number, k: number): Record<string, KernelCase> => {
  const of = (op: 'conv2d' | 'conv2dGradInput' | 'conv2dGradWeight') =>
    [`${op}/${channels}-${filters}-${size}x${size}-${k}x${k}`, conv(op, channels, filters, size, k)] as const;
  return Object.fromEntries([of('conv2d'), of('conv2dGradInput'), of('conv2dGradWeight')]);
};

const recurrent = (batch: number, steps: number, hidden: number, gradient: boolean): KernelCase => {
  const bound = 1 / Math.sqrt(hidden);
  const build = (input: Input): Tensor => {
    const x = input([batch, steps, hidden]);
    const operands = [x, input([batch, hidden]), input([hidden, hidden], { low: -bound, high: bound })];
    if (!gradient) return ops.rnn(operands[0]!, operands[1]!, operands[2]!).states;
    const attrs = { nonlinearity: 'tanh', reverse: false, lengths: false, states: true, last: false } as const;
    return x.graph.add(RNN_GRAD, [...operands, input([batch, steps, hidden])], attrs).outs[0]!;
  };
  return { stream: 'copy', tolerance: 1e-4, build };
};

const elementwise = (f: (x: Tensor) => Tensor, ...shape: number[]): KernelCase => ({
  stream: 'copy',
  build: (input) => f(input(shape)),
});

const table = (f: (input: Input, indices: Tensor) => Tensor): KernelCase => {
  const build = (input: Input): Tensor => f(input, input([1024], { dtype: 'i32', high: 50_000 }));
  return { stream: 'copy', tolerance: 1e-5, build };
};

const noised = (secret: boolean): KernelCase => ({
  stream: 'copy',
  build: (input) => {
    const std = input([], { dtype: 'f64', values: [0.5] });
    return gaussianNoise(input([1024, 1024]), { std, key: secret ? input([8], { dtype: 'i32', high: 1 << 30 }) : null });
  },
});

const POOL = { kernel: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], ceil: false, relu: true } as const;
const pooled = (gradient: boolean): KernelCase => ({
  stream: 'copy',
  build(input) {
    if (!gradient) return ops.maxPool2d(ops.relu(input([64, 32, 28, 28])), 2);
    const places = input([64, 32, 14, 14], { dtype: 'u8', high: 4 });
    return places.graph.add(MAX_POOL_GRAD, [places, input([64, 32, 14, 14])], { ...POOL, size: [28, 28] }).out;
  },
});

export const KERNEL_CASES: Readonly<Record<string, KernelCase>> = {
  'update_adam/25x1M': adamw([LARGE], 25),
  'update_adam/6x40k': adamw(MLP),
  'update_sgd/25x1M': momentum([LARGE], 25),
  'update_sgd/6x40k': momentum(MLP),
  'norm/25x1M': norm(Array<number>(25).fill(LARGE)),
  'norm/6x40k': norm(MLP),
  'matmul/nt-512x512x512': product(512, 512, 512),
  'matmul/nt-64x256x784': product(64, 256, 784),
  ...convs(1, 32, 28, 5),
  ...convs(32, 64, 14, 5),
  ...convs(16, 16, 32, 3),
  ...convs(32, 32, 16, 3),
  ...convs(64, 64, 8, 3),
  'rnn/32x64x128': recurrent(32, 64, 128, false),
  'rnnGrad/32x64x128': recurrent(32, 64, 128, true),
  'relu/16M': elementwise(ops.relu, 4096, 4096),
  'relu/64x256': elementwise(ops.relu, 64, 256),
  'tanh/256x4096': elementwise(ops.tanh, 256, 4096),
  'gelu/256x4096': elementwise((x) => ops.gelu(x), 256, 4096),
  'sum/256x4096': { stream: 'read', tolerance: 1e-4, build: (input) => ops.sum(input([256, 4096]), { axes: 0 }) },
  'transpose/1024x1024': elementwise((x) => ops.transpose(x), 1024, 1024),
  'maxPool/64x32x28x28': pooled(false),
  'maxPoolGrad/64x32x28x28': pooled(true),
  'crossEntropy/64x10': rows(64, 10, false),
  'crossEntropy/2048x65': rows(2048, 65, false),
  'crossEntropyGrad/2048x65': rows(2048, 65, true),
  'gaussianNoise/1M': noised(false),
  'gaussianNoise/1M-secret': noised(true),
  'gather/1024-of-50000x64': table((input, indices) => ops.gather(input([50_000, 64]), indices)),
  'scatterAdd/1024-to-50000x64': table((input, indices) => ops.scatterAdd(input([1024, 64]), indices, { rows: 50_000 })),
  'scatterRows/1024-to-50000x64': table((input, indices) => {
    const { outs } = indices.graph.add(SCATTER_ROWS, [input([1024, 64]), indices], { rows: 50_000 });
    return outs[0]!;
  }),
};

/** The node of a case on so many tensors, and what its inputs hold. Inputs that are filled alike hold the same. */
export function kernelNode({ build }: KernelCase, repeat: number): { node: Node; data: Data[] } {
  const graph = new Graph('train');
  graph.section = 'apply';
  const made = new Map<string, Data>();
  const values = new Map<Tensor, Data>();
  const input: Input = (shape, fill = {}) => {
    const type = { dtype: fill.dtype ?? 'f32', shape };
    const tensor = graph.input(`x${values.size}`, type, 'data');
    const key = JSON.stringify([shape, fill]);
    const data = made.get(key) ?? fillOf(type.dtype, shape, fill, made.size);
    made.set(key, data);
    values.set(tensor, data);
    return tensor;
  };
  const { node } = build(input, repeat);
  return { node, data: node.ins.map((tensor) => values.get(tensor)!) };
}

function fillOf(dtype: DType, shape: readonly number[], { low = -1, high = 1, values }: Fill, seed: number): Data {
  const n = shape.reduce((a, b) => a * b, 1);
  if (dtype === 'i32') return Int32Array.from(noise(seed, n), (v) => v % high);
  if (dtype === 'u8') return Uint8Array.from(noise(seed, n), (v) => v % high);
  const data = values ?? uniform(seed, n).map((u) => low + ((high - low) * (u + 1)) / 2);
  return dtype === 'f64' ? Float64Array.from(data) : Float32Array.from(data);
}
