// turns.ts: who may use a trainer's state: one task at a time, in the order in which they asked. The chunks of a fit take turns with
// predict, evaluate and save; a task that takes several runs keeps its turn, so it sees one set of weights. A chunk ends early where somebody waits.

export class Turns {
  #last: Promise<void> = Promise.resolve();
  #count = 0;
  /** Asks who has the turn to end it soon, if that can be. */
  #hurry: (() => void) | null = null;

  /** Nobody has a turn or waits for one. */
  get free(): boolean {
    return this.#count === 0;
  }

  /** For who has a turn: whether somebody waits for it. */
  get wanted(): boolean {
    return this.#count > 1;
  }

  /** Ask who has a turn to end it soon. */
  hurry(): void {
    this.#hurry?.();
  }

  /**
   * Wait for a turn.
   * @param hurry called within it when somebody waits: it is to end soon
   * @returns what ends it
   */
  begin(hurry: (() => void) | null = null): Promise<() => void> {
    const before = this.#last;
    let done!: () => void;
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    this.#count++;
    this.hurry();
    const end = (): void => {
      this.#count--;
      this.#hurry = null;
      done();
    };
    return before.then(() => {
      this.#hurry = hurry;
      return end;
    });
  }

  async take<T>(task: () => T | Promise<T>): Promise<T> {
    const end = await this.begin();
    try {
      return await task();
    } finally {
      end();
    }
  }
}
