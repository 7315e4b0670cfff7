// schema.ts: checks of JSON values that name the place of what is wrong: `model.sizes[1]: expected a whole number >= 1, got "x"`.
import { OptionError } from '../errors.ts';
import { checkOptions, nearest, show } from '../options.ts';

/** Gives `value` back as what it was found to be. @throws OptionError that begins with `path` */
export type Check<T> = (value: unknown, path: string) => T;

export interface Bounds {
  readonly min?: number;
  readonly above?: number;
  readonly max?: number;
  readonly below?: number;
  readonly whole?: boolean;
}

export function number({ min, above, max, below, whole }: Bounds = {}): Check<number> {
  const bounds = [
    min !== undefined && `>= ${min}`,
    above !== undefined && `> ${above}`,
    max !== undefined && `<= ${max}`,
    below !== undefined && `< ${below}`,
  ].filter((bound) => bound !== false);
  const expected = [`a ${whole ? 'whole ' : ''}number`, bounds.join(' and ')].filter((part) => part !== '').join(' ');
  return (value, path) => {
    const fits =
      typeof value === 'number' &&
      Number.isFinite(value) &&
      (!whole || Number.isSafeInteger(value)) &&
      value >= (min ?? value) &&
      value <= (max ?? value) &&
      (above === undefined || value > above) &&
      (below === undefined || value < below);
    if (!fits) throw wrong(path, expected, value);
    return value;
  };
}

export const positiveWhole: Check<number> = number({ min: 1, whole: true });

export const text: Check<string> = (value, path) => {
  if (typeof value !== 'string' || value === '') throw wrong(path, 'a text', value);
  return value;
};

export const bool: Check<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw wrong(path, 'true or false', value);
  return value;
};

export function choice<T extends string>(...allowed: readonly T[]): Check<T> {
  return (value, path) => {
    if (allowed.includes(value as T)) return value as T;
    const near = typeof value === 'string' ? nearest(value, allowed) : undefined;
    throw wrong(path, `one of ${allowed.join(', ')}`, value, near === undefined ? '' : `; did you mean ${near}?`);
  };
}

export function list<T>(item: Check<T>, least = 0): Check<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw wrong(path, 'a list', value);
    if (value.length < least) throw wrong(path, `a list of at least ${least}`, value);
    return value.map((element, i) => item(element, `${path}[${i}]`));
  };
}

/** The first check that takes the value; if none does, the error of the last. */
export function either<A, B>(first: Check<A>, second: Check<B>): Check<A | B> {
  return (value, path) => {
    try {
      return first(value, path);
    } catch {
      return second(value, path);
    }
  };
}

/** A key that may be absent. */
export function optional<T, const D>(check: Check<T>, otherwise: D): Check<T | D> {
  return (value, path) => (value === undefined ? otherwise : check(value, path));
}

export type Fields<T> = { readonly [K in keyof T]: Check<T[K]> };

/** An object with exactly these keys. */
export function object<T extends object>(fields: Fields<T>): Check<T> {
  const known = Object.keys(fields) as (keyof T & string)[];
  return (value, path) => {
    checkOptions(path || 'config', value, known);
    const given = value as Record<string, unknown>;
    const entries = known.map((key) => [key, fields[key](given[key], path ? `${path}.${key}` : key)] as const);
    return Object.fromEntries(entries) as T;
  };
}

/** An object whose `type` says which of several it is. */
export function variant<T extends { readonly type: string }>(
  kinds: { readonly [K in T['type']]: Check<Extract<T, { type: K }>> },
): Check<T> {
  const tag = choice(...(Object.keys(kinds) as T['type'][]));
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'an object', value);
    const type = tag((value as { type?: unknown }).type, path ? `${path}.type` : 'type');
    return kinds[type as T['type']](value, path) as T;
  };
}

export function wrong(path: string, expected: string, value: unknown, hint = ''): OptionError {
  const got = value === undefined ? 'nothing' : show(value);
  return new OptionError(`${path || 'config'}: expected ${expected}, got ${got}${hint}`, { path, value });
}

/** Errors begin with the place in the configuration. */
export function within<T>(path: string, make: (path: string) => T): T {
  try {
    return make(path);
  } catch (error) {
    // Errors of schema.ts have their place already.
    if (!(error instanceof OptionError) || error.details.path !== undefined) throw error;
    throw new OptionError(`${path}: ${error.message}`, { ...error.details }, { cause: error });
  }
}
