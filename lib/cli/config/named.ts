// named.ts: functions of the library that a configuration names by `type`: their arguments and options stand beside it, by their names.
import { OptionError } from '../../errors.ts';
import {
  choice,
  either,
  Field,
  type Fields,
  type Giving,
  INFINITY,
  list,
  optionsOf,
  Place,
  type Schema,
  signatures,
} from '../../options/index.ts';
import { renamed } from './renamed.ts';

/** What a configuration holds for one. */
export interface Named {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Functions that may be named in one place. */
export interface Room<T> {
  /** What stands before their names: `optim.schedule`. */
  readonly path: string;
  readonly functions: Readonly<Record<string, (...given: never[]) => T>>;
  /** The first argument comes from elsewhere. */
  readonly first?: true;
  /** Keys that each has beside those of the function. */
  readonly beside?: Fields;
  /** Those that are made of others of the room, by name. */
  readonly composed?: Readonly<Record<string, Composed<T>>>;
}

/** A function that is given what other functions make: its keys say which. */
export interface Composed<T> {
  readonly fields: Fields;
  /** @throws OptionError that begins with the place */
  make(given: Named, path: string): T;
}

/** One of a room's functions, with all it is given: as it stands, since the function reads it again. */
export function named<T>(room: Room<T>): Giving<Named> {
  const kind = (type: string, fields: Fields) => [type, optionsOf({ type: choice(type), ...fields }, 'an object')] as const;
  const composed = new Map(Object.entries(room.composed ?? {}).map(([type, { fields }]) => kind(type, fields)));
  const own = new Map(Object.keys(room.functions).map((type) => kind(type, fieldsOf(room, type))));
  const kinds = new Map([...own, ...composed]);
  const tag = choice(...kinds.keys());
  const anyOf = (of: typeof kinds): Schema[] => Array.from(of.values(), ({ schema }) => schema!);
  return Field.of<unknown, Named>({
    expected: 'an object with a type',
    // Those that the others are made of stand together, as in these.
    schema: () => ({ anyOf: composed.size > 0 ? [{ anyOf: anyOf(own) }, ...anyOf(composed)] : anyOf(own) }),
    read(value, place) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        const type = kinds.has(value as string) ? value : [...kinds.keys()][0];
        throw place.wrong(`an object with a type such as { "type": "${type}" }`, value);
      }
      const today = renamed(value as Named);
      if (typeof today.type !== 'string') throw place.key('type').wrong('a text', today.type);
      const type = tag.read(today.type, place.key('type'));
      const given = withInfinity(today, kinds.get(type)!.fields);
      const read = kinds.get(type)!.read(given, place);
      return composed.has(type) ? (read as Named) : given;
    },
  });
}

/**
 * Calls the function that is named.
 * @param first what it is given as its first argument, where that comes from elsewhere
 * @throws OptionError that begins with the place
 */
export function make<T>(room: Room<T>, config: Named, path: string, first?: unknown): T {
  const { type, ...given } = config;
  const composed = room.composed?.[type];
  if (composed) return composed.make(config, path);
  const { positional, options } = signatureOf(room, type);
  const names = Object.keys(positional);
  const args = names.map((name, i) => (i === 0 && room.first ? first : given[name]));
  const rest = Object.keys(options ?? {}).flatMap((key) => (key in given ? [[key, given[key]] as const] : []));
  const all = options === null ? args : [...args, Object.fromEntries(rest)];
  return within(path, () => room.functions[type]!(...(all as never[])));
}

/** What each of a list names; the place of one that is alone has no index. */
export function makeAll<T>(room: Room<T>, configs: readonly Named[], key: string): T[] {
  return configs.map((config, i) => make(room, config, configs.length > 1 ? `${key}[${i}]` : key));
}

/** One of a room, or several in order. */
export function several(room: Giving<Named>, min: 0 | 1): Giving<readonly Named[]> {
  return either(
    list(room, { min }),
    room.map((one) => [one]),
  );
}

/** Keys of a function in a configuration. */
function fieldsOf<T>(room: Room<T>, type: string): Fields {
  const { positional, options } = signatureOf(room, type);
  const own = Object.entries(positional).slice(room.first ? 1 : 0);
  return { ...Object.fromEntries(own), ...options, ...room.beside };
}

function signatureOf<T>({ path }: Room<T>, type: string): { readonly positional: Fields; readonly options: Fields | null } {
  return signatures.get(`${path}.${type}`)!;
}

function withInfinity(given: Named, fields: Fields): Named {
  const entries = Object.entries(given).map(([key, value]) => [
    key,
    value === INFINITY && endless(fields[key]?.schema) ? Infinity : value,
  ]);
  return Object.fromEntries(entries) as Named;
}

/** Whether a number without end is among what a field takes. */
function endless(schema: Schema | null | undefined): boolean {
  return ((schema?.anyOf as readonly Schema[] | undefined) ?? [schema]).some((one) => one?.const === INFINITY);
}

/** What the field checks, as it was given: a trainer reads it again. */
export function asGiven<In, Out>(field: Field<In, Out>): Field<In, In> {
  return Field.of<In, In>({
    expected: field.expected,
    schema: field.schema,
    read(value, place) {
      field.read(value, place);
      return value as In;
    },
  });
}

/** Errors begin with the place in the configuration. */
export function within<T>(path: string, make: (path: string) => T): T {
  try {
    return make(path);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(`${path}: ${error.message}`, { ...error.details, path }, { cause: error });
  }
}

/** What a configuration says at `path` does not go with the rest of it. */
export function wrong(path: string, expected: string, value: unknown): OptionError {
  return new Place('', '', path).wrong(expected, value);
}
