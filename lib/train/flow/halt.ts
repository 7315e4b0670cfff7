// halt.ts: how a run is asked to end, by `stop`, `dispose` or a signal, whatever it is doing or waiting for.

import { custom, type Field } from '../../options/index.ts';

/** An `AbortSignal`, whoever declares that: neither the types of Node.js nor those of browsers are needed. */
export interface AbortSignalLike {
  /** Whether it is aborted: the run ends then, or does not begin. */
  readonly aborted: boolean;
  /** Why it is aborted: `cause` of the AbortError that the run rejects with. */
  readonly reason?: unknown;
  /** Call `listener` when it is aborted. */
  addEventListener(type: 'abort', listener: () => void): void;
  /** Take back a listener: nothing of a run stays with a signal that outlives it. */
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Whether it can tell that it is aborted: one of another realm can, too. */
function isAbortSignal(x: unknown): x is AbortSignalLike {
  const { aborted, addEventListener, removeEventListener } = (x ?? {}) as Partial<AbortSignalLike>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function';
}

export const abortSignal: Field<AbortSignalLike> = custom('an AbortSignal', (value, place) => {
  if (isAbortSignal(value)) return value;
  throw place.wrong('an AbortSignal', value);
});

export class Halt {
  readonly #signal: AbortSignalLike | null;
  readonly #together: boolean;
  /** Of processes that end together: by whom they were aborted. */
  #by: number | null = null;
  readonly #onAbort = (): void => {
    if (!this.#together) this.#wake();
  };
  #called = false;
  #asked = false;
  /** What ends native runs; what ends the wait of the moment. */
  #stops: readonly (() => void)[] = [];
  #release: (() => void) | null = null;

  /** @param together the run ends when all processes of a group have agreed that it does, and not before */
  constructor(signal: AbortSignalLike | null, together: boolean = false) {
    this.#signal = signal;
    this.#together = together;
    signal?.addEventListener('abort', this.#onAbort);
  }

  get aborted(): boolean {
    return this.#together ? this.#by !== null : this.asked.abort;
  }
  /** Which process of a group was: null where there is none. */
  get by(): number | null {
    return this.#by;
  }
  /** What this process is asked for, whether or not others agree. */
  get asked(): { readonly stop: boolean; readonly abort: boolean } {
    return { stop: this.#asked, abort: this.#signal?.aborted ?? false };
  }
  get reason(): unknown {
    return this.#signal?.reason;
  }
  /** The run shall end. */
  get called(): boolean {
    return this.#called || this.aborted;
  }

  call(): void {
    this.#asked = true;
    if (this.#together) return;
    this.#called = true;
    this.#wake();
  }

  /** All processes of a group end. @param by whose signal was aborted; null: they were asked to stop */
  agree(by: number | null): void {
    this.#called = true;
    this.#by = by;
  }

  /** What is waited for at the moment is not waited for any more. @returns whether anything was */
  release(): boolean {
    this.#release?.();
    return this.#release !== null;
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
    this.release();
    for (const stop of this.#stops) stop();
  }
}
