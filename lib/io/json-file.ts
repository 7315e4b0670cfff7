// json-file.ts: files of JSON that people write: configurations, policies.
import { DataError } from '../errors.ts';
import { parseJson } from './json.ts';
import { MAX_CONFIG } from './limits.ts';
import { readText } from './text.ts';

/** What a file of JSON says. @throws DataError for what is none, is longer than `MAX_CONFIG`, or cannot be read */
export async function readJson(file: string): Promise<unknown> {
  const text = await readText(file, { maxBytes: MAX_CONFIG }).catch((error: unknown) => {
    if (!(error instanceof DataError) || error.details.maxBytes === undefined) throw error;
    throw new DataError(`${file}: expected JSON of at most ${MAX_CONFIG} bytes`, { file }, { cause: error });
  });
  try {
    return parseJson(text);
  } catch (cause) {
    throw new DataError(`${file}: not JSON: ${(cause as Error).message}`, { file }, { cause });
  }
}
