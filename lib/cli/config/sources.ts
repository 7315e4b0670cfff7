// sources.ts: key `data` of a configuration: files, and how their rows are shared out.
import { anyText } from '../../data/fields.ts';
import { columnsField, type ReadColumn } from '../../data/table/options.ts';
import { OptionError } from '../../errors.ts';
import { MAX_BYTES, MAX_COLUMNS, MAX_LINE } from '../../io/limits.ts';
import {
  bool,
  choice,
  custom,
  either,
  type Field,
  type Giving,
  list,
  number,
  type OptionsOf,
  object,
  text,
  variant,
  whole,
} from '../../options/index.ts';
import { wrong } from './named.ts';

/** How many. */
const positive = whole({ min: 1 });

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
  /** Most bytes of a file, and of what is unpacked of it. */
  readonly maxBytes: number;
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
  /** What stands between cells; null: guessed from the first two lines. */
  readonly delimiter: string | null;
  /** What stands before a fraction. */
  readonly decimal: '.' | ',';
  /** Most bytes of a line, and cells of a row. */
  readonly maxLine: number;
  readonly maxColumns: number;
  /** Columns of values, by name or index; null: all but the label. */
  readonly columns: readonly (string | number)[] | null;
  /** Column of what each row weighs, as `label`; null: all weigh the same. */
  readonly weight: string | number | null;
  /** Of a row, where its values are an image: channels, height and width. */
  readonly shape: readonly number[] | null;
  readonly divideBy: number;
}

/** A table of numbers, categories and dates, whose first line names its columns. */
export interface TableData extends CommonData {
  readonly type: 'table';
  readonly file: string;
  readonly testFile: string | null;
  /** Name of the column of the label. */
  readonly label: string;
  /** What columns hold, by name; those that are not named are found out. */
  readonly columns: Readonly<Record<string, ReadColumn>>;
  /** What becomes of a category that is not among the rows that train. */
  readonly unknown: 'error' | 'ignore';
  /** Cells that stand for a missing value; null: what pandas takes for one, and `?`. */
  readonly missing: readonly string[] | null;
  /** Name of the column of what each row weighs; null: all weigh the same. */
  readonly weight: string | null;
  /** As of a csv. */
  readonly delimiter: string | null;
  readonly decimal: '.' | ',';
  readonly maxLine: number;
  readonly maxColumns: number;
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
  /** Name of the array of what each row weighs; null: all weigh the same. */
  readonly weight: string | null;
  readonly divideBy: number;
}

export type DataConfig = IDXData | CSVData | NPZData | TableData | TextData;

const rows: Field<number> = custom(
  'a number of rows, or a part of them between 0 and 1',
  (value, place) => {
    if (typeof value === 'number' && value > 0 && (value < 1 || Number.isSafeInteger(value))) return value;
    throw place.wrong('a number of rows, or a part of them between 0 and 1', value);
  },
  { type: 'number', exclusiveMinimum: 0 },
);
const none = either(choice(0), rows);

const split = object<Split>({
  train: rows.or(null).about('rows that train; all that are left where it is not given'),
  validation: none.default(0).about('rows that are looked at while training'),
  test: none.or(null).about('rows of the test; those that train and validation leave where it is not given'),
  order: choice('file', 'seed').default('file').about('as they stand in the file, or shuffled by the seed first'),
  stratify: bool.default(false).about('each part gets every class in the proportion of the whole; with order seed'),
});

const common = {
  dir: text.default('.').about('folder of the files, from the folder of the configuration; --data DIR replaces it'),
  split: split
    .default({} as never)
    .about('how rows (of a text: characters) are shared out, in this order: numbers of them, or parts of all below 1'),
  maxBytes: positive.default(MAX_BYTES).about('most bytes of a file, and of all that is unpacked of it'),
  about: text.or(null).about('where to get the files, told when one is missing'),
} as const;

const scale = number({ above: 0 }).default(1).about('values are divided by it; 255 for bytes, which stay bytes in memory');
const testFile = text.or(null).about('a file for the test, in place of `split.test`');
const column = either(text, whole());

