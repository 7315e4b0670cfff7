// chain.ts: what a chain of elementwise operations is: broadcasting, its meaning, its lowering for the `map` kernel (map.h).
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node } from '../../ir/graph.ts';
import {
  bytesOf,
  type DType,
  type LowerContext,
  type OpDef,
  type RefArray,
  sameShape,
  sizeOf,
  type TensorType,
} from '../../ir/op.ts';
import { stridesOf } from '../shape/axes.ts';

/** Where a step reads: an input of the chain, an earlier step, or a constant. */
export type MapArg = { readonly in: number } | { readonly step: number } | number;
export interface MapStep {
  /** Its name in maps.ts. */
  readonly map: string;
  readonly args: readonly MapArg[];
}
/** A chain of elementwise operations. The last step is the result; without steps, input 0 is (a cast, a broadcast). */
export interface MapAttrs {
  readonly steps: readonly MapStep[];
  /** What is computed in. Inputs of any dtype are converted to it when read. */
  readonly dtype: 'f32' | 'f64';
  /** What the result is converted to. From a float to an integer: toward zero, saturating, NaN to 0. */
  readonly outDtype: DType;
}
/** What a chain asks of the table of operations (maps.ts), by name. */
export type RowOf = (name: string) => { readonly of: (a: number, b: number, c: number) => number; readonly costly?: boolean };
/** What one `map` instruction can hold; fuse.ts stays below. */
export const MAP_LIMITS: { readonly inputs: number; readonly constants: number; readonly steps: number; readonly dims: number } =
  {
    inputs: 16,
    constants: 64,
    steps: 32,
    dims: 6,
  };
const TYPE_CODE: Readonly<Record<DType, number>> = { f32: 0, f64: 1, i32: 2, u8: 3 };

/** The shape that `shapes` broadcast to, by numpy's rules. `op` names the op in the error. */
export function broadcastShapes(op: string, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    shape.forEach((d, i) => {
      const o = i + rank - shape.length;
      if (d === 1 || d === out[o]) return;
      if (out[o] !== 1) {
        const list = shapes.map((s) => `[${s}]`).join(' and ');
        throw new ShapeError(`${op}: expected shapes that broadcast, got ${list}`, { op, shapes });
      }
      out[o] = d;
    });
  }
  return out;
}

/** Strides in elements of an operand of `shape` seen as `out`: 0 along broadcast dimensions. */
function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const lead = out.length - shape.length;
  const own = stridesOf(shape);
  return out.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : (own[i - lead] as number)));
}

/** The common dtype of float operands; throws DTypeError. */
export function floatDtype(op: string, ins: readonly TensorType[]): 'f32' | 'f64' {
  const [first] = ins;
  for (const t of ins) {
    if (t.dtype !== 'f32' && t.dtype !== 'f64') {
      throw new DTypeError(`${op}: expected f32 or f64, got ${t.dtype}; convert it with cast(x, 'f32')`, { op, dtype: t.dtype });
    }
    if (t.dtype !== first?.dtype) {
      const list = ins.map((i) => i.dtype).join(' and ');
      throw new DTypeError(`${op}: expected operands of one dtype, got ${list}; convert with cast(x, '${t.dtype}')`, { op });
    }
  }
  return first?.dtype === 'f64' ? 'f64' : 'f32';
}

/** Convert as the kernel does when it stores. */
function convert(x: number, dtype: DType): number {
  if (dtype === 'f32' || dtype === 'f64') return x;
  if (Number.isNaN(x)) return 0;
  const [lo, hi] = dtype === 'u8' ? [0, 255] : [-2147483648, 2147483647];
  return Math.min(hi, Math.max(lo, Math.trunc(x)));
}

/** The meaning of a chain: element by element, in f64. */
function refMap(y: RefArray, ins: readonly RefArray[], node: Node, { steps, outDtype }: MapAttrs, rowOf: RowOf): void {
  const { shape } = node.out;
  const strides = node.ins.map((t) => broadcastStrides(t.shape, shape));
  const own = stridesOf(shape);
  const meanings = steps.map(({ map }) => rowOf(map).of);
  const values = new Array<number>(steps.length);
  for (let e = 0; e < y.length; e++) {
    const at = strides.map((s) => s.reduce((sum, stride, d) => sum + (Math.floor(e / own[d]!) % shape[d]!) * stride, 0));
    const read = (a: MapArg): number => (typeof a === 'number' ? a : 'in' in a ? ins[a.in]![at[a.in]!]! : values[a.step]!);
    steps.forEach(({ args: [a, b, c] }, i) => {
      values[i] = meanings[i]!(read(a ?? NaN), read(b ?? NaN), read(c ?? NaN));
    });
    y[e] = convert(steps.length > 0 ? values[steps.length - 1]! : read({ in: 0 }), outDtype);
  }
}

