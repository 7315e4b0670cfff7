// heat.ts: the norm of each parameter's gradient over a run of any length, in a fixed amount of memory: the mean of so many steps each.

/** Most cells along the steps, and most parameters. */
export const MOST_COLUMNS = 96;
const MOST_ROWS = 2048;

export class Heat {
  /** Names of the parameters, as far as there is room. */
  readonly names: readonly string[];
  /** How many there are in all. */
  readonly all: number;
  /** The step that the first cell begins with. */
  readonly from: number;
  readonly #sum: Float64Array;
  /** Finite norms that the sum is of; and those that are not finite. */
  readonly #count: Float64Array;
  readonly #bad: Float64Array;
  #stride = 1;
  #cells = 0;

  constructor(names: readonly string[], from: number) {
    this.names = names.slice(0, MOST_ROWS);
    this.all = names.length;
    this.from = from;
    const size = this.names.length * MOST_COLUMNS;
    this.#sum = new Float64Array(size);
    this.#count = new Float64Array(size);
    this.#bad = new Float64Array(size);
  }

  /** Steps in a cell. */
  get stride(): number {
    return this.#stride;
  }

  /** Cells so far. */
  get cells(): number {
    return this.#cells;
  }

  /** The norms of a step, of all parameters. */
  put(step: number, norms: ArrayLike<number>): void {
    const at = step - this.from;
    while (Math.floor(at / this.#stride) >= MOST_COLUMNS) this.#merge();
    const cell = Math.floor(at / this.#stride);
    this.#cells = Math.max(this.#cells, cell + 1);
    for (let k = 0; k < this.names.length; k++) {
      const norm = norms[k]!;
      const i = k * MOST_COLUMNS + cell;
      if (Number.isFinite(norm)) {
        this.#sum[i]! += norm;
        this.#count[i]!++;
      } else this.#bad[i]!++;
    }
  }

  /** The mean norm of parameter k in a cell; NaN where there is none. */
  mean(k: number, cell: number): number {
    const i = k * MOST_COLUMNS + cell;
    return this.#sum[i]! / this.#count[i]!;
  }

  /** How many norms of parameter k in a cell were not finite. */
  bad(k: number, cell: number): number {
    return this.#bad[k * MOST_COLUMNS + cell]!;
  }

  #merge(): void {
    for (const values of [this.#sum, this.#count, this.#bad]) {
      for (let k = 0; k < this.names.length; k++) {
        const row = values.subarray(k * MOST_COLUMNS, (k + 1) * MOST_COLUMNS);
        for (let i = 0; i < MOST_COLUMNS / 2; i++) row[i] = row[2 * i]! + row[2 * i + 1]!;
        row.fill(0, MOST_COLUMNS / 2);
      }
    }
    this.#stride *= 2;
    this.#cells = Math.ceil(this.#cells / 2);
  }
}
