// options.ts: what may be known about a table and its columns, before anything is learned.
import { MAX_CLASSES } from '../../io/limits.ts';
import {
  bool,
  choice,
  either,
  Field,
  type Giving,
  list,
  number,
  type OptionsField,
  options,
  type Place,
  record,
  text,
  variant,
} from '../../options/index.ts';
import { DATE_ORDERS, DATE_PARTS, type DateOrder, type DatePart } from './dates.ts';

/** How numbers are scaled: mean 0 and deviation 1, from 0 to 1, or not at all. */
export type Scaling = 'standardize' | 'minMax' | 'none';

/** What stands in for a missing number: of the others of its column, or a number; or it is an error. */
export type MissingNumber = 'median' | 'mean' | 'mostFrequent' | 'error' | number;

/** What columns of numbers and of dates have in common. */
interface Numeric {
  /** What stands in for a missing cell. Default 'median'. */
  readonly missing?: MissingNumber;
  /**
   * Whether a column of 0 and 1 tells where a cell is missing. Default 'auto': where one is among the rows that the schema is learned from.
   */
  readonly flag?: boolean | 'auto';
  /** Default 'standardize'. */
  readonly scale?: Scaling;
}

/** A column of numbers. */
export interface NumberColumn extends Numeric {
  /** What it holds: numbers. */
  readonly type: 'number';
}

/** A column of categories. */
export interface CategoryColumn {
  /** What it holds: texts, of which many are the same. */
  readonly type: 'category';
  /** All there are, in this order. Default: those among the rows that the schema is learned from, in the order of their code points. */
  readonly values?: readonly string[];
  /**
   * What becomes of a missing cell: a category of its own, the most frequent one, or an error. One of its own is there only if the rows that the
   * schema is learned from have missing cells; else a missing one is as a category that is not known. Default 'own'.
   */
  readonly missing?: 'own' | 'mostFrequent' | 'error';
  /** What becomes of a category that is not known: an error, or zeros in all its columns. Default: as option `unknown` of the schema. */
  readonly unknown?: 'error' | 'ignore';
  /**
   * A column of 0 and 1 for each category, or one column with the number of it, for an `nn.Embedding`: a missing one of its own comes after the
   * others, and what is not known after that. Default 'oneHot'.
   */
  readonly encode?: 'oneHot' | 'index';
}

/** A column of dates. */
export interface DateColumn extends Numeric {
  /** What it holds: dates as texts, as Date objects, or as numbers of ms since 1970. */
  readonly type: 'date';
  /** A column for each. `weekday` counts from Monday, 0; `days` are those since 1970, with a fraction. Default year, month, day, weekday. */
  readonly parts?: readonly DatePart[];
  /** In which order a text has them: 'ymd' is ISO 8601. Default 'ymd'. */
  readonly order?: DateOrder;
}

/** A column that is left out. */
export interface IgnoredColumn {
  /** It is left out. */
  readonly type: 'ignore';
}

/** What a column holds. */
export type ColumnOptions = NumberColumn | CategoryColumn | DateColumn | IgnoredColumn;

/** Options of `preprocess.schema`. */
export interface SchemaOptions {
  /** The column that is to be predicted. Default: none. */
  readonly label?: string;
  /** What labels are. Default: classes where they are texts, numbers where they are numbers. */
  readonly labelType?: 'class' | 'number';
  /** All classes, class 0 first. Default: those that there are, in the order of numbers if all are such, else of their code points. */
  readonly classes?: readonly string[];
  /**
   * What columns hold, by name: 'number', 'category', 'date', 'ignore', or an object with such a type and options. Default: numbers where all cells
   * that are not missing are numbers, dates where all are ISO dates, else categories, of which there may be 256 then.
   */
  readonly columns?: Readonly<Record<string, ColumnOptions['type'] | ColumnOptions>>;
  /** What becomes of a category that is not known: an error, or zeros in all its columns, counted. Default 'error'. */
  readonly unknown?: 'error' | 'ignore';
}

