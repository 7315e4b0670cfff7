// threads.ts: how many threads a run may have, and how many it is worth.
import type { Program } from '../compile/program.ts';
import { type Field, whole } from '../options/index.ts';

/** Threads that a run may ask for at most; binding/threads.h, kMaxThreads. */
export const MAX_THREADS = 256;
/** A number of threads. */
export const threadCount: Field<number> = whole({ min: 1, max: MAX_THREADS });

// Programs below this much work a step are faster on one thread than on two (some 50 us).
const SHARED_FLOPS = 1_500_000;
const SHARED_BYTES = 1_500_000;

// For tests of teams: no program is too small for one.
const ALWAYS = process.env.GRADCLIP_SMALL_TEAMS === '1';

/** `threads`, or one where sharing costs more than it gains. Results do not depend on it. */
export function threadsFor(program: Program, threads: number): number {
  return !ALWAYS && program.flops < SHARED_FLOPS && program.bytes < SHARED_BYTES ? 1 : threads;
}
