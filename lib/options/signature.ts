// signature.ts: what a public function takes: its arguments in order, and its options. One declaration, from which come the check of every
// call, the tables of the docs, and the schema of configurations.
import { OptionError } from '../errors.ts';
import type { Fields, OptionsField, ValuesOf } from './compound.ts';
import { Field, Place } from './field.ts';
import { show } from './words.ts';

/** What is declared of a function. */
export interface Signature {
  /** As users write it: `optim.lion`, `new nn.Linear`. */
  readonly name: string;
  /** In order. */
  readonly positional: Fields;
  /** Null: there is no object of options. */
  readonly options: Fields | null;
}

const declared = new Map<string, Signature>();

/** Every public function by its name, as it declares itself. Tests, the docs and the schema of configurations read it. */
export const signatures: ReadonlyMap<string, Signature> = declared;

/** The last argument may be given many times. */
export function rest<In, Out>(field: Field<In, Out>): Rest<In, Out> {
  return Object.assign(
    Field.of<readonly In[], readonly Out[]>({
      expected: field.expected,
      schema: null,
      read: (value, place) => (value as readonly unknown[]).map((element, i) => field.read(element, place.item(i))),
    }),
    { rest: true as const },
  );
}
export interface Rest<In, Out> extends Field<readonly In[], readonly Out[]> {
  readonly rest: true;
}

/** Values of the arguments and options, by name. */
export type Reader<P, V> = (given: ArrayLike<unknown>) => ValuesOf<P> & V;

/**
 * Declare what a public function takes, and get the reader of its calls: `const { axis } = SOFTMAX(arguments)`.
 * @param name as users write it
 * @param positional its arguments in order, by name
 * @param options of the object that follows them; not given: nothing follows
 */
export function signature<const P extends Fields>(name: string, positional: P): Reader<P, unknown>;
export function signature<const P extends Fields, O, V>(name: string, positional: P, options: OptionsField<O, V>): Reader<P, V>;
export function signature(name: string, positional: Fields, options?: OptionsField<unknown, object>): Reader<Fields, object> {
  const twice = Object.keys(positional).find((key) => options && key in options.fields);
  if (twice !== undefined) throw new Error(`${name}: ${twice} is an argument and an option: what is read has one name for each`);
  declared.set(name, { name, positional, options: options?.fields ?? null });
  // At the first call: importing the library declares hundreds, a program calls few.
  let read: Reader<Fields, object> | undefined;
  return (given) => {
    read ??= readerOf(name, positional, options);
    return read(given);
  };
}

function readerOf(name: string, positional: Fields, options: OptionsField<unknown, object> | undefined): Reader<Fields, object> {
  const called = new Place(name, '', '');
  const slots = Object.entries(positional).map(([key, field]) => ({ key, field, place: new Place(name, 'argument', key) }));
  const repeats = slots.at(-1) !== undefined && 'rest' in slots.at(-1)!.field;
  const most = repeats ? Number.POSITIVE_INFINITY : slots.length + (options ? 1 : 0);
  // What is read of options that are not given, where none must be.
  const none = options && Object.values(options.fields).every((field) => !field.required) ? options.read({}, called) : undefined;
  return (given) => {
    if (given.length > most || (given.length > 2 && passedBy(given) !== null)) throw surplus(name, given, most);
    const values: Record<string, unknown> = {};
    for (let i = 0; i < slots.length; i++) {
      const { key, field, place } = slots[i]!;
      const value = repeats && i === slots.length - 1 ? Array.prototype.slice.call(given, i) : given[i];
      values[key] = field.read(value, place);
    }
    const last = given[slots.length];
    if (options) Object.assign(values, last === undefined && none ? none : options.read(last === undefined ? {} : last, called));
    return values as never;
  };
}

/** A function or constructor that takes its options alone. */
export function optionsOnly<O, V>(name: string, options: OptionsField<O, V>): Reader<Record<never, never>, V> {
  return signature(name, {}, options);
}

/** Of what `list.map` passes, a value, its index and the list; and what `list.reduce` passes, with the value so far before them. */
function passedBy(given: ArrayLike<unknown>): 'map' | 'reduce' | null {
  const { length } = given;
  if (length !== 3 && length !== 4) return null;
  const [value, index, list] = [given[length - 3], given[length - 2], given[length - 1]];
  return typeof index === 'number' && Array.isArray(list) && list[index] === value ? (length === 3 ? 'map' : 'reduce') : null;
}

function surplus(name: string, given: ArrayLike<unknown>, most: number): OptionError {
  const takes = most === 0 ? 'no arguments' : most === 1 ? '1 argument' : `at most ${most} arguments`;
  const details = { where: name, value: given[Math.min(most, given.length - 1)], count: given.length };
  const by = passedBy(given);
  if (by !== null) {
    const write = by === 'map' ? `x => ${name}(x)` : `(a, b) => ${name}(a, b)`;
    return new OptionError(`${name}: takes ${takes}, and ${by} passes index and list too: write ${write}`, details);
  }
  return new OptionError(
    `${name}: expected ${takes}, got ${given.length}, the first surplus one ${show(details.value)}`,
    details,
  );
}
