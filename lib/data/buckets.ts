// buckets.ts: sequences of any length, each padded to the length of its bucket, with what says how long it was.
import { DataError, OptionError, ShapeError } from '../errors.ts';
import { ARRAYS, sizeOf } from '../ir/op.ts';
import { choice, either, type Field, list, number, record, show, text, whole } from '../options/index.ts';
import type { NdArray } from './arrays.ts';
import { type Column, type Columns, checkKind, columnOf, missing, own, stacked } from './columns.ts';

/** Something for all arrays of sequences, or for each by its name. */
type PerArray<K extends string, T> = T | Readonly<Partial<Record<K, T>>>;
/** One name, or one for each array. */
type Named<L extends string> = L | Readonly<Record<string, L>>;

/** Options of `sequences`. `K` are names of the arrays, `L` those that it adds. */
export interface SequencesOptions<K extends string = string, L extends string = string> {
  /**
   * Elements that sequences are padded to, the fewest first: [16, 32, 64]. An example goes into the first bucket that has room for all its sequences. As
   * numbers they are for all arrays that are lists of arrays; by name, [{ x: 16, y: 20 }, { x: 32, y: 40 }], for those alone.
   */
  readonly buckets: readonly PerArray<K, number>[];
  /** What stands after the last element. Default 0. */
  readonly pad?: PerArray<K, number>;
  /** Name of an array that a batch has besides: i32 [rows], how many elements each sequence has. Default: there is none. */
  readonly lengths?: Named<L>;
  /** Name of an array that a batch has besides: f32 [rows, bucket], 1 where an element is, 0 after the last. Default: there is none. */
  readonly mask?: Named<L>;
  /** Name of an array that a batch has besides: u8 [rows, bucket], 1 after the last element, as attention takes it. Default: there is none. */
  readonly padding?: Named<L>;
  /** What becomes of a sequence that no bucket has room for: an error, or its first elements. Default `refuse`. */
  readonly tooLong?: 'refuse' | 'cut';
}

function perArray<T>(one: Field<T>, expected: string): Field<PerArray<string, T>> {
  return either(one, record(one, expected)) as unknown as Field<PerArray<string, T>>;
}
const names = perArray(text, 'names by array') as Field<Named<string>>;

export const sequencesFields: {
  readonly buckets: Field<SequencesOptions['buckets']>;
  readonly pad: Field<PerArray<string, number>, PerArray<string, number>, false>;
  readonly lengths: Field<Named<string>, Named<string>, false>;
  readonly mask: Field<Named<string>, Named<string>, false>;
  readonly padding: Field<Named<string>, Named<string>, false>;
  readonly tooLong: Field<'refuse' | 'cut', 'refuse' | 'cut', false>;
} = {
  buckets: list(perArray(whole({ min: 1 }), 'lengths by array'), { min: 1 }),
  pad: perArray(number(), 'values by array').default(0),
  lengths: names.default({}),
  mask: names.default({}),
  padding: names.default({}),
  tooLong: choice('refuse', 'cut').default('refuse'),
};
/** As read. */
export type BucketRule = Required<SequencesOptions>;

/** What a bucket's arrays are made of. */
export interface Padded {
  readonly lengths: Readonly<Record<string, number>>;
  readonly arrays: ReadonlyMap<string, NdArray>;
}

/** Puts examples into buckets. */
export class Buckets {
  readonly #where: string;
  readonly #rule: BucketRule;

  /** @throws OptionError for buckets that are not the fewest first, or of other arrays than the first */
  constructor(where: string, rule: BucketRule) {
    this.#where = where;
    this.#rule = rule;
    const { buckets } = rule;
    const [first] = buckets;
    const keys = (b: PerArray<string, number>): string => (typeof b === 'number' ? '' : JSON.stringify(Object.keys(b).sort()));
    for (const [i, bucket] of buckets.entries()) {
      if (typeof bucket === 'object' && Object.keys(bucket).length === 0) throw this.#wrong(`buckets[${i}]`, 'names no array');
      if (keys(bucket) !== keys(first!))
        throw this.#wrong(`buckets[${i}]`, `expected lengths of the same arrays as in buckets[0]`);
      const before = buckets[i - 1];
      if (before === undefined) continue;
      const grows =
        typeof bucket === 'number'
          ? bucket > (before as number)
          : Object.entries(bucket).some(([name, length]) => length! > (before as Record<string, number>)[name]!);
      if (!grows) throw this.#wrong(`buckets[${i}]`, `expected more than ${show(before)}, got ${show(bucket)}`);
    }
  }

