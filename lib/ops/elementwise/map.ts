// map.ts: the ops beside those of maps.ts that the kernels `map` and `scalars` compute: chains of elementwise operations, which the compiler
// makes (fuse.ts, fuse-scalars.ts), and conversions. Kernels: map.h, scalars.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { type DType, f64, type OpDef, type RefArray } from '../../ir/op.ts';
import { chainOp, MAP_LIMITS, type MapArg, type MapAttrs, type MapStep } from './chain.ts';
import { mapSamples } from './map-samples.ts';
import { rowOf } from './maps.ts';

/** A fused chain, made by the compiler; never differentiated. */
export const MAP: OpDef<MapAttrs> = {
  ...chainOp<MapAttrs>('map', (attrs) => attrs, rowOf),
  samples: () => [
    {
      ins: [
        { dtype: 'f32', shape: [5, 7] },
        { dtype: 'f32', shape: [7] },
        { dtype: 'i32', shape: [5, 1] },
      ],
      fill: ['normal', 'normal', [-3, 4]],
      attrs: {
        dtype: 'f32',
        outDtype: 'f64',
        steps: [
          { map: 'add', args: [{ in: 0 }, { in: 1 }] },
          { map: 'tanh', args: [{ step: 0 }] },
          { map: 'mul', args: [{ step: 1 }, { in: 2 }] },
          { map: 'clamp', args: [{ step: 2 }, -1.5, { step: 0 }] },
        ],
      },
    },
  ],
};

// ---- conversion --------------------------------------------------------------------------------------------------
export interface CastAttrs {
  readonly dtype: DType;
}
export const CAST: OpDef<CastAttrs> = {
  // f32 holds every u8 exactly, f64 every i32.
  ...chainOp<CastAttrs>(
    'cast',
    ({ dtype }, [x]) => {
      const narrow = [x?.dtype, dtype].every((d) => d === 'f32' || d === 'u8');
      return { steps: [], dtype: narrow ? 'f32' : 'f64', outDtype: dtype };
    },
    rowOf,
  ),
  vjp(node, [dy]) {
    const { dtype } = node.ins[0]!;
    const passes = dtype === 'f32' || dtype === 'f64';
    return [dy && passes ? castTo(dy, dtype) : null];
  },
  onnx(node, b) {
    const [x, from, to] = [b.value(node.ins[0]!), node.ins[0]!.dtype, node.attrs.dtype];
    // What does not fit is the nearest end of the range here, and undefined there. (f32 does not have that of i32.)
    const range = to === 'u8' && from !== 'u8' ? [0, 255] : to === 'i32' && from === 'f64' ? [-(2 ** 31), 2 ** 31 - 1] : null;
    return [b.cast(range ? b.node('Clip', [x, ...range.map((end) => b.scalar(from, end))]) : x, from, to)];
  },
  samplesOf: mapSamples('cast'),
  samples: () => [
    { ins: [{ dtype: 'f32', shape: [3, 11] }], attrs: { dtype: 'f64' } },
    { ins: [{ dtype: 'f64', shape: [1037] }], attrs: { dtype: 'f32' } },
    { ins: [{ dtype: 'f64', shape: [17] }], fill: [[-1e10, 1e10]], attrs: { dtype: 'i32' }, noGradient: true },
    { ins: [{ dtype: 'f32', shape: [33] }], fill: [[-300, 600]], attrs: { dtype: 'u8' }, noGradient: true },
    { ins: [{ dtype: 'u8', shape: [2, 9] }], fill: [[0, 256]], attrs: { dtype: 'f32' }, noGradient: true },
    { ins: [{ dtype: 'i32', shape: [5] }], fill: [[-100000, 100000]], attrs: { dtype: 'f32' }, noGradient: true },
    { ins: [{ dtype: 'i32', shape: [0] }], fill: [[0, 9]], attrs: { dtype: 'u8' }, noGradient: true },
  ],
};

/** `x` in another dtype; itself, where it has that one. */
export const castTo = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : x.graph.add(CAST, [x], { dtype }).out);

// ---- chains of single numbers ------------------------------------------------------------------------------------
export interface ScalarsAttrs {
  readonly steps: readonly MapStep[];
  /** The step that each output is the value of. */
  readonly outs: readonly number[];
  /** What has the step of the training skipped, where it is not 0. */
  readonly skips?: MapArg;
}

/** Constants in the order of first use. */
function constantsOf(steps: readonly MapStep[]): number[] {
  const found: number[] = [];
  for (const a of steps.flatMap((s) => s.args)) {
    if (typeof a === 'number' && !found.some((f) => Object.is(f, a))) found.push(a);
  }
  return found;
}

/** Does a chain of so many inputs fit an instruction? */
export function scalarsFit(inputs: number, steps: readonly MapStep[]): boolean {
  return inputs <= MAP_LIMITS.inputs && steps.length <= MAP_LIMITS.steps && constantsOf(steps).length <= MAP_LIMITS.constants;
}

/** f64 scalars in, f64 scalars out. */
export const SCALARS: OpDef<ScalarsAttrs> = {
  name: 'scalars',
  infer(ins, { steps, outs }) {
    for (const t of ins) if (t.dtype !== 'f64' || t.shape.length > 0) throw new DTypeError('scalars: expected f64 scalars');
    if (!scalarsFit(ins.length, steps)) throw new ShapeError('scalars: more than an instruction holds', { steps: steps.length });
    return outs.map(() => f64());
  },
  lower(node, { mapIndex }) {
    const { steps, outs, skips } = node.attrs;
    const floats = constantsOf(steps);
    const first = node.ins.length + floats.length;
    const register = (a: MapArg): number => {
      if (typeof a === 'number') return node.ins.length + floats.findIndex((f) => Object.is(f, a));
      return 'in' in a ? a.in : first + a.step;
    };
    // An operation that reads fewer than three registers is given register 0 for the others.
    const code = steps.flatMap(({ map, args }) => [
      mapIndex(map),
      ...[0, 1, 2].map((k) => (args[k] === undefined ? 0 : register(args[k]))),
    ]);
    return {
      ints: [steps.length, skips === undefined ? -1 : register(skips), ...code, ...outs.map((step) => first + step)],
      floats,
    };
  },
  decides: ({ attrs }) => attrs.skips !== undefined,
  cost: (node) => ({ flops: node.attrs.steps.length, bytes: 8 * (node.ins.length + node.outs.length) }),
  ref(outs, ins, node) {
    const values: number[] = [];
    const read = (a: MapArg | undefined): number => {
      if (a === undefined) return Number.NaN;
      return typeof a === 'number' ? a : 'in' in a ? (ins[a.in] as RefArray)[0]! : values[a.step]!;
    };
    for (const { map, args } of node.attrs.steps) values.push(rowOf(map).of(read(args[0]), read(args[1]), read(args[2])));
    node.attrs.outs.forEach((step, o) => {
      (outs[o] as RefArray)[0] = values[step]!;
    });
  },
  samples: () => [
    {
      ins: [f64(), f64()],
      fill: ['normal', 'positive'],
      attrs: {
        steps: [
          { map: 'add', args: [{ in: 0 }, { in: 1 }] },
          { map: 'sqrt', args: [{ in: 1 }] },
          { map: 'where', args: [{ step: 0 }, { step: 1 }, -2.5] },
          { map: 'lessEqual', args: [{ step: 2 }, 0.5] },
        ],
        outs: [1, 2, 0, 3],
        skips: { step: 3 },
      },
      noGradient: true,
    },
    { ins: [], attrs: { steps: [{ map: 'exp', args: [0.5] }], outs: [0] }, noGradient: true },
  ],
};
