// args.ts: what the public functions of ops take: tensors, operands, axes and shapes, as fields of their signatures.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { custom, either, type Field, list, whole } from '../options/index.ts';
import type { Operand } from './operand.ts';

const isTensorLike = (value: unknown): value is TensorLike =>
  typeof value === 'object' && value !== null && typeof (value as Partial<TensorLike>).toTensor === 'function';

/** A tensor of a graph, or a parameter or buffer, which stand for theirs. */
export const tensor: Field<TensorLike, Tensor> = custom('a Tensor', (value, place) => {
  if (!isTensorLike(value)) throw place.wrong('a Tensor', value);
  return value.toTensor();
});

/** A tensor or a number. */
export const operand: Field<Operand> = custom('a Tensor or a number', (value, place) => {
  if (typeof value !== 'number' && !isTensorLike(value)) throw place.wrong('a Tensor or a number', value);
  return value;
});

/** One axis; negative ones count from the end. Whether the tensor has it, the op says (a ShapeError). */
export const axis: Field<number> = whole();
export const axes: Field<number | readonly number[], number | readonly number[]> = either(whole(), list(whole()));
export const shape: Field<readonly number[], readonly number[]> = list(whole({ min: 0 }));
