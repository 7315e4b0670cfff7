// compounds.ts: activations that are several operations of maps.ts, each a record with a gradient of its own, which reads x and nothing else of the
// forward pass. The compiler puts the operations in their place (compile/expand.ts), so that they fuse as any other.

import { CONSTANT, type Node, type Tensor } from '../../ir/graph.ts';
import type { OnnxValue } from '../../ir/onnx.ts';
import { f32, f64, type OpDef, type Sample, type TensorType } from '../../ir/op.ts';
import { byElement } from '../../ir/samples.ts';
import { chainOp, floatDtype, type MapArg, type MapStep } from './chain.ts';
import * as e from './elementwise.ts';
import { apply, rowOf } from './maps.ts';
import { ONNX_MAPS } from './maps-onnx.ts';

interface Compound<A> {
  readonly arity: 1 | 2;
  /** The last one is the result. */
  steps(attrs: A): readonly MapStep[];
  /** Gradients of the inputs, in the shape of the output. */
  vjp(dy: Tensor, ins: readonly Tensor[], attrs: A): (Tensor | null)[];
  /** Attributes of samples. */
  readonly tried: readonly A[];
}

const X: MapArg = { in: 0 };
const at = (step: number): MapArg => ({ step });
const step = (map: string, ...args: readonly MapArg[]): MapStep => ({ map, args });
/** A unit that saturates has gradients that come to nothing: no denormals. */
const flushed = (x: Tensor): Tensor => apply('flush', x);
const tanh = (x: Tensor): Tensor => apply('tanh', x);

export interface AlphaAttrs {
  readonly alpha: number;
}
export interface LambdaAttrs {
  readonly lambda: number;
}
export interface RangeAttrs {
  readonly min: number;
  readonly max: number;
}
type NoAttrs = Readonly<Record<string, never>>;
const NONE: NoAttrs = {};

// Klambauer et al. 2017, Self-Normalizing Neural Networks.
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Of x and a slope, which may be a tensor that broadcasts. */
const leakyRelu: Compound<NoAttrs> = {
  arity: 2,
  steps: () => [step('less', 0, X), step('mul', X, { in: 1 }), step('where', at(0), X, at(1))],
  vjp: (dy, [x, slope]) => [
    e.where(e.less(0, x!), dy, e.mul(dy, slope!)),
    slope!.node.op === CONSTANT ? null : e.where(e.less(0, x!), 0, e.mul(dy, x!)),
  ],
  tried: [NONE],
};

const elu: Compound<AlphaAttrs> = {
  arity: 1,
  steps: ({ alpha }) => [step('expUnit', X, alpha, 1)],
  vjp: (dy, [x], { alpha }) => [apply('expUnitGrad', x!, dy, alpha)],
  tried: [{ alpha: 1 }, { alpha: 0.375 }],
};

const celu: Compound<AlphaAttrs> = {
  arity: 1,
  steps: ({ alpha }) => [step('expUnit', X, alpha, 1 / alpha)],
  vjp: (dy, [x], { alpha }) => [apply('expUnitGrad', alpha === 1 ? x! : e.div(x!, alpha), dy, 1)],
  tried: [{ alpha: 1 }, { alpha: 0.375 }],
};

const selu: Compound<NoAttrs> = {
  arity: 1,
  steps: () => [step('expUnit', X, SELU_ALPHA, 1), step('mul', at(0), SELU_SCALE)],
  vjp: (dy, [x]) => [apply('expUnitGrad', x!, e.mul(dy, SELU_SCALE), SELU_ALPHA)],
  tried: [NONE],
};

const hardtanh: Compound<RangeAttrs> = {
  arity: 1,
  steps: ({ min, max }) => [step('clamp', X, min, max)],
  vjp: (dy, [x], { min, max }) => [e.where(e.maximum(e.lessEqual(x!, min), e.lessEqual(max, x!)), 0, dy)],
  tried: [
    { min: -1, max: 1 },
    { min: 0, max: 6 },
  ],
};

const hardsigmoid: Compound<NoAttrs> = {
  arity: 1,
  steps: () => [step('add', X, 3), step('clamp', at(0), 0, 6), step('mul', at(1), 1 / 6)],
  vjp: (dy, [x]) => [e.where(e.mul(e.less(-3, x!), e.less(x!, 3)), e.div(dy, 6), 0)],
  tried: [NONE],
};

const hardswish: Compound<NoAttrs> = {
  arity: 1,
  // In this order it is x itself from 3 on.
  steps: () => [step('add', X, 3), step('clamp', at(0), 0, 6), step('mul', at(1), 1 / 6), step('mul', X, at(2))],
  vjp(dy, [x]) {
    const bent = e.mul(dy, e.add(e.div(x!, 3), 0.5));
    return [e.where(e.lessEqual(x!, -3), 0, e.where(e.less(x!, 3), bent, dy))];
  },
  tried: [NONE],
};

