// rows.ts: columns of a table become rows, natively.
import { addon } from './addon.ts';
import { withOurErrors } from './program.ts';

/** What rows are made of. */
export type RowData = Float32Array | Int32Array | Uint8Array;

/**
 * The first `count` values of each column as rows of `target`, which are as wide as there are columns. In f32 each is the nearest there is, of 64-bit
 * integers too, and a NaN stays one.
 * @param at where the first row goes; or for each row its place
 * @returns the first value that the target's type does not have, as row * width + column; -1: it has all
 */
export function toRows(target: RowData, columns: readonly NodeJS.TypedArray[], count: number, at: number | Int32Array): number {
  return withOurErrors(() =>
    typeof at === 'number' ? addon().rows(target, columns, count, at) : addon().rows(target, columns, count, 0, at),
  );
}
