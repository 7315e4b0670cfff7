// planes.ts: cases of ops on planes: convolutions, pooling, resampling.
import { Graph } from '../../lib/ir/graph.ts';
import { f32, f64, type TensorType } from '../../lib/ir/op.ts';
import { ENDS } from '../../lib/ops/elementwise/maps.ts';
import { adaptiveAvgPool2d, avgPool2d } from '../../lib/ops/image/avg-pool.ts';
import { MAX_POOLS } from '../../lib/ops/image/max-pool.ts';
import { CONV2D, CONV3D } from '../../lib/ops/product/conv.ts';
import { fillSample } from '../run-graph.ts';
import { refNode } from '../run-node.ts';
import { type Case, type Draw, type FillOf, type Generator, ofTerms } from './draw.ts';

type Pair = [number, number];
const pair = (make: () => number): Pair => [make(), make()];

// ---- convolutions ------------------------------------------------------------------------------------------------
interface Geometry {
  readonly x: TensorType;
  readonly w: TensorType;
  readonly y: TensorType;
  readonly attrs: { stride: number[]; padding: number[]; dilation: number[]; groups: number; bf16?: boolean };
}
function geometry(d: Draw): Geometry {
  const kernel = d.pick<Pair>([1, 1], [3, 3], [3, 3], [5, 5], [1, 3], [2, 2], [7, 1]);
  const dilation = d.rarely(4) ? pair(() => d.int(1, 3)) : ([1, 1] as Pair);
  const stride = d.rarely(3) ? pair(() => d.pick(1, 2, 2, 3, 50)) : ([1, 1] as Pair);
  const padding = Array.from({ length: 4 }, () => d.int(0, 2));
  const reach = kernel.map((k, i) => (k - 1) * dilation[i]! + 1);
  // Planes of few pixels and many channels, or the other way round; wide ones go in several bands.
  const side = d.pick(4, 9, 16, 40, 90);
  const [h, width] = [0, 1].map((i) => Math.max(1, reach[i]! - padding[i]! - padding[i + 2]!) + d.int(0, side)) as Pair;
  const groups = d.rarely(4) ? d.pick(2, 3, 8, 33) : 1;
  const most = Math.max(1, Math.floor(20_000 / (h * width * groups)));
  const [ci, co] = [d.size(Math.min(most, 70)), d.size(Math.min(most, 70))];
  const work = h * width * kernel[0] * kernel[1] * ci * co * groups;
  const n = d.int(1, Math.max(1, Math.min(20, Math.floor(3e6 / work))));
  const attrs = { stride, padding, dilation, groups, ...(d.flag() && { bf16: true }) };
  const [x, w] = [f32(n, groups * ci, h, width), f32(groups * co, ci, ...kernel)];
  return { x, w, y: CONV2D.infer([x, w], attrs as never)[0]!, attrs };
}
const actOf = (d: Draw): object => (d.rarely(3) ? { act: d.pick(...ENDS) } : {});
const sizeOfPlane = ({ shape }: TensorType): readonly number[] => shape.slice(2);

/** Now and then x is normalized where it is read. */
function normOf(d: Draw, { shape }: TensorType): { line: TensorType[]; attrs: object; fill: FillOf[] } {
  if (!d.rarely(3)) return { line: [], attrs: {}, fill: [] };
  const norm = { eps: 1e-5, affine: d.flag(), relu: d.flag() };
  const [statistics, numbers] = [f64(shape[1]!), f32(shape[1]!)];
  const line = [statistics, statistics, ...(norm.affine ? [numbers, numbers] : [])];
  return {
    line,
    attrs: { norm },
    fill: [
      [-0.1, 0.1],
      [0.5, 1.5],
    ],
  };
}
/** What a kernel has normalized in f32 may be rounded to the other neighbor in bf16 than in `ref`. */
const jumps = ({ bf16 = false }: Geometry['attrs'], norm: object): boolean => bf16 && 'norm' in norm;
const conv2d: Generator = (d) => {
  const { x, w, y, attrs } = geometry(d);
  const own = [x, w, ...(d.flag() ? [f32(w.shape[0]!)] : [])];
  const { line, attrs: norm, fill } = normOf(d, x);
  const stats = d.rarely(3) && y.shape[2]! * y.shape[3]! >= 64;
  return {
    ins: [...own, ...line],
    attrs: { ...attrs, ...actOf(d), ...norm, ...(stats && { stats }) },
    fill: [...own.map(() => 'normal' as const), ...fill],
    // What normalizes has the size of a deviation, and sums of planes that of a plane.
    tolerance: ofTerms(stats ? 1e9 : 60_000),
    bitsOnly: jumps(attrs, norm),
  };
};
const conv2dGradInput: Generator = (d) => {
  const { x, w, y, attrs } = geometry(d);
  const bias = d.flag() ? [f32(x.shape[1]!)] : [];
  return { ins: [y, w, ...bias], attrs: { ...attrs, ...actOf(d), size: sizeOfPlane(x) }, tolerance: ofTerms(6000) };
};
const conv2dGradWeight: Generator = (d) => {
  const { x, w, y, attrs } = geometry(d);
  const { line, attrs: norm, fill } = normOf(d, x);
  return {
    ins: [x, y, ...line],
    attrs: { ...attrs, ...norm, kernel: sizeOfPlane(w), bias: d.flag() },
    fill: ['normal', 'normal', ...fill],
    tolerance: ofTerms(100_000),
    bitsOnly: jumps(attrs, norm),
  };
};

