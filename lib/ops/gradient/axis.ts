// axis.ts: what a row, a column and a unit of a tensor are: the one meaning that they have in clips and constraints.
import { sizeOf } from '../../ir/op.ts';
import { choice, type Field } from '../../options/index.ts';

export const AXES = ['rows', 'columns', 'tensor'] as const;

/**
 * What makes a unit of a tensor. `rows`: what has one index of dimension 0, in a weight [out, in, ...] all that leads to one output;
 * `columns`: what has the same indices of all other dimensions, there all that comes from one input; `tensor`: all of it. A tensor of
 * fewer than two dimensions, such as a bias, is one unit in any case.
 */
export type UnitAxis = (typeof AXES)[number];

/** Option `axis` of what goes by units. */
export const unitAxis: Field<UnitAxis, UnitAxis, false> = choice(...AXES).default('rows');

/** A tensor as a matrix: its units are the rows, or (`down`) the columns. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  readonly down: boolean;
}

/** The matrix whose rows are a tensor's units; or whose columns are, for `columns`, where a tensor that is one unit is one column. */
export function matrixOf(shape: readonly number[], axis: UnitAxis): Matrix {
  const down = axis === 'columns';
  if (axis !== 'tensor' && shape.length > 1) return { rows: shape[0]!, width: sizeOf(shape.slice(1)), down };
  const size = sizeOf(shape);
  return down ? { rows: size, width: 1, down } : { rows: 1, width: size, down };
}
