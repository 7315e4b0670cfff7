// options.ts: how every function that takes an options object checks it: unknown keys, wrong types, ranges.
import { OptionError } from './errors.ts';
import { nearest, show } from './options/words.ts';

export type { PerStep } from './options/field.ts';
export { nearest, show } from './options/words.ts';

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

/** `value` if it is a number within `rule`, else an OptionError: `clip.globalNorm: option threshold: expected a number >= 0, got -1`. */
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
  const what = `a ${integer ? 'whole ' : infinite ? '' : 'finite '}number`;
  throw new OptionError(
    `${where}: option ${option}: expected ${[what, bounds.join(' and ')].filter(Boolean).join(' ')}, got ${show(value)}`,
    {
      where,
      option,
      value,
    },
  );
}

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
