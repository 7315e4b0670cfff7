// turns.ts: who may use a trainer's state: one task at a time, in the order in which they asked. The chunks of a fit take turns with
// predict, evaluate and save; a task that takes several runs keeps its turn, so it sees one set of weights.

export class Turns {
  #last: Promise<void> = Promise.resolve();
  #count = 0;

  /** Nobody has a turn or waits for one. */
  get free(): boolean {
    return this.#count === 0;
  }

  /** Wait for a turn. @returns what ends it */
  begin(): Promise<() => void> {
    const before = this.#last;
    let done!: () => void;
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    this.#count++;
    const end = (): void => {
      this.#count--;
      done();
    };
    return before.then(() => end);
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
