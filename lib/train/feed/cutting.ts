// cutting.ts: batches cut out of a table that comes part by part: its columns become rows natively, in blocks, of which the batches are pieces.
import { isOneRow, namesOf, noColumn, numbersOf, partOf, type TablePart, valuesOf } from '../../data/tabular.ts';
import { DataError } from '../../errors.ts';
import { ARRAYS } from '../../ir/op.ts';
import { permutation } from '../../ir/philox.ts';
import { type RowData, toRows } from '../../native/rows.ts';
import type { First } from '../flow/epoch-data.ts';
import type { Arrays } from './source.ts';

/** What of a table becomes one array. */
export interface Taken {
  readonly name: string;
  /** Null: all columns but `except`. */
  readonly columns: readonly string[] | null;
  readonly except: readonly string[];
  readonly dtype: 'f32' | 'i32' | 'u8';
  /** A number for each row, in place of a row of one. */
  readonly flat: boolean;
}

/** What becomes of a table. */
export interface TableRule {
  readonly taken: readonly Taken[];
  /** Rows of a window that is shuffled; 0: none is. */
  readonly shuffle: number;
  readonly missing: 'refuse' | 'nan';
  /** How many rows it has; null: nobody has said. */
  readonly rows: number | null;
}

/** How batches are cut. */
export interface Cut {
  readonly batchSize: number;
  readonly dropLast: boolean;
  readonly seed: bigint;
  /** Whoever asks for batches does not wait. */
  readonly blocks: boolean;
  /** Takes down the first row of an epoch. Default: nobody does. */
  readonly first?: First;
}

/** Bytes of a block, unless a batch has more: what is written at a time stays in a cache. */
const BLOCK = 256 << 10;
/** Values that are written before anybody looks at the clock. */
const AT_ONCE = 1 << 19;
/** Rows that come one by one and are written together, if no batch waits for them. */
const STAGED = 1024;

/** Memory of some rows: an array for each that is made of columns. */
interface Block {
  readonly data: readonly RowData[];
  /** Batches that were given of it and are in use; and whether another block came after it. */
  out: number;
  left: boolean;
}

/** The columns that are wanted, each once, and what is made of them. */
class Layout {
  readonly wanted: readonly string[];
  /** For each array, which of these. */
  readonly places: readonly (readonly number[])[];
  readonly rowBytes: number;
  /** Null: columns are taken by name, and others may come and go. */
  readonly #known: ReadonlySet<string> | null;

  /** @throws DataError where all columns are taken but some, and these are not there, or no other is */
  constructor(where: string, taken: readonly Taken[], names: readonly string[]) {
    const places = new Map<string, number>();
    const placeOf = (name: string): number => {
      if (!places.has(name)) places.set(name, places.size);
      return places.get(name)!;
    };
    this.places = taken.map(({ name, columns, except }) => {
      const absent = columns ? undefined : except.find((other) => !names.includes(other));
      if (absent !== undefined) throw noColumn(where, absent, names);
      const own = columns ?? names.filter((other) => !except.includes(other));
      if (own.length === 0)
        throw new DataError(`${where}: expected columns for ${name}, got none but those that it excepts`, { name });
      return own.map(placeOf);
    });
    this.wanted = [...places.keys()];
    this.rowBytes = taken.reduce((sum, { dtype }, k) => sum + this.places[k]!.length * ARRAYS[dtype].BYTES_PER_ELEMENT, 0);
    this.#known = taken.every(({ columns }) => columns) ? null : new Set(names);
  }

  /** @throws DataError for a column that was not there before, where all are taken */
  check(where: string, given: unknown): void {
    const known = this.#known;
    const other = known ? namesOf(where, given).find((name) => !known.has(name)) : undefined;
    if (other !== undefined)
      throw new DataError(`${where}: got a column named ${other}, which was not there before`, { column: other });
  }
}

/** What has come of a table and is in no batch yet. */
export class Cutting {
  readonly #where: string;
  readonly #rule: TableRule;
  readonly #epoch: number;
  #cut: Cut;
  #layout: Layout | null = null;
  /** What has come, the number of its first row in the epoch, and how many of its rows were used. */
  readonly #parts: { readonly part: TablePart; readonly first: number; used: number }[] = [];
  /** Rows that came one by one, as values by column. */
  #staged: unknown[][] = [];
  #ended = false;
  /** Rows of the epoch that have come, or came before. */
  #arrived: number;
  /** Rows that come once more; and those that were used of a window which is shuffled once more. */
  #drop = 0;
  #skip: number;
  /** The block, rows that it has room for, that are there, and that were given. */
  #block: Block = { data: [], out: 0, left: false };
  readonly #blocks = new WeakMap<ArrayBufferLike, Block>();
  readonly #spare: Block[] = [];
  #room = 0;
  #held = 0;
  #given = 0;
  /** The window that is under way: which one, rows of it that have come, and the places of all. */
  #window: number;
  #windowRows = 0;
  #places: Int32Array = new Int32Array(0);

