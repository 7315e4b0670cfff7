// field.ts: one value that a function takes: how it is checked, how errors name it, what stands in for it, and its JSON Schema.
import { OptionError } from '../errors.ts';
import { isClass, nearest, show } from './words.ts';

/** Where a value was given: `optim.lion: option betas[0]`, `nn.Linear: argument inFeatures`, or a place of a configuration: `model.sizes[1]`. */
export class Place {
  /** Of the function; '' in a configuration. */
  readonly where: string;
  readonly #word: 'option' | 'argument' | '';
  readonly #step: string | number;
  readonly #above: Place | null;

  constructor(where: string, word: 'option' | 'argument' | '', step: string | number, above: Place | null = null) {
    this.where = where;
    this.#word = word;
    this.#step = step;
    this.#above = above;
  }
  key(name: string): Place {
    return new Place(this.where, this.#word || (this.where && 'option') || '', name, this);
  }
  item(i: number): Place {
    return new Place(this.where, this.#word, i, this);
  }
  /** Put together when an error asks for it: most places are never told. */
  get path(): string {
    const above = this.#above?.path ?? '';
    if (typeof this.#step === 'number') return `${above}[${this.#step}]`;
    return above === '' ? this.#step : `${above}.${this.#step}`;
  }
  /** What a function gave that was given there: `option lr at step 3`. */
  at(when: string): Place {
    return new Place(this.where, this.#word as 'option', `${this.path} at ${when}`);
  }
  toString(): string {
    const { where, path } = this;
    if (where === '') return path || 'config';
    return path === '' ? where : `${where}: ${this.#word} ${path}`;
  }

  /** `optim.lion: option lr: expected a number >= 0, got -1` */
  wrong(expected: string, value: unknown, hint: string = ''): OptionError {
    const got = value === undefined ? 'nothing' : show(value);
    return this.refuse(`expected ${expected}, got ${got}${hint}`, { value });
  }
  refuse(text: string, details: Record<string, unknown> = {}): OptionError {
    return new OptionError(`${this}: ${text}`, { where: this.where, option: this.path, ...details });
  }
}

/** What of JSON Schema (2020-12) is used. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

interface Kind<Out> {
  /** In words, as after "expected". */
  readonly expected: string;
  /** Of what stands in a configuration; null: nothing in JSON can be it. */
  readonly schema: Schema | null | (() => Schema | null);
  /** Quick and rough: false only where `read` is sure to refuse. What cannot tell leaves it out. */
  readonly may?: ((value: unknown) => boolean) | undefined;
  /** @throws OptionError at `place` */
  read(value: unknown, place: Place): Out;
}

/**
 * A value that a function takes.
 * @typeParam In what callers may give, exactly: a field for an option has the type of that option
 * @typeParam Out what the function goes on with
 * @typeParam Required whether it must be given
 */
export class Field<In, Out = In, Required extends boolean = true> {
  declare readonly accepts?: (value: In) => In;
  declare readonly gives?: Out;
  readonly expected: string;
  readonly required: Required;
  readonly #kind: Kind<Out>;
  /** Schema and fallback are made when they are asked for: importing the library makes a thousand fields, a program uses few. */
  #schema: Schema | null | undefined;
  #fallback: { readonly value: Out } | (() => Out);

  private constructor(kind: Kind<Out>, required: Required, fallback: () => Out) {
    this.expected = kind.expected;
    this.required = required;
    this.#kind = kind;
    this.#fallback = fallback;
  }

  static of<In, Out = In>(kind: Kind<Out>): Field<In, Out> {
    return new Field<In, Out>(kind, true, () => undefined as Out);
  }

  /** Of what stands in a configuration; null: nothing in JSON can be it. */
  get schema(): Schema | null {
    this.#schema ??= typeof this.#kind.schema === 'function' ? this.#kind.schema() : this.#kind.schema;
    return this.#schema;
  }

  /** What stands in for a value that is not given. */
  get fallback(): Out {
    if (typeof this.#fallback === 'function') this.#fallback = { value: this.#fallback() };
    return this.#fallback.value;
  }

  /** Whether `read` may take it: for whoever has several fields to ask, since errors are slow to make. */
  may(value: unknown): boolean {
    return (value === undefined && !this.required) || (this.#kind.may?.(value) ?? true);
  }

  /** @throws OptionError that begins with `place` */
  read(value: unknown, place: Place): Out {
    if (value === undefined && !this.required) return this.fallback;
    return this.#kind.read(value, place);
  }

  /** Not given: as if `value` were. It is checked as if it were given, once. */
  default(value: In): Field<In, Out, false> {
    const json = (value as unknown) === Number.POSITIVE_INFINITY ? INFINITY : value;
    const schema = (): Schema | null => (this.schema && isJson(json) ? { ...this.schema, default: json } : this.schema);
    return new Field<In, Out, false>({ ...this.#kind, schema }, false, () => this.read(value, new Place('default', '', '')));
  }
  /** Not given: undefined. */
  optional(): Field<In, Out | undefined, false> {
    return this.or(undefined);
  }
  /** Not given: `value`, whatever it is. */
  or<const T>(value: T): Field<In, Out | T, false> {
    return new Field<In, Out | T, false>(this.#kind, false, () => value);
  }
  /** What the value means, for the schema and the docs that are made of it: a phrase that begins small, without a full stop. */
  about(text: string): Field<In, Out, Required> {
    const schema = (): Schema | null => this.schema && { ...this.schema, description: text };
    return new Field<In, Out, Required>({ ...this.#kind, schema }, this.required, () => this.fallback);
  }
  /** What comes of the value: further checks, or another form of it. */
  map<T>(then: (value: Out, place: Place) => T): Field<In, T> {
    const { read } = this.#kind;
    return Field.of<In, T>({ ...this.#kind, read: (value, place) => then(read(value, place), place) });
  }
}

/** JSON has no infinity: what a configuration says in its place. */
export const INFINITY = 'inf';

/** What a configuration can say: no function, and not Infinity. */
function isJson(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isJson);
  return typeof value === 'number' ? Number.isFinite(value) : typeof value !== 'function';
}

/** Any field. */
// biome-ignore lint/suspicious/noExplicitAny: In is neither given nor taken where the field is not known
export type AnyField = Field<any, unknown, boolean>;
export type OutOf<F> = F extends Field<never, infer Out, boolean> ? Out : F extends { readonly gives?: infer Out } ? Out : never;

// ---- numbers -----------------------------------------------------------------------------------------------------
/** Bounds of a number: `min` and `max` are allowed values, `above` and `below` are not. Infinity needs `infinite`, NaN never passes. */
export interface NumberRule {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly infinite?: boolean;
}

interface Ruled extends Kind<number> {
  fits(value: unknown): value is number;
}

function ruled(rule: NumberRule, whole: boolean): Ruled {
  const { min, max, above, below, infinite = false } = rule;
  const bounds = [
    min !== undefined && `>= ${min}`,
    above !== undefined && `> ${above}`,
    max !== undefined && `<= ${max}`,
    below !== undefined && `< ${below}`,
  ].filter((bound) => bound !== false);
  const what = `a ${whole ? 'whole ' : infinite ? '' : 'finite '}number`;
  const expected = [what, bounds.join(' and ')].filter((part) => part !== '').join(' ');
  const schema = {
    type: whole ? 'integer' : 'number',
    ...(min !== undefined && { minimum: min }),
    ...(max !== undefined && { maximum: max }),
    ...(above !== undefined && { exclusiveMinimum: above }),
    ...(below !== undefined && { exclusiveMaximum: below }),
  };
  const fits = (value: unknown): value is number =>
    typeof value === 'number' &&
    (whole ? Number.isSafeInteger(value) || (infinite && Math.abs(value) === Infinity) : infinite || Number.isFinite(value)) &&
    value >= (min ?? value) &&
    value <= (max ?? value) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below);
  return {
    expected,
    schema: infinite ? { anyOf: [schema, { const: INFINITY }] } : schema,
    may: (value) => typeof value === 'number',
    fits,
    read(value, place) {
      if (!fits(value)) throw place.wrong(expected, value);
      return value;
    },
  };
}

export const number = (rule: NumberRule = {}): Field<number> => Field.of(ruled(rule, false));
/** A number without a fraction, which f64 holds exactly. */
export const whole = (rule: NumberRule = {}): Field<number> => Field.of(ruled(rule, true));

/** A number, or a function of the step: 0 is the first update. Learning rates and thresholds are given so. */
export type PerStep = number | ((step: number) => number);
/** The value of each step. */
export interface AtStep {
  (step: number): number;
  /** What it is in all steps; null where a function was given. */
  readonly fixed: number | null;
}

/** As a function of the step. A number is checked now, what a function returns whenever it is called. */
export function perStep(rule: NumberRule = {}): Field<PerStep, AtStep> {
  const kind = ruled(rule, false);
  const expected = `${kind.expected}, or a function of the step`;
  return Field.of<PerStep, AtStep>({
    expected,
    schema: kind.schema,
    may: (value) => typeof value === 'number' || typeof value === 'function',
    read(value, place) {
      if (typeof value === 'number') {
        const fixed = kind.read(value, place);
        return Object.assign(() => fixed, { fixed });
      }
      const given = fn<(step: number) => unknown>(expected).read(value, place);
      // Asked for every step: the place is put together where there is something to report.
      const at = (step: number): number => {
        const now = given(step);
        return kind.fits(now) ? now : kind.read(now, place.at(`step ${step}`));
      };
      return Object.assign(at, { fixed: null });
    },
  });
}

// ---- other values ------------------------------------------------------------------------------------------------
export const bool: Field<boolean> = Field.of({
  expected: 'true or false',
  schema: { type: 'boolean' },
  may: (value) => typeof value === 'boolean',
  read(value, place) {
    if (typeof value !== 'boolean') throw place.wrong('true or false', value);
    return value;
  },
});

/** A string that is not empty. */
export const text: Field<string> = Field.of({
  expected: 'a text',
  schema: { type: 'string', minLength: 1 },
  may: (value) => typeof value === 'string',
  read(value, place) {
    if (typeof value !== 'string' || value === '') throw place.wrong('a text', value);
    return value;
  },
});

/** One of a few values. */
export function choice<const T extends string | number>(...allowed: readonly T[]): Field<T> {
  return oneOf(allowed);
}

/** One of a list of values, which may be long. */
export function oneOf<T extends string | number>(allowed: readonly T[]): Field<T> {
  const expected = allowed.length === 1 ? show(allowed[0]) : `one of ${allowed.join(', ')}`;
  return Field.of({
    expected,
    schema: allowed.length === 1 ? { const: allowed[0] } : { enum: allowed },
    may: (value) => allowed.includes(value as T),
    read(value, place) {
      if (allowed.includes(value as T)) return value as T;
      const near = typeof value === 'string' ? nearest(value, allowed.map(String)) : undefined;
      throw place.wrong(expected, value, near === undefined ? '' : `; did you mean ${near}?`);
    },
  });
}

// biome-ignore lint/suspicious/noExplicitAny: of any arguments
type AnyFunction = (...args: any[]) => unknown;

/** A function that is called, which no class can be. */
export function fn<T extends AnyFunction>(expected: string = 'a function'): Field<T> {
  return Field.of({
    expected,
    schema: null,
    may: (value) => typeof value === 'function',
    read(value, place) {
      if (typeof value === 'function' && !isClass(value)) return value as T;
      throw place.wrong(expected, value);
    },
  });
}

/** What the class has made. */
export function instance<T>(expected: string, type: abstract new (...args: never) => T): Field<T> {
  return Field.of({
    expected,
    schema: null,
    may: (value) => value instanceof type,
    read(value, place) {
      if (value instanceof type) return value;
      throw place.wrong(expected, value, notOf(value, type));
    },
  });
}

/** Why a value is not of a class, where that is plain: to be said after what was expected. */
export function notOf(value: unknown, type: abstract new (...args: never) => unknown): string {
  if (value === type) return '; did you forget new?';
  const other = '; it is of another copy of gradclip: npm ls gradclip tells who brings it, npm dedupe may make one of them';
  return alike(value, type) ? other : '';
}

/** Whether a class of the same name has made it, or one that it is made of. */
function alike(value: unknown, type: abstract new (...args: never) => unknown): boolean {
  if (typeof value !== 'object') return false;
  for (let of = value; of !== null; of = Object.getPrototypeOf(of) as object | null)
    if (Object.hasOwn(of, 'constructor') && of.constructor.name === type.name) return true;
  return false;
}

/** A value of the caller's own making, or of another check. `check` gives what it found it to be, or throws at `place`. */
export function custom<In, Out = In>(
  expected: string,
  check: (value: unknown, place: Place) => Out,
  schema: Schema | null = null,
): Field<In, Out> {
  return Field.of<In, Out>({ expected, schema, read: check });
}
