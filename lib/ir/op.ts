// op.ts: the contract of an operation. All that is known of one op stands in one record (see ops/list.ts).
import type { Node, Tensor } from './graph.ts';
import type { OnnxBuilder, OnnxValue } from './onnx.ts';
import type { SampleRules } from './samples.ts';

/** Element types. f64 is for statistics, losses and hyper-parameters; i32 and u8 for indices and stored data. */
export type DType = 'f32' | 'f64' | 'i32' | 'u8';
/** The typed array that holds elements of a dtype. */
export const ARRAYS: {
  readonly f32: Float32ArrayConstructor;
  readonly f64: Float64ArrayConstructor;
  readonly i32: Int32ArrayConstructor;
  readonly u8: Uint8ArrayConstructor;
} = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array };
/** What the products of a graph take their operands as, before they are summed in f32. */
export type Precision = 'f32' | 'bf16';
/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = { f32: 4, f64: 8, i32: 4, u8: 1 };

/** What is known of a tensor before a program runs: element type and dimensions. */
export interface TensorType {
  /** The element type. */
  readonly dtype: DType;
  /** The dimensions, static, row-major, contiguous. `[]` is a scalar. A dimension may be 0. */
  readonly shape: readonly number[];
}
/** The type of a tensor of this shape. */
export const f32 = (...shape: readonly number[]): TensorType => ({ dtype: 'f32', shape });
export const f64 = (...shape: readonly number[]): TensorType => ({ dtype: 'f64', shape });
export const i32 = (...shape: readonly number[]): TensorType => ({ dtype: 'i32', shape });
export const u8 = (...shape: readonly number[]): TensorType => ({ dtype: 'u8', shape });

/** Typed arrays that hold tensor data outside a program. */
export type Data = Float32Array | Float64Array | Int32Array | Uint8Array;
/** The typed array that holds tensors of a dtype; one of several, where the dtype is not known. */
export type DataOf<T extends DType> = {
  readonly f32: Float32Array;
  readonly f64: Float64Array;
  readonly i32: Int32Array;
  readonly u8: Uint8Array;
}[T];
/** What `ref` works on. In gradient checks f32 values come as Float64Array, so a `ref` never assumes f32 rounding. */
export type RefArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** What a random op's `ref` may read: the same counters as the kernels' Context. */
export interface RefContext {
  readonly seed: bigint;
  readonly attempt: number;
  readonly micro: number;
  readonly micros: number;
}

/** One case for the tables of tests: input types, attributes, and how to fill the inputs. */
export interface Sample<A> {
  readonly ins: readonly TensorType[];
  readonly attrs: A;
  /** Per input, how a test fills it. Default 'normal' for floats. `[lo, hi]` is uniform (integers: hi exclusive), `exactly` these. */
  readonly fill?: readonly ('normal' | 'positive' | readonly [number, number] | { readonly exactly: readonly number[] } | null)[];
  /** Do not compare with finite differences (a kink or a step function). */
  readonly noGradient?: boolean;
  /** Kernel against ref: largest allowed |a - b| / max(1, |b|); default 2e-6, times sqrt(k) where the op sums k terms. */
  readonly tolerance?: number;
}

/** What lowering may ask of the add-on, which ops do not know. */
export interface LowerContext {
  /** Position in maps.inc of an elementwise operation. */
  mapIndex(name: string): number;
}

/** Work of one run of an op. Bytes are those read and written. */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
  /** Multiply-adds of its products, which are two of the flops each; those that a causal mask spares count too. Absent: it has no products. */
  readonly macs?: number;
}

/**
 * An operation. `A` are its attributes: plain JSON values, so that printing and common-subexpression elimination work on them.
 * To add one: a record in ops/<family>.ts, a kernel in binding/kernels/<family>.h, which a unit (<unit>.cc) includes, a line in ops/list.ts and kernels.inc.
 */
