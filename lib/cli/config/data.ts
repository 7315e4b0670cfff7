// data.ts: the data of a configuration: files read, rows shared out between training, validation and test.
import { resolve } from 'node:path';
import { split, type Transform, type Unfitted } from '../../data/preprocess.ts';
import { takeRows } from '../../data/split.ts';
import type { UnknownCategories } from '../../data/table/schema.ts';
import { byte, char, type Tokenizer } from '../../data/tokenizer.ts';
import { DataError, OptionError } from '../../errors.ts';
import { readIdx } from '../../io/arrays/idx.ts';
import { readNpz } from '../../io/arrays/npy.ts';
import { readWeighted } from '../../io/csv/csv.ts';
import type { CSVOptions } from '../../io/csv/options.ts';
import type { CellTable } from '../../io/csv/table.ts';
import type { TensorData } from '../../io/file/file.ts';
import { readText } from '../../io/text.ts';
import { sizeOf } from '../../ir/op.ts';
import { permutation } from '../../ir/philox.ts';
import { type NdArray, rows, type Source, windows } from '../../train/feed/source.ts';
import type { CSVData, DataConfig, IDXData, NPZData, Split, TextData } from './config.ts';
import { type LabelsRead, labeled, learnFrom, type RawColumns, readColumnData, type Table, weightAt } from './tables.ts';

export type { LabelsRead, Table } from './tables.ts';

/** Files as they were read, before any row is given a use. */
export type RawData =
  | RawColumns
  | {
      readonly kind: 'table';
      readonly table: Table;
      readonly test: Table | null;
      readonly split: Split;
      readonly classNames?: ClassNames;
    }
  | { readonly kind: 'text'; readonly text: string; readonly config: TextData };

/** The words that labels of a csv are, by class; null where they are numbers. */
export type ClassNames = readonly string[] | null;

/** Key of the metadata of checkpoints: shape and type of a row as it stood in the data. */
export const ROWS_KEY = 'rows';

/** Name of what rows weigh in a batch. */
export const ROW_WEIGHT: keyof Table = 'weight';

export interface Parts<T> {
  readonly train: T;
  readonly validation: T;
  readonly test: T;
}

export interface DataSet {
  readonly sources: { readonly train: Source; readonly validation: Source | null; readonly test: Source | null };
  /** Rows of each; of a text, characters. */
  readonly counts: Parts<number>;
  /** Shape of one row as the model gets it; of a text []. */
  readonly row: readonly number[];
  readonly tokens: number | null;
  /** Of a window of a text. */
  readonly length: number | null;
  /** Learned from the rows that train. */
  readonly preprocess: Readonly<Record<string, Transform>>;
  /** Rows have weights, in their batches. */
  readonly weighted: boolean;
  /** Classes, or 1 for a value. */
  readonly outputs: number;
  /** Categories of a table that the rows which train do not have, and that it lets pass. */
  readonly unknown: readonly (UnknownCategories & { readonly file: string })[];
  /** Rows that train of each class, or what they weigh; null where there are no classes. */
  readonly classes: readonly number[] | null;
  readonly classNames: ClassNames;
  /** Of a text. */
  readonly tokenizer: Tokenizer | null;
}

/**
 * Read what a configuration names.
 *
 * @param dir folder that its paths start from
 * @param labels `i32` for classes, of which the model may know how many there are, `f32` for values
 * @throws DataError naming the file, and the line or row of a label that is none
 */
export async function readData(config: DataConfig, dir: string, labels: LabelsRead): Promise<RawData> {
  const at = (file: string): string => resolve(dir, file);
  try {
    switch (config.type) {
      case 'text':
        return { kind: 'text', text: await readText(at(config.file), { maxBytes: config.maxBytes }), config };
      case 'idx': {
        const table = await idxTable(at(config.images), at(config.labels), config, labels);
        const { testImages, testLabels } = config;
        const test = testImages && testLabels ? await idxTable(at(testImages), at(testLabels), config, labels) : null;
        return { kind: 'table', table, test, split: config.split };
      }
      case 'csv': {
        const { classNames, ...table } = await csvTable(at(config.file), config, labels);
        if (config.testFile === null) return { kind: 'table', table, test: null, split: config.split, classNames };
        // Its words are the classes that they are in the other file.
        const file = at(config.testFile);
        const { classNames: words, ...test } = await csvTable(file, config, { ...labels, classes: classNames ?? labels.classes });
        if (classNames === null && words !== null) {
          throw new DataError(`${file}: labels are words, those of ${at(config.file)} are numbers`, { file });
        }
        return { kind: 'table', table, test, split: config.split, classNames };
      }
      case 'table':
        return await readColumnData(config, at(config.file), config.testFile && at(config.testFile), labels);
      case 'npz': {
        const table = await npzTable(at(config.file), config, labels);
        const test = config.testFile ? await npzTable(at(config.testFile), config, labels) : null;
        return { kind: 'table', table, test, split: config.split };
      }
    }
  } catch (error) {
    throw withAdvice(error, config.about);
  }
}

