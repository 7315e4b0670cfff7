// pace.ts: how many steps go in one native call.

/** Of a call: long enough that handing a chunk over costs nothing, short enough that abort need not wait. */
export const CHUNK_MS = 20;
/** At most so many times the steps of the call before: the first steps touch memory for the first time. */
const GROWTH = 8;

export class Pace {
  /** Of a call that nobody ends early. */
  #steps: number;
  /** While calls are ended early: more of them would be prepared for nothing. */
  #most: number = Number.POSITIVE_INFINITY;
  readonly #fixed: boolean;
  #began = 0;

  /** @param steps of each call; null: as many as take 20 ms */
  constructor(steps: number | null = null) {
    this.#steps = steps ?? 1;
    this.#fixed = steps !== null;
  }

  /** Of the next call. */
  get steps(): number {
    return Math.min(this.#steps, this.#most);
  }

  /** A call begins. */
  begin(): void {
    this.#began = performance.now();
  }

  /** It has taken this many steps: learn from it. Of a call that was ended `early`, only how many were run before somebody came. */
  end(steps: number, early: boolean = false): void {
    if (early) {
      this.#most = Math.max(1, 2 * steps);
      return;
    }
    const limited = this.#most < this.#steps;
    this.#most *= GROWTH;
    if (this.#most >= this.#steps) this.#most = Number.POSITIVE_INFINITY;
    if (this.#fixed || limited || steps === 0) return;
    const ms = performance.now() - this.#began;
    this.#steps = Math.max(1, Math.min(this.#steps * GROWTH, Math.floor((CHUNK_MS * steps) / ms)));
  }
}
