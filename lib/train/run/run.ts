// run.ts: what `fit` returns: awaitable for the result, iterable for the reports, stoppable.
import { BusyError } from '../../errors.ts';
import type { Report, Reports } from '../../optim/apply/report.ts';
import type { FitResult } from '../flow/progress.ts';

// Chunks a slow reader may fall behind before training waits for it.
const BEHIND = 16;

/**
 * Reports on their way from a run to whoever reads them. A Watcher by its shape, so what it does not have as one has none of a Watcher's names: to name that
 * here would put it into the types of the package.
 */
export class Reader {
  readonly name = 'reader';
  readonly #chunks: Reports[] = [];
  #reading = false;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;

  /** @throws BusyError for a second reader */
  attach(): void {
    if (this.#reading) throw new BusyError('fit: the reports of this run are being read; a run has one reader');
    this.#reading = true;
  }

  detach(): void {
    this.#reading = false;
    this.#chunks.length = 0;
    this.#wakeWriter?.();
  }

  /** The next chunk, if there is one. */
  take(): Reports | undefined {
    const chunk = this.#chunks.shift();
    if (chunk) this.#wakeWriter?.();
    return chunk;
  }

  /** Wait for a chunk, or to be woken. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wakeReader = resolve;
    });
  }

  wake(): void {
    this.#wakeReader?.();
  }

  steps(reports: Reports): void {
    if (!this.#reading) return;
    this.#chunks.push(reports);
    this.wake();
  }

  /** The training waits while the reader is far behind. */
  settled(): Promise<void> | undefined {
    if (!this.#reading || this.#chunks.length <= BEHIND) return undefined;
    return new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
    }).then(() => this.settled());
  }
}

/** A training run. `await run` gives its result; `for await (const report of run)` gives every step's report. */
export class Run<K extends string = never> implements PromiseLike<FitResult<K>>, AsyncIterable<Report> {
  readonly #result: Promise<FitResult<K>>;
  readonly #reader: Reader;
  readonly #stop: () => void;
  #ended = false;

  constructor(result: Promise<FitResult<K>>, reader: Reader, stop: () => void) {
    this.#reader = reader;
    this.#stop = stop;
    this.#result = result.finally(() => {
      this.#ended = true;
      reader.wake();
    });
  }

  /** Resolves with the result, rejects with the error that ended the run. */
  // biome-ignore lint/suspicious/noThenProperty: a run is awaitable by design
  then<A = FitResult<K>, B = never>(
    onFulfilled?: ((result: FitResult<K>) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onFulfilled, onRejected);
  }

  /** What `onRejected` makes of the error that ended the run. */
  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<FitResult<K> | B> {
    return this.#result.catch(onRejected);
  }

  /** Call `onFinally` when the run has ended, in whatever way. */
  finally(onFinally?: (() => void) | null): Promise<FitResult<K>> {
    return this.#result.finally(onFinally);
  }

  /** End after the step being run; the run resolves with `stopReason: 'stopped'`. */
  stop(): void {
    this.#stop();
  }

  /**
   * Reports from here on; the run ends when the reader leaves the loop. Training waits for a reader far behind.
   * @throws BusyError for a second reader
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Report, void, undefined> {
    this.#reader.attach();
    // The reader gets the error from the loop below; without this it would be an unhandled rejection before that.
    this.#result.catch(() => {});
    try {
      for (;;) {
        const chunk = this.#reader.take();
        if (chunk) yield* chunk;
        else if (this.#ended) {
          await this.#result;
          return;
        } else await this.#reader.wait();
      }
    } finally {
      this.#reader.detach();
      if (!this.#ended) {
        this.stop();
        await this.#result.catch(() => {});
      }
    }
  }
}