/** Merge neighboring dimensions that are contiguous in every operand, and drop those of 1. */
function collapse(shape: readonly number[], strides: readonly number[][]): { shape: number[]; strides: number[][] } {
  const out = { shape: [] as number[], strides: strides.map(() => [] as number[]) };
  if (sizeOf(shape) === 0) return { shape: [0], strides: strides.map(() => [0]) };
  shape.forEach((d, i) => {
    if (d === 1) return;
    const last = out.shape.length - 1;
    if (last >= 0 && strides.every((s, k) => out.strides[k]![last] === s[i]! * d)) {
      out.shape[last]! *= d;
      out.strides.forEach((s, k) => {
        s[last] = strides[k]![i]!;
      });
    } else {
      out.shape.push(d);
      out.strides.forEach((s, k) => {
        s.push(strides[k]![i]!);
      });
    }
  });
  return out.shape.length > 0 ? out : { shape: [1], strides: strides.map(() => [0]) };
}

/** A temporary for each step's value: taken again as soon as the value before was read for the last time. */
function temporaries(steps: readonly MapStep[]): { at: number[]; count: number } {
  const lastUse = steps.map((_, i) => i);
  steps.forEach((s, i) => {
    for (const a of s.args) if (typeof a === 'object' && 'step' in a) lastUse[a.step] = i;
  });
  const busyUntil: number[] = [];
  const at = steps.map((_, i) => {
    let t = busyUntil.findIndex((until) => until <= i);
    if (t < 0) t = busyUntil.length;
    busyUntil[t] = lastUse[i]!;
    return t;
  });
  return { at, count: busyUntil.length };
}

/**
 * Attributes of the `map` kernel for a chain: its layout stands in map.h. `mapIndex` gives the position of a name in maps.inc.
 * @throws ShapeError where the operands broadcast in more ways than the kernel has dimensions.
 */
export function lowerMap(
  chain: {
    readonly out: TensorType;
    readonly ins: readonly TensorType[];
    readonly dtype: 'f32' | 'f64';
    readonly steps: readonly MapStep[];
  },
  mapIndex: (name: string) => number,
): { ints: number[]; floats: number[] } {
  const { out, ins, dtype, steps } = chain;
  const { shape, strides } = collapse(
    out.shape,
    ins.map((t) => broadcastStrides(t.shape, out.shape)),
  );
  if (shape.length > MAP_LIMITS.dims) {
    throw new ShapeError(`map: expected at most ${MAP_LIMITS.dims} dimensions after merging, got ${shape.length}`, { shape });
  }
  const floats: number[] = [];
  for (const a of steps.flatMap((s) => s.args)) {
    if (typeof a === 'number' && !floats.some((f) => Object.is(f, a))) floats.push(a);
  }
  const temps = temporaries(steps);
  const firstTemp = ins.length + floats.length;
  const register = (a: MapArg): number => {
    if (typeof a === 'number') return ins.length + floats.findIndex((f) => Object.is(f, a));
    return 'in' in a ? a.in : firstTemp + temps.at[a.step]!;
  };
  const ints = [TYPE_CODE[dtype], TYPE_CODE[out.dtype], shape.length, steps.length, temps.count, ...shape];
  ins.forEach((t, i) => {
    ints.push(TYPE_CODE[t.dtype], ...strides[i]!);
  });
  steps.forEach((s, i) => {
    ints.push(mapIndex(s.map), firstTemp + temps.at[i]!, ...s.args.map(register));
  });
  return { ints, floats };
}

/** Flops of a transcendental function. */
const COSTLY = 20;

/** All of an op record that follows from its chain. */
export function chainOp<A>(
  name: string,
  chain: (attrs: A, ins: readonly TensorType[]) => MapAttrs,
  rowOf: RowOf,
): Omit<OpDef<A>, 'samples'> {
  const types = (node: Node<A>): TensorType[] => node.ins.map((t) => t.type);
  const of = (node: Node<A>): MapAttrs => chain(node.attrs, types(node));
  return {
    name,
    kernel: 'map',
    light: true,
    infer(ins, attrs) {
      const shape = broadcastShapes(
        name,
        ins.map((t) => t.shape),
      );
      return [{ dtype: chain(attrs, ins).outDtype, shape }];
    },
    lower: (node, { mapIndex }: LowerContext) => {
      const { steps, dtype } = of(node);
      return lowerMap({ out: node.out.type, ins: types(node), dtype, steps }, mapIndex);
    },
    cost(node) {
      const flops = of(node).steps.reduce((sum, s) => sum + (rowOf(s.map).costly ? COSTLY : 1), 0);
      const bytes = [...node.ins, ...node.outs].reduce((sum, t) => sum + bytesOf(t.type), 0);
      return { flops: flops * sizeOf(node.out.shape), bytes };
    },
    inplace: (node) =>
      node.ins.flatMap((t, i) => (t.dtype === node.out.dtype && sameShape(t.shape, node.out.shape) ? [[0, i] as const] : [])),
    ref: ([y], ins, node) => refMap(y as RefArray, ins, node as Node, of(node), rowOf),
  };
}
