// origin.ts: where the rows of a table that was read stand in its file, for errors about cells that turn out wrong later.

/** Lines of the rows of a file: mostly each the one after that of the row before, so only others are kept. */
export class RowLines {
  readonly #rows: number[] = [];
  readonly #lines: number[] = [];
  #next = 0;
  #expected = 0;

  /** Of the next row, from 1. */
  add(line: number): void {
    if (line !== this.#expected) {
      this.#rows.push(this.#next);
      this.#lines.push(line);
    }
    this.#next++;
    this.#expected = line + 1;
  }

  of(row: number): number {
    let [low, high] = [0, this.#rows.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#rows[middle]! <= row) low = middle;
      else high = middle;
    }
    return this.#lines[low]! + row - this.#rows[low]!;
  }
}

/** Where the cells of a table stand in its file. */
export interface Origin {
  readonly file: string;
  /** How many there are. */
  readonly rows: number;
  /** Line of a row, from 1. */
  line(row: number): number;
  /** Place of a column in a line, from 1, by its name; 0 where the file has none of this name. */
  place(column: string): number;
}

/** By the object that holds the columns, as it was given out. */
const ORIGINS = new WeakMap<object, Origin>();

export const originOf = (columns: object): Origin | undefined => ORIGINS.get(columns);

export function tellOrigin(columns: object, origin: Origin): void {
  ORIGINS.set(columns, origin);
}

/** Other columns hold some of the rows. @param rows which, in their order */
export function tellOriginOfSome(from: object, columns: object, rows: ArrayLike<number>): void {
  const origin = ORIGINS.get(from);
  if (origin) ORIGINS.set(columns, { ...origin, rows: rows.length, line: (row) => origin.line(rows[row]!) });
}
