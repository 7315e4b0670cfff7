// compound.ts: fields made of fields: lists, tuples, records, alternatives, and objects of options.
import { OptionError } from '../errors.ts';
import { type AnyField, choice, Field, type OutOf, type Place, type Schema } from './field.ts';
import { nearest, show } from './words.ts';

/** A list, each of whose items is `item`. */
export function list<In, Out>(
  item: Field<In, Out>,
  rule: { readonly min?: number; readonly max?: number } = {},
): Field<readonly In[], readonly Out[]> {
  const { min = 0, max = Number.POSITIVE_INFINITY } = rule;
  const size =
    min === max ? ` of ${min}` : max < Number.POSITIVE_INFINITY ? ` of ${min} to ${max}` : min > 0 ? ` of at least ${min}` : '';
  const expected = `a list${size}`;
  return Field.of<readonly In[], readonly Out[]>({
    expected,
    schema: () =>
      item.schema && {
        type: 'array',
        items: item.schema,
        ...(min > 0 && { minItems: min }),
        ...(max < Number.POSITIVE_INFINITY && { maxItems: max }),
      },
    may: Array.isArray,
    read(value, place) {
      if (!Array.isArray(value) || value.length < min || value.length > max) throw place.wrong(expected, value);
      const read: Out[] = [];
      for (let i = 0; i < value.length; i++) read.push(item.read(value[i], place.item(i)));
      return read;
    },
  });
}

/** Two values in order. */
export function pair<A, B, OutA, OutB>(a: Field<A, OutA>, b: Field<B, OutB>): Field<readonly [A, B], readonly [OutA, OutB]> {
  return Field.of<readonly [A, B], readonly [OutA, OutB]>({
    expected: 'two values',
    schema: () => a.schema && b.schema && { type: 'array', prefixItems: [a.schema, b.schema], minItems: 2, maxItems: 2 },
    may: Array.isArray,
    read(value, place) {
      if (!Array.isArray(value) || value.length !== 2) throw place.wrong('two values', value);
      return [a.read(value[0], place.item(0)), b.read(value[1], place.item(1))];
    },
  });
}

/** Three values of one kind. */
export function triple<In, Out>(item: Field<In, Out>): Field<readonly [In, In, In], readonly [Out, Out, Out]> {
  return list(item, { min: 3, max: 3 }) as unknown as Field<readonly [In, In, In], readonly [Out, Out, Out]>;
}

/** An object whose keys are names of the caller's own. */
export function record<In, Out>(
  item: Field<In, Out>,
  expected: string = 'an object',
): Field<Readonly<Record<string, In>>, Readonly<Record<string, Out>>> {
  return Field.of<Readonly<Record<string, In>>, Readonly<Record<string, Out>>>({
    expected,
    schema: () => item.schema && { type: 'object', additionalProperties: item.schema },
    read(value, place) {
      if (!isObject(value)) throw place.wrong(expected, value);
      return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, item.read(element, place.key(key))]));
    },
  });
}

/** The first of the two that takes the value. Where neither does, the error is of the one that was meant or came farther into it, or names both. */
export function either<A, B, OutA, OutB>(a: Field<A, OutA>, b: Field<B, OutB>): Field<A | B, OutA | OutB> {
  const expected = `${a.expected}, or ${b.expected}`;
  return Field.of<A | B, OutA | OutB>({
    expected,
    schema: () => (a.schema && b.schema ? { anyOf: [a.schema, b.schema] } : (a.schema ?? b.schema)),
    may: (value) => a.may(value) || b.may(value),
    read(value, place) {
      const errors: OptionError[] = [];
      for (const field of [a, b]) {
        if (!field.may(value)) continue;
        try {
          return field.read(value, place);
        } catch (error) {
          if (!(error instanceof OptionError)) throw error;
          errors.push(error);
        }
      }
      const meant = a.may(value) !== b.may(value) ? errors[0] : undefined;
      throw (
        meant ??
        errors.find((error) => error.details.option !== place.path || error.details.unknown === true) ??
        place.wrong(expected, value)
      );
    },
  });
}

/** The value, or null. */
export function nullable<In, Out>(field: Field<In, Out>): Field<In | null, Out | null> {
  const expected = `${field.expected}, or null`;
  return Field.of<In | null, Out | null>({
    expected,
    schema: () => field.schema && { anyOf: [field.schema, { type: 'null' }] },
    may: (value) => value === null || field.may(value),
    read(value, place) {
      if (value === null) return null;
      if (!field.may(value)) throw place.wrong(expected, value);
      return field.read(value, place);
    },
  });
}

// ---- objects of options ------------------------------------------------------------------------------------------
export type Fields = Readonly<Record<string, AnyField>>;

