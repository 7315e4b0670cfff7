// options.ts: what the readers of tables take, and what they give.
import { OptionError } from '../../errors.ts';
import {
  bool,
  choice,
  custom,
  either,
  type Field,
  list,
  type OptionsField,
  options,
  show,
  text,
  whole,
} from '../../options/index.ts';
import { maxBytes } from '../fields.ts';
import type { ReadOptions, TensorData } from '../file/file.ts';
import { MAX_COLUMNS, MAX_LINE } from '../limits.ts';

/** Options of `io.readCsv`. */
export interface CSVOptions extends ReadOptions {
  /**
   * Whether the first line names the columns. Default 'auto': it does if one of its cells that are read is a name, and no number (nor what stands for
   * a missing one, such as NA). A line 0, 1, 2, ..., which a data frame writes above columns without names, does if the numbers below in some
   * column are all written with a dot or an exponent. Where that does not tell, this option has to.
   */
  readonly header?: boolean | 'auto';
  /**
   * One ASCII character. Default: the first of tab, bar, semicolon and comma that the first two lines have outside quotes, as often in one as in the
   * other; else the first that the first line has.
   */
  readonly delimiter?: string;
  /** What stands before a fraction. Default '.'. */
  readonly decimal?: '.' | ',';
  /** Columns to read, by name or index (negative from the end), in this order. Default all but the label. Others may hold anything. */
  readonly columns?: readonly (string | number)[];
  /** The column of labels, by name or index (negative from the end). Default none. */
  readonly label?: string | number;
  /** What labels are: 'i32' for classes, which are integers or words; 'f32' for regression. Default 'i32'. */
  readonly labelType?: 'i32' | 'f32';
  /**
   * How many classes there are: labels are from 0 to one less, or as many words. Or the words themselves, class 0 first, as `classes` of another
   * table has them: labels are words then, and no others. Default: any numbers, or up to 65,536 words of up to 1,024 characters.
   */
  readonly classes?: number | readonly string[];
  /** Most bytes of a line, and of a row whose quoted cells go over several: more is a DataError. Default 1 MiB. */
  readonly maxLine?: number;
  /** Most cells of a row, those that are not read too. Default 65,536. */
  readonly maxColumns?: number;
}

/** What was read. */
export interface Table {
  /** Names of the features' columns; null where the file has no header. */
  readonly columns: readonly string[] | null;
  /** f32 [rows, columns]. */
  readonly features: TensorData;
  /** i32 or f32 [rows]; null unless the option `label` is given. */
  readonly labels: TensorData | null;
  /** Where labels are words: those, in the order of their code points, or of option `classes`: label i is `classes[i]`. Else null. */
  readonly classes: readonly string[] | null;
}

/** What was read with option `label`. */
export interface LabeledTable extends Table {
  /** i32 or f32 [rows]. */
  readonly labels: TensorData;
}

export const delimiter: Field<string> = custom(
  'one character such as , ; | or tab',
  (value, place) => {
    if (typeof value === 'string' && /^[\t !#$%&'*/:;<=>?@^_`|~,]$/.test(value)) return value;
    throw place.wrong('one character such as , ; | or tab', value);
  },
  { enum: [..."\t !#$%&'*/:;<=>?@^_`|~,"] },
);
const column = either(text, whole());
export const csvOptions: OptionsField<CSVOptions, object> = options<CSVOptions>()({
  header: either(bool, choice('auto')).default('auto'),
  delimiter: delimiter.optional(),
  decimal: choice('.', ',').default('.'),
  columns: list(column, { min: 1 }).optional(),
  label: column.optional(),
  labelType: choice('i32', 'f32').default('i32'),
  classes: either(whole({ min: 1 }), list(text, { min: 1 })).optional(),
  maxLine: whole({ min: 1, infinite: true }).default(MAX_LINE),
  maxColumns: whole({ min: 1, infinite: true }).default(MAX_COLUMNS),
  maxBytes,
});

/** @throws OptionError for options that do not go together */
export function checkTogether({ classes, label, labelType = 'i32', delimiter, decimal }: CSVOptions, where = 'readCsv'): void {
  if (decimal === ',' && delimiter === ',') {
    throw new OptionError(`${where}: option decimal: a comma cannot be delimiter and part of a number`, { option: 'decimal' });
  }
  const listed = typeof classes === 'number' ? [] : (classes ?? []);
  const twice = listed.find((word, i) => listed.indexOf(word) !== i);
  if (twice !== undefined) throw new OptionError(`readCsv: option classes: ${show(twice)} is there twice`, { option: 'classes' });
  if (classes === undefined || (label !== undefined && labelType === 'i32')) return;
  throw new OptionError('readCsv: option classes: is for labels that are classes', { option: 'classes' });
}
