// kit.ts: what several tests share.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { libc } from '../lib/native/host.ts';

/** A file of ../shared/data beside the repository (or under GRADCLIP_SHARED), null where it is absent: then skip, and say so. */
export function sharedData(name: string): string | null {
  const path = join(process.env.GRADCLIP_SHARED ?? resolve(import.meta.dirname, '../../shared'), 'data', name);
  if (existsSync(path)) return path;
  console.warn(`skipped: ${path} is not there`);
  return null;
}

/**
 * Whether this checkout was compiled here, on Linux with glibc: what changes files of the build, or compiles, is tried there alone. A release runs the
 * tests on prebuilt add-ons, where nothing is compiled.
 */
export const COMPILED: boolean =
  process.platform === 'linux' &&
  libc() === 'glibc' &&
  existsSync(resolve(import.meta.dirname, '../build/Release/gradclip.node'));

/** Team sizes that tests compare with one thread: those that are no prime cut work in two or three ways at once. */
export const TEAMS: readonly number[] = [2, 3, 4, 5, 6, 7, 8, 9, 12, 16];

/** Take an ArrayBuffer's memory from it, as a transfer does. Node 20 has no method for it. */
export function detach(buffer: ArrayBufferLike): void {
  setFlagsFromString('--allow-natives-syntax');
  (runInNewContext('(buffer) => %ArrayBufferDetach(buffer)') as (b: ArrayBufferLike) => void)(buffer);
}

/** Let the garbage collector, and what it calls, run. */
export async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let k = 0; k < 3; k++) {
    gc();
    await turn();
  }
}

/** A spread of them, for where each run takes long. */
export const SOME_TEAMS: readonly number[] = [4, 6, 9, 16];

/** Numbers spread over [min, max]: `fc.double` draws by bit pattern, so that of a range with 0 in it nearly all are tiny. */
export function between(min: number, max: number): fc.Arbitrary<number> {
  const even = fc.nat(1 << 20).map((k) => min + ((max - min) * k) / (1 << 20));
  return fc.oneof({ weight: 4, arbitrary: even }, { weight: 1, arbitrary: fc.double({ min, max, noNaN: true }) });
}

/** What a call throws; null: nothing. */
export function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return null;
}
