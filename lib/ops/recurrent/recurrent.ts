// recurrent.ts: what the ops over time share: their operands, the order of steps, options. Ops: rnn.ts, lstm.ts, gru.ts.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { type Cost, type RefArray, sameShape, type TensorType, typeName } from '../../ir/op.ts';
import { toBf16 } from '../../math/bf16.ts';
import { exp } from '../../math/index.ts';
import { bool, type Field } from '../../options/index.ts';
import { optionalTensor } from '../args.ts';
import { moved } from '../shape/axes.ts';

/** Options of `ops.gru` and `ops.lstm`. */
export interface RecurrentOptions {
  /**
   * i32 [batch]: the valid steps of each row, from 0 to time. Beyond them the state stays and outputs are 0. Default
   * null: all.
   */
  readonly lengths?: TensorLike | null;
  /** From the last valid step to the first. Outputs lie where their inputs do. Default false. */
  readonly reverse?: boolean;
}

export interface RecurrentAttrs {
  readonly reverse: boolean;
  /** Whether the last operand is the lengths. */
  readonly lengths: boolean;
  /** The product of each step takes weights and states (backward: the gates' gradients) rounded to bf16. Set by the graph, by its precision. */
  readonly bf16?: boolean;
}

/** What a recurrent op gives. */
export interface RecurrentStates {
  /** The state after each step, [batch, time, hidden]; 0 beyond a row's length. */
  readonly states: Tensor;
  /** The one after the last valid step, [batch, hidden]. Cheaper than a slice of `states`, above all in the backward pass. */
  readonly last: Tensor;
}

export const recurrentFields: {
  readonly lengths: Field<TensorLike | null, Tensor | null, false>;
  readonly reverse: Field<boolean, boolean, false>;
} = { lengths: optionalTensor, reverse: bool.default(false) };

export interface Sizes {
  readonly batch: number;
  readonly steps: number;
  readonly hidden: number;
}
/** Sizes by the states [batch, time, hidden]. */
export function sizesOf(states: TensorType): Sizes {
  const [batch, steps, hidden] = states.shape as [number, number, number];
  return { batch, steps, hidden };
}

export function expectShape(op: string, what: string, got: TensorType | undefined, shape: readonly number[]): void {
  if (!got) throw new ShapeError(`${op}: expected ${what} as [${shape}], got nothing`);
  if (got.dtype !== 'f32') throw new DTypeError(`${op}: expected ${what} as f32, got ${typeName(got)}`);
  if (!sameShape(got.shape, shape)) throw new ShapeError(`${op}: expected ${what} as [${shape}], got [${got.shape}]`);
}

/** The sizes of `x` [batch, time, gates * hidden], checked. */
export function batchFirst(op: string, what: string, x: TensorType, gates = 1): Sizes {
  const [batch, steps, width] = x.shape as [number, number, number];
  if (x.shape.length !== 3 || width % gates !== 0) {
    const last = gates === 1 ? 'hidden' : `${gates} * hidden`;
    throw new ShapeError(`${op}: expected ${what} as [batch, time, ${last}], got [${x.shape}]`);
  }
  expectShape(op, what, x, x.shape);
  return { batch, steps, hidden: width / gates };
}

/** Checks the operands from `from` on: gradients of these shapes, then lengths if there are any. */
export function expectRest(
  op: string,
  ins: readonly TensorType[],
  from: number,
  gradients: readonly (readonly number[])[],
  lengths: number | null,
): void {
  const count = from + gradients.length + (lengths === null ? 0 : 1);
  if (ins.length !== count) throw new ShapeError(`${op}: expected ${count} operands, got ${ins.length}`);
  gradients.forEach((shape, i) => {
    expectShape(op, 'a gradient', ins[from + i], shape);
  });
  const last = ins.at(-1) as TensorType;
  if (lengths === null) return;
  if (last.dtype !== 'i32') throw new DTypeError(`${op}: expected lengths as i32, got ${typeName(last)}`);
  if (!sameShape(last.shape, [lengths])) {
    throw new ShapeError(`${op}: expected lengths as [${lengths}], got [${last.shape}]`);
  }
}

