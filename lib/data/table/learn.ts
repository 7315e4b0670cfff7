// learn.ts: a schema from the rows that train, and from its JSON.
import { DataError, OptionError } from '../../errors.ts';
import { custom, type Field, nearest, Place, show, signature } from '../../options/index.ts';
import { type Affine, affineFromJSON, minMax, standardize } from '../affine.ts';
import { Impute, type ImputeStrategy, impute } from '../impute.ts';
import { OneHot } from '../one-hot.ts';
import { badJSON, Pipeline, type Transform, type TransformJSON } from '../transform.ts';
import {
  type Cell,
  dateOf,
  isMissing,
  numberOf,
  type Table,
  type TableColumns,
  type TableRow,
  tableOf,
  textOf,
} from './cells.ts';
import { DATE_PARTS } from './dates.ts';
import {
  type MissingNumber,
  MOST_FOUND,
  plainColumn,
  type ReadColumn,
  type ReadSchema,
  type Scaling,
  type SchemaOptions,
  schemaOptions,
} from './options.ts';
import { encodeTable, inputsOf, type KnownCategory, type KnownColumn, type KnownLabel, labelsOf, Schema } from './schema.ts';
import { readerOfWritten, whatIsWritten, writtenAs } from './written.ts';

const table: Field<TableColumns | readonly TableRow[]> = custom(
  'columns by name, or rows in a list',
  (value) => value as TableColumns,
);
const readSchema = signature('preprocess.schema', { table }, schemaOptions);

/**
 * Learn what a table is from the rows that train: numbers, categories and dates, what stands in for missing cells, how numbers are scaled. As the
 * transform of `x` it is saved with the weights, and lets `predict` take rows with names.
 *
 * ```js
 * const { columns } = await io.readTable('people.csv');
 * const schema = preprocess.schema(columns, { label: 'income', columns: { id: 'ignore' } });
 * const trainer = new Trainer({ model, loss, optimizer, preprocess: { x: schema } });
 * await trainer.fit(schema.arrays(columns), { epochs: 20 });
 * const [{ class: income }] = await trainer.predict([{ age: 41, town: 'Bonn' }]);
 * ```
 * @param table columns by name, such as `io.readTable` gives, or rows in a list
 * @throws DataError for columns of several lengths, without any cell, or with more than 256 different texts where option `columns` does not say what
 * they are, and for cells that are not what it says
 * @throws OptionError for options that make no sense, or name a column that is not there
 * @see sklearn.compose.ColumnTransformer
 */
export function schema(table: TableColumns | readonly TableRow[], options: SchemaOptions = {}): Schema {
  const { table: given, ...read } = readSchema(arguments);
  return learn('preprocess.schema', given, read);
}

/** What a column comes to: what is known of it, and for each of its numbers what the steps do. */
interface Learned {
  readonly known: KnownColumn;
  readonly numbers: readonly Steps[];
  /** Whether a column of 0 and 1 tells where a cell is missing. */
  readonly flag: boolean;
}

/** A column that is not left out. */
type Kept = Exclude<ReadColumn, { readonly type: 'ignore' }>;

interface Steps {
  /** What stands in for a missing one; null: nothing. */
  readonly fill: number | null;
  /** Names of the columns of 0 and 1 that it becomes; null: it stays one. */
  readonly hot: readonly string[] | null;
  readonly shift: number;
  readonly scale: number;
}

const AS_IT_IS = { fill: null, hot: null, shift: 0, scale: 1 } as const;

/** @param where for errors */
export function learn(where: string, given: TableColumns | readonly TableRow[], options: ReadSchema): Schema {
  const table = tableOf(where, given);
  if (table.rows === 0) throw new DataError(`${where}: expected at least one row to learn from, got none`);
  const label = labelOf(where, table, options);
  for (const name of Object.keys(options.columns)) {
    if (name === label?.name) throw refuse(where, `columns.${name}`, `is the label: option labelType says what it is`);
    if (!table.names.includes(name)) throw absent(where, `columns.${name}`, name, table.names);
  }
  const learned: Learned[] = [];
  for (const name of table.names) {
    if (name === label?.name) continue;
    const cell = table.column(name);
    const cells = Array.from({ length: table.rows }, (_, i) => cell(i));
    const declared = Object.hasOwn(options.columns, name) ? options.columns[name]! : null;
    if (declared?.type === 'ignore') continue;
    const own: OwnCells = {
      where,
      name,
      cells,
      table: { rows: table.rows, names: [name], column: () => (i) => cells[i], at: table.at },
    };
    learned.push(learnColumn(own, (declared ?? guess(where, name, cells)) as Kept, options.unknown));
  }
  if (learned.length === 0) throw new DataError(`${where}: expected a column beside the label, got none`);
  const inputs = learned.flatMap(({ known }) => inputsOf(known));
  const twice = inputs.find((name, i) => inputs.indexOf(name) !== i);
  if (twice !== undefined)
    throw new DataError(`${where}: part ${twice} of a date has the name of another column`, { column: twice });
  return assemble(learned, label);
}

