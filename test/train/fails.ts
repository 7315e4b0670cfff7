// fails.ts: a call that must fail with one error of this library; an array that has lost its memory.
import { expect } from 'vitest';
import type { GradclipError } from '../../lib/errors.ts';

export type Kind = new (...args: never[]) => GradclipError;

/** Does `call` fail, now or later, with this error and no other? */
export async function fails(call: () => unknown, kind: Kind, code: string, text: string | RegExp): Promise<GradclipError> {
  const error = await (async () => call())().then(
    () => expect.unreachable('no error'),
    (e: unknown) => e as GradclipError,
  );
  expect(error).toBeInstanceOf(kind);
  expect(error).toMatchObject({ code, name: kind.name });
  expect(error.message).toMatch(text);
  return error;
}

/** An array whose memory is gone. */
export function transferred<A extends Float32Array | Int32Array>(array: A): A {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}
