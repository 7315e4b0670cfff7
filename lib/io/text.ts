// text.ts: text files.

import { constants } from 'node:buffer';
import { DataError } from '../errors.ts';
import { ofFile } from './fields.ts';
import { withSource } from './file.ts';

const readReadText = ofFile('io.readText');

/**
 * Read a text file in UTF-8, plain or gzip. A byte order mark is dropped.
 * @throws DataError with `file` and `offset` of the first byte that is not UTF-8.
 */
export async function readText(file: string): Promise<string> {
  readReadText(arguments);
  return withSource(file, async (source) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of source.chunks()) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > constants.MAX_STRING_LENGTH) {
        throw new DataError(`${file}: longer than the ${constants.MAX_STRING_LENGTH} bytes a string can have`, { file });
      }
    }
    const bytes = Buffer.concat(chunks);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch (cause) {
      const offset = firstInvalid(bytes);
      const message = offset < 0 ? (cause as Error).message : `offset ${offset}: expected UTF-8, got byte ${bytes[offset]}`;
      throw new DataError(`${file}: ${message}`, { file, offset }, { cause });
    }
  });
}

/** A lenient decoder replaces what is not UTF-8, so text made into bytes again differs first where that begins. */
function firstInvalid(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString('utf8'));
  return bytes.findIndex((byte, i) => byte !== again[i]);
}