function labelOf(where: string, table: Table, { label, labelType, classes }: ReadSchema): KnownLabel | null {
  if (label === undefined) {
    if (labelType !== undefined) throw refuse(where, 'labelType', 'goes with option label');
    if (classes !== undefined) throw refuse(where, 'classes', 'goes with option label');
    return null;
  }
  if (!table.names.includes(label)) throw absent(where, 'label', label, table.names);
  if (classes !== undefined) {
    if (labelType === 'number') throw refuse(where, 'classes', 'is for labels that are classes');
    const twice = classes.find((word, i) => classes.indexOf(word) !== i);
    if (twice !== undefined) throw refuse(where, 'classes', `${show(twice)} is there twice`);
    return { name: label, classes };
  }
  const cell = table.column(label);
  const cells = Array.from({ length: table.rows }, (_, i) => cell(i)).filter((c) => !isMissing(c));
  if (cells.length === 0) throw new DataError(`${where}: column ${label}: expected labels, got none`, { column: label });
  if (labelType === undefined) checkWritten(where, label, cells, "labelType 'class' takes them as texts");
  const type = labelType ?? (cells.every((c) => !Number.isNaN(numberOf(c)) && typeof c !== 'boolean') ? 'number' : 'class');
  const known: KnownLabel = { name: label, classes: type === 'class' ? classesOf(cells) : null };
  // Missing ones have an error of their own.
  labelsOf(label, known.classes, table);
  return known;
}

/** Classes in the order of numbers, if all are such, else of code points. */
export function classesOf(cells: readonly Cell[]): string[] {
  const found = [...new Set(cells.map(textOf))];
  return found.every((text) => !Number.isNaN(numberOf(text))) ? found.sort((a, b) => Number(a) - Number(b)) : inOrder(found);
}

/** In the order of UTF-8, which is that of code points; that of < is one of UTF-16. */
function inOrder(texts: readonly string[]): string[] {
  return texts
    .map((text) => [text, Buffer.from(text)] as const)
    .sort(([, a], [, b]) => Buffer.compare(a, b))
    .map(([text]) => text);
}

/** What cells are that are not missing, of which nobody says it. */
export function kindOf(there: readonly Cell[]): 'number' | 'date' | 'category' {
  if (there.every((cell) => !Number.isNaN(numberOf(cell)))) return 'number';
  const isDate = (cell: Cell): boolean =>
    typeof cell !== 'number' && typeof cell !== 'bigint' && !Number.isNaN(dateOf(cell, 'ymd'));
  return there.every(isDate) ? 'date' : 'category';
}

/** @throws DataError for texts that are numbers or dates in another form than is read, which would be a category each */
function checkWritten(where: string, name: string, there: readonly Cell[], otherwise: string): void {
  if (!there.every((cell) => typeof cell === 'string')) return;
  const texts = there as readonly string[];
  const written = writtenAs(texts);
  if (written === null) return;
  const such = texts.find((text) => Number.isNaN(numberOf(text)))!;
  const what = `its texts are ${whatIsWritten(written)}, such as ${show(such)}`;
  throw new DataError(`${where}: column ${name}: ${what}: ${readerOfWritten(written)}; ${otherwise}`, { column: name, written });
}

/** What a column is, of which nobody says it. */
function guess(where: string, name: string, cells: readonly Cell[]): ReadColumn {
  const there = cells.filter((cell) => !isMissing(cell));
  if (there.length === 0) throw empty(where, name);
  const type = kindOf(there);
  if (type === 'category') checkWritten(where, name, there, "'category' in option columns takes them as texts");
  const different = type === 'category' ? new Set(there.map(textOf)).size : 0;
  if (different > MOST_FOUND) {
    const say = `option columns says whether it is a 'category', or 'ignore' leaves it out`;
    const message = `${where}: column ${name}: ${different} different texts, which is many for columns of 0 and 1: ${say}`;
    throw new DataError(message, { column: name, different });
  }
  return plainColumn(type, new Place(where, 'option', 'columns'));
}

/** Cells of a column, in a list and as a table of their own. */
interface OwnCells {
  readonly where: string;
  readonly name: string;
  readonly cells: readonly Cell[];
  readonly table: Table;
}

