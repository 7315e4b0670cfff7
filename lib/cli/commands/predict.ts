// predict.ts: `gradclip predict CHECKPOINT FILE`: predictions of a model that `gradclip train` has trained for rows, as they stand in a file.
import { resolve } from 'node:path';
import { type Schema, type UnknownCategories, unknownIn } from '../../data/table/schema.ts';
import { readIdx } from '../../io/arrays/idx.ts';
import { readNpz } from '../../io/arrays/npy.ts';
import { readFeatures } from '../../io/csv/csv.ts';
import type { TensorData } from '../../io/file/file.ts';
import type { Data } from '../../ir/op.ts';
import { largestOf } from '../../math/index.ts';
import type { NdArray } from '../../train/feed/source.ts';
import { type Arguments, type Command, usage } from '../args.ts';
import { WEIGHTS, weightsAsked } from '../config/averages.ts';
import type { DataConfig } from '../config/config.ts';
import { csvOptions } from '../config/data.ts';
import { outputsFor } from '../config/outputs.ts';
import { unknownLine } from '../config/tables.ts';
import { readTableRows, readTrained, type Told, type Trained } from '../config/trained.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import type { Screen } from '../screen.ts';

export const PREDICT: Command = {
  name: 'predict',
  operands: ['CHECKPOINT', 'FILE'],
  summary: 'Predict the rows of a file with a model that train has trained',
  more: [
    'FILE is of the type that the model was trained on: csv, table (with names of columns), idx (images) or npz, with the values as they came then: the',
    'checkpoint knows what to do with them. Columns of a table are found by their names, in any order, with others beside them.',
    'A line for each row: the class (its word, where labels were words) and its probability, or the value.',
  ],
  flags: {
    weights: WEIGHTS,
    drop: { value: 'COLUMN', help: 'leave out this column of a csv, by name or index: the label, where FILE has it' },
  },
};

export async function predict(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const [file, rows] = args.operands.map((name) => resolve(io.cwd, name)) as [string, string];
  const trained = await readTrained(file, weightsAsked(args));
  const { x, unknown, schema } = await readRows(rows, trained, args);
  for (const one of unknown) screen.note(`warning: ${rows}: ${unknownLine(one)}`);
  for await (const { row, told } of outputsFor(trained, x, rows, io.signal)) {
    tell(row, told, trained.told, screen, schema ? unknownIn(schema, x, row) : []);
  }
  return io.signal.aborted ? exitCodeOfStop(io.signal.reason as StopCause) : EXIT.ok;
}

/** @param unknown columns of a table whose category the rows that trained do not have */
function tell(row: number, y: Data, { loss, classNames }: Told, screen: Screen, unknown: readonly string[]): void {
  const strange = unknown.length > 0 ? { unknown } : {};
  if (loss !== 'crossEntropy') {
    const key = loss === 'bceWithLogits' ? 'probability' : 'value';
    screen.emit({ row, [key]: y[0], ...strange });
    if (!screen.json) screen.say(String(y[0]));
    return;
  }
  const most = largestOf(y);
  const name = classNames?.[most] ?? most;
  screen.emit({ row, class: name, probability: y[most], ...strange });
  if (!screen.json) screen.say(`${name} ${y[most]!.toFixed(4)}`);
}

interface Rows {
  readonly x: NdArray;
  readonly unknown: readonly UnknownCategories[];
  readonly schema: Schema | null;
}

async function readRows(file: string, trained: Trained, args: Arguments): Promise<Rows> {
  const { data } = trained.told;
  const drop = args.text('drop');
  if (drop !== undefined && data.type === 'table') {
    throw usage(PREDICT, '--drop: a table may have further columns, such as the label: none needs to be left out');
  }
  if (data.type === 'table') return readTableRows(trained, data, file);
  return { x: await readNumbers(file, data, drop), unknown: [], schema: null };
}

async function readNumbers(file: string, data: DataConfig, drop: string | undefined): Promise<TensorData> {
  if (drop !== undefined && data.type !== 'csv') throw usage(PREDICT, '--drop: is for csv files');
  if (data.type === 'idx') return readIdx(file, { maxBytes: data.maxBytes });
  if (data.type === 'npz') return (await readNpz(file, { arrays: [data.x], maxBytes: data.maxBytes })).get(data.x)!;
  const label = drop !== undefined && /^-?\d+$/.test(drop) ? Number(drop) : drop;
  const written = data.type === 'csv' ? csvOptions(data) : {};
  const weight = data.type === 'csv' && typeof data.weight === 'string' ? data.weight : null;
  const { features } = await readFeatures(file, { ...written, ...(label !== undefined && { label }) }, weight);
  const shape = data.type === 'csv' ? data.shape : undefined;
  return shape ? { ...features, shape: [features.shape[0]!, ...shape] } : features;
}
