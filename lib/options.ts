// options.ts: how every function that takes an options object checks it: unknown keys, wrong types, ranges.
import { OptionError } from './errors.ts';

/** Throw an OptionError for any key of `given` that is not in `known`, naming the nearest known one. */
export function checkOptions(where: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new OptionError(`${where}: expected an object of options, got ${show(given)}`, { where, value: given });
  }
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    const hint = near ? `did you mean ${near}?` : known.length ? `known options: ${known.join(', ')}` : 'it takes no options';
    throw new OptionError(`${where}: unknown option ${key}; ${hint}`, { where, option: key, nearest: near, known });
  }
}

/** Bounds of a number: `min` and `max` are allowed values, `above` and `below` are not. Infinity needs `infinite`, NaN never passes. */
export interface NumberRule {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly integer?: boolean;
  readonly infinite?: boolean;
}

/** `value` if it is a number within `rule`, else an OptionError: `clip.globalNorm: option c: expected a number >= 0, got -1`. */
export function checkNumber(where: string, option: string, value: unknown, rule: NumberRule = {}): number {
  const { min, max, above, below, integer, infinite } = rule;
  const fits =
    typeof value === 'number' &&
    !Number.isNaN(value) &&
    (infinite === true || Number.isFinite(value)) &&
    (min === undefined || value >= min) &&
    (max === undefined || value <= max) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below) &&
    (integer !== true || Number.isInteger(value));
  if (fits) return value as number;
  const bounds = [
    min !== undefined && `>= ${min}`,
    above !== undefined && `> ${above}`,
    max !== undefined && `<= ${max}`,
    below !== undefined && `< ${below}`,
  ].filter(Boolean);
  const what = `${infinite ? 'a' : 'a finite'} ${integer ? 'whole ' : ''}number`;
  throw new OptionError(
    `${where}: option ${option}: expected ${[what, bounds.join(' and ')].filter(Boolean).join(' ')}, got ${show(value)}`,
    {
      where,
      option,
      value,
    },
  );
}

/** A number, or a function of the step: 0 is the first update. Learning rates and thresholds are given so. */
export type PerStep = number | ((step: number) => number);

/** `value` as a function of the step. A number is checked now, what a function returns whenever it is called. */
export function checkPerStep(where: string, option: string, value: unknown, rule: NumberRule = {}): (step: number) => number {
  if (typeof value !== 'function') {
    const fixed = checkNumber(where, option, value, rule);
    return () => fixed;
  }
  return (step) => checkNumber(where, `${option} at step ${step}`, (value as (step: number) => number)(step), rule);
}

/** `value` if it is one of `allowed`, else an OptionError that lists them. */
export function checkChoice<T extends string>(where: string, option: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  const near = typeof value === 'string' ? nearest(value, allowed) : undefined;
  const hint = near ? `; did you mean ${near}?` : '';
  throw new OptionError(`${where}: option ${option}: expected one of ${allowed.join(', ')}, got ${show(value)}${hint}`, {
    where,
    option,
    value,
    allowed,
  });
}

/** `value` if it is a boolean, else an OptionError. */
export function checkBoolean(where: string, option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new OptionError(`${where}: option ${option}: expected true or false, got ${show(value)}`, { where, option, value });
}

/** A value as it reads in an error message: short, and strings in quotes. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return value.constructor?.name && value.constructor !== Object ? `a ${value.constructor.name}` : 'an object';
}

/** The known name with the fewest edits from `name`, or undefined when none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const d = edits(name.toLowerCase(), candidate.toLowerCase());
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function edits(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...new Array<number>(b.length).fill(0)]);
  for (let j = 1; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let d = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = d;
    }
  }
  return rows[a.length]![b.length]!;
}