/** A field for each key of the interface, of its type; one that may be absent must not be required, and the other way round. */
export type FieldsOf<O> = {
  readonly [K in keyof O]-?: Field<Exclude<O[K], undefined>, unknown, Record<never, never> extends Pick<O, K> ? false : true>;
};
/** What reading them gives. */
export type ValuesOf<F> = { readonly [K in keyof F]: OutOf<F[K]> };
type Exactly<O, F> = { readonly [K in keyof F]: K extends keyof O ? F[K] : never };

/**
 * An object with these keys and no others. `options<LionOptions>()({ lr: perStep({ min: 0 }).default(1e-4), ... })`: a key of the interface that is
 * missing, one that it does not have, and one of another type do not compile.
 */
export function options<O extends object>(): <const F extends FieldsOf<O>>(
  fields: F & Exactly<O, F>,
) => OptionsField<O, ValuesOf<F>> {
  return (fields) => optionsOf(fields as unknown as Fields) as never;
}

/** A field that knows its keys. */
export interface OptionsField<O, V> extends Field<O, V> {
  readonly fields: Fields;
}

// biome-ignore lint/suspicious/noExplicitAny: whatever callers give
type Given = any;
/** A field of which only matters what it gives. */
export type Giving<T, Required extends boolean = true> = Field<Given, T, Required>;
export type OptionsOf<T> = OptionsField<Given, T>;

/** As `options`, of what no function of the library takes: the interface is of what is read. */
export function object<T extends object>(
  fields: {
    readonly [K in keyof T]-?: Giving<T[K], boolean>;
  },
): OptionsOf<T> {
  return optionsOf(fields as unknown as Fields, 'an object') as never;
}

/** An object whose `type` says which of several it is. */
export function variant<T extends { readonly type: string }>(
  kinds: {
    readonly [K in T['type']]: OptionsOf<Extract<T, { type: K }>>;
  },
): Giving<T> {
  const tag = choice(...(Object.keys(kinds) as T['type'][]));
  return Field.of<unknown, T>({
    expected: 'an object with a type',
    schema: () => ({ anyOf: Object.values<OptionsOf<unknown>>(kinds).map(({ schema }) => schema) }),
    read(value, place) {
      if (!isObject(value)) throw place.wrong('an object', value);
      const type = tag.read((value as { type?: unknown }).type, place.key('type'));
      return (kinds[type] as OptionsOf<T>).read(value, place);
    },
  });
}

/** @param expected as errors say it */
export function optionsOf(
  fields: Fields,
  expected: string = 'an object of options',
): OptionsField<object, Readonly<Record<string, unknown>>> {
  const known = Object.keys(fields);
  const field = Field.of<object, Readonly<Record<string, unknown>>>({
    expected,
    schema: () => objectSchema(fields),
    may: isObject,
    read(value, place) {
      // What a class has made may carry options, but is refused as a whole where it carries something else.
      if (!isObject(value) || (isMade(value) && !Object.keys(value).every((key) => known.includes(key))))
        throw place.wrong(expected, value, bareValue(fields, value));
      checkKeys(value, known, place);
      const values: Record<string, unknown> = {};
      for (const key of known) {
        const [field, given] = [fields[key]!, (value as Record<string, unknown>)[key]];
        values[key] = given === undefined && !field.required ? field.fallback : field.read(given, place.key(key));
      }
      return values;
    },
  });
  return Object.assign(field, { fields });
}

/** Which option a value without a name may be: `optim.adamw(0.01)` means { lr: 0.01 }. */
function bareValue(fields: Fields, value: unknown): string {
  if (typeof value !== 'number' && typeof value !== 'string') return '';
  const entries = Object.entries(fields).filter(([, field]) => field.may(value));
  const key = (entries.find(([, field]) => field.required) ?? entries[0])?.[0];
  return key === undefined ? '' : `; did you mean { ${key}: ${show(value)} }?`;
}

/** The schema of an object with these fields; what no JSON value can be is left out. */
export function objectSchema(fields: Fields): Schema {
  const known = Object.entries(fields).filter(([, field]) => field.schema !== null);
  const required = known.filter(([, field]) => field.required).map(([key]) => key);
  return {
    type: 'object',
    properties: Object.fromEntries(known.map(([key, field]) => [key, field.schema])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

/** @throws OptionError for a key that is not known, naming the nearest that is */
export function checkKeys(value: object, known: readonly string[], place: Place): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    const hint = near ? `did you mean ${near}?` : known.length > 0 ? `known options: ${known.join(', ')}` : 'it takes no options';
    throw place.refuse(`unknown option ${key.length > 40 ? show(key) : key}; ${hint}`, {
      option: key,
      nearest: near,
      known,
      unknown: true,
    });
  }
}

/** No array, no function, and nothing of the language's own, such as a Map or a Promise. */
const isObject = (value: unknown): value is object => Object.prototype.toString.call(value) === '[object Object]';

/** By a class: not a literal, of this realm or of another. */
function isMade(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}
