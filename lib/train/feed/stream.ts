// stream.ts: batches that come one after the other, pulled ahead while a run is on, so that data larger than memory can be trained on.
import { DataError, OptionError, ShapeError } from '../../errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { sameShape, sizeOf, type TensorType } from '../../ir/op.ts';
import { show } from '../../options/index.ts';
import { fed, type Shape } from './shape.ts';
import { type Arrays, dtypeOf, modelArrays, type Named, type NdArray, type Tensors } from './source.ts';

/** Batches, each named arrays whose first dimension is the batch: a list of them, a generator, a class of one's own. `N` are names that each has. */
export type Batches<N extends string = string> = AsyncIterable<Named<N>> | Iterable<Named<N>>;

/** Where a training stands in its data. */
export interface StreamPlace {
  /** Epochs that are over. */
  readonly epoch: number;
  /** The batch of this epoch that comes next, counted from 0. */
  readonly batch: number;
}

/**
 * What can begin anew (a list, a class that gives an iterator whenever it is asked) does so in each epoch, as a function that gives batches is called.
 * Where a run goes on within an epoch, a function that takes the place begins there; of one that takes nothing, of a list or a class, the batches
 * that were drawn before are drawn once more and dropped. An iterator goes on where it is.
 */
export type Stream<N extends string = string> = Batches<N> | ((at: StreamPlace) => Batches<N>);

export type StreamBatch = ReadonlyMap<string, NdArray>;

/** Types of one row of each array of a batch. */
export function rowTypes(batch: StreamBatch): Map<string, TensorType> {
  return new Map([...batch].map(([name, a]) => [name, { dtype: dtypeOf(a.data, name), shape: a.shape.slice(1) }]));
}

/** Types of its arrays. */
export function typesOf(batch: StreamBatch): Map<string, TensorType> {
  return new Map([...batch].map(([name, { data, shape }]) => [name, { dtype: dtypeOf(data, name), shape }]));
}

export function rowsOfBatch(batch: StreamBatch): number {
  return [...batch.values()][0]!.shape[0]!;
}

/** Some of its rows, where they lie. */
export function rowsBetween(batch: StreamBatch, start: number, count: number): StreamBatch {
  return new Map(
    [...batch].map(([name, a]) => {
      const width = sizeOf(a.shape.slice(1));
      return [name, { data: a.data.subarray(start * width, (start + count) * width), shape: [count, ...a.shape.slice(1)] }];
    }),
  );
}

/** The batch's tensors, fed whole. */
export function traceRows(graph: Graph, types: ReadonlyMap<string, TensorType>, rows: number): Tensors {
  const entries = [...types].map(([name, t]) => {
    return [name, graph.input(name, { dtype: t.dtype, shape: [rows, ...t.shape] }, 'feed')] as const;
  });
  return Object.fromEntries(entries);
}

/** A batch that has come, with its shape. */
export interface Came {
  readonly arrays: StreamBatch;
  readonly shape: Shape;
}

/** Shapes of the batches of a stream: one object for all that have the same. */
export class Shapes {
  /** Of the rows of the first batch. */
  #types: Map<string, TensorType> | null = null;
  readonly #known = new Map<number, Shape>();

  /** Whether any batch has come. */
  get any(): boolean {
    return this.#types !== null;
  }