  /** How many buckets there may be. */
  get count(): number {
    return this.#rule.buckets.length;
  }

  /**
   * Arrays in lists, one value an example.
   * @throws OptionError, ShapeError, DTypeError for what is none, or not as the first; DataError where they differ in number
   */
  columns(lists: Readonly<Record<string, unknown>>): Columns {
    const all = Object.entries(lists).map(([name, given]) => this.#column(name, given));
    const [first] = all;
    if (!first) throw new OptionError(`${this.#where}: expected at least one named array, got none`);
    for (const { name, count } of all) {
      if (count === first.count) continue;
      throw new ShapeError(`${this.#where}: ${name}: expected ${first.count} as ${first.name} has, got ${count}`, { name });
    }
    this.#checkNames(all);
    return { count: first.count, all };
  }

  /**
   * One example, whose values are its own from here on.
   * @param like the first of all, null: this is it
   * @throws as `columns`; DataError where it has no array of a name that the first has
   */
  example(given: Readonly<Record<string, unknown>>, like: Columns | null, what: string): Columns {
    if (!like) return own(this.columns(Object.fromEntries(Object.entries(given).map(([name, x]) => [name, [x]]))));
    const all = like.all.map(({ name }, k) => {
      if (!Object.hasOwn(given, name)) throw missing(`${this.#where}: ${what}`, name, given);
      const column = this.#column(name, [given[name]]);
      checkKind(`${this.#where}: ${name}: ${what}`, like.all[k]!, column);
      return column;
    });
    return own({ count: 1, all });
  }

  /** Which bucket an example is for. @param what the example is, for errors @throws DataError for a sequence that is empty or too long */
  of({ all }: Columns, i: number, what: string): number {
    const { buckets, tooLong } = this.#rule;
    const sequences = all.filter((c) => c.sequence).map((c) => ({ name: c.name, length: c.at(i).shape[0]! }));
    const empty = sequences.find(({ length }) => length === 0);
    if (empty) throw new DataError(`${this.#where}: ${empty.name}: ${what} has no element`, { name: empty.name, example: i });
    const found = buckets.findIndex((b) => sequences.every(({ name, length }) => length <= capacity(b, name)));
    const one = this.#common(sequences.map((s) => s.name));
    const differs = one === null ? undefined : sequences.find(({ length }) => length !== sequences[0]!.length);
    if (differs) {
      const { name, length } = sequences[0]!;
      const text = `${this.#where}: option ${one}: ${what} has ${length} elements of ${name} and ${differs.length} of ${differs.name}: name one for each, ${one}: { ${name}: ... }`;
      throw new OptionError(text, { option: one, example: i });
    }
    if (found >= 0 || tooLong === 'cut') return found >= 0 ? found : buckets.length - 1;
    const last = buckets.at(-1)!;
    const { name, length } = sequences.find(({ name, length }) => length > capacity(last, name))!;
    const text = `${this.#where}: ${name}: ${what} has ${length} elements, the last bucket has room for ${capacity(last, name)}; tooLong: 'cut' takes its first ones`;
    throw new DataError(text, { name, example: i, length });
  }

  /** Examples that are for the bucket, side by side. */
  padded({ all }: Columns, bucket: number, examples: ArrayLike<number>): Padded {
    const given = this.#rule.buckets[bucket]!;
    const sequences = all.filter((c) => c.sequence).map((c) => c.name);
    const [lengths, mask, padding] = (['lengths', 'mask', 'padding'] as const).map((option) => this.#named(option, sequences));
    const arrays = new Map<string, NdArray>();
    const added: [string, NdArray][] = [];
    for (const column of all) {
      if (!column.sequence) {
        arrays.set(column.name, stacked(column, examples));
        continue;
      }
      const most = capacity(given, column.name);
      const count = examples.length;
      const lengthOf = Int32Array.from({ length: count }, (_, j) => Math.min(most, column.at(examples[j]!).shape[0]!));
      arrays.set(column.name, paddedTo(most, column, examples, this.#pad(column)));
      const [l, m, p] = [lengths, mask, padding].map((names) => names![column.name]);
      if (l !== undefined) added.push([l, { data: lengthOf, shape: [count] }]);
      if (m !== undefined) added.push([m, { data: marks(Float32Array, most, lengthOf, [1, 0]), shape: [count, most] }]);
      if (p !== undefined) added.push([p, { data: marks(Uint8Array, most, lengthOf, [0, 1]), shape: [count, most] }]);
    }
    for (const [name, array] of added) arrays.set(name, array);
    return { lengths: Object.fromEntries(sequences.map((name) => [name, capacity(given, name)])), arrays };
  }

  #column(name: string, given: unknown): Column {
    const [bucket] = this.#rule.buckets;
    const named = typeof bucket === 'object' ? Object.hasOwn(bucket, name) : null;
    return columnOf(`${this.#where}: ${name}`, name, given, named);
  }

  /** @throws OptionError for names that no array of sequences has, or that arrays have already */
  #checkNames(all: readonly Column[]): void {
    const sequences = all.filter((c) => c.sequence).map((c) => c.name);
    const known = `the arrays of sequences are ${sequences.join(', ')}`;
    const [bucket] = this.#rule.buckets;
    if (sequences.length === 0) throw this.#wrong('buckets', 'no array is a list of sequences');
    const missing = typeof bucket === 'object' ? Object.keys(bucket).find((name) => !sequences.includes(name)) : undefined;
    if (missing !== undefined)
      throw this.#wrong('buckets', `no array has the name ${missing}; there are ${all.map((c) => c.name).join(', ')}`);
    for (const option of ['pad', 'lengths', 'mask', 'padding'] as const) {
      const given = this.#rule[option];
      const other = typeof given === 'object' ? Object.keys(given).find((name) => !sequences.includes(name)) : undefined;
      if (other !== undefined) throw this.#wrong(option, `${other} is no array of sequences; ${known}`);
    }
    const taken = new Set(all.map((c) => c.name));
    for (const option of ['lengths', 'mask', 'padding'] as const) {
      for (const name of Object.values(this.#named(option, sequences))) {
        if (taken.has(name)) throw this.#wrong(option, `there is an array of the name ${name} already`);
        taken.add(name);
      }
    }
    for (const column of all) if (column.sequence) this.#pad(column);
  }

  /** Names of what is added, by the array that they are of: one name is for the first. */
  #named(option: 'lengths' | 'mask' | 'padding', sequences: readonly string[]): Readonly<Record<string, string>> {
    const given = this.#rule[option];
    return typeof given === 'string' ? { [sequences[0]!]: given } : (given as Readonly<Record<string, string>>);
  }

  /** The option that has one name for several arrays, which must be of one length then. */
  #common(sequences: readonly string[]): string | null {
    if (sequences.length === 1) return null;
    return (['lengths', 'mask', 'padding'] as const).find((option) => typeof this.#rule[option] === 'string') ?? null;
  }

  #pad({ name, dtype }: Column): number {
    const { pad } = this.#rule;
    const value = typeof pad === 'number' ? pad : (pad[name] ?? 0);
    const held = ARRAYS[dtype].of(value)[0]!;
    if (dtype === 'f32' ? !Number.isFinite(held) : held !== value)
      throw this.#wrong('pad', `${name} is ${dtype}, which has no ${value}`);
    return value;
  }

  #wrong(option: string, text: string): OptionError {
    return new OptionError(`${this.#where}: option ${option}: ${text}`, { option });
  }
}

function capacity(bucket: PerArray<string, number>, name: string): number {
  return typeof bucket === 'number' ? bucket : bucket[name]!;
}

function paddedTo(most: number, { dtype, shape, at }: Column, examples: ArrayLike<number>, pad: number): NdArray {
  const width = sizeOf(shape);
  const data = new ARRAYS[dtype](examples.length * most * width);
  if (pad !== 0) data.fill(pad);
  for (let j = 0; j < examples.length; j++) data.set(at(examples[j]!).data.subarray(0, most * width), j * most * width);
  return { data, shape: [examples.length, most, ...shape] };
}

/** Rows of `most` marks, one for elements and another for what comes after. */
function marks<T extends Float32Array | Uint8Array>(
  Type: new (length: number) => T,
  most: number,
  lengths: Int32Array,
  [element, after]: readonly [number, number],
): T {
  const out = new Type(lengths.length * most);
  for (const [j, length] of lengths.entries()) {
    out.fill(element, j * most, j * most + length);
    out.fill(after, j * most + length, (j + 1) * most);
  }
  return out;
}
