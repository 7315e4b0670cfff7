// fields.ts: arguments that many functions of data have.
import { custom, type Field } from '../options/index.ts';

export { anyText } from '../io/fields.ts';

import { type ArrayInput, type Arrays, isShare } from './arrays.ts';

/** What is taken for an array of numbers: whether it is one, `ndarray` says, which names it. */
export const arrayInput: Field<ArrayInput> = custom('an array of numbers, or { data, shape }', (value) => value as ArrayInput);

/** Arrays by name; each is looked at where it is read. */
export const arrays: Field<Arrays> = custom('arrays by name', (value, place) => {
  const named = typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
  if (!named) throw place.wrong('arrays by name', value);
  if (isShare(value))
    throw place.refuse('expected arrays by name, got a part of preprocess.split: its arrays are arrays', { value });
  return value as Arrays;
});

/** What keys random numbers. */
export const seed: Field<number | bigint> = custom(
  'a whole number or bigint from 0 to 2^64 - 1',
  (value, place) => {
    const fits =
      typeof value === 'bigint' ? value >= 0n && value < 2n ** 64n : Number.isSafeInteger(value) && (value as number) >= 0;
    if (!fits) throw place.wrong('a whole number or bigint from 0 to 2^64 - 1', value);
    return value as number | bigint;
  },
  { type: 'integer', minimum: 0 },
);
