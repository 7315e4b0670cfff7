// pace.ts: how many steps go in one native call.

// Long enough that handing a chunk over costs nothing, short enough that predict, save and abort need not wait.
const CHUNK_MS = 20;

export class Pace {
  steps = 1;

  /** Learn from a chunk. Grows by no more than 8 times, as the first steps touch memory for the first time. */
  took(ms: number, steps: number): void {
    if (steps > 0) this.steps = Math.max(1, Math.min(this.steps * 8, Math.floor((CHUNK_MS * steps) / ms)));
  }
}