/**
 * Rows and labels of one file, or of idx two, as a training has read them.
 * @param classes that there are: words, or how many
 * @throws DataError as `readData`
 */
export async function readLabeled(
  config: CSVData | NPZData | IDXData,
  file: string,
  labelsFile: string,
  { type, classes }: { readonly type: LabelsRead['type']; readonly classes: number | ClassNames },
): Promise<Table> {
  if (config.type === 'csv') return csvTable(file, config, { type, classes });
  const read = { type, classes: typeof classes === 'number' ? classes : null };
  return config.type === 'npz' ? npzTable(file, config, read) : idxTable(file, labelsFile, config, read);
}

/** What x and y go through first, learned from the rows that train; null: nothing. */
export interface Preparing {
  readonly x: Unfitted | null;
  readonly y: Unfitted | null;
}

/** Share the rows out. With `order: 'seed'` the seed decides which rows train. */
export function shareOut(raw: RawData, unfitted: Preparing, seed: bigint): DataSet {
  if (raw.kind === 'text') return shareText(raw.text, raw.config);
  return raw.kind === 'columns' ? shareColumns(raw, unfitted, seed) : shareTable(raw, unfitted, seed);
}

function shareTable(
  { table, test, split, classNames = null }: Extract<RawData, { kind: 'table' }>,
  unfitted: Preparing,
  seed: bigint,
): DataSet {
  const counts = countParts(split, table.y.shape[0]!, test === null);
  const all = split.order === 'seed' ? reorder(table, orderOf(table, split, counts, seed)) : table;
  const part = (from: number, count: number): Table | null => (count === 0 ? null : between(all, from, count));
  const train = part(0, counts.train)!;
  const validation = part(counts.train, counts.validation);
  const own = part(counts.train + counts.validation, counts.test);
  const fitted = (['x', 'y'] as const).flatMap((name) => {
    const transform = unfitted[name]?.fit(train[name]);
    return transform ? [[name, transform] as const] : [];
  });
  const preprocess: Readonly<Record<string, Transform>> = Object.fromEntries(fitted);
  const first = between(train, 0, 1).x;
  const source = (given: Table | null): Source | null => given && rows({ ...given } as Readonly<Record<'x' | 'y', NdArray>>);
  return {
    sources: { train: source(train)!, validation: source(validation), test: source(test ?? own) },
    counts: { ...counts, test: test === null ? counts.test : test.y.shape[0]! },
    row: (preprocess.x?.transform(first) ?? first).shape.slice(1),
    tokens: null,
    length: null,
    weighted: train.weight !== undefined,
    outputs: outputsIn(classNames, [table, ...(test ? [test] : [])]),
    unknown: [],
    classes: classCounts(train),
    classNames,
    tokenizer: null,
    preprocess,
  };
}

/** The rows that train teach what the others are read by. */
function shareColumns(raw: RawColumns, unfitted: Preparing, seed: bigint): DataSet {
  const { config, file, testFile, table, test, classNames, split } = raw;
  const labels = (from: string, given: CellTable): Pick<Table, 'y' | 'weight'> => {
    const { y, weight } = labeled(from, given, config, classNames);
    return { y, ...(weight && { weight: weights(weight, from, given.rows, weightAt(from, given, config)) }) };
  };
  const own = labels(file, table);
  const other = test && labels(testFile!, test);
  const counts = countParts(split, table.rows, test === null);
  const order = split.order === 'seed' ? orderOf(own, split, counts, seed) : Int32Array.from({ length: table.rows }, (_, i) => i);
  const shared = learnFrom(raw, own, other, order, counts.train);
  const inFile: Split = { ...split, order: 'file' };
  const learned: Preparing = { ...unfitted, x: { type: 'schema', fit: () => shared.schema } };
  const { table: rows, test: tested, unknown } = shared;
  return { ...shareTable({ kind: 'table', table: rows, test: tested, split: inFile, classNames }, learned, seed), unknown };
}