/** A category is worth a column of its own up to so many of them, where nobody says what the column is. */
export const MOST_FOUND = 256;

const missing: Field<MissingNumber> = either(choice('median', 'mean', 'mostFrequent', 'error'), number());
const numeric = {
  missing: missing.default('median').about('what stands in for a missing cell'),
  flag: either(bool, choice('auto'))
    .default('auto')
    .about('whether a column of 0 and 1 tells where a cell is missing; `"auto"`: where one is among the rows that train'),
  scale: choice('standardize', 'minMax', 'none').default('standardize').about('how it is scaled'),
} as const;

/** What is read of each, by its type. */
const KINDS = {
  number: options<NumberColumn>()({ type: choice('number'), ...numeric }),
  category: options<CategoryColumn>()({
    type: choice('category'),
    values: list(text, { min: 1, max: MAX_CLASSES })
      .optional()
      .about('all there are; those of the rows that train where it is not given'),
    missing: choice('own', 'mostFrequent', 'error')
      .default('own')
      .about('what becomes of a missing cell: a category of its own, the most frequent one, or an error'),
    unknown: choice('error', 'ignore')
      .optional()
      .about(
        'what becomes of a category that is not known: an error, or zeros, counted; key `unknown` of the data where it is not given',
      ),
    encode: choice('oneHot', 'index').default('oneHot').about('a column of 0 and 1 for each, or one with its number'),
  }),
  date: options<DateColumn>()({
    type: choice('date'),
    parts: list(choice(...DATE_PARTS), { min: 1 })
      .default(['year', 'month', 'day', 'weekday'])
      .about('a column for each'),
    order: choice(...DATE_ORDERS)
      .default('ymd')
      .about('in which order a text has them'),
    ...numeric,
  }),
  ignore: options<IgnoredColumn>()({ type: choice('ignore') }),
} as const;

/** What is read of a column. */
export type ReadColumn =
  | (Required<Omit<NumberColumn, 'type'>> & { readonly type: 'number' })
  | (Required<Omit<CategoryColumn, 'type' | 'values' | 'unknown'>> &
      Pick<CategoryColumn, 'values' | 'unknown'> & { readonly type: 'category' })
  | (Required<Omit<DateColumn, 'type'>> & { readonly type: 'date' })
  | { readonly type: 'ignore' };

const kinds: Giving<ReadColumn> = variant<ReadColumn>(KINDS as never);

/** The word of a type, or an object with a type. */
export const columnField: Giving<ReadColumn> = Field.of<unknown, ReadColumn>({
  expected: 'number, category, date or ignore, or an object with such a type',
  schema: () => ({ anyOf: [{ enum: Object.keys(KINDS) }, kinds.schema] }),
  read: (value, place) => kinds.read(typeof value === 'string' ? { type: value } : value, place),
});
/** A column of a type of which nothing else is said. */
export const plainColumn = (type: 'number' | 'category' | 'date', place: Place): ReadColumn => kinds.read({ type }, place);
export const columnsField: Giving<Readonly<Record<string, ReadColumn>>> = record(columnField, 'what columns hold, by name');

/** Options as they are read. */
export interface ReadSchema {
  readonly label: string | undefined;
  readonly labelType: 'class' | 'number' | undefined;
  readonly classes: readonly string[] | undefined;
  readonly columns: Readonly<Record<string, ReadColumn>>;
  readonly unknown: 'error' | 'ignore';
}

export const schemaOptions: OptionsField<SchemaOptions, ReadSchema> = options<SchemaOptions>()({
  label: text.optional(),
  labelType: choice('class', 'number').optional(),
  classes: list(text, { min: 1, max: MAX_CLASSES }).optional(),
  columns: columnsField.default({}),
  unknown: choice('error', 'ignore').default('error'),
});