function learnColumn(own: OwnCells, column: Kept, unknown: 'error' | 'ignore'): Learned {
  const { where, name, cells, table } = own;
  const gaps = cells.filter(isMissing).length;
  if (column.type === 'category') return learnCategory(own, { ...column, unknown: column.unknown ?? unknown });
  if (gaps === cells.length) throw empty(where, name);
  const { missing, scale } = column;
  const required = missing === 'error';
  const known: KnownColumn =
    column.type === 'number'
      ? { name, type: 'number', required }
      : { name, type: 'date', parts: column.parts, order: column.order, required };
  // As the schema reads it afterwards, with its errors.
  const { x } = encodeTable(new Schema([known], null, new Pipeline([]), []), where, table);
  const width = x.shape[1]!;
  const numbers = Array.from({ length: width }, (_, j) => {
    const values = Float32Array.from({ length: cells.length }, (_, i) => x.data[i * width + j]!);
    return stepsOf(values, missing, scale);
  });
  const flag = !required && (column.flag === 'auto' ? gaps > 0 : column.flag);
  if (required && column.flag === true) throw refuse(where, `columns.${name}.flag`, 'a missing cell is an error: it has no use');
  return { known, numbers, flag };
}

/** What stands in for a missing value of a column, and its scale, of all values that are there or stand in. */
function stepsOf(values: Float32Array, missing: MissingNumber, scaling: Scaling): Steps {
  const column = { data: values, shape: [values.length] };
  const strategy: { strategy: ImputeStrategy; value?: number } | null =
    missing === 'error' ? null : typeof missing === 'number' ? { strategy: 'constant', value: missing } : { strategy: missing };
  const filling = strategy && (impute(strategy).fit(column) as Impute);
  const filled = filling ? filling.transform(column) : column;
  const scaler = scaling === 'none' ? null : ((scaling === 'minMax' ? minMax() : standardize()).fit(filled) as Affine);
  return {
    fill: filling ? filling.fill[0]! : null,
    hot: null,
    shift: scaler?.shift[0] ?? 0,
    scale: scaler?.scale[0] ?? 1,
  };
}

function learnCategory(
  { where, name, cells, table }: OwnCells,
  {
    values: listed,
    missing,
    unknown,
    encode,
  }: Extract<ReadColumn, { readonly type: 'category' }> & { readonly unknown: 'error' | 'ignore' },
): Learned {
  const twice = listed?.find((text, i) => listed.indexOf(text) !== i);
  if (twice !== undefined) throw refuse(where, `columns.${name}.values`, `${show(twice)} is there twice`);
  const counts = new Map<string, number>();
  let gaps = 0;
  for (const cell of cells) {
    if (isMissing(cell)) gaps++;
    else counts.set(textOf(cell), (counts.get(textOf(cell)) ?? 0) + 1);
  }
  const values = listed ?? inOrder([...counts.keys()]);
  if (values.length === 0) throw empty(where, name);
  // Of several the first.
  const frequent = values.reduce((best, text, i) => ((counts.get(text) ?? 0) > (counts.get(values[best]!) ?? 0) ? i : best), 0);
  const rule: KnownCategory['missing'] =
    missing === 'error' ? 'error' : missing === 'mostFrequent' ? frequent : gaps > 0 ? 'own' : 'unknown';
  const known: KnownCategory = { name, type: 'category', values, missing: rule, unknown, encode };
  // Those that are listed may not be all there are.
  encodeTable(new Schema([known], null, new Pipeline([]), []), where, table);
  const names = values.map((text) => `${name}=${text}`);
  const hot = rule === 'own' ? [...names, `${name} missing`] : names;
  return { known, numbers: [{ ...AS_IT_IS, hot: encode === 'oneHot' ? hot : null }], flag: false };
}

/** A schema of what was learned of columns. */
function assemble(learned: readonly Learned[], label: KnownLabel | null): Schema {
  const columns = learned.map(({ known }) => known);
  const numbers = learned.flatMap((one) => one.numbers);
  const width = numbers.length;
  const flags: number[] = [];
  const flagged: string[] = [];
  let at = 0;
  for (const { known, numbers: own, flag } of learned) {
    if (flag) flags.push(at);
    if (flag) flagged.push(`${known.name} missing`);
    at += own.length;
  }
  const all: readonly Steps[] = [...numbers, ...flags.map(() => AS_IT_IS)];
  const names = [...columns.flatMap(inputsOf), ...flagged];
  const steps: Transform[] = [];
  if (numbers.some(({ fill }) => fill !== null)) {
    steps.push(
      new Impute(
        [width],
        numbers.map(({ fill }) => fill),
        flags,
      ),
    );
  }
  if (all.some(({ hot }) => hot !== null)) {
    steps.push(
      new OneHot(
        'zeros',
        [all.length],
        all.map(({ hot }) => hot?.map((_, k) => k) ?? null),
      ),
    );
  }
  const each = all.flatMap((one) => one.hot?.map(() => AS_IT_IS) ?? [one]);
  if (each.some(({ shift, scale }) => shift !== 0 || scale !== 1)) steps.push(scaled(each));
  return new Schema(
    columns,
    label,
    new Pipeline(steps),
    all.flatMap(({ hot }, j) => hot ?? [names[j]!]),
  );
}

