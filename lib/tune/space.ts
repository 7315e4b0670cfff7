// space.ts: what a search may choose: numbers between bounds, and one of several values, each by its name.
import { printAs } from '../errors/inspect.ts';
import { exp, log as ln } from '../math/index.ts';
import { bool, custom, type Field, list, number, options, Place, pair, signature, whole } from '../options/index.ts';
import { MAX_DIMENSIONS } from './halton.ts';

/** What one parameter of a search may be: made by `space.uniform`, `space.log`, `space.integer` or `space.choice`. `T`: the type of its values. */
export interface Domain<T = unknown> {
  /** How values are drawn. */
  readonly kind: 'uniform' | 'log' | 'integer' | 'choice';
  /** Least and largest value; of a choice the values. */
  readonly values: readonly T[];
  /** Whether whole numbers are drawn by their logarithm. */
  readonly log: boolean;
}

/** Parameters of a search by name, and what each may be. */
export type Space = Readonly<Record<string, Domain>>;

/** Values of the parameters of a search, by name. */
export type ParamsOf<S> = { readonly [K in keyof S]: S[K] extends Domain<infer T> ? T : never };

class Made<T> implements Domain<T> {
  readonly kind: Domain<T>['kind'];
  readonly values: readonly T[];
  readonly log: boolean;
  constructor(kind: Domain<T>['kind'], values: readonly T[], log: boolean) {
    this.kind = kind;
    this.values = values;
    this.log = log;
    Object.freeze(this);
  }
}
printAs(Made<unknown>, function () {
  return `space.${this.kind}(${JSON.stringify(this.values)})`;
});

/** Digits of numbers that are drawn: who reads a configuration wants no seventeen. */
const DIGITS = 4;

/** The value at `u`, from 0 to 1. */
export function valueAt({ kind, values, log }: Domain, u: number): unknown {
  if (kind === 'choice') return values[Math.min(values.length - 1, Math.floor(u * values.length))];
  const [min, max] = values as [number, number];
  const between = (a: number, b: number, byLog: boolean): number => (byLog ? exp(ln(a) + u * (ln(b) - ln(a))) : a + u * (b - a));
  const within = (x: number): number => Math.min(max, Math.max(min, x));
  if (kind === 'integer') return within(Math.floor(between(min, max + 1, log)));
  return within(Number(between(min, max, kind === 'log').toPrecision(DIGITS)));
}

/** Where a value lies, from 0 to 1, for charts; null for what is none of the domain's. */
export function placeOf({ kind, values, log }: Domain, value: unknown): number | null {
  if (kind === 'choice') {
    const text = JSON.stringify(value);
    const at = values.findIndex((one) => JSON.stringify(one) === text);
    return at < 0 ? null : values.length === 1 ? 0.5 : at / (values.length - 1);
  }
  const [min, max] = values as [number, number];
  if (typeof value !== 'number' || !(value >= min && value <= max)) return null;
  return kind === 'log' || log ? (ln(value) - ln(min)) / (ln(max) - ln(min)) : (value - min) / (max - min);
}

/** As a configuration says it. */
export function domainJson({ kind, values, log }: Domain): Readonly<Record<string, unknown>> {
  return { [kind]: values, ...(kind === 'integer' && log && { log }) };
}

/** min and max become a domain. */
function bounded(kind: 'uniform' | 'log' | 'integer', log: boolean, min: number, max: number, at: Place): Domain<number> {
  if (!(min < max)) throw at.wrong(`a number above min, ${min}`, max);
  return new Made(kind, [min, max], log);
}

const finite = number();
const readUniform = signature('space.uniform', { min: finite, max: finite });
/**
 * Any number between two, each as likely as the others.
 * @param min least value
 * @param max largest value, above `min`
 * @throws OptionError
 * @see ray.tune.uniform
 */
export function uniform(min: number, max: number): Domain<number> {
  readUniform(arguments);
  return bounded('uniform', false, min, max, new Place('space.uniform', 'argument', 'max'));
}

