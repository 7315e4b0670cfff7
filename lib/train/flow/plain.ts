// plain.ts: what a callback keeps, copied: what comes back from a file as it was, and nothing else.
import { OptionError } from '../../errors.ts';
import { show } from '../../options/index.ts';

/** Levels and objects of a state: fewer than a file may have of all together. */
const MAX_LEVELS = 32;
const MAX_PARTS = 100_000;
/** How a number that JSON has not is written. */
export const NUMBER = '$number';

/** A copy of lists and plain objects of numbers (also those that are not finite), texts, booleans and null. @throws OptionError for anything else */
export function plain(where: string, state: unknown): unknown {
  let parts = 0;
  const refuse = (place: string, text: string): OptionError => {
    const expected = 'expected numbers, texts, booleans, null, lists and plain objects of them';
    return new OptionError(`fit: ${where}: state${place}: ${expected}, ${text}`, { where, place });
  };
  const copy = (value: unknown, place: string, level: number): unknown => {
    if (value === null || typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value !== 'object') throw refuse(place, `got ${show(value)}`);
    if (level > MAX_LEVELS) throw refuse(place, `got more than ${MAX_LEVELS} levels`);
    if (++parts > MAX_PARTS) throw refuse('', `got more than ${MAX_PARTS} lists and objects`);
    if (Array.isArray(value)) return Array.from(value, (v, i) => copy(v, `${place}[${i}]`, level + 1));
    const made = Object.getPrototypeOf(value) as object | null;
    if (made !== null && made !== Object.prototype) throw refuse(place, `got ${show(value)}`);
    // What is not set is not kept.
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    if (entries.some(([key]) => key === NUMBER)) throw refuse(place, `got a key ${NUMBER}, which files use`);
    return Object.fromEntries(entries.map(([key, v]) => [key, copy(v, `${place}.${key}`, level + 1)]));
  };
  return copy(state, '', 0);
}
