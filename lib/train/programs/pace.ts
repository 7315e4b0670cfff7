// pace.ts: how many steps go in one native call.

// Long enough that handing a chunk over costs nothing, short enough that predict, save and abort need not wait.
const CHUNK_MS = 20;

export class Pace {
  /** Of the next call. */
  steps: number;
  readonly #fixed: boolean;
  #began = 0;

  /** @param steps of each call; null: as many as take 20 ms */
  constructor(steps: number | null = null) {
    this.steps = steps ?? 1;
    this.#fixed = steps !== null;
  }

  /** A call begins. */
  begin(): void {
    this.#began = performance.now();
  }

  /** It has taken this many steps: learn from it. Grows by no more than 8 times, as the first steps touch memory for the first time. */
  end(steps: number): void {
    if (this.#fixed || steps === 0) return;
    const ms = performance.now() - this.#began;
    this.steps = Math.max(1, Math.min(this.steps * 8, Math.floor((CHUNK_MS * steps) / ms)));
  }
}