const positive = number({ above: 0 });
const readLog = signature('space.log', { min: positive, max: positive });
/**
 * Any number between two by its logarithm: from .001 to .01 as likely as from .01 to .1. For learning rates and thresholds.
 * @param min least value, above 0
 * @param max largest value, above `min`
 * @throws OptionError
 * @see ray.tune.loguniform
 */
export function log(min: number, max: number): Domain<number> {
  readLog(arguments);
  return bounded('log', false, min, max, new Place('space.log', 'argument', 'max'));
}

/** Options of `space.integer`. */
export interface IntegerOptions {
  /** Draw by the logarithm: as many from 8 to 16 as from 16 to 32. Default false. */
  readonly log?: boolean;
}
const readInteger = signature(
  'space.integer',
  { min: whole(), max: whole() },
  options<IntegerOptions>()({ log: bool.default(false) }),
);
/**
 * A whole number from `min` to `max`, both among them.
 * @param min least value; above 0 with `log`
 * @param max largest value, above `min`
 * @throws OptionError
 * @see ray.tune.randint
 */
export function integer(min: number, max: number, options: IntegerOptions = {}): Domain<number> {
  const { log } = readInteger(arguments);
  if (log && min < 1) throw new Place('space.integer', 'argument', 'min').wrong('a whole number >= 1 with option log', min);
  return bounded('integer', log, min, max, new Place('space.integer', 'argument', 'max'));
}

const anything: Field<unknown> = custom('a value', (value) => value);
const readChoice = signature('space.choice', { values: list(anything, { min: 1 }) });
/**
 * One of several values, each as likely as the others: numbers, texts, objects, whatever JSON can say.
 * @param values at least one
 * @throws OptionError also for a value that JSON cannot say: it could not be recorded; build optimizers and policies from names
 * @see ray.tune.choice
 */
export function choice<const T>(values: readonly T[]): Domain<T> {
  readChoice(arguments);
  values.forEach((value, i) => {
    checkJson(value, new Place('space.choice', 'argument', `values[${i}]`));
  });
  return new Made<T>('choice', [...values], false);
}

function checkJson(value: unknown, place: Place): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return;
  if (Array.isArray(value)) {
    for (const one of value) checkJson(one, place);
    return;
  }
  const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined;
  if (prototype === Object.prototype || prototype === null) {
    for (const one of Object.values(value as object)) checkJson(one, place);
    return;
  }
  throw place.wrong('what JSON can say', value, ': choose a name, and make of it in `make` what it names');
}

/** Two numbers, as a configuration gives them. @throws OptionError at `place` */
export function numbersOf(kind: 'uniform' | 'log' | 'integer', log: boolean, value: unknown, place: Place): Domain<number> {
  const field = kind === 'log' ? positive : kind === 'integer' ? whole(log ? { min: 1 } : {}) : finite;
  const [min, max] = pair(field, field).read(value, place);
  return bounded(kind, log, min, max, place.item(1));
}

/** Values, as a configuration gives them. @throws OptionError at `place` */
export function choiceOf(value: unknown, place: Place): Domain {
  return new Made('choice', list(anything, { min: 1 }).read(value, place), false);
}

const isDomain = (value: unknown): value is Domain => value instanceof Made;

/** The space of a search, as an option: names and what the functions of `space` make. */
export const spaceField: Field<Space> = custom('parameters by name, such as { lr: space.log(1e-4, 1) }', (value, place) => {
  const named = typeof value === 'object' && value !== null && !Array.isArray(value);
  const entries = named ? Object.entries(value) : [];
  if (entries.length === 0) throw place.wrong('parameters by name, such as { lr: space.log(1e-4, 1) }', value);
  if (entries.length > MAX_DIMENSIONS)
    throw place.refuse(`expected at most ${MAX_DIMENSIONS} parameters, got ${entries.length}`, { value });
  for (const [name, domain] of entries) {
    if (!isDomain(domain)) throw place.key(name).wrong('what a function of space gives, such as space.log(1e-4, 1)', domain);
  }
  return value as Space;
});
