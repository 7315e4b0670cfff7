// resample.ts: each element along an axis of y is one of x, or lies between two: upsampling, padding by reflection, repetition or round
// the circle. Kernels: resample.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import type { OnnxValue } from '../../ir/onnx.ts';
import { f32, type OpDef, type RefArray, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { moved, resolveAxis, span } from '../shape/axes.ts';

/** y = (1 - weight) x[first] + weight x[second]; weight in [0, 1]. */
export type Tap = readonly [first: number, second: number, weight: number];

export interface ResampleAttrs {
  readonly axis: number;
  /** One for each place along the axis of y. */
  readonly taps: readonly Tap[];
}
export interface ResampleGradAttrs extends ResampleAttrs {
  /** Of x along the axis. */
  readonly size: number;
}

const withAxis = (t: TensorType, axis: number, size: number): TensorType => ({
  dtype: t.dtype,
  shape: t.shape.map((d, i) => (i === axis ? size : d)),
});

function lowered(shape: readonly number[], { axis, taps }: ResampleAttrs, size: number): { ints: number[]; floats: number[] } {
  const places = taps.flatMap((tap) => tap.slice(0, 2));
  return {
    ints: [span(shape, 0, axis), size, span(shape, axis + 1), taps.length, ...places],
    floats: taps.map(([, , weight]) => weight),
  };
}

/** Call `visit` with every place of y and the places of x that it is made of. */
function eachTap(
  shape: readonly number[],
  { axis, taps }: ResampleAttrs,
  size: number,
  visit: (y: number, first: number, second: number, weight: number) => void,
): void {
  const [outer, inner] = [span(shape, 0, axis), span(shape, axis + 1)];
  for (let o = 0; o < outer; o++) {
    taps.forEach(([first, second, weight], j) => {
      for (let i = 0; i < inner; i++) {
        const at = (k: number): number => (o * size + k) * inner + i;
        visit((o * taps.length + j) * inner + i, at(first), at(second), weight);
      }
    });
  }
}

export const RESAMPLE: OpDef<ResampleAttrs> = {
  name: 'resample',
  infer([x], { axis, taps }) {
    if (x?.dtype !== 'f32') throw new DTypeError(`resample: expected f32, got ${x ? typeName(x) : 'none'}`);
    const size = x.shape[axis];
    if (size === undefined || taps.some(([a, b]) => a < 0 || b < 0 || a >= size || b >= size)) {
      throw new ShapeError(`resample: expected places within axis ${axis} of [${x.shape}]`);
    }
    return [withAxis(x, axis, taps.length)];
  },
  vjp(node, [dy]) {
    const size = (node.ins[0] as Tensor).shape[node.attrs.axis] as number;
    return [dy ? dy.graph.add(RESAMPLE_GRAD, [dy], { ...node.attrs, size }).out : null];
  },
  onnx(node, b) {
    const { axis, taps } = node.attrs;
    const x = b.value(node.ins[0]!);
    const at = (which: 0 | 1): OnnxValue => {
      const places = b.constant(
        'i32',
        [taps.length],
        taps.map((tap) => tap[which]),
      );
      return b.node('Gather', [x, places], { axis });
    };
    if (taps.every(([, , weight]) => weight === 0)) return [at(0)];
    const weights = (of: (weight: number) => number): OnnxValue => {
      const shape = node.out.shape.map((_, i) => (i === axis ? taps.length : 1));
      return b.constant(
        'f32',
        shape,
        taps.map(([, , weight]) => of(weight)),
      );
    };
    const part = (which: 0 | 1, of: (weight: number) => number): OnnxValue => b.node('Mul', [at(which), weights(of)]);
    return [b.node('Add', [part(0, (w) => 1 - w), part(1, (w) => w)])];
  },
  lower: (node) => lowered(node.out.shape, node.attrs, (node.ins[0] as Tensor).shape[node.attrs.axis] as number),
  cost: (node) => moved(node, 3 * sizeOf(node.out.shape)),
  ref([y], [x], node) {
    eachTap(node.out.shape, node.attrs, (node.ins[0] as Tensor).shape[node.attrs.axis] as number, (to, a, b, weight) => {
      (y as RefArray)[to] = weight === 0 ? x![a]! : (1 - weight) * x![a]! + weight * x![b]!;
    });
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.attrs.axis) },
  samples: () => CASES.map(({ shape, ...attrs }) => ({ ins: [f32(...shape)], attrs })),
};

export const RESAMPLE_GRAD: OpDef<ResampleGradAttrs> = {
  name: 'resampleGrad',
  infer: ([dy], { axis, size }) => [withAxis(dy as TensorType, axis, size)],
  vjp: ({ attrs: { axis, taps } }, [g]) => [g ? g.graph.add(RESAMPLE, [g], { axis, taps }).out : null],
  lower: (node) => lowered((node.ins[0] as Tensor).shape, node.attrs, node.attrs.size),
  cost: (node: Node<ResampleGradAttrs>) => moved(node, 3 * sizeOf((node.ins[0] as Tensor).shape)),
  ref([dx], [dy], node) {
    const out = dx as RefArray;
    out.fill(0);
    eachTap((node.ins[0] as Tensor).shape, node.attrs, node.attrs.size, (from, a, b, weight) => {
      out[a] = out[a]! + (1 - weight) * dy![from]!;
      if (weight !== 0) out[b] = out[b]! + weight * dy![from]!;
    });
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.attrs.axis) },
  samples: () =>
    CASES.map(({ shape, axis, taps }) => ({
      ins: [withAxis(f32(...shape), axis, taps.length)],
      attrs: { axis, taps, size: shape[axis] as number },
    })),
};

const CASES: readonly (ResampleAttrs & { readonly shape: readonly number[] })[] = [
  { shape: [2, 3, 5], axis: 1, taps: [0, 0, 1, 1, 2, 2].map((k): Tap => [k, k, 0]) },
  { shape: [3, 4], axis: 1, taps: [3, 2, 0, 1, 2, 3, 0].map((k): Tap => [k, k, 0]) },
  {
    shape: [4, 33],
    axis: 0,
    taps: [0, 1, 2].flatMap((k): Tap[] => [
      [k, k + 1, 0.25],
      [k, k + 1, 0.75],
    ]),
  },
  {
    shape: [2, 7],
    axis: 1,
    taps: [0, 2, 5].flatMap((k): Tap[] => [
      [k, k, 0],
      [k, k + 1, 1],
      [k, k + 1, 0.1],
    ]),
  },
  { shape: [1], axis: 0, taps: [[0, 0, 0]] },
  { shape: [0, 2], axis: 1, taps: [[1, 1, 0]] },
];

/** Elements along an axis of x, or between them. */
export function resample(x: TensorLike, axis: number, taps: readonly Tap[]): Tensor {
  const t = x.toTensor();
  return t.graph.add(RESAMPLE, [t], { axis: resolveAxis('resample', axis, t.shape.length), taps }).out;
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const RESAMPLES: readonly OpDef<any>[] = [RESAMPLE, RESAMPLE_GRAD];
