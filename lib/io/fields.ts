// fields.ts: arguments that the readers have.
import { custom, type Field, signature, text } from '../options/index.ts';

/** A path. */
export const file: Field<string> = text;

/** What a file holds. */
export const bytes: Field<Uint8Array> = custom('bytes as a Uint8Array', (value, place) => {
  if (value instanceof Uint8Array) return value;
  throw place.wrong('bytes as a Uint8Array', value);
});

type Read = (given: ArrayLike<unknown>) => unknown;

/** A function that reads a file, and nothing else. @param name as users write it */
export const ofFile = (name: string): Read => signature(name, { file });

/** One that reads memory. The name of the file is for errors. */
export const ofBytes = (name: string): Read => signature(name, { bytes, file: file.default('<bytes>') });