export interface OpDef<A = unknown> {
  /** Name in printed graphs, profiles and errors, and of the kernel unless `kernel` says otherwise. */
  readonly name: string;
  /** Kernel name where it differs (several ops may share a kernel). */
  readonly kernel?: string;
  /** Of what the compiler makes of other ops: that whose indices it takes, by which errors name them. */
  readonly madeOf?: string;
  /** Elementwise ops: the name in maps.inc. They have no kernel of their own: compile/ lowers and fuses them into `map`. */
  readonly map?: string;
  /** Elementwise, and made of operations of maps.inc, which the compiler puts in its place. */
  readonly compound?: boolean;
  /** Types of the outputs; throws ShapeError or DTypeError that names the op. */
  infer(ins: readonly TensorType[], attrs: A): TensorType[];
  /** Inputs are broadcast to the output: `vjp` gives gradients in its shape, which `grad` sums to theirs. */
  readonly broadcasts?: boolean;
  /** Gradients of the inputs, written with the public ops; `dys` per output, null where no gradient comes. Absent: not differentiable. */
  vjp?(node: Node<A>, dys: readonly (Tensor | null)[]): (Tensor | null)[];
  /** It sums products of operands that a graph of precision bf16 rounds: `Graph.add` gives its nodes the attribute `bf16`. */
  readonly multiplies?: boolean;
  /** Attributes for the kernel. */
  lower?(node: Node<A>, context: LowerContext): { readonly ints?: readonly number[]; readonly floats?: readonly number[] };
  /**
   * Write it in ONNX, with its operands' values: a value for each output, null for those that only its own gradient reads. Absent: a model that
   * predicts with it cannot be exported.
   */
  onnx?(node: Node<A>, b: OnnxBuilder): readonly (OnnxValue | null)[];
  /** Work of one run, for planning and for reports. */
  cost(node: Node<A>): Cost;
  /** Pairs [output, input] that may be the same memory (the kernel declares the same to the verifier). */
  inplace?(node: Node<A>): readonly (readonly [number, number])[];
  /** Output 0 has bytes of input 0, where they lie: no instruction is made (reshape). */
  readonly alias?: boolean;
  /** Of an alias that has less than its input: how many bytes behind the beginning of that it begins. Default 0. */
  aliasAt?(node: Node<A>): number;
  /** Inputs that may lie within an output, so many bytes behind its beginning (the kernel declares the same to the verifier). */
  within?(node: Node<A>): readonly { readonly out: number; readonly input: number; readonly at: number }[];
  /** The same, and an instruction is made, which changes nothing in any but the last micro-batch of a step. */
  readonly passes?: boolean;
  /** Outputs that only the op's own gradient reads (statistics of rows): nothing is differentiated through them. */
  readonly saved?: readonly number[];
  /** Takes so little time that a backward pass may compute output 0 again, of operands that are kept anyway, where it would be kept rounded. */
  readonly light?: boolean;
  /** Has an effect (ends the run on a condition): never pruned, never merged. */
  readonly effect?: boolean;
  /** Does nothing in a step that is skipped (optimizer updates); so does everything that reads its outputs. */
  readonly skippable?: boolean;
  /** Whether its kernel takes the decision to skip the step, which is one of its outputs: else an instruction of its own does. */
  decides?(node: Node<A>): boolean;
  /** Operands whose elements are places: whole numbers from 0, below `bound`, or `ignored`. The kernel ends the run where one is not. */
  indices?(node: Node<A>): readonly { readonly input: number; readonly bound: number; readonly ignored?: number | null }[];
  /** How samples of a batch lie in its operands and results, for gradients of one sample each. Absent: such go through no model that has the op. */
  readonly samplesOf?: SampleRules<A>;
  /** The meaning, in plain loops: of indices that are in their bounds. */
  ref(outs: readonly RefArray[], ins: readonly RefArray[], node: Node<A>, context: RefContext): void;
  /** Small and awkward cases: 1 element, odd tails, large k. At least one for every op. */
  samples(): readonly Sample<A>[];
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

export function bytesOf(type: TensorType): number {
  return sizeOf(type.shape) * DTYPE_BYTES[type.dtype];
}

/** `f32[64,10]`, as printed everywhere. */
export function typeName(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(',')}]`;
}

export function sameType(a: TensorType, b: TensorType): boolean {
  return a.dtype === b.dtype && sameShape(a.shape, b.shape);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}