/** (x - shift) / scale, for each column. */
function scaled(each: readonly Steps[]): Transform {
  const json = {
    type: 'standardize',
    per: 'column',
    row: [each.length],
    shift: each.map(({ shift }) => shift),
    scale: each.map(({ scale }) => scale),
  };
  return affineFromJSON(json);
}

// ---- from JSON ---------------------------------------------------------------------------------------------------

/** @param make a step of its JSON */
export function schemaFromJSON(json: TransformJSON, make: (step: TransformJSON) => Transform): Schema {
  const { columns, label, outputs, steps } = json;
  if (!Array.isArray(columns) || columns.length === 0) throw badJSON('schema', 'columns, a list');
  if (!Array.isArray(steps) || steps.length > 3) throw badJSON('schema', 'steps, a list of at most 3');
  if (!isTexts(outputs)) throw badJSON('schema', 'outputs, a list of texts');
  const known = columns.map((column: unknown, i) => knownColumn(column, i));
  const made = new Schema(known, knownLabel(label), new Pipeline(steps.map(make)), outputs);
  const names = known.map(({ name }) => name);
  if (new Set(names).size !== names.length) throw badJSON('schema', 'columns of different names');
  // Whether the steps take what the columns give.
  const row = { data: new Float32Array(made.inputs.length), shape: [1, made.inputs.length] };
  try {
    if (made.transform(row).shape[1] === outputs.length) return made;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  throw badJSON('schema', `steps that make ${outputs.length} numbers of ${made.inputs.length}`);
}

const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((v) => typeof v === 'string');

function knownColumn(given: unknown, i: number): KnownColumn {
  const wrong = (what: string): DataError => badJSON('schema', `columns[${i}] with ${what}`);
  if (typeof given !== 'object' || given === null) throw wrong('a name and a type');
  const { name, type, required, values, missing, unknown, encode, parts, order } = given as Record<string, unknown>;
  if (typeof name !== 'string' || name === '') throw wrong('a name');
  if (type === 'category') {
    if (!isTexts(values) || values.length === 0 || new Set(values).size !== values.length) throw wrong('values, different texts');
    const fits =
      ['own', 'unknown', 'error'].includes(missing as string) ||
      (Number.isInteger(missing) && values[missing as number] !== undefined);
    if (!fits) throw wrong('missing, a word or the number of one of its values');
    if (unknown !== 'error' && unknown !== 'ignore') throw wrong('unknown, error or ignore');
    if (encode !== 'oneHot' && encode !== 'index') throw wrong('encode, oneHot or index');
    return { name, type, values, missing: missing as KnownCategory['missing'], unknown, encode };
  }
  if (typeof required !== 'boolean') throw wrong('required, true or false');
  if (type === 'number') return { name, type, required };
  if (type !== 'date') throw wrong('type number, category or date');
  if (!Array.isArray(parts) || parts.length === 0 || !parts.every((part) => DATE_PARTS.includes(part)))
    throw wrong('parts of a date');
  if (order !== 'ymd' && order !== 'dmy' && order !== 'mdy') throw wrong('order ymd, dmy or mdy');
  return { name, type, parts, order, required };
}

function knownLabel(given: unknown): KnownLabel | null {
  if (given === null) return null;
  const { name, classes } = (given ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string' || (classes !== null && !isTexts(classes))) throw badJSON('schema', 'label with name and classes');
  return { name, classes };
}

// ---- errors ------------------------------------------------------------------------------------------------------

const refuse = (where: string, option: string, why: string): OptionError =>
  new OptionError(`${where}: option ${option}: ${why}`, { where, option });

function absent(where: string, option: string, name: string, known: readonly string[]): OptionError {
  const near = nearest(name, known);
  const hint = near ? `; did you mean ${near}?` : known.length <= 20 ? `; there are ${known.join(', ')}` : '';
  return new OptionError(`${where}: option ${option}: no column ${show(name)}${hint}`, { where, option, known });
}

function empty(where: string, name: string): DataError {
  const message = `${where}: column ${name}: expected a cell that is not missing, got none: 'ignore' in option columns leaves it out`;
  return new DataError(message, { column: name });
}
