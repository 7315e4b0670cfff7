// pace.ts: long work in parts, so that whoever else runs on the event loop waits for 10 ms at most.

/** How long work goes on before the event loop has a turn, in ms. */
const TURN = 10;

/** Tells when the event loop is due a turn. */
export class Pace {
  #since = performance.now();

  /** Work has gone on for long: now is the time to await `turn`. */
  get due(): boolean {
    return performance.now() - this.#since >= TURN;
  }

  /** Timers, sockets and files first. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}

/** Work that yields wherever the event loop may have a turn: every few thousand elements, not after each. */
export type Parts<T> = Generator<void, T, void>;

/** Do it without a turn: for functions that return their result. */
export function atOnce<T>(parts: Parts<T>): T {
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
  }
}

/** Do it with a turn of the event loop every 10 ms. */
export async function inTurns<T>(parts: Parts<T>, pace: Pace = new Pace()): Promise<T> {
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
    if (pace.due) await pace.turn();
  }
}
