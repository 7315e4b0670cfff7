// suggest.ts: what the columns of a table are, and a configuration that suits it: what `gradclip init` suggests, and `gradclip train` takes of a table.
import { basename, dirname, extname, relative } from 'node:path';
import { isMissing, textOf } from '../../data/table/cells.ts';
import type { DateOrder } from '../../data/table/dates.ts';
import { kindOf } from '../../data/table/learn.ts';
import { MOST_FOUND } from '../../data/table/options.ts';
import { type Written, whatIsWritten, writtenAs } from '../../data/table/written.ts';
import { DataError, OptionError } from '../../errors.ts';
import type { ColumnCells } from '../../io/csv/cells-column.ts';
import { type CellsRead, readCells } from '../../io/csv/table.ts';
import { nearest, show } from '../../options/index.ts';
import { count, table } from '../../text/format.ts';

/** What is known of a column. */
export interface Found {
  readonly name: string;
  readonly type: 'number' | 'category' | 'date' | 'ignore';
  /** Missing cells. */
  readonly gaps: number;
  /** Different ones, of those that are not missing. */
  readonly different: number;
  /** Why it is left out unless somebody says otherwise; null: it is not. */
  readonly why: string | null;
  /** All its numbers are whole. */
  readonly whole: boolean;
  /** Of dates in another order than that of ISO 8601. */
  readonly order?: DateOrder;
  /** Texts that are numbers or dates, which nothing reads as such: no class either. */
  readonly unreadable?: true;
}

/** A table that somebody wants a model of. */
export interface FoundTable {
  readonly file: string;
  /** What stands before a fraction. */
  readonly decimal: '.' | ',';
  readonly rows: number;
  readonly columns: readonly Found[];
}

/** What the model is to be. */
export interface Wanted {
  readonly label: Found;
  readonly isClass: boolean;
  /** Columns that are left out. */
  readonly without: readonly string[];
  /** Part of the rows that is for the test, and another for validation. */
  readonly part: number;
}

/** Of these names are columns that number rows. */
const NUMBERS_ROWS = /^(id|index|nr|no|row|rownum|key|uuid)$|[_ -]id$|[a-z]Id$/i;
/** Whole numbers of so few different values are classes rather than values. */
const MOST_CLASSES = 20;
/** Categories of which each has a column of 0 and 1. */
const MOST_COLUMNS = 50;
/** Categories of a column that have a vector each, and rows that each of them has then, on average. */
const MOST_VECTORS = 10_000;
const ROWS_EACH = 20;
/** Parts of the rows, of which the first is taken that is a row at least. */
const PARTS = [0.15, 0.25, 0.4];

/** Whether it is a table by its name, rather than a configuration. */
export const isTable = (file: string): boolean => /\.(csv|tsv)(\.gz)?$/i.test(file);

/** @throws DataError for what is no table whose columns have names */
export async function findColumns(file: string): Promise<FoundTable> {
  const plain = await readCells(file, {}, { tolerant: true });
  const {
    decimal,
    read: { table, unread },
  } = await withCommas(file, plain);
  const read = Object.entries(table.columns).map(([name, cells]) => describe(name, cells, table.rows));
  const others = Array.from(unread, ([name, why]): Found => {
    const texts = why.replace(/^expected categories, got /, '').replace(/^expected categories of at most/, 'texts of more than');
    return { name, type: 'ignore', gaps: 0, different: 0, why: texts, whole: false };
  });
  return { file, decimal, rows: table.rows, columns: [...read, ...others] };
}

/** With decimal commas, where a column has them. */
async function withCommas(file: string, plain: CellsRead): Promise<{ readonly decimal: '.' | ','; readonly read: CellsRead }> {
  const columns = Object.values(plain.table.columns);
  const has = columns.some((cells) => !(cells instanceof Float64Array) && writtenAs(cells.filter((c) => c !== null)) === 'comma');
  if (!has) return { decimal: '.', read: plain };
  // Where commas part the columns, too, those within quotes are texts: nothing reads such a file in this way.
  const read = await readCells(file, { decimal: ',' }, { tolerant: true }).catch((error: unknown) => {
    if (error instanceof DataError) return null;
    throw error;
  });
  const names = (of: CellsRead): string => JSON.stringify([...Object.keys(of.table.columns), ...of.unread.keys()].sort());
  return read !== null && names(read) === names(plain) ? { decimal: ',', read } : { decimal: '.', read: plain };
}

function describe(name: string, cells: ColumnCells, rows: number): Found {
  const there = Array.from<string | number | null>(cells).filter((cell) => !isMissing(cell));
  const gaps = rows - there.length;
  const different = new Set(there.map(textOf)).size;
  const whole = there.every((cell) => Number.isInteger(cell));
  const of = (type: Found['type'], why: string | null): Found => ({ name, type, gaps, different, why, whole });
  if (there.length === 0) return of('ignore', 'no cell that is not missing');
  const type = kindOf(there);
  const written = type === 'category' ? writtenAs(there as readonly string[]) : null;
  if (written === 'dmy' || written === 'mdy') return { ...of('date', null), order: written };
  if (written !== null) return { ...of(type, whyNot(written)), unreadable: true };
  if (different === 1 && gaps === 0) return of(type, 'all rows have the same');
  if (NUMBERS_ROWS.test(name) && different === there.length && (whole || type === 'category'))
    return of(type, 'numbers the rows');
  if (type === 'category' && different > MOST_FOUND) {
    // Worth a vector each, where there are rows to learn it from.
    const often = different <= MOST_VECTORS && there.length >= ROWS_EACH * different;
    return of(type, often ? null : `${count(different)} different texts`);
  }
  return of(type, null);
}

