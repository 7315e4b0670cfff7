// ops.ts: the cases of the ops suite: functions of `ops` as users call them, compiled, on tensors that fit a cache and on larger ones, forward and
// backward. A name is what, whether its gradient, and how much: `elu/grad/16M`. bench/peers/torch_ops.py has what PyTorch does instead.
import type { StreamKind } from '../lib/cli/bench/probe.ts';
import type { Tensor } from '../lib/ir/graph.ts';
import * as ops from '../lib/ops/index.ts';

/** An input: its shape, of which the first dimension is cut for what is verified, and how it is filled: evenly over [low, high), or with integers. */
export interface OpInput {
  readonly shape: readonly number[];
  readonly low?: number;
  readonly high?: number;
  readonly integers?: boolean;
  /** The first dimension stays. */
  readonly whole?: boolean;
}
type Build = (...ins: readonly Tensor[]) => Tensor | readonly Tensor[];
export interface OpCase {
  readonly ins: readonly OpInput[];
  readonly build: Build;
  /** Gradients of all inputs that are floats, for a gradient of the first output that is the last input; else what it makes. */
  readonly gradient: boolean;
  /** What moves memory as it does. */
  readonly stream: StreamKind;
  /** Largest |a - b| / max(1, |b|) to the ops' `ref`. */
  readonly tolerance: number;
  /** It draws numbers: nothing to compare. */
  readonly random: boolean;
}

const CASES = new Map<string, OpCase>();

type Options = Partial<Pick<OpCase, 'stream' | 'tolerance' | 'random'>> & {
  /** Its gradient is timed, too. */
  readonly grad?: boolean;
};
function add(name: string, size: string, ins: readonly OpInput[], build: Build, options: Options = {}): void {
  const { grad = false, stream = 'copy', tolerance = 1e-5, random = false } = options;
  const given = { ins, build, stream, tolerance, random };
  CASES.set(`${name}/${size}`, { ...given, gradient: false });
  if (grad) CASES.set(`${name}/grad/${size}`, { ...given, gradient: true });
}

// Elements of the whole: in a cache of 2 MiB, and beyond any that is a thread's own.
const SIZES: Readonly<Record<string, number>> = { '128k': 128, '16M': 16_384 };
const WIDE = { low: -4, high: 4 };
const COLUMNS = 1024;

const sorted = ({ values, indices }: ops.Sorted): Tensor[] => [values, indices];

const ACTIVATIONS: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  leakyRelu: (x) => ops.leakyRelu(x),
  elu: (x) => ops.elu(x),
  selu: ops.selu,
  celu: (x) => ops.celu(x, { alpha: 0.75 }),
  relu6: ops.relu6,
  mish: ops.mish,
  hardswish: ops.hardswish,
  hardsigmoid: ops.hardsigmoid,
  hardtanh: (x) => ops.hardtanh(x),
  hardshrink: (x) => ops.hardshrink(x),
  softshrink: (x) => ops.softshrink(x),
  tanhshrink: ops.tanhshrink,
  softsign: ops.softsign,
  logSigmoid: ops.logSigmoid,
  glu: (x) => ops.glu(x),
  // Not new, and what the new ones are beside.
  ...{ relu: ops.relu, tanh: ops.tanh, sigmoid: ops.sigmoid, silu: ops.silu, gelu: (x) => ops.gelu(x), softplus: ops.softplus },
  ...{ exp: ops.exp, log1p: (x) => ops.log1p(ops.square(x)) },
  ...{ sin: ops.sin, cos: ops.cos },
};
for (const [size, rows] of Object.entries(SIZES)) {
  const x = { shape: [rows, COLUMNS], ...WIDE };
  for (const [name, f] of Object.entries(ACTIVATIONS)) add(name, size, [x], (t) => f(t!), { grad: name !== 'log1p' });
  add('prelu', size, [x, { shape: [COLUMNS], low: 0, high: 1, whole: true }], (t, w) => ops.prelu(t!, w!));
  add('flip', size, [x], (t) => ops.flip(t!, 1));
  add('roll', size, [x], (t) => ops.roll(t!, 100, 1));
  add('tril', size, [x], (t) => ops.tril(t!));
  add('norm', size, [x], (t) => ops.norm(t!, { axes: -1 }), { grad: true, stream: 'read' });
  add('std', size, [x], (t) => ops.std(t!, { axes: -1 }), { grad: true, stream: 'read' });
  add('variance', size, [x], (t) => ops.variance(t!, { axes: 0 }), { stream: 'read', tolerance: 1e-4 });
  add('logSumExp', size, [x], (t) => ops.logSumExp(t!, { axes: -1 }), { stream: 'read' });
  add('cumsum', size, [x], (t) => ops.cumsum(t!), { grad: true, tolerance: 1e-4 });
  add('cumsum first', size, [x], (t) => ops.cumsum(t!, { axis: 0 }), { tolerance: 1e-4 });
  add('cumprod', size, [{ ...x, low: 0.98, high: 1.02 }], (t) => ops.cumprod(t!), { tolerance: 1e-4 });
  add('randn', size, [x], (t) => ops.randn(t!), { random: true });
  add('uniform', size, [x], (t) => ops.uniform(t!), { random: true });
  add('bernoulli', size, [{ ...x, low: 0, high: 1 }], (t) => ops.bernoulli(t!), { random: true });
}

