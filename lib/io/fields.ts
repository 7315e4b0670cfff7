// fields.ts: arguments that the readers have.
import { custom, type Field, type OptionsField, options, signature, text, whole } from '../options/index.ts';
import type { ReadOptions } from './file/file.ts';
import { MAX_BYTES, MAX_WEIGHTS } from './limits.ts';

/** A path. */
export const file: Field<string> = text;

/** A text, which may be empty. */
export const anyText: Field<string> = custom(
  'a text',
  (value, place) => {
    if (typeof value !== 'string') throw place.wrong('a text', value);
    return value;
  },
  { type: 'string' },
);

/** What a file holds. */
export const bytes: Field<Uint8Array> = custom('bytes as a Uint8Array', (value, place) => {
  if (value instanceof Uint8Array) return value;
  throw place.wrong('bytes as a Uint8Array', value);
});

const most = whole({ min: 1, infinite: true });

/** Option `maxBytes` of a reader of data or text. */
export const maxBytes: Field<number, number, false> = most.default(MAX_BYTES);

/** Options of a reader that has none but `maxBytes`. */
export const readOptions: OptionsField<ReadOptions, { maxBytes: number }> = options<ReadOptions>()({ maxBytes });

/** The same of weights. */
export const weightsBytes: Field<number, number, false> = most.default(MAX_WEIGHTS);
export const weightsOptions: OptionsField<ReadOptions, { maxBytes: number }> = options<ReadOptions>()({ maxBytes: weightsBytes });

type Read = (given: ArrayLike<unknown>) => unknown;

/** A function that reads memory; the name of the file is for errors. @param name as users write it */
export const ofBytes = (name: string): Read => signature(name, { bytes, file: file.default('<bytes>') });
