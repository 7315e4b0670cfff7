// transpose.ts: matrices that lie the other way in a file.
import { ARRAYS } from '../../ir/op.ts';
import type { TensorData } from '../file/file.ts';
import type { Parts } from '../file/pace.ts';

/** Rows and columns that are done at once: both are in cache then. */
const TILE = 32;

/** Of two dimensions: rows become columns. */
export function* transposed({ dtype, shape, data }: TensorData): Parts<TensorData> {
  const [rows, columns] = shape as [number, number];
  const out = new ARRAYS[dtype](data.length);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(columns, left + TILE);
      for (let i = top; i < bottom; i++) for (let j = left; j < right; j++) out[j * rows + i] = data[i * columns + j]!;
    }
    yield;
  }
  return { dtype, shape: [columns, rows], data: out };
}
