// labels.ts: the column of labels of a table: whole numbers, values, or words that become classes.
import { isUtf8 } from 'node:buffer';
import type { Parts } from '../file/pace.ts';
import { MAX_CLASSES, MAX_WORD } from '../limits.ts';
import { Column } from './column.ts';
import { parseDecimal } from './decimal.ts';
import { isMissing } from './guess.ts';
import { cellText, shownCell } from './rows.ts';

export interface LabelOptions {
  readonly labelType?: 'i32' | 'f32' | undefined;
  readonly classes?: number | readonly string[] | undefined;
}

/** Labels of one kind: the first one decides whether they are numbers or words, unless the classes are listed. */
export class Labels {
  readonly dtype: 'i32' | 'f32';
  readonly #listed: readonly string[] | null;
  /** How many classes there are; Infinity where nobody told. */
  readonly #count: number;
  readonly #dot: number;
  readonly #column: Column<Int32Array | Float32Array>;
  /** Words by the number that stands for each in the column; null as long as no label is one. */
  #words: Map<string, number> | null;
  #rows = 0;

  /** @param dot what stands before a fraction */
  constructor({ labelType = 'i32', classes = Number.POSITIVE_INFINITY }: LabelOptions, dot: number) {
    this.#dot = dot;
    this.dtype = labelType;
    this.#listed = typeof classes === 'number' ? null : classes;
    this.#count = typeof classes === 'number' ? classes : classes.length;
    this.#words = this.#listed && new Map(this.#listed.map((word, i) => [word, i]));
    this.#column = new Column((length) => (labelType === 'f32' ? new Float32Array(length) : new Int32Array(length)), 1);
  }

  /** Whether labels are words. */
  get areWords(): boolean {
    return this.#words !== null;
  }

  /** Add the label of a row. @returns what is wrong with it, null where nothing is */
  add(bytes: Uint8Array, from: number, to: number): string | null {
    const number = parseDecimal(bytes, from, to, this.#dot);
    if (this.#rows++ === 0 && this.dtype === 'i32' && Number.isNaN(number)) this.#words ??= new Map();
    const { block, at } = this.#column.next();
    if (this.#words) {
      const word = cellText(bytes, from, to);
      if (word.includes('\ufffd') && !isUtf8(bytes.subarray(from, to))) return 'expected a label in UTF-8';
      const known = this.#words.get(word);
      const fault = known !== undefined ? null : this.#listed ? this.#unlisted() : this.#noWord(word, number);
      if (fault !== null) return `${fault}, got ${shownCell(bytes, from, to)}`;
      block[at] = known ?? this.#words.size;
      if (known === undefined) this.#words.set(word, this.#words.size);
      return null;
    }
    block[at] = number;
    const fault = this.#noNumber(number, block[at]!);
    return fault === null ? null : `${fault}, got ${shownCell(bytes, from, to)}`;
  }

  /** What is wrong with a label that is no word. @param kept what the column's type makes of it */
  #noNumber(number: number, kept: number): string | null {
    if (this.dtype === 'f32') {
      // False for NaN as for what is too large for f32.
      if (Number.isFinite(Math.fround(number))) return null;
      return `expected a number${Number.isNaN(number) ? '' : ' within f32'} as label`;
    }
    if (Number.isNaN(number)) return `expected an integer as label, as those above${LISTED}`;
    if (kept !== number) return 'expected an integer as label';
    const any = this.#count === Number.POSITIVE_INFINITY;
    return any || (number >= 0 && number < this.#count) ? null : `expected a label from 0 to ${this.#count - 1}`;
  }

  /** All labels, and the words that they stand for: class i is `classes[i]`. */
  *join(): Parts<{ readonly data: Int32Array | Float32Array; readonly classes: readonly string[] | null }> {
    const data = yield* this.#column.join();
    if (this.#listed) return { data, classes: this.#listed };
    if (!this.#words) return { data, classes: null };
    const found = [...this.#words.keys()];
    // In the order of UTF-8, which is that of code points; that of < is one of UTF-16.
    const written = found.map((word) => Buffer.from(word));
    const order = [...found.keys()].sort((a, b) => Buffer.compare(written[a]!, written[b]!));
    const rank = new Int32Array(found.length);
    for (const [i, k] of order.entries()) rank[k] = i;
    yield;
    for (let i = 0; i < data.length; i++) {
      data[i] = rank[data[i]!]!;
      if (i % 65_536 === 0) yield;
    }
    return { data, classes: order.map((k) => found[k]!) };
  }

  #unlisted(): string {
    const [some, more] = [this.#listed!.slice(0, 8).join(', '), this.#listed!.length > 8 ? ', ...' : ''];
    return `expected one of the classes ${some}${more} as label`;
  }

  #noWord(word: string, number: number): string | null {
    const words = this.#words!;
    if (isMissing(word)) return `expected a label${LISTED}`;
    if (!Number.isNaN(number)) return `expected a word as label, as those above${LISTED}`;
    if (word.length > MAX_WORD) return `expected a label of at most ${MAX_WORD} characters`;
    const most = Number.isFinite(this.#count) ? this.#count : MAX_CLASSES;
    if (words.size < most) return null;
    const why = most === this.#count ? [...words.keys()].slice(0, 8).join(', ') : 'more by option classes';
    return `expected at most ${most} classes, ${why}`;
  }
}

const LISTED = ' (option classes lists words where a number, or what stands for a missing value, is one)';