/** Classes that there are; 1 where labels are values. */
function outputsIn(classNames: ClassNames, tables: readonly Table[]): number {
  if (classNames !== null) return classNames.length;
  if (tables.some(({ y }) => y.data instanceof Float32Array)) return 1;
  let most = 0;
  for (const { y } of tables) for (const label of y.data) most = Math.max(most, label);
  return most + 1;
}

/** Rows that train, validate and test, in this order. */
function orderOf({ y }: Pick<Table, 'y'>, { stratify }: Split, counts: Parts<number>, seed: bigint): Int32Array {
  const total = y.shape[0]!;
  if (!stratify) return permutation(total, seed, SPLIT_EPOCH);
  const { test, validation } = counts;
  const shares = split({ y }, { test, validation, seed, stratify: 'y' });
  return Int32Array.from([...shares.train.rows, ...shares.validation.rows, ...shares.test.rows]);
}

/** Rows of each class, or what they weigh; null where the labels are no classes. */
function classCounts({ y: { data }, weight }: Table): readonly number[] | null {
  if (data instanceof Float32Array) return null;
  const counts: number[] = [];
  for (const [i, label] of data.entries()) counts[label] = (counts[label] ?? 0) + (weight?.data[i] ?? 1);
  return Array.from(counts, (n) => n ?? 0);
}

function shareText(text: string, { length, split, tokenizer: kind }: TextData): DataSet {
  const tokenizer = kind === 'byte' ? byte() : char(text);
  const tokens = tokenizer.encode(text);
  const counts = countParts(split, tokens.length, true);
  const part = (from: number, count: number): Source | null => {
    return count === 0 ? null : windows(tokens.subarray(from, from + count), { length });
  };
  return {
    sources: {
      train: part(0, counts.train)!,
      validation: part(counts.train, counts.validation),
      test: part(counts.train + counts.validation, counts.test),
    },
    counts,
    row: [],
    tokens: tokenizer.size,
    length,
    weighted: false,
    outputs: tokenizer.size,
    unknown: [],
    classes: null,
    classNames: null,
    tokenizer,
    preprocess: {},
  };
}

// An epoch that no training gets to, so that the split has an order of its own.
const SPLIT_EPOCH = 2 ** 40;

/** How many rows of `total` each part gets. */
function countParts(split: Split, total: number, restToTest: boolean): Parts<number> {
  const rowsOf = (part: number): number => (part < 1 ? Math.floor(part * total) : part);
  const validation = rowsOf(split.validation);
  const given = split.test === null ? null : rowsOf(split.test);
  const train = split.train === null ? total - validation - (given ?? 0) : rowsOf(split.train);
  const test = given ?? (split.train === null || !restToTest ? 0 : Math.max(0, total - train - validation));
  if (train < 1 || train + validation + test > total) {
    const asked = [train, validation, test].join(' + ');
    throw new OptionError(`data.split: expected at least 1 row to train and at most ${total} in all, got ${asked}`, { total });
  }
  return { train, validation, test };
}

async function idxTable(images: string, labels: string, { maxBytes }: IDXData, read: LabelsRead): Promise<Table> {
  const x = await readIdx(images, { maxBytes });
  const y = await readIdx(labels, { maxBytes });
  return tableOf(x, y, images, labels, read);
}

async function npzTable(file: string, { x, y, weight, maxBytes }: NPZData, read: LabelsRead): Promise<Table> {
  const arrays = await readNpz(file, { arrays: [x, y, ...(weight === null ? [] : [weight])], maxBytes });
  const table = tableOf(arrays.get(x)!, arrays.get(y)!, `${file}: ${x}`, `${file}: ${y}`, read);
  return weight === null ? table : { ...table, weight: weights(arrays.get(weight)!, `${file}: ${weight}`, table.y.shape[0]!) };
}

