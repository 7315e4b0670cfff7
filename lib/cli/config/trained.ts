// trained.ts: what `gradclip train` has written of a model of rows, and rows for it, as they stand in a file.
import { anyText } from '../../data/fields.ts';
import type { TableColumns } from '../../data/table/cells.ts';
import { encodeAs, type Schema, type UnknownCategories } from '../../data/table/schema.ts';
import { CheckpointError, DataError, OptionError } from '../../errors.ts';
import { readSafetensors } from '../../io/arrays/safetensors.ts';
import { type CellTable, readCells } from '../../io/csv/table.ts';
import type { TensorData } from '../../io/file/file.ts';
import { parseJson } from '../../io/json.ts';
import { Graph } from '../../ir/graph.ts';
import type { DType } from '../../ir/op.ts';
import { choice, list, Place, whole } from '../../options/index.ts';
import { prepare, preprocessOf, type Transforms } from '../../train/feed/prepare.ts';
import { schemaOf } from '../../train/feed/records.ts';
import type { NdArray } from '../../train/feed/source.ts';
import type { Weights } from '../../train/options.ts';
import { weightsIn } from './averages.ts';
import { type DataConfig, precisionField, type TableData, type TrainConfig } from './config.ts';
import { type ClassNames, ROWS_KEY } from './data.ts';
import { clampField, model as modelConfig } from './models.ts';
import { data as dataConfig } from './sources.ts';
import { tableOptions } from './tables.ts';

/** What a checkpoint tells about its training. */
export interface Told extends Pick<TrainConfig, 'loss' | 'model' | 'clamp' | 'precision'> {
  readonly data: DataConfig;
  readonly classNames: ClassNames;
}

export interface Trained {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, TensorData>;
  /** Which of them are there under the names of the model. */
  readonly weights: Weights;
  readonly told: Told;
  /** Learned from the rows that trained. */
  readonly transforms: Transforms;
}

/**
 * @param weights that are wanted; not given: averages where there are any
 * @throws CheckpointError for what `gradclip train` has not written, or of a text, or without such weights; DataError for what is no file of tensors
 */
export async function readTrained(file: string, weights: Weights | undefined): Promise<Trained> {
  const { tensors, metadata } = await readSafetensors(file);
  const told = configOf(file, metadata);
  return { file, ...weightsIn(file, tensors, weights), told, transforms: preprocessOf(file, metadata, {}) ?? {} };
}

/** What the metadata of a checkpoint say. @throws CheckpointError as `readTrained` */
export function configOf(file: string, { config: text, classes }: Readonly<Record<string, string>>): Told {
  try {
    // What is not set is null there.
    const config = parseJson(text ?? '{}', true) as Told;
    if (config.data?.type === undefined || config.data.type === 'text') throw new TypeError('no model of rows');
    const classNames = classes === undefined ? null : list(anyText).read(parseJson(classes), new Place('', '', 'classes'));
    const data = dataConfig.read(config.data, new Place('', '', 'data'));
    // Files of before these keys say nothing of them.
    const { clamp = null, precision = 'f32' } = config;
    if (clamp !== null) clampField.read(clamp, new Place('', '', 'clamp'));
    const model = modelConfig.read(config.model, new Place('', '', 'model'));
    return {
      ...config,
      ...{ data, classNames, model, clamp },
      precision: precisionField.read(precision, new Place('', '', 'precision')),
    };
  } catch (cause) {
    const message = `${file}: expected what gradclip train writes of rows: ${(cause as Error).message}`;
    throw new CheckpointError(message, { file }, { cause });
  }
}

/** Types that a row may have in a file. */
export const ROW_DTYPES: readonly DType[] = ['f32', 'f64', 'i32', 'u8'];

/** A row as it stood in the data, as far as a checkpoint says. */
export interface KnownRow {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Null where a file is of a version that did not keep it. @throws CheckpointError for what is no row */
export function rowIn(file: string, { [ROWS_KEY]: text }: Readonly<Record<string, string>>): KnownRow | null {
  if (text === undefined) return null;
  try {
    const { shape, dtype } = parseJson(text) as { shape?: unknown; dtype?: unknown };
    const place = new Place('', '', ROWS_KEY);
    return {
      shape: list(whole({ min: 1 }), { min: 1 }).read(shape, place.key('shape')),
      dtype: choice(...ROW_DTYPES).read(dtype, place.key('dtype')),
    };
  } catch (cause) {
    throw new CheckpointError(`${file}: its rows cannot be read: ${(cause as Error).message}`, { file }, { cause });
  }
}

/** Shape of a row after its transforms. @throws ShapeError, OptionError where they do not take it */
export function preparedRow({ dtype, shape }: KnownRow, transforms: Transforms): readonly number[] {
  const x = new Graph('eval').input('x', { dtype, shape: [2, ...shape] }, 'feed');
  return prepare({ x }, {}, transforms, false).x!.shape.slice(1);
}

/** Rows of a table as its schema makes numbers of them. */
export interface TableRows {
  readonly schema: Schema;
  readonly table: CellTable;
  readonly x: NdArray;
  readonly unknown: readonly UnknownCategories[];
}

/**
 * The columns that a schema knows, wherever they stand in a file.
 * @param more further columns, by what they hold
 * @throws DataError for one that is not there, naming the nearest, and for cells that are not as the schema says; CheckpointError without a schema
 */
export async function readTableRows(
  { file: checkpoint, transforms }: Trained,
  config: TableData,
  file: string,
  more: Readonly<Record<string, 'number' | 'text'>> = {},
): Promise<TableRows> {
  const schema = schemaOf(transforms);
  if (!schema) throw new CheckpointError(`${checkpoint}: expected a schema of its table, got none`, { file: checkpoint });
  const known = schema.columns.map(({ name, type }) => [name, type === 'number' ? 'number' : 'text'] as const);
  const types = { ...Object.fromEntries(known), ...more };
  const table = await inData(file, async () => {
    return (await readCells(file, { ...tableOptions(config, Object.keys(types)), types })).table;
  });
  const { x, unknown } = encodeAs(schema, file, table.columns as TableColumns);
  return { schema, table, x, unknown };
}

/** What a file lacks that options ask for is the file's fault. */
async function inData<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    const why = error.message.replace(/^readTable: option \w+: /, '');
    throw new DataError(`${file}: ${why}`, { ...error.details, file }, { cause: error });
  }
}
