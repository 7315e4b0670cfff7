// stream.ts: batches that come one after the other, pulled ahead while a run is on, so that data larger than memory can be trained on.

import { OptionError } from '../../errors.ts';
import { show } from '../../options/index.ts';
import type { First } from '../flow/epoch-data.ts';
import type { Batches, Stream, StreamPlace, TablePlace } from './batch.ts';
import type { Came, Shapes } from './batches.ts';
import { type Arrays, fingerprintOfArrays } from './source.ts';

/** Batches of a stream, from a place in an epoch. */
export interface Opened {
  readonly iterator: AsyncIterator<Arrays> | Iterator<Arrays>;
  readonly waits: boolean;
  /** Whether it can be opened again. */
  readonly again: boolean;
  /** Of the epoch, what was drawn before: it comes once more. */
  readonly before: number;
  /** What of the epoch comes after that. */
  readonly next: number;
}

/** @throws OptionError for what gives no batches one after the other */
export function openStream(
  stream: Stream,
  place: StreamPlace | TablePlace,
  where: string = 'fit',
  what: string = 'batches',
): Opened {
  // Who takes no place begins at the beginning; with no arguments, so does whoever takes it by a default or as `...rest`.
  const told = typeof stream === 'function' && stream.length > 0;
  const call = stream as (at?: StreamPlace | TablePlace) => Batches;
  const given = (typeof stream !== 'function' ? stream : told ? call({ ...place }) : call()) as Partial<
    AsyncIterable<Arrays> & Iterable<Arrays>
  > | null;
  const waits = typeof given?.[Symbol.asyncIterator] === 'function';
  const iterator = waits ? given[Symbol.asyncIterator]!() : given?.[Symbol.iterator]?.();
  if (typeof iterator?.next !== 'function') {
    throw new OptionError(`${where}: expected the function given as data to return an iterable of ${what}, got ${show(given)}`);
  }
  const again = typeof stream === 'function' || (iterator as unknown) !== given;
  const next = 'row' in place ? place.row : place.batch;
  return { iterator, waits, again, before: told || !again ? 0 : next, next };
}

/** Batches that have come, to be handed out in order. */
class Ready {
  readonly #batches: Came[] = [];
  readonly #shapes: Shapes;
  readonly #first: First;
  #before: number;
  #next: number;
  /** The next one to come is the first of the epoch, by which the stream is known again. */
  #begins: boolean;
  /** It begins anew, with other data than it had. */
  #anew = false;

  /**
   * @param before batches that were drawn before, and are not handed out
   * @param next the batch of the epoch that comes after those
   */
  constructor({ before, next }: Opened, shapes: Shapes, first: First) {
    this.#before = before;
    this.#next = next;
    this.#shapes = shapes;
    this.#first = first;
    this.#begins = first.ofBatches && before === next;
  }

  get length(): number {
    return this.#batches.length;
  }

  add(given: Arrays): void {
    const came = this.#begins || this.#before === 0 ? this.#received(given) : null;
    if (this.#begins) this.#first.came(fingerprintOfArrays(came!.arrays));
    this.#begins = false;
    if (this.#first.other && !this.#anew) {
      this.#anew = true;
      this.#before = 0;
      this.#next = 0;
    }
    if (this.#before > 0) {
      this.#before--;
      return;
    }
    this.#batches.push(came!);
    this.#next++;
  }

  #received(given: Arrays): Came {
    return this.#shapes.received(given, `fit: batch ${this.#begins ? 0 : this.#next} of the epoch`);
  }

  /** `perStep` of them or, at the end, what is left; those of up to `steps` steps, if all have one shape. */
  take(steps: number, perStep: number): Came[] {
    const shape = this.#batches[0]?.shape;
    const other = this.#batches.findIndex((b) => b.shape !== shape);
    const equal = other < 0 ? this.#batches.length : other;
    return this.#batches.splice(0, perStep * Math.max(1, Math.min(steps, Math.floor(equal / perStep))));
  }

  giveBack(batches: readonly Came[]): void {
    this.#batches.unshift(...batches);
  }
}

/** Milliseconds. */
const PATIENCE = 100;

