// row-squares.ts: the square of the 2-norm of each sample's summand.
import type { Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { mul } from '../elementwise/elementwise.ts';
import { sum } from '../reduce/reduce.ts';
import { reshape } from '../shape/shape.ts';
import { unitStatistic } from './unit-statistic.ts';

/** x [samples, ...] -> f64 [samples], summed in f64. */
export function rowSquares(x: Tensor): Tensor {
  const [count, ...rest] = x.shape as [number, ...number[]];
  // A number of each sample is a row of its own.
  if (x.dtype === 'f32') return unitStatistic([reshape(x, [count, sizeOf(rest)])], { kind: 'sumSquares', axis: 'rows' }).each;
  const rows = reshape(x, [count, sizeOf(rest)]);
  return sum(mul(rows, rows), { axes: [1], dtype: 'f64' });
}
