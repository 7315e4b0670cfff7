// halt.ts: how a run is told to end, by `stop`, `dispose` or a signal, whatever it is doing or waiting for.

export class Halt {
  readonly #signal: AbortSignal | null;
  readonly #onAbort = (): void => this.#wake();
  #called = false;
  /** What ends native runs; what ends the wait of the moment. */
  #stops: readonly (() => void)[] = [];
  #release: (() => void) | null = null;

  constructor(signal: AbortSignal | null) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort);
  }

  get aborted(): boolean {
    return this.#signal?.aborted ?? false;
  }
  get reason(): unknown {
    return this.#signal?.reason;
  }
  /** The run shall end. */
  get called(): boolean {
    return this.#called || this.aborted;
  }

  call(): void {
    this.#called = true;
    this.#wake();
  }

  /** Call these too from now on. */
  also(...stops: readonly (() => void)[]): void {
    this.#stops = stops;
  }

  /** What `wait` gives, or null if the run shall end before that. One wait at a time. */
  async or<T>(wait: T | Promise<T>): Promise<T | null> {
    if (this.called) {
      if (wait instanceof Promise) wait.catch(() => {});
      return null;
    }
    if (!(wait instanceof Promise)) return wait;
    try {
      return await new Promise<T | null>((resolve, reject) => {
        this.#release = () => resolve(null);
        wait.then(resolve, reject);
      });
    } finally {
      this.#release = null;
    }
  }

  /** Let go of the signal, which may outlive the run. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#stops = [];
  }

  #wake(): void {
    this.#release?.();
    for (const stop of this.#stops) stop();
  }
}