const whyNot = (written: Written): string =>
  written === 'comma' ? 'numbers with a decimal comma where commas part columns' : whatIsWritten(written);

/** What the columns are, for people. */
export function columnLines({ columns }: FoundTable): string[] {
  const body = columns.map(({ name, type, gaps, different, why }) => {
    const left = why === null ? '' : `left out: ${why}`;
    return [name, type === 'ignore' ? '' : type, count(different), gaps === 0 ? '' : count(gaps), left];
  });
  return table([['column', 'is', 'different', 'missing', ''], ...body], ['left', 'left', 'right', 'right', 'left']);
}

/** @throws OptionError for a name that no column has, with the nearest */
export function columnNamed({ columns }: FoundTable, name: string): Found {
  const one = columns.find((other) => other.name === name);
  if (one) return one;
  const names = columns.map((column) => column.name);
  const near = nearest(name, names);
  const hint = near === undefined ? `; there are ${names.slice(0, 20).join(', ')}` : `; did you mean ${near}?`;
  throw new OptionError(`no column ${show(name)}${hint}`, { column: name, known: names });
}

/** The last column that can be predicted. */
export const lastOf = ({ columns }: FoundTable): string =>
  (columns.findLast(({ type, why }) => type !== 'ignore' && why === null) ?? columns.at(-1)!).name;

/** @throws DataError for a column whose rows are not all labeled */
export function checkLabel({ file }: FoundTable, { name, type, why, gaps, different, unreadable }: Found): void {
  const fault =
    type === 'ignore' || unreadable
      ? why
      : gaps > 0
        ? `${count(gaps)} rows have no label; leave them out of the file`
        : different === 1
          ? 'all rows have the same label'
          : null;
  if (fault !== null) throw new DataError(`${file}: column ${name}: ${fault}`, { file, column: name });
}

/** What is suggested where nobody says otherwise. @param name of the label */
export function wanted(found: FoundTable, name: string): Wanted {
  const label = columnNamed(found, name);
  checkLabel(found, label);
  const without = found.columns.filter((column) => column.why !== null && column !== label).map((column) => column.name);
  const part = PARTS.find((one) => rowsOf(found, one) > 0);
  if (part === undefined) {
    throw new DataError(`${found.file}: expected at least 3 rows, some to train on and some for the test, got ${found.rows}`, {
      file: found.file,
    });
  }
  return { label, isClass: isClassLabel(label), without, part };
}

/** How many rows a part of them is. */
export const rowsOf = ({ rows }: FoundTable, part: number): number => Math.floor(part * rows);

/** Whether its cells are classes rather than values. */
export const isClassLabel = ({ type, whole, different }: Found): boolean =>
  type !== 'number' || (whole && different <= MOST_CLASSES);

/** Name of a file without folder and extension. */
export function stem(file: string): string {
  const plain = file.replace(/\.gz$/i, '');
  return basename(plain, extname(plain));
}

/** A configuration as JSON has it. @param to where it is, or would be, written: its paths begin there */
export function suggest({ file, decimal, columns }: FoundTable, { label, isClass, without, part }: Wanted, to: string): object {
  const known = columns.flatMap(({ name, type, gaps, different, order }): (readonly [string, unknown])[] => {
    if (name === label.name) return [];
    if (without.includes(name)) return [[name, 'ignore']];
    if (type === 'category' && different > MOST_COLUMNS) return [[name, { type, encode: 'index' }]];
    const more = { ...(order && { order }), ...(gaps > 0 && type !== 'category' && { missing: 'median' }) };
    return [[name, Object.keys(more).length > 0 ? { type, ...more } : type]];
  });
  return {
    data: {
      type: 'table',
      file: relative(dirname(to), file).replaceAll('\\', '/'),
      label: label.name,
      ...(decimal === ',' && { decimal }),
      columns: Object.fromEntries(known),
      unknown: 'ignore',
      split: { validation: part, test: part, order: 'seed' },
    },
    model: { type: 'mlp', hidden: [64, 32], ...(isClass && { dropout: 0.1 }) },
    ...(isClass ? { loss: 'crossEntropy' } : { loss: 'mse', preprocess: { y: [{ type: 'standardize' }] } }),
    optimizer: { type: 'adamw', lr: 0.002, weightDecay: 0.01 },
    schedule: { type: 'cosine', steps: { epochs: 20 } },
    clip: { type: 'globalNorm', threshold: 1 },
    batchSize: 128,
    epochs: 20,
    earlyStop: { patience: 5 },
    save: `${stem(to)}.safetensors`,
  };
}
