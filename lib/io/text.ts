// text.ts: text files.

import { constants } from 'node:buffer';
import { extname } from 'node:path';
import { DataError } from '../errors.ts';
import { signature } from '../options/index.ts';
import { file, readOptions } from './fields.ts';
import { type ReadOptions, type Source, withSource } from './file/file.ts';
import { HEAD, otherKind } from './file/kinds.ts';

const readReadText = signature('io.readText', { file }, readOptions);

/**
 * Read a text file in UTF-8, plain or gzip. A byte order mark is dropped. A string has at most half a billion characters; option `maxBytes` may say less.
 * A web page is text where its name says so (.html, .htm, .xhtml, .xml, .svg), as with .gz behind it.
 * @throws OptionError
 * @throws DataError with `file` and `offset` of the first byte that is not UTF-8, for a file that is no text, and for a web page
 * by another name.
 */
export async function readText(file: string, options: ReadOptions = {}): Promise<string> {
  const { maxBytes } = readReadText(arguments) as { readonly maxBytes: number };
  return withSource(file, decoded, Math.min(maxBytes, constants.MAX_STRING_LENGTH));
}

/** Each piece becomes text as it comes. */
async function decoded({ file, chunks }: Source): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parts: string[] = [];
  let offset = 0;
  /** The last bytes, which may begin a character. */
  let tail: Buffer = Buffer.alloc(0);
  const decode = (piece?: Uint8Array): string => {
    try {
      return decoder.decode(piece, { stream: piece !== undefined });
    } catch (cause) {
      const bytes = piece ? Buffer.concat([tail, piece]) : tail;
      throw notText(file, offset - tail.length, bytes, cause);
    }
  };
  for await (const piece of chunks()) {
    if (offset === 0) checkKind(file, piece);
    parts.push(decode(piece));
    offset += piece.length;
    tail = lastCharacter(Buffer.concat([tail, piece.subarray(-4)]).subarray(-4));
  }
  parts.push(decode());
  return parts.join('');
}

const PAGES = /^\.(html?|xhtml|xml|svg)$/i;

/** @throws DataError for what is in no text's place, or is a page where nobody asks for one */
function checkKind(file: string, piece: Uint8Array): void {
  const kind = otherKind(piece, 'a text') ?? pageIn(file, piece);
  if (kind !== null) throw new DataError(`${file}: expected a text in UTF-8, got ${kind}`, { file, offset: 0 });
}

function pageIn(file: string, piece: Uint8Array): string | null {
  const kind = otherKind(piece.subarray(0, HEAD));
  return kind?.startsWith('a web page') && !PAGES.test(extname(file.replace(/\.gz$/i, ''))) ? kind : null;
}

/** Where the last character of some bytes begins. */
function lastCharacter(bytes: Buffer): Buffer {
  let at = bytes.length - 1;
  while (at > 0 && (bytes[at]! & 0xc0) === 0x80) at--;
  return bytes.subarray(Math.max(0, at));
}

/** @param from where `bytes`, which begin with a character, lie in the file */
function notText(file: string, from: number, bytes: Buffer, cause: unknown): DataError {
  const first = firstInvalid(bytes);
  const offset = from + first;
  const message = first < 0 ? (cause as Error).message : `offset ${offset}: expected UTF-8, got byte ${bytes[first]}`;
  return new DataError(`${file}: ${message}${HINT}`, { file, offset }, { cause });
}

const HINT = ' (iconv -f latin1 -t utf-8 converts a text in Latin-1 or Windows-1252)';

/** A lenient decoder replaces what is not UTF-8, so text made into bytes again differs first where that begins. */
function firstInvalid(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString('utf8'));
  return bytes.findIndex((byte, i) => byte !== again[i]);
}