/** Integers for the kernel: sizes, direction, whether there are lengths, whether products are of bf16. */
export function recurrentInts({ batch, steps, hidden }: Sizes, { reverse, lengths, bf16 = false }: RecurrentAttrs): number[] {
  return [batch, steps, hidden, +reverse, +lengths, +bf16];
}

export function recurrentCost(node: Node<unknown>, { batch, steps, hidden }: Sizes, gates: number): Cost {
  const sums = batch * steps * hidden * gates;
  return { ...moved(node as Node, sums * (2 * hidden + 20)), macs: sums * hidden };
}

/** Where each row is in time: valid steps in the order in which they are taken. */
export function timesOf({ batch, steps }: Sizes, { reverse }: RecurrentAttrs, lengths: RefArray | undefined): number[][] {
  return Array.from({ length: batch }, (_, b) => {
    const times = Array.from({ length: lengths ? (lengths[b] as number) : steps }, (_, t) => t);
    return reverse ? times.reverse() : times;
  });
}

/** The products of a step with the recurrent weight, of operands as the attributes say. */
export interface StepProducts {
  /** sum over k of v[k] * w[row][k], for each of `rows` rows of w [rows, v.length]. */
  forward(v: readonly number[], rows: number): number[];
  /** sum over rows j of d[j] * w[j][k], for each k below `columns`. */
  back(d: readonly number[], columns: number): number[];
}
export function productsWith(whh: RefArray, { bf16 }: RecurrentAttrs): StepProducts {
  const operand = (v: ArrayLike<number>): number[] => (bf16 ? Array.from(v, toBf16) : Array.from(v));
  const w = operand(whh);
  return {
    forward: (v, rows) => {
      const x = operand(v);
      return Array.from({ length: rows }, (_, j) => x.reduce((sum, h, k) => sum + h * (w[j * x.length + k] as number), 0));
    },
    back: (v, columns) => {
      const d = operand(v);
      return Array.from({ length: columns }, (_, k) => d.reduce((sum, g, j) => sum + g * (w[j * columns + k] as number), 0));
    },
  };
}

export const rowOf = (a: RefArray, row: number, width: number): number[] =>
  Array.from(a.subarray(row * width, (row + 1) * width) as Float64Array);

export const sigmoid = (x: number): number => 1 / (1 + exp(-x));

/** How a test fills operands: states in [-1, 1], weights small, gates in (0, 1), lengths up to `steps`. */
export type Fill = readonly [number, number];
export const FILLS: {
  readonly state: Fill;
  readonly gate: Fill;
  readonly weight: (hidden: number) => Fill;
  readonly lengths: (steps: number) => Fill;
} = {
  state: [-1, 1],
  gate: [0.05, 0.95],
  weight: (hidden) => [-1 / Math.sqrt(hidden), 1 / Math.sqrt(hidden)],
  lengths: (steps) => [0, steps + 1],
};

/** The sizes that samples have, and how each is gone through. */
export interface SampleShape extends Sizes {
  readonly attrs: RecurrentAttrs;
}
export const SAMPLE_SHAPES: readonly SampleShape[] = [
  shape(1, 1, 1),
  shape(3, 5, 7),
  shape(2, 3, 16, { reverse: true }),
  shape(5, 4, 33, { lengths: true }),
  shape(4, 6, 5, { lengths: true, reverse: true }),
  shape(29, 2, 40),
  shape(60, 3, 20, { lengths: true }),
  shape(2, 0, 4),
  // Few steps: a state between two numbers of bf16 may be rounded to either, and to the other one in f64.
  shape(1, 1, 1, { bf16: true }),
  shape(3, 3, 7, { bf16: true, reverse: true }),
  shape(17, 1, 33, { bf16: true, lengths: true }),
  shape(5, 1, 70, { bf16: true }),
];
function shape(batch: number, steps: number, hidden: number, attrs: Partial<RecurrentAttrs> = {}): SampleShape {
  return { batch, steps, hidden, attrs: { reverse: false, lengths: false, ...attrs } };
}
