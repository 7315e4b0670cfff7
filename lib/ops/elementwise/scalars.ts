// scalars.ts: chains of elementwise operations on f64 scalars in one instruction. Made by the compiler (fuse-scalars.ts). Kernel: scalars.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { OpDef, RefArray, TensorType } from '../../ir/op.ts';
import { MAP_LIMITS, type MapArg, type MapStep } from './map.ts';
import { SCALAR } from './scalar.ts';

export interface ScalarsAttrs {
  readonly steps: readonly MapStep[];
  /** The step that each output is the value of. */
  readonly outs: readonly number[];
}

const f64: TensorType = { dtype: 'f64', shape: [] };

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
    return outs.map(() => f64);
  },
  lower(node, { mapIndex }) {
    const { steps, outs } = node.attrs;
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
    return { ints: [steps.length, ...code, ...outs.map((step) => first + step)], floats };
  },
  cost: (node) => ({ flops: node.attrs.steps.length, bytes: 8 * (node.ins.length + node.outs.length) }),
  ref(outs, ins, node) {
    const values: number[] = [];
    const read = (a: MapArg | undefined): number => {
      if (a === undefined) return Number.NaN;
      return typeof a === 'number' ? a : 'in' in a ? (ins[a.in] as RefArray)[0]! : values[a.step]!;
    };
    for (const { map, args } of node.attrs.steps) values.push(SCALAR[map](read(args[0]), read(args[1]), read(args[2])));
    node.attrs.outs.forEach((step, o) => {
      (outs[o] as RefArray)[0] = values[step]!;
    });
  },
  samples: () => [
    {
      ins: [f64, f64],
      fill: ['normal', 'positive'],
      attrs: {
        steps: [
          { map: 'add', args: [{ in: 0 }, { in: 1 }] },
          { map: 'sqrt', args: [{ in: 1 }] },
          { map: 'where', args: [{ step: 0 }, { step: 1 }, -2.5] },
          { map: 'lessEqual', args: [{ step: 2 }, 0.5] },
        ],
        outs: [1, 2, 0, 3],
      },
      noGradient: true,
    },
    { ins: [], attrs: { steps: [{ map: 'exp', args: [0.5] }], outs: [0] }, noGradient: true },
  ],
};
