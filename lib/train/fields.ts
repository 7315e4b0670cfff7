// fields.ts: options that a trainer and what goes with it have in common.
import { custom, type Field } from '../options/index.ts';

/** What keys draws: 64 bits. */
export const seed: Field<number | bigint> = custom('a whole number from 0 to 2^64 - 1', (value, place) => {
  const fits =
    typeof value === 'bigint' ? value >= 0n && value < 2n ** 64n : Number.isSafeInteger(value) && (value as number) >= 0;
  if (!fits) throw place.wrong('a whole number from 0 to 2^64 - 1', value);
  return value as number | bigint;
});
