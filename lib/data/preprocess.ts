// preprocess.ts: the public functions for rows of numbers: transforms with statistics, and shares of a data set.

import { MAX_DEPTH } from '../io/limits.ts';
import { custom, rest, signature } from '../options/index.ts';
import { affineFromJSON, isAffine } from './affine.ts';
import type { ArrayInput } from './arrays.ts';
import { imputeFromJSON } from './impute.ts';
import { oneHotFromJSON } from './one-hot.ts';
import { schemaFromJSON } from './table/learn.ts';
import { badJSON, checkTransform, Pipeline, step, type Transform, type TransformJSON, type Unfitted } from './transform.ts';

export { type MinMaxOptions, minMax, type Per, type StandardizeOptions, standardize } from './affine.ts';
export { type ImputeOptions, type ImputeStrategy, impute } from './impute.ts';
export { type OneHotOptions, oneHot } from './one-hot.ts';
export { type Share, type Shares, type SplitOptions, split } from './split.ts';
export type { Cell, TableColumns, TableRow } from './table/cells.ts';
export type { DateOrder, DatePart } from './table/dates.ts';
export { schema } from './table/learn.ts';
export type {
  CategoryColumn,
  ColumnOptions,
  DateColumn,
  IgnoredColumn,
  MissingNumber,
  NumberColumn,
  Scaling,
  SchemaOptions,
} from './table/options.ts';
export type {
  Encoded,
  KnownCategory,
  KnownColumn,
  KnownDate,
  KnownLabel,
  KnownNumber,
  RowPrediction,
  Schema,
  UnknownCategories,
} from './table/schema.ts';
export type { Transform, TransformJSON, Unfitted } from './transform.ts';

const readPipeline = signature('preprocess.pipeline', { steps: rest(step) });

/**
 * Several transforms, one after the other; each is fitted to what those before it give. Those that are fitted stay as they are.
 * @throws OptionError
 * @see sklearn.pipeline.Pipeline
 */
export function pipeline(...steps: readonly (Transform | Unfitted)[]): Unfitted {
  readPipeline(arguments);
  return {
    type: 'pipeline',
    fit(x: ArrayInput): Transform {
      let rows = x;
      const fitted = steps.map((step, i) => {
        const transform = 'fit' in step ? step.fit(rows) : checkTransform(`pipeline: step ${i}`, step);
        if (i + 1 < steps.length) rows = transform.transform(rows);
        return transform;
      });
      return new Pipeline(fitted);
    },
  };
}

const readFromJSON = signature('preprocess.fromJSON', { json: custom('what toJSON gave', (json) => json) });

/**
 * The transform that `toJSON` gave this, of 0.1.0 too.
 * @throws DataError for anything else; OptionError for more than one argument
 */
export function fromJSON(json: unknown): Transform {
  readFromJSON(arguments);
  return transformOf(json, 0);
}

function transformOf(json: unknown, depth: number): Transform {
  const { type } = (typeof json === 'object' && json !== null ? json : {}) as Partial<TransformJSON>;
  if (typeof type !== 'string') throw badJSON('transform', 'an object with a type');
  // What 0.1.0 called it.
  if (type === 'standardise') return transformOf({ ...(json as TransformJSON), type: 'standardize' }, depth);
  const given = json as TransformJSON;
  if (isAffine(type)) return affineFromJSON(given);
  if (type === 'oneHot') return oneHotFromJSON(given);
  if (type === 'impute') return imputeFromJSON(given);
  if (type === 'pipeline' && Array.isArray(given.steps)) {
    if (depth === MAX_DEPTH) throw badJSON(type, `at most ${MAX_DEPTH} within each other`);
    return new Pipeline(given.steps.map((step) => transformOf(step, depth + 1)));
  }
  if (type === 'schema') {
    if (depth === MAX_DEPTH) throw badJSON(type, `at most ${MAX_DEPTH} within each other`);
    return schemaFromJSON(given, (step) => transformOf(step, depth + 1));
  }
  throw badJSON(type, 'one of standardize, minMax, oneHot, impute, schema, pipeline');
}
