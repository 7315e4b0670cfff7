// args.ts: what the public functions of ops take: tensors, operands, axes and shapes, as fields of their signatures.
import { GraphError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import {
  choice,
  custom,
  either,
  Field,
  list,
  nullable,
  number,
  type OptionsField,
  options,
  Place,
  whole,
} from '../options/index.ts';

/**
 * A tensor, a parameter, or a number, which becomes a scalar constant of the other operands' dtype; beside integers one
 * with a fraction makes all f32.
 */
export type Operand = TensorLike | number;

/** Resolve operands; `op` names the op in errors. At least one must be a tensor or parameter. */
export function tensors(op: string, ...operands: readonly Operand[]): Tensor[] {
  const known = operands.map((x) => (typeof x === 'number' ? null : x.toTensor()));
  const like = known.find((t) => t !== null);
  if (!like) throw new GraphError(`${op}: expected at least one tensor, got numbers only`, { op });
  const dtype = like.dtype === 'f64' ? 'f64' : 'f32';
  return known.map((t, i) => t ?? like.graph.scalar(operands[i] as number, dtype));
}

const isTensorLike = (value: unknown): value is TensorLike =>
  typeof value === 'object' && value !== null && typeof (value as Partial<TensorLike>).toTensor === 'function';

/** Tensors are there while a model is traced; arrays go through the trainer. */
const ranOnArrays = (value: unknown): string =>
  Array.isArray(value) || ArrayBuffer.isView(value) ? '; trainer.predict runs a model on arrays' : '';

/** A tensor of a graph, or a parameter or buffer, which stand for theirs. */
export const tensor: Field<TensorLike, Tensor> = Field.of<TensorLike, Tensor>({
  expected: 'a Tensor',
  schema: null,
  may: isTensorLike,
  read(value, place) {
    if (!isTensorLike(value)) throw place.wrong('a Tensor', value, ranOnArrays(value));
    return value.toTensor();
  },
});

/** A tensor, or none. */
export const optionalTensor: Field<TensorLike | null, Tensor | null, false> = nullable(tensor).default(null);

/** A tensor or a number. */
export const operand: Field<Operand> = custom('a Tensor or a number', (value, place) => {
  if (typeof value !== 'number' && !isTensorLike(value)) throw place.wrong('a Tensor or a number', value);
  return value;
});

/** One axis; negative ones count from the end. Whether the tensor has it, the op says (a ShapeError). */
export const axis: Field<number> = whole();
export const axes: Field<number | readonly number[], number | readonly number[]> = either(whole(), list(whole()));
export const shape: Field<readonly number[], readonly number[]> = list(whole({ min: 0 }));

/** A row of a table that stands for nothing. */
export const paddingIdx: Field<number> = whole({ min: 0 });
/** @throws OptionError unless a table of so many rows has it */
export function checkPadding(where: string, row: number, rows: number): void {
  whole({ min: 0, below: rows }).read(row, new Place(where, 'option', 'paddingIdx'));
}

/** Options of `ops.argmax`, `ops.logSoftmax` and `ops.softmax`. */
export interface AxisOptions {
  /** The dimension; negative: counted from the last. Default -1. */
  readonly axis?: number;
}
/** The options of what runs along one axis. */
export const axisOptions: OptionsField<AxisOptions, { readonly axis: number }> = options<AxisOptions>()({
  axis: axis.default(-1),
});

/** Options of `ops.gelu` and `nn.GELU`. */
export interface GELUOptions {
  /** `none` is exact, `tanh` GPT-2's form. Default 'none'. */
  readonly approximate?: 'none' | 'tanh';
}
export const geluOptions: OptionsField<GELUOptions, Required<GELUOptions>> = options<GELUOptions>()({
  approximate: choice('none', 'tanh').default('none'),
});

/** Options of `ops.leakyRelu` and `nn.LeakyReLU`. */
export interface LeakyReLUOptions {
  /** What x is multiplied with where it is not above 0. Default 0.01. */
  readonly negativeSlope?: number;
}
export const leakyReluOptions: OptionsField<LeakyReLUOptions, Required<LeakyReLUOptions>> = options<LeakyReLUOptions>()({
  negativeSlope: number().default(0.01),
});

/** Options of `ops.elu`, `ops.celu` and their layers. */
export interface AlphaOptions {
  /** What is approached far below 0, with its sign turned; above 0. Default 1. */
  readonly alpha?: number;
}
export const alphaOptions: OptionsField<AlphaOptions, Required<AlphaOptions>> = options<AlphaOptions>()({
  alpha: number({ above: 0 }).default(1),
});

/** Options of `ops.hardtanh` and `nn.Hardtanh`. */
export interface HardtanhOptions {
  /** The least. Default -1. */
  readonly min?: number;
  /** The most; above `min`. Default 1. */
  readonly max?: number;
}
export const hardtanhOptions: OptionsField<HardtanhOptions, Required<HardtanhOptions>> = options<HardtanhOptions>()({
  min: number().default(-1),
  max: number().default(1),
});

/** Options of `ops.hardshrink`, `ops.softshrink` and their layers. */
export interface ShrinkOptions {
  /** How far from 0 an element must be to be kept; at least 0. Default 0.5. */
  readonly lambda?: number;
}
export const shrinkOptions: OptionsField<ShrinkOptions, Required<ShrinkOptions>> = options<ShrinkOptions>()({
  lambda: number({ min: 0 }).default(0.5),
});

/** Probability of a 0. */
export const rate: Field<number> = number({ min: 0, below: 1 });
/** What is added to a variance. */
export const eps: Field<number> = number({ min: 0 });
