// threads.ts: how many threads a run is worth.
import type { Program } from '../compile/program.ts';

// Programs below this much work a step are faster on one thread than on two (some 50 us).
const SHARED_FLOPS = 1_500_000;
const SHARED_BYTES = 1_500_000;

/** `threads`, or one where sharing costs more than it gains. Results do not depend on it. */
export function threadsFor(program: Program, threads: number): number {
  return program.flops < SHARED_FLOPS && program.bytes < SHARED_BYTES ? 1 : threads;
}