/** What key `data` may say. */
export const DATA: { readonly [K in DataConfig['type']]: OptionsOf<Extract<DataConfig, { type: K }>> } = {
  idx: object<IDXData>({
    type: choice('idx'),
    images: text.about('file of the rows'),
    labels: text.about('file of the labels'),
    testImages: text.or(null).about('file of the rows of the test; with `testLabels`'),
    testLabels: text.or(null).about('file of the labels of the test'),
    divideBy: scale,
    ...common,
  }),
  csv: object<CSVData>({
    type: choice('csv'),
    file: text.about('file of the table; `.gz` is read as it is, here and above and below'),
    testFile,
    label: column
      .default(-1)
      .about('name or index of its column, negative from the end; words in it are classes, in the order of their code points'),
    header: either(bool, choice('auto'))
      .default('auto')
      .about('whether the first line has names; `"auto"` guesses as [DATA.md](DATA.md) says'),
    delimiter: text.or(null).about('what stands between cells; guessed of tab, bar, semicolon and comma where it is not given'),
    decimal: choice('.', ',').default('.').about('what stands before a fraction'),
    maxLine: positive.default(MAX_LINE).about('most bytes of a line'),
    maxColumns: positive.default(MAX_COLUMNS).about('most cells of a row, those that are not read too'),
    columns: list(column, { min: 1 })
      .or(null)
      .about('names or indices of those to read; all but the label where it is not given'),
    weight: column
      .or(null)
      .about(
        'name or index of the column of what each row weighs, in the loss and in accuracy: a number >= 0; no column of values',
      ),
    shape: list(positive, { min: 1 }).or(null).about('of a row whose values are an image: `[1, 8, 8]`'),
    divideBy: scale,
    ...common,
  }),
  npz: object<NPZData>({
    type: choice('npz'),
    file: text.about('file as `numpy.savez` writes it'),
    testFile,
    x: text.default('x').about('name of the array of rows'),
    y: text.default('y').about('name of the array of labels'),
    weight: text.or(null).about('name of the array of what each row weighs, in the loss and in accuracy: a number >= 0'),
    divideBy: scale,
    ...common,
  }),
  table: object<TableData>({
    type: choice('table'),
    file: text.about('file of the table; its first line names the columns'),
    testFile,
    label: text.about('name of the column to predict: with `crossEntropy` its texts or numbers are classes, else numbers'),
    columns: columnsField
      .default({})
      .about(
        'what columns hold, by name: `"number"`, `"category"`, `"date"`, `"ignore"`, or an object with such a type and options, see [TABLES.md](TABLES.md); others are found out',
      ),
    unknown: choice('error', 'ignore')
      .default('error')
      .about('what becomes of a category that is not among the rows that train: an error, or zeros in all its columns, counted'),
    missing: list(anyText)
      .or(null)
      .about(
        'cells that stand for a missing value; where it is not given nothing, `?`, and what pandas takes for one, such as NA',
      ),
    weight: text
      .or(null)
      .about(
        'name of the column of what each row weighs, in the loss and in accuracy: a number >= 0; the model does not read it',
      ),
    delimiter: text.or(null).about('what stands between cells; guessed of tab, bar, semicolon and comma where it is not given'),
    decimal: choice('.', ',').default('.').about('what stands before a fraction'),
    maxLine: positive.default(MAX_LINE).about('most bytes of a line'),
    maxColumns: positive.default(MAX_COLUMNS).about('most cells of a row, those that are not read too'),
    ...common,
  }),
  text: object<TextData>({
    type: choice('text'),
    file: text.about('file of the text, in UTF-8'),
    length: positive.default(64).about('tokens of a window'),
    tokenizer: choice('char', 'byte').default('char').about('what a token is: a character, or a byte'),
    ...common,
  }),
};
export const data: Giving<DataConfig> = variant<DataConfig>(DATA);

/** @throws OptionError for keys that do not go together */
export function checkData(data: DataConfig, loss: string): void {
  const { split } = data;
  if (data.type === 'idx' && (data.testImages === null) !== (data.testLabels === null)) {
    throw new OptionError('data: testImages and testLabels go together');
  }
  if (data.type === 'table') checkTable(data);
  const ownTest = data.type === 'idx' ? data.testImages : data.type === 'text' ? null : data.testFile;
  if (ownTest !== null && split.test !== null && split.test !== 0) {
    throw wrong('data.split.test', 'nothing, since the test set has files of its own', split.test);
  }
  if (data.type === 'text' && split.order === 'seed') throw wrong('data.split.order', 'file for a text', 'seed');
  if (split.stratify && (split.order !== 'seed' || loss !== 'crossEntropy')) {
    throw new OptionError("data.split.stratify: is for classes, and goes with order 'seed'", { path: 'data.split.stratify' });
  }
}

function checkTable({ label, weight, columns }: TableData): void {
  if (weight === label) throw wrong('data.weight', 'another column than that of the label', weight);
  for (const [key, name] of [
    ['label', label],
    ['weight', weight],
  ] as const) {
    if (name !== null && Object.hasOwn(columns, name)) {
      throw new OptionError(`data.columns.${name}: expected nothing: it is that of data.${key}`, {
        path: `data.columns.${name}`,
      });
    }
  }
}
