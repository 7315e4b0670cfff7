// brief.ts: runs that take less time than it takes to hand them to another thread: they are done at once, as long as the event loop has its turns.
import type { Program } from '../compile/program.ts';

/** Work of a run that is done at once: about so many microseconds on one thread. */
const MOST_US = 50;
/** For how long such runs, and what is between them, may keep the event loop from its turn, in milliseconds. */
const TURN_MS = 0.2;

/** When the first of them began since the event loop had a turn. */
let since: number | null = null;

/** Microseconds that a step takes at most, by the ops' own account. */
function microsecondsOf({ instrs, flops, bytes }: Program, micros: number): number {
  return micros * (0.1 * instrs.length + flops / 5000 + bytes / 10_000);
}

/** Whether an awaited run of so many steps may be done at once, on this thread. */
export function isBrief(program: Program, steps: number, micros: number): boolean {
  if (steps * microsecondsOf(program, micros) > MOST_US) return false;
  const now = performance.now();
  if (since === null) {
    since = now;
    setImmediate(() => {
      since = null;
    });
  }
  return now - since < TURN_MS;
}
