// compounds.ts: activations that are several operations of maps.ts, each a record with a gradient of its own, which reads x and nothing else of the
// forward pass. The compiler puts the operations in their place (compile/expand.ts), so that they fuse as any other.
import { CONSTANT, type Node, type Tensor } from '../../ir/graph.ts';
import type { OnnxValue } from '../../ir/onnx.ts';
import { f32, f64, type OpDef, type Sample, type TensorType } from '../../ir/op.ts';
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
const sigmoid = (x: Tensor): Tensor => apply('sigmoid', x);
const tanh = (x: Tensor): Tensor => apply('tanh', x);
const negative = (x: Tensor): Tensor => e.minimum(x, 0);

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

/**
 * Steps for `of` below 0 and `above` from there on: scale * (exp(v) - 1), as 2 t / (1 - t) with t the tanh of v / 2. That is exact for small v, and
 * v is at most 0, so nothing is lost in the difference.
 */
const exponential = (before: readonly MapStep[], scale: number, above: readonly MapStep[]): MapStep[] => {
  const steps = [...before];
  const push = (...next: Parameters<typeof step>): MapArg => at(steps.push(step(...next)) - 1);
  const v = before.length > 0 ? at(before.length - 1) : X;
  const t = push('tanh', push('mul', push('minimum', v, 0), 0.5));
  const below = push('mul', push('div', t, push('sub', 1, t)), 2 * scale);
  const last = above.reduce<MapArg>((_, { map, args }) => push(map, ...args), X);
  push('where', push('less', 0, X), last, below);
  return steps;
};

const elu: Compound<AlphaAttrs> = {
  arity: 1,
  steps: ({ alpha }) => exponential([], alpha, []),
  vjp: (dy, [x], { alpha }) => [e.where(e.less(0, x!), dy, flushed(e.mul(dy, e.mul(e.exp(negative(x!)), alpha))))],
  tried: [{ alpha: 1 }, { alpha: 0.375 }],
};

const celu: Compound<AlphaAttrs> = {
  arity: 1,
  steps: ({ alpha }) => exponential([step('div', X, alpha)], alpha, []),
  vjp: (dy, [x], { alpha }) => [e.where(e.less(0, x!), dy, flushed(e.mul(dy, e.exp(negative(e.div(x!, alpha))))))],
  tried: [{ alpha: 1 }, { alpha: 0.375 }],
};

const selu: Compound<NoAttrs> = {
  arity: 1,
  steps: () => exponential([], SELU_SCALE * SELU_ALPHA, [step('mul', X, SELU_SCALE)]),
  vjp(dy, [x]) {
    const below = flushed(e.mul(dy, e.mul(e.exp(negative(x!)), SELU_SCALE * SELU_ALPHA)));
    return [e.where(e.less(0, x!), e.mul(dy, SELU_SCALE), below)];
  },
  tried: [NONE],
};

const mish: Compound<NoAttrs> = {
  arity: 1,
  // tanh(log(1 + e)) = n / (n + 2), with n = e (e + 2). Beyond 40 that is 1.
  steps: () => [
    ...[step('minimum', X, MISH_MOST), step('exp', at(0)), step('add', at(1), 2), step('mul', at(1), at(2))],
    ...[step('add', at(3), 2), step('div', at(3), at(4)), step('mul', X, at(5))],
  ],
  // The slope is t + x s (1 - t^2), with t = n / (n + 2) and s = e / (1 + e): then s (1 - t^2) = 4 e (1 + e) / (n + 2)^2.
  vjp(dy, [x]) {
    const least = e.minimum(x!, MISH_MOST);
    const grown = e.exp(least);
    const n = e.mul(grown, e.add(grown, 2));
    const d = e.add(n, 2);
    const bend = e.mul(e.div(grown, d), e.div(e.add(grown, 1), d));
    return [flushed(e.mul(dy, e.add(e.div(n, d), e.mul(e.mul(least, 4), bend))))];
  },
  tried: [NONE],
};
const MISH_MOST = 40;

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
  steps: () => [step('add', X, 3), step('clamp', at(0), 0, 6), step('div', at(1), 6)],
  vjp: (dy, [x]) => [e.where(e.mul(e.less(-3, x!), e.less(x!, 3)), e.div(dy, 6), 0)],
  tried: [NONE],
};

const hardswish: Compound<NoAttrs> = {
  arity: 1,
  steps: () => [step('add', X, 3), step('clamp', at(0), 0, 6), step('mul', X, at(1)), step('div', at(2), 6)],
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

const logSigmoid: Compound<NoAttrs> = {
  arity: 1,
  steps: () => [step('neg', X), step('softplus', at(0)), step('neg', at(1))],
  vjp: (dy, [x]) => [flushed(e.mul(dy, sigmoid(e.neg(x!))))],
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
    samples: () =>
      tried.flatMap((attrs): Sample<A>[] => [
        ...SHAPES[arity].map((shapes) => ({ ins: shapes.map((shape) => f32(...shape)), attrs })),
        { ins: SHAPES[arity][2]!.map((shape) => f64(...shape)), attrs },
      ]),
  };
}

const TABLE: ReadonlyMap<string, Compound<never>> = new Map<string, Compound<never>>(
  Object.entries({
    ...{ leakyRelu, elu, celu, selu, mish, hardtanh, hardsigmoid, hardswish },
    ...{ hardshrink, softshrink, tanhshrink, softsign, logSigmoid },
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