// Rows of many lengths: 1M elements and more.
for (const [rows, n] of [
  [16_384, 64],
  [1024, 1024],
  [64, 16_384],
  [0, 1_048_576],
] as const) {
  const x = { shape: rows ? [rows, n] : [n], ...WIDE };
  const size = rows ? `${rows}x${n}` : '1M';
  add('sort', size, [x], (t) => sorted(ops.sort(t!)));
  for (const k of [1, 10, 200]) if (k < n) add(`topK ${k}`, size, [x], (t) => sorted(ops.topK(t!, k)));
}
add('topK 50', '64x50257', [{ shape: [64, 50_257], ...WIDE }], (t) => sorted(ops.topK(t!, 50)));
add('sort first', '1024x1024', [{ shape: [1024, 1024], ...WIDE, whole: true }], (t) => sorted(ops.sort(t!, { axis: 0 })));

const ROWS = { shape: [1024, 1024], ...WIDE };
const PLACES = { shape: [1024, 1024], integers: true, high: 1024 };
add('takeAlongAxis', '1024x1024', [ROWS, PLACES], (x, at) => ops.takeAlongAxis(x!, at!), { grad: true });
add('scatter', '1024x1024', [ROWS, PLACES, ROWS], (x, at, v) => ops.scatter(x!, at!, v!));
add('scatter add', '1024x1024', [ROWS, PLACES, ROWS], (x, at, v) => ops.scatter(x!, at!, v!, { reduce: 'add' }));

const einsum = (equation: string, size: string, ...shapes: readonly (readonly number[])[]): void =>
  add(
    `einsum ${equation}`,
    size,
    // Of operands whose first dimension is another one than that of the first, all of it.
    shapes.map((shape, i) => ({ shape, whole: equation.split(/,|->/)[i]![0] !== equation[0] })),
    (...ins) => ops.einsum(equation, ins),
    { grad: true, tolerance: 1e-4 },
  );
einsum('ij,kj->ik', '512', [512, 512], [512, 512]);
einsum('bi,bi->b', '4096x1024', [4096, 1024], [4096, 1024]);
einsum('i,j->ij', '4096', [4096], [4096]);
einsum('bij->bji', '64x256x256', [64, 256, 256]);

const IMAGES = { shape: [32, 64, 28, 28] };
add('adaptiveAvgPool2d', '32x64x28x28', [IMAGES], (x) => ops.adaptiveAvgPool2d(x!, 7), { grad: true, stream: 'read' });
add('adaptiveMaxPool2d', '32x64x28x28', [IMAGES], (x) => ops.adaptiveMaxPool2d(x!, 5), { grad: true, stream: 'read' });
add(
  'convTranspose1d',
  '8x64x1024',
  [{ shape: [8, 64, 1024] }, { shape: [64, 32, 4], whole: true }],
  (x, w) => ops.convTranspose1d(x!, w!, null, { stride: 2, padding: 1 }),
  { grad: true, stream: 'read', tolerance: 1e-4 },
);

// The ref adds up in f32, one by one.
const volumes = (name: string, x: readonly number[], kernel: readonly number[], options: ops.Conv3dOptions): void => {
  const filters = { shape: [x[1]!, x[1]!, ...kernel], whole: true };
  const build: Build = (t, w) => ops.conv3d(t!, w!, null, options);
  add(name, x.join('x'), [{ shape: x }, filters], build, { grad: true, stream: 'read', tolerance: 1e-3 });
};
volumes('conv3d', [1, 16, 8, 28, 28], [3, 3, 3], { padding: 1 });
volumes('conv3d 1x3x3', [1, 32, 4, 28, 28], [1, 3, 3], { padding: [0, 1, 1] });
volumes('conv3d 3x1x1', [1, 32, 8, 28, 28], [3, 1, 1], { padding: [1, 0, 0] });
volumes('conv3d by 2', [1, 32, 8, 28, 28], [3, 3, 3], { padding: 1, stride: 2 });
const VOLUMES = { shape: [4, 32, 16, 28, 28] };
add('maxPool3d', '4x32x16x28x28', [VOLUMES], (x) => ops.maxPool3d(x!, 2), { grad: true, stream: 'read' });
add('avgPool3d', '4x32x16x28x28', [VOLUMES], (x) => ops.avgPool3d(x!, 3, { stride: 2, padding: 1 }), {
  grad: true,
  stream: 'read',
});

export const OP_CASES: ReadonlyMap<string, OpCase> = CASES;

/** The shape of an input, whole or as it is verified: of few rows, or few elements. */
export function shapeOf({ shape, whole = false }: OpInput, verified: boolean): readonly number[] {
  if (!verified || whole) return shape;
  return [Math.min(shape.length > 1 ? 3 : 300, shape[0]!), ...shape.slice(1)];
}