/** `rows` and `labels` name the two in errors. */
function tableOf(x: TensorData, y: TensorData, rows: string, labels: string, read: LabelsRead): Table {
  if (x.shape.length < 2)
    throw new DataError(`${rows}: expected rows of values, got one value a row ([${x.shape}])`, { file: rows });
  const n = x.shape[0]!;
  if (y.shape[0] !== n || y.data.length !== n) {
    throw new DataError(`${labels}: expected [${n}], a label for each row of ${rows}, got [${y.shape}]`, { file: labels });
  }
  const data = read.type === 'f32' ? Float32Array.from(y.data) : classes(y, labels, read.classes);
  return { x, y: { data, shape: [n] } };
}

async function csvTable(
  file: string,
  config: CSVData,
  { type, classes }: { readonly type: LabelsRead['type']; readonly classes: number | ClassNames },
): Promise<Table & { readonly classNames: ClassNames }> {
  const options = { ...csvOptions(config), label: config.label, labelType: type };
  const read = await readWeighted(file, { ...options, ...(classes !== null && { classes }) }, config.weight);
  const { features: x, labels, classes: classNames } = read;
  const [n, values] = x.shape as [number, number];
  const row = config.shape ?? [values];
  if (sizeOf(row) !== values) {
    throw new DataError(`${file}: expected rows of ${sizeOf(row)} values, for data.shape [${row}], got ${values}`, { file });
  }
  const weight = read.weights && weights(read.weights, file, n);
  return {
    x: { data: x.data, shape: [n, ...row] },
    y: { data: labels.data, shape: labels.shape },
    ...(weight && { weight }),
    classNames,
  };
}

/** How the files of a configuration are written. */
export function csvOptions({ delimiter, columns, ...config }: CSVData): CSVOptions {
  const { header, decimal, maxLine, maxColumns, maxBytes } = config;
  return { header, decimal, maxLine, maxColumns, maxBytes, ...(delimiter && { delimiter }), ...(columns && { columns }) };
}

/**
 * What rows weigh: numbers from 0 on, not all 0.
 * @param at where that of a row stands, for errors
 */
export function weights(
  { data, shape }: NdArray,
  file: string,
  n: number,
  at: (row: number) => string = (row) => `${file}: row ${row}`,
): NdArray {
  if (shape[0] !== n || data.length !== n)
    throw new DataError(`${file}: expected [${n}], a weight for each row, got [${shape}]`, { file });
  const row = data.findIndex((weight: number) => !(weight >= 0 && Number.isFinite(Math.fround(weight))));
  if (row >= 0) {
    throw new DataError(`${at(row)}: expected a weight >= 0, got ${data[row]}`, { file, row, value: data[row] });
  }
  if (data.every((weight: number) => weight === 0))
    throw new DataError(`${file}: expected a weight above 0, got only 0`, { file });
  return { data: Float32Array.from(data), shape: [n] };
}

/** Whole numbers, of any type. */
function classes({ data }: NdArray, file: string, count: number | null): Uint8Array | Int32Array {
  const row = data.findIndex((label: number) => !(Number.isInteger(label) && label >= 0 && label < (count ?? 0x8000_0000)));
  if (row >= 0) {
    const expected = count === null ? 'labels as whole numbers from 0' : `labels from 0 to ${count - 1}`;
    throw new DataError(`${file}: row ${row}: expected ${expected}, got ${data[row]}`, { file, row, value: data[row] });
  }
  return data instanceof Uint8Array || data instanceof Int32Array ? data : Int32Array.from(data);
}

function reorder({ x, y, weight }: Table, order: Int32Array): Table {
  return { x: takeRows(x, order), y: takeRows(y, order), ...(weight && { weight: takeRows(weight, order) }) };
}

function between(table: Table, from: number, count: number): Table {
  const cut = ({ data, shape }: NdArray): NdArray => {
    const width = sizeOf(shape.slice(1));
    return { data: data.subarray(from * width, (from + count) * width), shape: [count, ...shape.slice(1)] };
  };
  return { x: cut(table.x), y: cut(table.y), ...(table.weight && { weight: cut(table.weight) }) };
}

/** To the error of a file that is not there, add where to get it. */
function withAdvice(error: unknown, about: string | null): unknown {
  const missing = error instanceof DataError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  if (!missing) return error;
  const advice = `--data DIR names the folder it is in${about === null ? '' : `. About the files: ${about}`}`;
  return new DataError(`${error.message}; ${advice}`, error.details, { cause: error.cause });
}
