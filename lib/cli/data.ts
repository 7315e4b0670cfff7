// data.ts: the data of a configuration: files read, rows shared out between training, validation and test.
import { resolve } from 'node:path';
import { DataError, OptionError } from '../errors.ts';
import { type CsvOptions, readCsv } from '../io/csv.ts';
import type { TensorData } from '../io/file.ts';
import { readIdx } from '../io/idx.ts';
import { CharVocab, readText } from '../io/text.ts';
import { sizeOf } from '../ir/op.ts';
import { permutation } from '../ir/philox.ts';
import { type NdArray, rows, type Source, windows } from '../train/source.ts';
import type { CsvData, DataConfig, IdxData, Split } from './config.ts';

/** Files as they were read, before any row is given a use. */
export type RawData =
  | { readonly kind: 'table'; readonly table: Table; readonly test: Table | null; readonly split: Split }
  | { readonly kind: 'text'; readonly text: string; readonly length: number; readonly split: Split };

/** Rows of f32 features [n, ...] and their labels [n]. */
interface Table {
  readonly x: NdArray;
  readonly y: NdArray;
}

export interface Parts<T> {
  readonly train: T;
  readonly validation: T;
  readonly test: T;
}

export interface DataSet {
  readonly sources: { readonly train: Source; readonly validation: Source | null; readonly test: Source | null };
  /** Rows of each; of a text, characters. */
  readonly counts: Parts<number>;
  /** Values of one row; null for a text. */
  readonly features: number | null;
  /** Characters of a text. */
  readonly vocab: CharVocab | null;
}

/**
 * Read what a configuration names.
 *
 * @param dir folder that its paths start from
 * @param labelType i32 for classes, f32 for values
 * @throws DataError naming the file
 */
export async function readData(config: DataConfig, dir: string, labelType: 'i32' | 'f32'): Promise<RawData> {
  const at = (file: string): string => resolve(dir, file);
  try {
    switch (config.type) {
      case 'text':
        return { kind: 'text', text: await readText(at(config.file)), length: config.length, split: config.split };
      case 'idx': {
        const table = await idxTable(at(config.images), at(config.labels), config, labelType);
        const { testImages, testLabels } = config;
        const test = testImages && testLabels ? await idxTable(at(testImages), at(testLabels), config, labelType) : null;
        return { kind: 'table', table, test, split: config.split };
      }
      case 'csv': {
        const table = await csvTable(at(config.file), config, labelType);
        const test = config.testFile ? await csvTable(at(config.testFile), config, labelType) : null;
        return { kind: 'table', table, test, split: config.split };
      }
    }
  } catch (error) {
    throw withAdvice(error, config.about);
  }
}

/** Share the rows out. With `order: 'seed'` the seed decides which rows train. */
export function shareOut(raw: RawData, seed: bigint): DataSet {
  return raw.kind === 'text' ? shareText(raw.text, raw.length, raw.split) : shareTable(raw.table, raw.test, raw.split, seed);
}

function shareTable(table: Table, test: Table | null, split: Split, seed: bigint): DataSet {
  const total = table.y.shape[0]!;
  const counts = countParts(split, total, test === null);
  const all = split.order === 'seed' ? reorder(table, permutation(total, seed, SPLIT_EPOCH)) : table;
  const part = (from: number, count: number): Source | null => (count === 0 ? null : rows(between(all, from, count)));
  const ownTest = part(counts.train + counts.validation, counts.test);
  return {
    sources: {
      train: part(0, counts.train)!,
      validation: part(counts.train, counts.validation),
      test: test === null ? ownTest : rows({ ...test }),
    },
    counts: { ...counts, test: test === null ? counts.test : test.y.shape[0]! },
    features: sizeOf(table.x.shape.slice(1)),
    vocab: null,
  };
}

function shareText(text: string, length: number, split: Split): DataSet {
  const vocab = CharVocab.fromText(text);
  const tokens = vocab.encode(text);
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
    features: null,
    vocab,
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

async function idxTable(images: string, labels: string, { divideBy }: IdxData, labelType: 'i32' | 'f32'): Promise<Table> {
  const x = await readIdx(images);
  const y = await readIdx(labels);
  if (x.shape.length < 2)
    throw new DataError(`${images}: expected rows of values, got one value a row ([${x.shape}])`, { file: images });
  if (y.shape.length !== 1 || y.shape[0] !== x.shape[0]) {
    throw new DataError(`${labels}: expected [${x.shape[0]}], a label for each row of ${images}, got [${y.shape}]`, {
      file: labels,
    });
  }
  return {
    x: features(x, divideBy),
    y: { data: labelType === 'f32' ? Float32Array.from(y.data) : classes(y, labels), shape: y.shape },
  };
}

async function csvTable(file: string, config: CsvData, labelType: 'i32' | 'f32'): Promise<Table> {
  const options: CsvOptions = { label: config.label, labelType, header: config.header };
  const { features: x, labels } = await readCsv(file, options);
  return { x: features(x, config.divideBy), y: { data: labels!.data, shape: labels!.shape } };
}

/** f32 [n, values of a row], divided. */
function features({ data, shape }: TensorData, divideBy: number): NdArray {
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = data[i]! / divideBy;
  return { data: out, shape: [shape[0]!, sizeOf(shape.slice(1))] };
}

function classes({ data }: TensorData, file: string): Uint8Array | Int32Array {
  if (data instanceof Uint8Array || data instanceof Int32Array) return data;
  throw new DataError(`${file}: expected whole numbers as labels`, { file });
}

function reorder({ x, y }: Table, order: Int32Array): Table {
  return { x: pick(x, order), y: pick(y, order) };
}

function pick({ data, shape }: NdArray, order: Int32Array): NdArray {
  const width = sizeOf(shape.slice(1));
  const out = data.slice();
  for (let i = 0; i < order.length; i++) out.set(data.subarray(order[i]! * width, (order[i]! + 1) * width), i * width);
  return { data: out, shape };
}

function between(table: Table, from: number, count: number): Record<'x' | 'y', NdArray> {
  const cut = ({ data, shape }: NdArray): NdArray => {
    const width = sizeOf(shape.slice(1));
    return { data: data.subarray(from * width, (from + count) * width), shape: [count, ...shape.slice(1)] };
  };
  return { x: cut(table.x), y: cut(table.y) };
}

/** To the error of a file that is not there, add where to get it. */
function withAdvice(error: unknown, about: string | null): unknown {
  const missing = error instanceof DataError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  if (!missing) return error;
  const advice = `--data DIR names the folder it is in${about === null ? '' : `. About the files: ${about}`}`;
  return new DataError(`${error.message}; ${advice}`, error.details, { cause: error.cause });
}
