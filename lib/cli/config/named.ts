// named.ts: functions of the library that a configuration names by `type`: their arguments and options stand beside it, by their names.
import { OptionError } from '../../errors.ts';
import {
  choice,
  Field,
  type Fields,
  type Giving,
  INFINITY,
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
}

/** One of a room's functions, with all it is given: as it stands, since the function reads it again. */
export function named<T>(room: Room<T>): Giving<Named> {
  const kinds = new Map(
    Object.keys(room.functions).map((type) => [type, optionsOf({ type: choice(type), ...fieldsOf(room, type) }, 'an object')]),
  );
  const tag = choice(...kinds.keys());
  return Field.of<unknown, Named>({
    expected: 'an object with a type',
    schema: { anyOf: [...kinds.values()].map(({ schema }) => schema) },
    read(value, place) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        const type = kinds.has(value as string) ? value : [...kinds.keys()][0];
        throw place.wrong(`an object with a type such as { "type": "${type}" }`, value);
      }
      const today = renamed(value as Named);
      if (typeof today.type !== 'string') throw place.key('type').wrong('a text', today.type);
      const type = tag.read(today.type, place.key('type'));
      const given = withInfinity(today, kinds.get(type)!.fields);
      kinds.get(type)!.read(given, place);
      return given;
    },
  });
}

/**
 * Calls the function that is named.
 * @param first what it is given as its first argument, where that comes from elsewhere
 * @throws OptionError that begins with the place
 */
export function make<T>(room: Room<T>, { type, ...given }: Named, path: string, first?: unknown): T {
  const { positional, options } = signatureOf(room, type);
  const names = Object.keys(positional);
  const args = names.map((name, i) => (i === 0 && room.first ? first : given[name]));
  const rest = Object.keys(options ?? {}).flatMap((key) => (key in given ? [[key, given[key]] as const] : []));
  const all = options === null ? args : [...args, Object.fromEntries(rest)];
  return within(path, () => room.functions[type]!(...(all as never[])));
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
