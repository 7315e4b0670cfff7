// csv.ts: tables of numbers in text form, plain or gzip, read in one pass over chunks of the file.
import { custom, type Field, signature } from '../../options/index.ts';
import { file } from '../fields.ts';
import { type TensorData, withSource } from '../file/file.ts';
import { atOnce, inTurns } from '../file/pace.ts';
import { type CSVOptions, csvOptions, type LabeledTable, type Table } from './options.ts';
import { type Aside, CSVParser } from './parser.ts';

const readReadCsv = signature('io.readCsv', { file }, csvOptions);

/**
 * Read a table of numbers, plain or gzip, in UTF-8. Cells may be quoted; blanks around them and empty lines are ignored. Every cell read must be a
 * finite number in decimal form; there is no missing value. Lines end with \n, \r\n or \r, also within quotes, where they are \n. Labels that are words become classes,
 * numbered in the order of the words' code points.
 *
 * ```ts
 * const { features, labels, classes } = await io.readCsv('iris.csv', { label: 'kind' });
 * await trainer.fit({ x: features, y: labels }, { epochs: 50 });
 * const { data } = await trainer.predict(features); // where option predict gives ops.argmax of the logits
 * console.log(classes[data[0]]); // 'setosa'
 * ```
 * @throws DataError with `file`, `line` and `column` (both from 1) for ragged rows, cells that are no numbers, labels that are none, an empty
 * file, and a first line that may be a header or a row.
 * @throws OptionError for options that make no sense, or name a column that is not there.
 */
export function readCsv(file: string, options: CSVOptions & { readonly label: string | number }): Promise<LabeledTable>;
export function readCsv(file: string, options?: CSVOptions): Promise<Table>;
export async function readCsv(file: string, options: CSVOptions = {}): Promise<Table> {
  readReadCsv(arguments);
  return readTable(file, options);
}

/**
 * Its features alone: in column `label` may stand anything.
 * @param without name of a column that is left out, if there is one
 */
export async function readFeatures(file: string, options: CSVOptions, without: string | null = null): Promise<Table> {
  readReadCsv([file, options]);
  return readTable(file, options, { withLabels: false, without });
}

/** With what rows weigh, f32 [rows]. @param weight its column, by name or index, which is none of the features; null: there is none */
export async function readWeighted(
  file: string,
  options: CSVOptions & { readonly label: string | number },
  weight: string | number | null,
): Promise<LabeledTable & { readonly weights: TensorData | null }> {
  readReadCsv([file, options]);
  const { features, columns, ...rest } = (await readTable(file, options, { weight })) as LabeledTable;
  if (weight === null) return { features, columns, ...rest, weights: null };
  const [n, width] = features.shape as [number, number];
  const all = features.data as Float32Array;
  const data = new Float32Array(n * (width - 1));
  const weights = new Float32Array(n);
  for (let row = 0; row < n; row++) {
    data.set(all.subarray(row * width, (row + 1) * width - 1), row * (width - 1));
    weights[row] = all[(row + 1) * width - 1]!;
  }
  return {
    ...rest,
    columns: columns?.slice(0, -1) ?? null,
    features: { dtype: 'f32', shape: [n, width - 1], data },
    weights: { dtype: 'f32', shape: [n], data: weights },
  };
}

function readTable(file: string, options: CSVOptions, aside: Aside = {}): Promise<Table> {
  const parser = new CSVParser(file, options, aside);
  return withSource(
    file,
    async (source) => {
      for await (const piece of source.chunks()) parser.push(piece);
      return inTurns(parser.finish());
    },
    options.maxBytes,
  );
}

/** A table in memory. */
export const source: Field<string | Uint8Array> = custom('a text or a Uint8Array', (value, place) => {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  throw place.wrong('a text or a Uint8Array', value);
});
const readParseCsv = signature('io.parseCsv', {
  text: source,
  options: csvOptions.default({}),
  file: file.default('<text>'),
});

/**
 * Read a table of numbers that lies in memory: a text, or its bytes in UTF-8, not gzip.
 * @param file what errors call it; default `<text>`
 * @throws OptionError for options that make no sense, or name a column that is not there; DataError as `readCsv`
 */
export function parseCsv(
  text: string | Uint8Array,
  options: CSVOptions & { readonly label: string | number },
  file?: string,
): LabeledTable;
export function parseCsv(text: string | Uint8Array, options?: CSVOptions, file?: string): Table;
export function parseCsv(text: string | Uint8Array, options: CSVOptions = {}, file = '<text>'): Table {
  readParseCsv(arguments);
  const parser = new CSVParser(file, options);
  parser.push(typeof text === 'string' ? Buffer.from(text) : text);
  return atOnce(parser.finish());
}