/** Depths that reach beyond the ends, that stride and dilation leave out, and more or fewer than there are slots for. */
function volumes(d: Draw): Geometry {
  const kernel = d.pick<number[]>([1, 1, 1], [3, 3, 3], [3, 3, 3], [2, 3, 1], [3, 1, 1], [1, 3, 3], [5, 2, 2]);
  const three = (make: () => number): number[] => [make(), make(), make()];
  const dilation = d.rarely(4) ? three(() => d.int(1, 3)) : [1, 1, 1];
  const stride = d.rarely(3) ? three(() => d.pick(1, 2, 2, 3, 4, 50)) : [1, 1, 1];
  const padding = Array.from({ length: 6 }, () => d.int(0, 2));
  const reach = kernel.map((k, i) => (k - 1) * dilation[i]! + 1);
  const side = d.pick(2, 5, 12, 30);
  const size = reach.map((r, i) => Math.max(1, r - padding[i]! - padding[i + 3]!) + d.int(0, i === 0 ? 5 : side));
  const voxels = size.reduce((a, b) => a * b);
  const groups = d.rarely(4) ? d.pick(2, 3, 8) : 1;
  const most = Math.max(1, Math.floor(20_000 / (voxels * groups)));
  const [ci, co] = [d.size(Math.min(most, 40)), d.size(Math.min(most, 40))];
  const work = voxels * kernel.reduce((a, b) => a * b) * ci * co * groups;
  const n = d.int(1, Math.max(1, Math.min(5, Math.floor(3e6 / work))));
  const attrs = { stride, padding, dilation, groups, ...(d.flag() && { bf16: true }) };
  const [x, w] = [f32(n, groups * ci, ...size), f32(groups * co, ci, ...kernel)];
  return { x, w, y: CONV3D.infer([x, w], attrs)[0]!, attrs };
}
const conv3d: Generator = (d) => {
  const { x, w, attrs } = volumes(d);
  return {
    ins: [x, w, ...(d.flag() ? [f32(w.shape[0]!)] : [])],
    attrs: { ...attrs, ...actOf(d) },
    tolerance: ofTerms(6000),
  };
};
const conv3dGradInput: Generator = (d) => {
  const { x, w, y, attrs } = volumes(d);
  const bias = d.flag() ? [f32(x.shape[1]!)] : [];
  return { ins: [y, w, ...bias], attrs: { ...attrs, ...actOf(d), size: sizeOfPlane(x) }, tolerance: ofTerms(6000) };
};
const conv3dGradWeight: Generator = (d) => {
  const { x, w, y, attrs } = volumes(d);
  return { ins: [x, y], attrs: { ...attrs, kernel: sizeOfPlane(w), bias: d.flag() }, tolerance: ofTerms(100_000) };
};