  /** @throws DataError, ShapeError for a batch whose arrays differ from the first batch's in name, dtype or row shape */
  of(batch: StreamBatch, where: string): Shape {
    this.#types ??= rowTypes(batch);
    for (const [name, t] of this.#types) {
      const a = batch.get(name);
      if (!a) throw new DataError(`${where}: expected an array named ${name}, got ${[...batch.keys()].join(', ')}`, { name });
      const [dtype, shape] = [dtypeOf(a.data, name), a.shape.slice(1)];
      if (dtype !== t.dtype || !sameShape(shape, t.shape)) {
        throw new ShapeError(`${where}: ${name}: expected rows of ${t.dtype}[${t.shape}], got ${dtype}[${shape}]`, { name });
      }
    }
    const rows = rowsOfBatch(batch);
    let shape = this.#known.get(rows);
    if (!shape) {
      const types = [...this.#types].map(([name, t]) => [name, { dtype: t.dtype, shape: [rows, ...t.shape] }] as const);
      shape = fed(new Map(types), rows);
      this.#known.set(rows, shape);
    }
    return shape;
  }
}

/** Batches of a stream, from a place in an epoch. */
export interface Opened {
  readonly iterator: AsyncIterator<Arrays> | Iterator<Arrays>;
  readonly waits: boolean;
  /** Whether it can be opened again. */
  readonly again: boolean;
  /** Batches that were drawn before: they come once more. */
  readonly before: number;
  /** The batch of the epoch that comes after those. */
  readonly next: number;
}

/** @throws OptionError for what gives no batches one after the other */
export function openStream(stream: Stream, place: StreamPlace): Opened {
  // Who takes no place begins at the beginning; with no arguments, so does whoever takes it by a default or as `...rest`.
  const told = typeof stream === 'function' && stream.length > 0;
  const call = stream as (at?: StreamPlace) => Batches;
  const given = (typeof stream !== 'function' ? stream : told ? call({ ...place }) : call()) as Partial<
    AsyncIterable<Arrays> & Iterable<Arrays>
  > | null;
  const waits = typeof given?.[Symbol.asyncIterator] === 'function';
  const iterator = waits ? given[Symbol.asyncIterator]!() : given?.[Symbol.iterator]?.();
  if (typeof iterator?.next !== 'function') {
    throw new OptionError(`fit: expected the function given as data to return an iterable of batches, got ${show(given)}`);
  }
  const again = typeof stream === 'function' || (iterator as unknown) !== given;
  return { iterator, waits, again, before: told || !again ? 0 : place.batch, next: place.batch };
}

/** Batches that have come, to be handed out in order. */
class Ready {
  readonly #batches: Came[] = [];
  readonly #shapes: Shapes;
  #before: number;
  #next: number;

  /**
   * @param before batches that were drawn before, and are not handed out
   * @param next the batch of the epoch that comes after those
   */
  constructor({ before, next }: Opened, shapes: Shapes) {
    this.#before = before;
    this.#next = next;
    this.#shapes = shapes;
  }

  get length(): number {
    return this.#batches.length;
  }

  add(given: Arrays): void {
    if (this.#before > 0) {
      this.#before--;
      return;
    }
    const arrays = received(given);
    this.#batches.push({ arrays, shape: this.#shapes.of(arrays, `fit: batch ${this.#next} of the epoch`) });
    this.#next++;
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

/** Pulls batches ahead, at most `limit` of them, and hands them out in order. Errors of the source come out where they occurred. */
export class Prefetcher {
  readonly #iterator: Opened['iterator'];
  readonly #ready: Ready;
  readonly #limit: number;
  #pending: Promise<void> | null = null;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(opened: Opened, shapes: Shapes, limit: number) {
    this.#iterator = opened.iterator;
    this.#ready = new Ready(opened, shapes);
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
    if (this.#pending || this.#ended || this.#failure || this.#ready.length >= this.#limit) return;
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

/** The same for a source that does not wait, and a run that blocks: it pulls what is asked for, at most `limit`. */
export class Puller {
  readonly #iterator: Iterator<Arrays>;
  readonly #ready: Ready;
  readonly #limit: number;
  /** Another run may go on with the iterator: no batch is taken that is not trained on. */
  readonly #goesOn: boolean;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;

  /** @throws OptionError for a source that waits */
  constructor(opened: Opened, shapes: Shapes, limit: number) {
    const { iterator, waits, again } = opened;
    if (waits) throw new OptionError('fitSync: an asynchronous source needs fit');
    this.#iterator = iterator as Iterator<Arrays>;
    this.#ready = new Ready(opened, shapes);
    this.#limit = limit;
    this.#goesOn = !again && typeof iterator.return !== 'function';
  }

  take(steps: number, perStep: number): Came[] {
    const wanted = Math.max(perStep, Math.min(this.#limit, steps * perStep));
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

function received(given: Arrays): StreamBatch {
  if (typeof given !== 'object' || given === null) {
    throw new DataError(`fit: expected the source to give batches of named arrays, got ${show(given)}`);
  }
  const batch = modelArrays(given);
  if (rowsOfBatch(batch) === 0) throw new DataError('fit: expected at least one row in each batch of the source, got 0');
  return copyOf(batch);
}

/** The source may use its arrays again for the next batch, or transfer them, while this one waits for its turn. */
export function copyOf(batch: StreamBatch): StreamBatch {
  return new Map([...batch].map(([name, a]) => [name, { data: a.data.slice(), shape: a.shape }]));
}