/** Where x is not far enough from 0. */
const near = (x: Tensor, lambda: number): Tensor => e.lessEqual(e.abs(x), lambda);

const hardshrink: Compound<LambdaAttrs> = {
  arity: 1,
  steps: ({ lambda }) => [step('abs', X), step('lessEqual', at(0), lambda), step('where', at(1), 0, X)],
  vjp: (dy, [x], { lambda }) => [e.where(near(x!, lambda), 0, dy)],
  tried: [{ lambda: 0.5 }],
};

const softshrink: Compound<LambdaAttrs> = {
  arity: 1,
  steps: ({ lambda }) => [step('clamp', X, -lambda, lambda), step('sub', X, at(0))],
  vjp: (dy, [x], { lambda }) => [e.where(near(x!, lambda), 0, dy)],
  tried: [{ lambda: 0.5 }],
};

const tanhshrink: Compound<NoAttrs> = {
  arity: 1,
  steps: () => [step('tanh', X), step('sub', X, at(0))],
  vjp: (dy, [x]) => [flushed(e.mul(dy, e.square(tanh(x!))))],
  tried: [NONE],
};

const softsign: Compound<NoAttrs> = {
  arity: 1,
  steps: () => [step('abs', X), step('add', at(0), 1), step('div', X, at(1))],
  vjp: (dy, [x]) => [e.div(dy, e.square(e.add(e.abs(x!), 1)))],
  tried: [NONE],
};

const SHAPES: Readonly<Record<1 | 2, readonly (readonly (readonly number[])[])[]>> = {
  1: [[[1]], [[3, 0]], [[2, 19]], [[1037]]],
  2: [
    [[1], [1]],
    [[5, 7], []],
    [
      [2, 3, 33],
      [3, 1],
    ],
    [[1037], []],
  ],
};

function recordOf<A>(name: string, { arity, steps, vjp, tried }: Compound<A>): OpDef<A> {
  const chain = (attrs: A, ins: readonly TensorType[]) => {
    const dtype = floatDtype(name, ins);
    return { steps: steps(attrs), dtype, outDtype: dtype };
  };
  return {
    ...chainOp<A>(name, chain, rowOf),
    compound: true,
    broadcasts: true,
    vjp: ({ ins, attrs }, [dy]) => (dy ? vjp(dy, ins, attrs) : ins.map(() => null)),
    onnx(node, b) {
      const dtype = node.out.dtype === 'f64' ? 'f64' : 'f32';
      const values: OnnxValue[] = [];
      const read = (a: MapArg): OnnxValue => {
        if (typeof a === 'number') return b.scalar(dtype, a);
        return 'in' in a ? b.value(node.ins[a.in]!) : values[a.step]!;
      };
      for (const { map, args } of steps(node.attrs)) values.push(ONNX_MAPS[map]!(b, args.map(read), dtype));
      return [values.at(-1)!];
    },
    samplesOf: { lies: byElement },
    samples: () =>
      tried.flatMap((attrs): Sample<A>[] => [
        ...SHAPES[arity].map((shapes) => ({ ins: shapes.map((shape) => f32(...shape)), attrs })),
        { ins: SHAPES[arity][2]!.map((shape) => f64(...shape)), attrs },
      ]),
  };
}

const TABLE: ReadonlyMap<string, Compound<never>> = new Map<string, Compound<never>>(
  Object.entries({
    ...{ leakyRelu, elu, celu, selu, hardtanh, hardsigmoid, hardswish },
    ...{ hardshrink, softshrink, tanhshrink, softsign },
  }) as [string, Compound<never>][],
);
const RECORDS: ReadonlyMap<string, OpDef<never>> = new Map(
  Array.from(TABLE, ([name, compound]) => [name, recordOf(name, compound)] as const),
);

/** All records of compounds. */
// biome-ignore lint/suspicious/noExplicitAny: as in list.ts
export const COMPOUNDS: readonly OpDef<any>[] = [...RECORDS.values()];

/** The operations that a node of a compound stands for: of its inputs, and of each other. */
export const partsOf = (node: Node): readonly MapStep[] => TABLE.get(node.op.name)!.steps(node.attrs as never);

/** Apply the compound of this name. */
export function compound<A>(name: string, ins: readonly Tensor[], attrs: A): Tensor {
  return ins[0]!.graph.add(RECORDS.get(name)! as unknown as OpDef<A>, ins, attrs).out;
}