// ---- pooling -----------------------------------------------------------------------------------------------------
function plane(d: Draw, least: Pair): number[] {
  const [h, w] = [least[0] + d.int(0, 30), least[1] + d.int(0, 60)];
  return [...d.sizes(d.int(1, 2), Math.max(1, Math.floor(8000 / (h * w))), false), h, w];
}
function pool(d: Draw): { x: TensorType; attrs: object } {
  const kernel = d.pick<Pair>([2, 2], [3, 3], [1, 5], [4, 2], [17, 16]);
  const dilation = d.rarely(4) ? pair(() => d.int(1, 2)) : ([1, 1] as Pair);
  const padding = kernel.map((k) => d.int(0, Math.floor(k / 2))) as Pair;
  const attrs = { kernel, stride: pair(() => d.int(1, 4)), padding, dilation, ceil: d.flag(), relu: d.rarely(3) };
  return { x: f32(...plane(d, kernel.map((k, i) => (k - 1) * dilation[i]! + 1) as Pair)), attrs };
}
const maxPool: Generator = (d) => {
  const { x, attrs } = pool(d);
  return { ins: [x], attrs };
};
/** With the places that a forward pass gives. */
const maxPoolGrad: Generator = (d) => {
  const { x, attrs } = pool(d);
  const graph = new Graph();
  const node = graph.add(MAX_POOLS[0]!, [graph.input('x', x, 'feed')], attrs);
  const places = refNode(node, fillSample({ ins: [x], attrs }, d.int(0, 99)))[1]!;
  const [y, at] = node.outs.map((t) => t.type) as [TensorType, TensorType];
  return {
    ins: [at, y],
    attrs: { ...attrs, size: x.shape.slice(-2) },
    fill: [{ exactly: [...places] }, 'normal'],
    tolerance: 1e-5,
  };
};

function averaged(d: Draw): { x: TensorType; attrs: object } {
  const kernel = d.pick<Pair>([2, 2], [3, 3], [1, 5], [4, 2]);
  const x = f32(...plane(d, kernel));
  const t = new Graph().input('x', x, 'feed');
  const y = d.rarely(4)
    ? adaptiveAvgPool2d(t, [d.int(2, 9), d.int(1, 9)])
    : avgPool2d(t, kernel, {
        stride: pair(() => d.int(1, 4)),
        padding: kernel.map((k) => d.int(0, Math.floor(k / 2))),
        ceilMode: d.flag(),
        countIncludePad: d.flag(),
        ...(d.rarely(4) && { divisorOverride: 5 }),
      });
  return { x, attrs: y.node.attrs as object };
}
const avgPool: Generator = (d) => {
  const { x, attrs } = averaged(d);
  return { ins: [x], attrs };
};
const avgPoolGrad: Generator = (d): Case => {
  const { x, attrs } = averaged(d);
  const { rows, columns } = attrs as { rows: unknown[]; columns: unknown[] };
  const ins = [f32(...x.shape.slice(0, -2), rows.length, columns.length)];
  return { ins, attrs: { ...attrs, size: x.shape.slice(-2) }, tolerance: 1e-5 };
};

// ---- resampling --------------------------------------------------------------------------------------------------
function resampled(d: Draw): { shape: number[]; attrs: { axis: number; taps: readonly (readonly [number, number, number])[] } } {
  const shape = d.sizes(d.int(1, 3), 4000, false);
  const axis = d.int(0, shape.length - 1);
  const n = shape[axis]!;
  const taps = d.list(1, 40, () => {
    const k = d.int(0, n - 1);
    return [k, Math.min(n - 1, k + d.int(0, 1)), d.pick(0, 0.25, 0.5, 1)] as const;
  });
  return { shape, attrs: { axis, taps: taps.map(([a, b, by]) => (a === b ? ([a, a, 0] as const) : ([a, b, by] as const))) } };
}
const resample: Generator = (d) => {
  const { shape, attrs } = resampled(d);
  return { ins: [f32(...shape)], attrs };
};
const resampleGrad: Generator = (d) => {
  const { shape, attrs } = resampled(d);
  const dy = shape.map((size, i) => (i === attrs.axis ? attrs.taps.length : size));
  return { ins: [f32(...dy)], attrs: { ...attrs, size: shape[attrs.axis] }, tolerance: 1e-5 };
};

export const PLANES_CASES: Readonly<Record<string, Generator>> = {
  ...{ conv2d, conv2dGradInput, conv2dGradWeight, conv3d, conv3dGradInput, conv3dGradWeight },
  ...{ maxPool, maxPoolGrad, avgPool, avgPoolGrad, resample, resampleGrad },
};
