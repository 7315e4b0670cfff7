// summands.ts: what rules of ops make the summands of a sum over samples of: tensors with the samples in front, and their squares.
import type { Tensor } from '../ir/graph.ts';
import type { Rows } from '../ir/samples.ts';
import { reshape, transpose } from './shape/shape.ts';

/** x [..., samples * each, ...] as [samples, ..., each, ...]. */
export function apart(x: Tensor, { axis, each }: Rows, count: number): Tensor {
  const { shape } = x;
  const cut = reshape(x, [...shape.slice(0, axis), count, each, ...shape.slice(axis + 1)]);
  const others = cut.shape.map((_, i) => i).filter((i) => i !== axis);
  return transpose(cut, { axes: [axis, ...others] });
}

/** A tensor [samples] as one that broadcasts to x, each number to the rows of its sample where these are put apart: [..., samples, 1, ...]. */
export function across(x: Tensor, { axis, each }: Rows, ofSamples: Tensor): { readonly x: Tensor; readonly of: Tensor } {
  const { shape } = x;
  const count = ofSamples.shape[0]!;
  const behind = shape.slice(axis + 1).map(() => 1);
  if (each === 1) return { x, of: reshape(ofSamples, [count, ...behind]) };
  const cut = reshape(x, [...shape.slice(0, axis), count, each, ...shape.slice(axis + 1)]);
  return { x: cut, of: reshape(ofSamples, [count, 1, ...behind]) };
}
