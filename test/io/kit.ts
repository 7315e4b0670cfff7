// kit.ts: what tests of readers share.
import { expect, onTestFinished, vi } from 'vitest';
import { DataError } from '../../lib/index.ts';

/** The DataError that `run` throws. */
export function failure(run: () => unknown): DataError {
  try {
    run();
  } catch (e) {
    expect(e).toBeInstanceOf(DataError);
    return e as DataError;
  }
  throw new Error('expected a DataError, nothing was thrown');
}

export const bytesOf = (x: NodeJS.ArrayBufferView): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);

/** For this test, a clock that goes on by `ms` whenever it is read: with 6, a turn of the event loop is due at every second look. */
export function steppedClock(ms: number = 6): void {
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
    now += ms;
    return now;
  });
  onTestFinished(() => clock.mockRestore());
}

/** How many turns the event loop has while `work` goes on. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let going = true;
  const next = (): void => {
    turns++;
    if (going) setImmediate(next);
  };
  setImmediate(next);
  await work();
  going = false;
  return turns;
}
