// stream.ts: bytes into a stream that somebody has opened: of Node.js, or of the web.
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DataError } from '../../errors.ts';
import { Field } from '../../options/index.ts';

/** A stream of Node.js that takes bytes: a `Writable`, such as a file's or the response of a server. */
export interface NodeSink {
  /** Take bytes; false asks to wait. */
  write(bytes: Uint8Array): boolean;
  /** There are no more. */
  end(): unknown;
  /** Be called when something happens, such as `drain`. */
  once(event: string, listener: () => void): unknown;
}

/** A stream of the web that takes bytes: a `WritableStream`. */
export interface WebSink {
  /** What writes to it. */
  getWriter(): { write(bytes: Uint8Array): Promise<unknown>; close(): Promise<unknown>; releaseLock(): void };
}

/** Where bytes can be written to. */
export type ByteSink = NodeSink | WebSink;

const has = (value: object, ...methods: readonly string[]): boolean =>
  methods.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function');

export function isSink(value: unknown): value is ByteSink {
  if (typeof value !== 'object' || value === null) return false;
  return has(value, 'write', 'end', 'once') || has(value, 'getWriter');
}

/** As an argument. */
export const sink: Field<ByteSink> = Field.of({
  expected: 'a stream that bytes can be written to',
  schema: null,
  may: isSink,
  read(value, place) {
    if (isSink(value)) return value;
    throw place.wrong('a stream that bytes can be written to', value);
  },
});

/** What is handed on at once. */
const PIECE = 1 << 18;

function* pieces(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const part of parts) for (let at = 0; at < part.length; at += PIECE) yield part.subarray(at, at + PIECE);
}

async function toNode(stream: NodeSink, parts: readonly Uint8Array[]): Promise<void> {
  const { destroyed, writableEnded, writable } = stream as Partial<Writable>;
  // Of one that has ended and is destroyed, a pipeline hears nothing any more.
  if (destroyed || writableEnded || writable === false) throw new Error('it has ended before');
  await pipeline(pieces(parts), stream as Writable);
}

async function toWeb(stream: WebSink, parts: readonly Uint8Array[]): Promise<void> {
  const writer = stream.getWriter();
  try {
    for (const piece of pieces(parts)) await writer.write(piece);
    await writer.close();
  } finally {
    writer.releaseLock();
  }
}

/**
 * Write all parts, as fast as they are taken, and end the stream. Where one of Node.js fails, it is destroyed.
 * @param where for errors
 * @throws DataError with the stream's error as cause, and its `code`
 */
export async function writeTo(where: string, stream: ByteSink, parts: readonly Uint8Array[]): Promise<void> {
  try {
    await ('getWriter' in stream ? toWeb(stream, parts) : toNode(stream, parts));
  } catch (cause) {
    const { message = String(cause), code } = (cause ?? {}) as NodeJS.ErrnoException;
    const text = `${where}: the stream took no more: ${message}`;
    throw new DataError(text, code === undefined ? {} : { code }, { cause });
  }
}
