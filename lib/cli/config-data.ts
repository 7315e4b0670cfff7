// config-data.ts: key `data` of a configuration: files, and how their rows are shared out.
import { OptionError } from '../errors.ts';
import {
  bool,
  type Check,
  choice,
  either,
  list,
  number,
  object,
  optional,
  positiveWhole,
  text,
  variant,
  wrong,
} from './schema.ts';

/** How rows (of a text: its characters) are shared out: first those that train, then validation, then test. */
export interface Split {
  /** A number of rows, or below 1 a part of them; null: those that are left. */
  readonly train: number | null;
  readonly validation: number;
  readonly test: number | null;
  /** As they stand in the file, or shuffled by the seed beforehand. */
  readonly order: 'file' | 'seed';
  /** Each part gets every class in the proportion of the whole. */
  readonly stratify: boolean;
}

interface CommonData {
  /** Folder of the files, from the folder of the configuration. */
  readonly dir: string;
  readonly split: Split;
  /** Where the files come from: part of the message when one is not there. */
  readonly about: string | null;
}

export interface IDXData extends CommonData {
  readonly type: 'idx';
  readonly images: string;
  readonly labels: string;
  /** A test set in files of its own, in place of `split.test`. */
  readonly testImages: string | null;
  readonly testLabels: string | null;
  /** Values are divided by this, 255 for the bytes of images. */
  readonly divideBy: number;
}

export interface CSVData extends CommonData {
  readonly type: 'csv';
  readonly file: string;
  readonly testFile: string | null;
  /** Column of the label: its name, or its index, negative from the end. */
  readonly label: string | number;
  readonly header: boolean | 'auto';
  /** What stands between cells; null: guessed from the first line. */
  readonly delimiter: string | null;
  /** Columns of values, by name or index; null: all but the label. */
  readonly columns: readonly (string | number)[] | null;
  /** Of a row, where its values are an image: channels, height and width. */
  readonly shape: readonly number[] | null;
  readonly divideBy: number;
}

export interface TextData extends CommonData {
  readonly type: 'text';
  readonly file: string;
  /** Tokens of one window. */
  readonly length: number;
  /** A token for each character of the text, or for each byte. */
  readonly tokenizer: 'char' | 'byte';
}

/** Arrays that numpy has saved. */
export interface NPZData extends CommonData {
  readonly type: 'npz';
  readonly file: string;
  readonly testFile: string | null;
  /** Names of the arrays of rows and of labels. */
  readonly x: string;
  readonly y: string;
  readonly divideBy: number;
}

export type DataConfig = IDXData | CSVData | NPZData | TextData;

const share: Check<number> = (value, path) => {
  if (typeof value === 'number' && value > 0 && (value < 1 || Number.isSafeInteger(value))) return value;
  throw wrong(path, 'a number of rows, or a part of them between 0 and 1', value);
};

/** None, too. */
const shareOrNone: Check<number> = (value, path) => (value === 0 ? 0 : share(value, path));

const ALL: Split = { train: null, validation: 0, test: null, order: 'file', stratify: false };

const split: Check<Split> = object<Split>({
  train: optional(share, null),
  validation: optional(shareOrNone, 0),
  test: optional(shareOrNone, null),
  order: optional(choice('file', 'seed'), 'file'),
  stratify: optional(bool, false),
});

const common = {
  dir: optional(text, '.'),
  split: optional(split, ALL),
  about: optional(text, null),
} as const;

const scale: Check<number> = optional(number({ above: 0 }), 1);

/** What key `data` may say. */
export const data: Check<DataConfig> = variant<DataConfig>({
  idx: object<IDXData>({
    ...common,
    type: choice('idx'),
    images: text,
    labels: text,
    testImages: optional(text, null),
    testLabels: optional(text, null),
    divideBy: scale,
  }),
  csv: object<CSVData>({
    ...common,
    type: choice('csv'),
    file: text,
    testFile: optional(text, null),
    label: optional(either(text, number({ whole: true })), -1),
    header: optional(either(bool, choice('auto')), 'auto'),
    delimiter: optional(text, null),
    columns: optional(list(either(text, number({ whole: true })), 1), null),
    shape: optional(list(positiveWhole, 1), null),
    divideBy: scale,
  }),
  npz: object<NPZData>({
    ...common,
    type: choice('npz'),
    file: text,
    testFile: optional(text, null),
    x: optional(text, 'x'),
    y: optional(text, 'y'),
    divideBy: scale,
  }),
  text: object<TextData>({
    ...common,
    type: choice('text'),
    file: text,
    length: optional(positiveWhole, 64),
    tokenizer: optional(choice('char', 'byte'), 'char'),
  }),
});

/** @throws OptionError for keys that do not go together */
export function checkData(data: DataConfig, loss: string): void {
  const { split } = data;
  if (data.type === 'idx' && (data.testImages === null) !== (data.testLabels === null)) {
    throw new OptionError('data: testImages and testLabels go together');
  }
  const ownTest = data.type === 'idx' ? data.testImages : data.type === 'text' ? null : data.testFile;
  if (ownTest !== null && split.test !== null) {
    throw wrong('data.split.test', 'nothing, since the test set has files of its own', split.test);
  }
  if (data.type === 'text' && split.order === 'seed') throw wrong('data.split.order', 'file for a text', 'seed');
  if (split.stratify && (split.order !== 'seed' || loss !== 'crossEntropy')) {
    throw new OptionError("data.split.stratify: is for classes, and goes with order 'seed'", { path: 'data.split.stratify' });
  }
}
