// elementwise-op.ts: how the records of elementwise.ts and activation.ts are made.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import type { DType, OpDef, Sample, TensorType } from '../../ir/op.ts';
import { signature } from '../../options/index.ts';
import { operand, tensor } from '../args.ts';
import { chainOp, floatDtype } from './map.ts';
import { type Operand, tensors } from './operand.ts';
import type { MapName } from './scalar.ts';

/** Elementwise ops have no attributes. */
export type NoAttrs = Readonly<Record<string, never>>;
const NONE: NoAttrs = {};

export interface ElementwiseSpec {
  /** Gradients of the inputs, in the output's shape (which is summed to the inputs'); null: none. Absent: not differentiable. */
  readonly vjp?: (dy: Tensor, ins: readonly Tensor[], y: Tensor) => (Tensor | null)[];
  /** How tests fill the inputs, where the domain is not all numbers. */
  readonly fill?: readonly ('normal' | 'positive' | readonly [number, number])[];
  /** Has steps: not compared with finite differences. */
  readonly noGradient?: boolean;
}

/** Shapes of samples by arity: one element, odd tails, broadcasting on either side, no elements, several blocks. */
const SHAPES: Readonly<Record<number, readonly (readonly (readonly number[])[])[]>> = {
  1: [[[1]], [[]], [[3, 0]], [[2, 19]], [[1037]]],
  2: [
    [[1], [1]],
    [[], [7]],
    [[0, 4], [4]],
    [[5, 7], [7]],
    [
      [3, 1],
      [2, 1, 33],
    ],
    [[1037], [1]],
  ],
  3: [
    [[1], [1], [1]],
    [[5, 7], [7], [5, 1]],
    [[], [1037], [1]],
  ],
};

function samplesOf(arity: number, { fill, noGradient }: ElementwiseSpec): Sample<NoAttrs>[] {
  const shapes = SHAPES[arity] as readonly (readonly (readonly number[])[])[];
  const sample = (dtype: DType, ins: readonly (readonly number[])[]): Sample<NoAttrs> => ({
    ins: ins.map((shape): TensorType => ({ dtype, shape })),
    attrs: NONE,
    ...(fill && { fill }),
    ...(noGradient && { noGradient }),
  });
  return [...shapes.map((s) => sample('f32', s)), sample('f64', shapes[shapes.length - 2] as readonly number[][])];
}

/** The record of one operation of maps.inc. */
export function elementwise(map: MapName, arity: 1 | 2 | 3, spec: ElementwiseSpec): OpDef<NoAttrs> {
  const { vjp } = spec;
  const args = Array.from({ length: arity }, (_, i) => ({ in: i }));
  return {
    ...chainOp<NoAttrs>(map, (_, ins) => {
      const dtype = floatDtype(map, ins);
      return { steps: [{ map, args }], dtype, outDtype: dtype };
    }),
    map,
    broadcasts: true,
    ...(vjp && { vjp: (node, [dy]) => (dy ? vjp(dy, node.ins, node.out) : args.map(() => null)) }),
    samples: () => samplesOf(arity, spec),
  };
}

/** Apply an elementwise op to operands. */
export function apply(op: OpDef<NoAttrs>, ...operands: readonly Operand[]): Tensor {
  const ins = tensors(op.name, ...operands);
  return (ins[0] as Tensor).graph.add(op, ins, NONE).out;
}

/** The public function `ops.name` of one tensor: what an op makes of it, or what `build` makes of ops. */
export function unary(name: string, make: OpDef<NoAttrs> | ((x: Tensor) => Tensor)): (x: TensorLike) => Tensor {
  const read = signature(`ops.${name}`, { x: tensor });
  return called(name, function (x: TensorLike): Tensor {
    read(arguments);
    return typeof make === 'function' ? make(x.toTensor()) : apply(make, x);
  });
}

/** The public function `ops.name` of two operands: what an op makes of them, or what `make` makes of ops. */
export function binary(name: string, make: OpDef<NoAttrs> | Binary): Binary {
  const read = signature(`ops.${name}`, { a: operand, b: operand });
  return called(name, function (a: Operand, b: Operand): Tensor {
    read(arguments);
    return typeof make === 'function' ? make(a, b) : apply(make, a, b);
  });
}
type Binary = (a: Operand, b: Operand) => Tensor;

/** With the name that stack traces show. */
const called = <F extends object>(name: string, f: F): F => Object.defineProperty(f, 'name', { value: name });