  /** @param row where the batches begin: rows of the epoch that were used */
  constructor(where: string, rule: TableRule, cut: Cut, { epoch, row }: { readonly epoch: number; readonly row: number }) {
    this.#where = where;
    this.#rule = rule;
    this.#cut = cut;
    this.#epoch = epoch;
    const { shuffle } = rule;
    // The rows of a window that were used are the first in its order, and any of those that came.
    this.#window = shuffle > 0 ? Math.floor(row / shuffle) : 0;
    this.#arrived = shuffle > 0 ? this.#window * shuffle : row;
    this.#skip = row - this.#arrived;
  }

  /** The row of the epoch that is to come first. */
  get from(): number {
    return this.#arrived;
  }

  /** So many rows come once more, before those that are wanted. */
  drop(rows: number): void {
    this.#drop = rows;
    this.#arrived -= rows;
  }

  /** Bytes of a row of all arrays; null: not known before any has come. */
  get rowBytes(): number | null {
    return this.#layout?.rowBytes ?? null;
  }

  /** From here on, batches are cut so. */
  recut(cut: Cut): void {
    this.#cut = cut;
  }

  /**
   * What comes next; or that another part of the table is wanted; or that work has gone on for long, and goes on when this is called again.
   * @param due whether it has
   */
  next(due: () => boolean = () => false): IteratorResult<Arrays> | 'part' | 'turn' {
    const { batchSize, dropLast } = this.#cut;
    for (;;) {
      const skipped = Math.min(this.#skip, this.#held - this.#given);
      this.#given += skipped;
      this.#skip -= skipped;
      const there = this.#held - this.#given;
      if (there >= batchSize) return { done: false, value: this.#give(batchSize) };
      if (this.#parts.length > 0) {
        this.#use();
        if (due()) return 'turn';
      } else if (!this.#ended) return 'part';
      else if (this.#windowRows > 0) this.#endWindow();
      else return there > 0 && !dropLast ? { done: false, value: this.#give(there) } : { done: true, value: undefined };
    }
  }

  /** @throws DataError and others for what is no part of a table, or has not the columns that are wanted */
  take({ done, value }: IteratorResult<unknown>): void {
    if (done) {
      this.#ended = true;
      this.#unstage();
      this.#count(this.#arrived);
      return;
    }
    const where = `${this.#where}: row ${this.#arrived + (this.#staged[0]?.length ?? 0)}`;
    // Of a list without rows nobody knows the columns.
    if (Array.isArray(value) && value.length === 0) return;
    this.#layout ??= new Layout(where, this.#rule.taken, namesOf(where, value));
    const layout = this.#layout;
    layout.check(where, value);
    if (isOneRow(value, layout.wanted)) {
      this.#stage(valuesOf(where, value, layout.wanted));
    } else {
      this.#unstage();
      this.#enter(partOf(where, value, layout.wanted));
    }
  }

  #enter(part: TablePart): void {
    if (part.count > 0) {
      if (this.#arrived === 0) this.#begins(part);
      this.#parts.push({ part, first: this.#arrived, used: 0 });
    }
    this.#arrived += part.count;
    const { rows } = this.#rule;
    if (rows !== null && this.#arrived > rows) this.#count(this.#arrived, ' and more');
  }

  /** It is the first part of the epoch: what was drawn before may have been of another table. */
  #begins({ columns }: TablePart): void {
    const row = columns.map((values) => String(values(0, 1)[0])).join();
    if (!this.#cut.first?.came(row)) return;
    this.#drop = 0;
    this.#skip = 0;
    this.#window = 0;
  }

  /** @throws DataError for another number of rows than was said */
  #count(came: number, more: string = ''): void {
    const { rows } = this.#rule;
    if (rows === null || rows === came) return;
    const text = `${this.#where}: option rows: expected ${rows} rows, the table has ${came}${more}`;
    throw new DataError(text, { option: 'rows', value: rows });
  }

  /** The row may change when the next one comes: its values are kept, until there are enough for a batch. */
  #stage(values: readonly unknown[]): void {
    if (this.#staged.length === 0) this.#staged = values.map(() => []);
    for (const [k, x] of values.entries()) this.#staged[k]!.push(x);
    const { shuffle } = this.#rule;
    const wanted = shuffle > 0 ? shuffle - this.#windowRows : this.#cut.batchSize - (this.#held - this.#given);
    if (this.#staged[0]!.length >= Math.min(STAGED, wanted)) this.#unstage();
  }

  #unstage(): void {
    const [first] = this.#staged;
    if (!first) return;
    const columns = this.#staged.map((list) => (from: number, count: number) => list.slice(from, from + count));
    this.#staged = [];
    this.#enter({ count: first.length, columns });
  }

  /** Rows of the first part go into the block, as many as there is room for. */
  #use(): void {
    const one = this.#parts[0]!;
    const left = one.part.count - one.used;
    const { shuffle } = this.#rule;
    let count: number;
    if (this.#drop > 0) {
      count = Math.min(left, this.#drop);
      this.#drop -= count;
    } else if (shuffle > 0) {
      if (this.#windowRows === 0) this.#beginWindow(shuffle);
      const some = Math.ceil(AT_ONCE / this.#layout!.wanted.length);
      count = Math.min(left, shuffle - this.#windowRows, some);
      this.#write(one, count, this.#places.subarray(this.#windowRows, this.#windowRows + count));
      this.#windowRows += count;
      if (this.#windowRows === shuffle) this.#closeWindow();
    } else {
      if (this.#held === this.#room) {
        const { batchSize } = this.#cut;
        this.#begin(batchSize * Math.max(1, Math.floor(BLOCK / (this.#layout!.rowBytes * batchSize))));
      }
      count = Math.min(left, this.#room - this.#held);
      this.#write(one, count, this.#held);
      this.#held += count;
    }
    one.used += count;
    if (one.used === one.part.count) this.#parts.shift();
  }

  /** @throws DataError for a value that is no number, or that its array does not have */
  #write({ part, first, used }: { part: TablePart; first: number; used: number }, count: number, at: number | Int32Array): void {
    const { taken, missing } = this.#rule;
    const { wanted, places } = this.#layout!;
    const of = (i: number, name: string): string => `${this.#where}: row ${first + used + i}: ${name}`;
    const columns = part.columns.map((values, k) => numbersOf(values(used, count), (i) => of(i, wanted[k]!), missing === 'nan'));
    for (const [t, own] of places.entries()) {
      const wrong = toRows(
        this.#block.data[t]!,
        own.map((k) => columns[k]!),
        count,
        at,
      );
      if (wrong < 0) continue;
      const k = own[wrong % own.length]!;
      const value = columns[k]![Math.floor(wrong / own.length)];
      const bounds = taken[t]!.dtype === 'u8' ? '0 to 255' : '-2147483648 to 2147483647';
      const text = `${of(Math.floor(wrong / own.length), wanted[k]!)}: expected a whole number from ${bounds}, got ${value}`;
      throw new DataError(text, { column: wanted[k]!, value });
    }
  }

  /** Another block, for so many rows more than are left in this one. */
  #begin(rows: number): void {
    const { taken } = this.#rule;
    const left = this.#held - this.#given;
    const widths = this.#layout!.places.map(({ length }) => length);
    const lengths = widths.map((width) => (left + rows) * width);
    const before = this.#block;
    const data = this.#spareOf(lengths) ?? lengths.map((length, t) => new ARRAYS[taken[t]!.dtype](length));
    const carry = (width: number, t: number): void =>
      data[t]!.set(before.data[t]!.subarray(this.#given * width, this.#held * width));
    if (left > 0) widths.forEach(carry);
    before.left = true;
    this.#keep(before);
    this.#block = { data, out: 0, left: false };
    this.#blocks.set(data[0]!.buffer, this.#block);
    this.#room = left + rows;
    this.#held = left;
    this.#given = 0;
  }

  /** A batch that lies in this memory is not in use any more. */
  release(buffer: ArrayBufferLike): void {
    const block = this.#blocks.get(buffer);
    if (!block) return;
    block.out--;
    this.#keep(block);
  }

  /** Memory of a block that was used before; those of another size are of no use any more. */
  #spareOf(lengths: readonly number[]): readonly RowData[] | undefined {
    const found = this.#spare.pop();
    if (found?.data.every(({ length }, t) => length === lengths[t])) return found.data;
    this.#spare.length = 0;
    return undefined;
  }

  /** A block that nobody uses is used again. */
  #keep(block: Block): void {
    if (block.out > 0 || !block.left || block.data.length === 0) return;
    this.#spare.push(block);
  }

  #beginWindow(rows: number): void {
    this.#begin(rows);
    const { seed } = this.#cut;
    // Orders of data sets in memory have no such number.
    this.#places = permutation(rows, seed, ((this.#window % 2 ** 20) + 1) * 2 ** 32 + this.#epoch);
    for (let i = 0; i < rows; i++) this.#places[i]! += this.#held;
  }

  #closeWindow(): void {
    this.#held += this.#windowRows;
    this.#windowRows = 0;
    this.#window++;
  }

  /** The table has ended within a window: the rows that have come keep their order in it. */
  #endWindow(): void {
    const taken = new Uint8Array(this.#room);
    for (let i = 0; i < this.#windowRows; i++) taken[this.#places[i]!] = 1;
    for (const [t, { length: width }] of this.#layout!.places.entries()) {
      const data = this.#block.data[t]!;
      let to = this.#held;
      for (let from = to; from < this.#room; from++) {
        if (taken[from]) data.copyWithin(to++ * width, from * width, (from + 1) * width);
      }
    }
    this.#closeWindow();
  }

  #give(count: number): Arrays {
    const start = this.#given;
    this.#given += count;
    this.#block.out++;
    const arrays = this.#rule.taken.map(({ name, flat }, t) => {
      const width = this.#layout!.places[t]!.length;
      const data = this.#block.data[t]!.subarray(start * width, (start + count) * width);
      return [name, { data, shape: flat ? [count] : [count, width] }] as const;
    });
    return Object.fromEntries(arrays);
  }
}
