// curves.ts: columns of a run of any length in a fixed amount of memory: the least, the largest and the mean of so many steps each, twice as many where the
// room is full.

/** Most cells of a curve: more than a page is wide. */
export const MOST_CELLS = 1024;
const FIRST = 64;

/** What each cell of a curve holds. NaN where nothing is known of its steps. */
export interface Curve {
  /** Steps in a cell. */
  readonly stride: number;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly mean: Float64Array;
}

interface Cells {
  min: Float64Array;
  max: Float64Array;
  sum: Float64Array;
  count: Float64Array;
}

export class Curves {
  readonly #columns = new Map<string, Cells>();
  #stride = 1;
  #room = FIRST;
  readonly #one = new Float64Array(1);

  /** Steps in a cell. */
  get stride(): number {
    return this.#stride;
  }

  /** Names of what is known. */
  get names(): readonly string[] {
    return [...this.#columns.keys()];
  }

  /** A value of step `at`. What is not finite is left out. */
  put(name: string, at: number, value: number): void {
    this.#one[0] = value;
    this.putAll(name, at, this.#one, 0, 1);
  }

  /** The values of steps from `at` on: values[start], values[start + stride] and so on to the end. */
  putAll(name: string, at: number, values: Float64Array, start: number, stride: number): void {
    const length = Math.ceil((values.length - start) / stride);
    if (length <= 0) return;
    this.#reach(at + length - 1);
    const cells = this.#of(name);
    for (let i = 0, from = start; i < length; ) {
      const cell = Math.floor((at + i) / this.#stride);
      const end = Math.min(length, (cell + 1) * this.#stride - at);
      let [least, most, sum, count] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
      for (; i < end; i++, from += stride) {
        const value = values[from]!;
        // Not finite.
        if (value - value !== 0) continue;
        if (value < least) least = value;
        if (value > most) most = value;
        sum += value;
        count++;
      }
      if (count === 0) continue;
      const first = cells.count[cell] === 0;
      if (first || least < cells.min[cell]!) cells.min[cell] = least;
      if (first || most > cells.max[cell]!) cells.max[cell] = most;
      cells.sum[cell]! += sum;
      cells.count[cell]! += count;
    }
  }

  /** @param length steps of the run: of as many cells as they fill */
  curve(name: string, length: number): Curve {
    const cells = Math.min(this.#room, Math.ceil(length / this.#stride));
    const { min, max, sum, count } = this.#columns.get(name) ?? empty(cells);
    const known = (values: Float64Array): Float64Array =>
      values.slice(0, cells).map((value, i) => (count[i] === 0 ? Number.NaN : value));
    return { stride: this.#stride, min: known(min), max: known(max), mean: known(sum.map((value, i) => value / count[i]!)) };
  }

  #of(name: string): Cells {
    let cells = this.#columns.get(name);
    if (!cells) {
      cells = empty(this.#room);
      this.#columns.set(name, cells);
    }
    return cells;
  }

  /** Room for step `at`. */
  #reach(at: number): void {
    while (Math.floor(at / this.#stride) >= this.#room) {
      const full = this.#room === MOST_CELLS;
      if (full) this.#stride *= 2;
      else this.#room *= 2;
      for (const cells of this.#columns.values()) {
        if (full) merge(cells);
        else grow(cells, this.#room);
      }
    }
  }
}

const empty = (room: number): Cells => ({
  min: new Float64Array(room),
  max: new Float64Array(room),
  sum: new Float64Array(room),
  count: new Float64Array(room),
});

const KEYS = ['min', 'max', 'sum', 'count'] as const;

function grow(cells: Cells, room: number): void {
  for (const key of KEYS) {
    const larger = new Float64Array(room);
    larger.set(cells[key]);
    cells[key] = larger;
  }
}

/** Two cells become one, and the second half is free. */
function merge({ min, max, sum, count }: Cells): void {
  const half = count.length / 2;
  for (let i = 0; i < half; i++) {
    const [a, b] = [2 * i, 2 * i + 1];
    const [of, or] = [count[a]! > 0, count[b]! > 0];
    min[i] = of && or ? Math.min(min[a]!, min[b]!) : of ? min[a]! : min[b]!;
    max[i] = of && or ? Math.max(max[a]!, max[b]!) : of ? max[a]! : max[b]!;
    sum[i] = sum[a]! + sum[b]!;
    count[i] = count[a]! + count[b]!;
  }
  for (const values of [min, max, sum, count]) values.fill(0, half);
}
