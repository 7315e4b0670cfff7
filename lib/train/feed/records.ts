// records.ts: rows with names that a trainer predicts: its schema makes numbers of them, and names of what comes back.
import { isRows, type TableRow } from '../../data/table/cells.ts';
import { type RowPrediction, Schema, unknownIn } from '../../data/table/schema.ts';
import { Pipeline, type Transform } from '../../data/transform.ts';
import { OptionError } from '../../errors.ts';
import type { Transforms } from './prepare.ts';
import type { NdArray } from './source.ts';

/** Rows with names, as numbers. */
export interface Records {
  readonly x: NdArray;
  /** Predictions of these rows, by name. @throws OptionError for several tensors */
  named(outputs: unknown): readonly RowPrediction[];
}

/** The schema that array `x` goes through first; null where there is none. */
export function schemaOf({ x }: Transforms): Schema | null {
  let first: Transform | undefined = x;
  while (first instanceof Pipeline) first = first.steps[0];
  return first instanceof Schema ? first : null;
}

/**
 * Null for anything but rows with names in a list.
 * @throws OptionError where there is no schema; DataError for a row that is not as it says
 */
export function recordsOf(where: string, inputs: unknown, transforms: Transforms): Records | null {
  if (!isRows(inputs)) return null;
  const schema = schemaOf(transforms);
  if (!schema) {
    const message = `${where}: rows with names are for a trainer with a schema: preprocess: { x: preprocess.schema(columns) }`;
    throw new OptionError(message, { where });
  }
  const { x, unknown } = schema.encode(inputs as readonly TableRow[]);
  return {
    x,
    named(outputs) {
      const rows = schema.decode(outputs as NdArray);
      return unknown.length === 0 ? rows : rows.map((row, i) => withUnknown(row, unknownIn(schema, x, i)));
    },
  };
}

const withUnknown = (row: RowPrediction, unknown: readonly string[]): RowPrediction =>
  unknown.length === 0 ? row : { ...row, unknown };
