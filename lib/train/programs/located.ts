// located.ts: where in the data a value lies that an op could not take as an index. The op knows its place in the batch only.
import { IndexError } from '../../errors.ts';
import { sizeOf } from '../../ir/op.ts';
import type { RunResult } from '../../native/addon.ts';
import { indicesOf } from '../../ops/reduce/describe.ts';
import type { DrawnBatch } from '../feed/feeder.ts';

/**
 * The error of a run: an IndexError says the array and the row, if there is one only that it can be.
 * @param batchesOf the batches of a step of the run
 */
export function located(error: unknown, batchesOf: (step: number) => readonly DrawnBatch[]): unknown {
  if (!(error instanceof IndexError)) return error;
  const { tried } = error.details.result as RunResult;
  const found = batchesOf(tried).flatMap((batch) => [...matches(batch, error.details as unknown as Wrong)]);
  if (found.length !== 1) return error;
  const [{ text, ...place }] = found as [Match];
  return new IndexError(`${error.message}; ${text}`, { ...(error.details as unknown as Wrong), ...place });
}

/** Rows of arrays, as a batch. */
export function rowsFrom(arrays: DrawnBatch['arrays'], start: number, count: number): DrawnBatch {
  return { arrays, rows: Int32Array.from({ length: count }, (_, i) => start + i), of: '' };
}

interface Wrong {
  readonly op: string;
  readonly position: number;
  readonly value: number;
  readonly bound: number;
}
interface Match {
  readonly array: string;
  readonly place: readonly number[];
  readonly text: string;
}

/** Arrays of a batch that have the value at the position. */
function* matches({ arrays, rows, of, examples }: DrawnBatch, { position, value }: Wrong): Generator<Match> {
  // The whole of a data set, of which rows are not told.
  if (!rows && of === '') return;
  for (const [array, { data, shape }] of arrays) {
    const width = sizeOf(shape.slice(1));
    const k = Math.floor(position / width);
    if (k >= (rows?.length ?? shape[0]!)) continue;
    const at = (rows ? rows[k]! : k) * width + (position % width);
    if (!Object.is(data[at], value)) continue;
    const place = ofExample(indicesOf(at, shape), examples);
    yield { array, place, text: `${array}: ${value} at ${placeOf(place)}${of}` };
  }
}

/** Where an element lies in what was given. */
export function ofExample([row, ...rest]: readonly number[], examples: DrawnBatch['examples']): readonly number[] {
  return [examples ? examples[row!]! : row!, ...rest];
}

/** Of an element, in words. */
export function placeOf([row, ...rest]: readonly number[]): string {
  if (rest.length === 0) return `row ${row}`;
  return rest.length === 1 ? `row ${row}, column ${rest[0]}` : `row ${row}, element [${rest}]`;
}
