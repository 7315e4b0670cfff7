// bucketing.ts: sequences that come one after the other, gathered into batches: a bucket that is full gives one, and at the end each what it has left.
import { isArray } from '../../data/arrays.ts';
import type { Buckets } from '../../data/buckets.ts';
import { type Columns, sideBySide } from '../../data/columns.ts';
import { DataError } from '../../errors.ts';
import { show } from '../../options/index.ts';
import { type First, FROM_FIRST, type FromFirst } from '../flow/epoch-data.ts';
import type { Stream, StreamPlace } from './batch.ts';
import { type BatchStream, declared } from './batches.ts';
import type { Arrays } from './source.ts';
import { type Opened, openStream } from './stream.ts';

/** @param stream of examples */
export function bucketed(stream: Stream, buckets: Buckets, batchSize: number): BatchStream {
  const from = (place: StreamPlace, first: First | null = null): Batched => {
    // What a bucket holds in the middle of an epoch has come from its beginning.
    const opened = openStream(stream, { epoch: place.epoch, batch: 0 }, 'sequenceBatches', 'examples');
    return batched(opened, new Gathering(buckets, batchSize, place.batch, first));
  };
  // An iterator goes on where it is, with what waits in the buckets.
  const once = typeof (stream as Partial<Iterator<unknown>>).next === 'function';
  if (once) return declared(from({ epoch: 0, batch: 0 }), null, buckets.count);
  const own: FromFirst = { [FROM_FIRST]: { given: stream, stream: (first) => (place: StreamPlace) => from(place, first) } };
  return declared(
    Object.assign((place: StreamPlace) => from(place), own),
    null,
    buckets.count,
  );
}

/** What waits in each bucket, and the batches that are ready. */
class Gathering {
  readonly #buckets: Buckets;
  readonly #batchSize: number;
  readonly #waiting: Columns[][];
  readonly #ready: Arrays[] = [];
  #first: Columns | null = null;
  #came = 0;
  #before: number;
  #ended = false;
  readonly #told: First | null;

  /** @param before batches that were drawn before, and are not made, unless what comes first is of other examples, as `first` tells */
  constructor(buckets: Buckets, batchSize: number, before: number, first: First | null) {
    this.#told = first;
    this.#buckets = buckets;
    this.#batchSize = batchSize;
    this.#before = before;
    this.#waiting = Array.from({ length: buckets.count }, () => []);
  }

  /** What comes next; null: more examples are wanted. */
  next(): IteratorResult<Arrays> | null {
    const value = this.#ready.shift();
    if (value) return { done: false, value };
    return this.#ended ? { done: true, value: undefined } : null;
  }

  /** @throws DataError and others for what is no example, or one that no bucket has room for */
  take({ done, value }: IteratorResult<unknown>): void {
    this.#ended = done === true;
    if (!this.#ended) this.#add(value);
    else for (const bucket of this.#waiting.keys()) this.#give(bucket);
  }

  #add(given: unknown): void {
    const what = `example ${this.#came++} of the epoch`;
    if (typeof given !== 'object' || given === null || isArray(given)) {
      throw new DataError(`sequenceBatches: ${what}: expected arrays and numbers by name, got ${show(given)}`);
    }
    const example = this.#buckets.example(given as Readonly<Record<string, unknown>>, this.#first, what);
    if (!this.#first && this.#told?.came(textOf(given))) this.#before = 0;
    this.#first ??= example;
    const bucket = this.#buckets.of(example, 0, what);
    this.#waiting[bucket]!.push(example);
    if (this.#waiting[bucket]!.length === this.#batchSize) this.#give(bucket);
  }

  #give(bucket: number): void {
    const examples = this.#waiting[bucket]!;
    if (examples.length === 0) return;
    this.#waiting[bucket] = [];
    if (this.#before > 0) {
      this.#before--;
      return;
    }
    const { arrays } = this.#buckets.padded(
      sideBySide(examples),
      bucket,
      examples.map((_, i) => i),
    );
    this.#ready.push(Object.fromEntries(arrays));
  }
}

/** What tells an example from others. */
function textOf(example: object): string {
  const plain = (_: string, value: unknown): unknown =>
    typeof value === 'bigint' ? String(value) : ArrayBuffer.isView(value) ? Array.from(value as Int32Array) : value;
  return JSON.stringify(example, plain);
}

type Batched = IterableIterator<Arrays> | AsyncIterableIterator<Arrays>;

/** Batches of examples as these come. Whoever is done with them closes those. */
function batched({ iterator, waits }: Opened, gathering: Gathering): Batched {
  const closes = iterator.return && { return: () => iterator.return!() };
  if (!waits) {
    const now = iterator as Iterator<unknown>;
    return {
      [Symbol.iterator]() {
        return this;
      },
      next() {
        let result = gathering.next();
        for (; !result; result = gathering.next()) gathering.take(now.next());
        return result;
      },
      ...closes,
    } as IterableIterator<Arrays>;
  }
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      let result = gathering.next();
      for (; !result; result = gathering.next()) gathering.take(await iterator.next());
      return result;
    },
    ...closes,
  } as AsyncIterableIterator<Arrays>;
}