/** Pulls batches ahead, at most `limit()` of them, and hands them out in order. Errors of the source come out where they occurred. */
export class Prefetcher {
  readonly #iterator: Opened['iterator'];
  readonly #ready: Ready;
  readonly #limit: () => number;
  #pending: Promise<void> | null = null;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(opened: Opened, shapes: Shapes, limit: () => number, first: First) {
    this.#iterator = opened.iterator;
    this.#ready = new Ready(opened, shapes, first);
    this.#limit = limit;
    this.#pull();
  }

  /** The batches of one step, and those of up to `steps` steps that are there already. Empty at the end. */
  async take(steps: number, perStep: number): Promise<Came[]> {
    while (this.#ready.length < perStep && this.#pending) await this.#pending;
    // Too few for a step, of a source that has failed, are not its last: the next run draws them again.
    if (this.#ready.length < perStep && this.#failure) throw this.#failure.error;
    const taken = this.#ready.take(steps, perStep);
    this.#pull();
    return taken;
  }

  /** Whether no batch is left, as far as the source says so within a tenth of a second: it might wait for ever. What it fails with then is thrown when it is taken. */
  async ends(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    let late = false;
    const tooLate = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        late = true;
        resolve();
      }, PATIENCE);
    });
    while (this.#ready.length === 0 && this.#pending && !late) await Promise.race([this.#pending, tooLate]);
    clearTimeout(timer);
    return this.#ready.length === 0 && this.#ended && !this.#failure;
  }

  /** These, the last that were taken, come again. */
  giveBack(batches: readonly Came[]): void {
    this.#ready.giveBack(batches);
  }

  /** Tell the source that no more is wanted, unless it has ended. Does not wait for a batch that is still to come. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const closed = (async () => this.#iterator.return?.())();
    if (this.#pending) closed.catch(() => {});
    else await closed;
  }

  #pull(): void {
    if (this.#pending || this.#ended || this.#failure || this.#ready.length >= this.#limit()) return;
    this.#pending = this.#receive();
  }

  async #receive(): Promise<void> {
    try {
      const result = await this.#next();
      if (result.done) this.#ended = true;
      else this.#ready.add(result.value);
    } catch (error) {
      this.#failure = { error };
    }
    this.#pending = null;
    this.#pull();
  }

  async #next(): Promise<IteratorResult<Arrays>> {
    try {
      return await this.#iterator.next();
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }
}

/** The same for a source that does not wait, and a run that blocks: it pulls what is asked for, at most `limit()`. */
export class Puller {
  readonly #iterator: Iterator<Arrays>;
  readonly #ready: Ready;
  readonly #limit: () => number;
  /** Another run may go on with the iterator: no batch is taken that is not trained on. */
  readonly #goesOn: boolean;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;

  /** @throws OptionError for a source that waits */
  constructor(opened: Opened, shapes: Shapes, limit: () => number, first: First) {
    const { iterator, waits, again } = opened;
    if (waits) throw new OptionError('fitSync: an asynchronous source needs fit');
    this.#iterator = iterator as Iterator<Arrays>;
    this.#ready = new Ready(opened, shapes, first);
    this.#limit = limit;
    this.#goesOn = !again && typeof iterator.return !== 'function';
  }

  take(steps: number, perStep: number): Came[] {
    const wanted = Math.max(perStep, Math.min(this.#limit(), steps * perStep));
    while (this.#ready.length < wanted && !this.#ended && !this.#failure) this.#receive();
    if (this.#ready.length < perStep && this.#failure) throw this.#failure.error;
    return this.#ready.take(steps, perStep);
  }

  ends(): boolean {
    while (!this.#goesOn && this.#ready.length === 0 && !this.#ended && !this.#failure) this.#receive();
    return this.#ready.length === 0 && this.#ended && !this.#failure;
  }

  giveBack(batches: readonly Came[]): void {
    this.#ready.giveBack(batches);
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#iterator.return?.();
  }

  #receive(): void {
    let came = false;
    try {
      const result = this.#iterator.next();
      came = true;
      if (result.done) this.#ended = true;
      else this.#ready.add(result.value);
    } catch (error) {
      this.#failure = { error };
      // A source that has failed has ended.
      this.#ended = !came;
    }
  }
}
