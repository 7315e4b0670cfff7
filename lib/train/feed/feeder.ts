// feeder.ts: what the next chunk of steps is fed: how many steps, of how many micro-batches, of which shape, and the bytes.
import type { Column } from '../../compile/program.ts';
import { DataError } from '../../errors.ts';
import type { Effect } from '../flow/effect.ts';
import { type EpochData, mayGoOn } from '../flow/epoch-data.ts';
import type { Counters } from '../flow/progress.ts';
import type { Stream, StreamBatch, StreamPlace } from './batch.ts';
import { type Came, type Differ, Shapes } from './batches.ts';
import type { CutStream } from './columns.ts';
import { dataOf } from './same-data.ts';
import type { Sampled, Shape } from './shape.ts';
import type { NdArray, Source } from './source.ts';
import { type Opened, openStream, Prefetcher, Puller } from './stream.ts';
import { type EpochOrder, orderOf, type Table, type Tables } from './tables.ts';

export interface Chunk {
  readonly steps: number;
  /** Micro-batches of each step. */
  readonly micros: number;
  /** Where other processes have micro-batches of their own beside these; not there: they have the same. */
  readonly within?: Within;
  /** One for all steps; or, of one step whose batches differ in shape, those that follow each other with one. */
  readonly parts: readonly ChunkPart[];
  /** The j-th of its steps * micros batches, to be looked at. */
  batch(j: number): DrawnBatch;
  /** Where batches are not drawn by number: only those of the first steps were used, the rest comes again. */
  giveBack?(used: number): void;
  /** Where steps differ in rows: those of the first `count`, together. */
  rows?(count: number): number;
  /** Nobody looks at the batches that were used any more: their memory may be used again. */
  done?(): void;
}

/** Micro-batches of a process within a step of several that have data of their own. */
export interface Within {
  /** Micro-batches of those before it in rank. */
  readonly base: number;
  /** Micro-batches, and rows, of all of them. */
  readonly micros: number;
  readonly rows: number;
}

/** Micro-batches of each step, of all processes. */
export const microsOfStep = ({ micros, within }: Chunk): number => within?.micros ?? micros;

/** A batch as it was drawn: rows of arrays. */
export interface DrawnBatch {
  readonly arrays: ReadonlyMap<string, NdArray>;
  /** Which rows; null: all of them. */
  readonly rows: Int32Array | null;
  /** For each row of the arrays, which example it is of what was given; null: it has that number. */
  readonly examples?: Int32Array | null;
  /** What rows are counted in, where it is not the data set: ` of batch 3 of the epoch`. */
  readonly of: string;
}

/** The micro-batches of a step of a chunk. */
export function batchesOf({ micros, batch }: Chunk, step: number): DrawnBatch[] {
  return Array.from({ length: micros }, (_, m) => batch(step * micros + m));
}

export interface ChunkPart {
  /** Micro-batches of a step, and the shape of each. */
  readonly micros: number;
  readonly shape: Shape;
  /** The bytes of their feed rows, `rowBytes` each, of one step after the other. To be used before the next call. */
  fill(columns: readonly Column[], rowBytes: number): Uint8Array;
}

export interface Feeder {
  /** Arrays to bind. */
  readonly data: ReadonlyMap<string, NdArray>;
  /** Updates in an epoch, if none is skipped; null where nobody knows: for a stream. */
  readonly epochSteps: number | null;
  /** What names the graphs of its batches, beside their shapes: those of another feeder of this kind are the same. */
  readonly kind: string;
  /** What an epoch of it is trained on. */
  readonly of: EpochData;
  /** Of an epoch that is under way it has nothing: that had other data. */
  readonly anew: boolean;
  /** Where rows are drawn independently: how. Then `batch` of the counters counts steps, which differ in micro-batches. */
  readonly sampled?: Sampled;
  /** The next chunk of at most `most` steps. `otherData`: what was drawn of the epoch was of other data, as is known only now. */
  next(most: number, counters: Counters): Effect<Chunk | 'endOfEpoch' | 'endOfData' | 'otherData'>;
  /**
   * Whether the epoch under way has no batch left. A stream that takes long to say so is not waited for: then the end of the epoch is announced when the
   * next run finds it.
   */
  ends(counters: Counters): Effect<boolean>;
  /** The epoch under way ends here, whatever is left of it: the next one is begun anew. Not there: what is drawn goes by the counters alone. */
  readonly cut?: Effect<void>;
  /** Whoever blocks does not wait until it is closed. */
  readonly close: Effect<void>;
}

export interface FeedOptions {
  readonly batchSize: number;
  readonly accumulate: number;
  readonly dropLast: boolean;
  /** So many of these are one batch to whoever asked for them. Default 1. */
  readonly shards?: number;
  /** What stands for what the data hold, where it cannot be known by them. Default: they tell. */
  readonly contents?: string;
  readonly seed: bigint;
  /** Draw batches by the seed, or take rows as they lie. */
  readonly shuffle: boolean;
  /** Where the run begins. */
  readonly place: StreamPlace;
  /** What the epoch under way was trained on. Default: nobody knows, and it is taken for this. */
  readonly before?: EpochData | null;
}

/** What a source is asked for. */
type At = Parameters<Source['fill']>[1];

/** The batches of an epoch of a data set, in order. */
interface Plan {
  /** How many there are. */
  readonly count: number;
  table(at: Place): Table;
  /** Rows of one. */
  rows(at: Place): number;
  /** How many of them follow each other with one shape. */
  equal(at: Place): number;
  /** Write the indices of one. */
  draw(row: Int32Array, at: At): void;
}
type Place = Pick<At, 'epoch' | 'i'>;

/** Batches of a source, the shorter one the last. */
function planOfSource({ all }: Tables, { batchSize, dropLast, shuffle }: FeedOptions): Plan {
  const table = all[0]!;
  const { source } = table;
  const { whole, tail } = source.epoch(batchSize);
  const count = whole + (tail > 0 && !dropLast ? 1 : 0);
  return {
    count,
    table: () => table,
    rows: ({ i }) => (i < whole ? batchSize : tail),
    equal: ({ i }) => (i < whole ? whole : count) - i,
    draw: (row, at) => (shuffle ? source.fill(row, at) : source.fillInOrder(row, at.i * batchSize)),
  };
}

/** Batches of sequences, each of one bucket. */
function planOfSequences({ all, sequences }: Tables, options: FeedOptions): Plan {
  let known: { readonly epoch: number; readonly order: EpochOrder } | null = null;
  const order = (epoch: number): EpochOrder => {
    if (known?.epoch !== epoch) known = { epoch, order: orderOf(sequences!, options, epoch) };
    return known.order;
  };
  return {
    count: order(0).batches.length,
    table: ({ epoch, i }) => all[order(epoch).batches[i]!.table]!,
    rows: ({ epoch, i }) => order(epoch).batches[i]!.rows,
    equal({ epoch, i }) {
      const { batches } = order(epoch);
      const { table, rows } = batches[i]!;
      let end = i + 1;
      while (batches[end]?.table === table && batches[end]!.rows === rows) end++;
      return end - i;
    },
    draw(row, { epoch, i }) {
      const { batches, orders } = order(epoch);
      const { table, start } = batches[i]!;
      row.set(orders[table]!.subarray(start, start + row.length));
    },
  };
}

/** Index rows of a data set that lies in memory. */
export function dataFeeder(tables: Tables, options: FeedOptions): Feeder {
  const { batchSize, accumulate, seed, shuffle, place, before = null } = options;
  const of = options.contents === undefined ? dataOf(tables, shuffle) : { contents: options.contents, stream: null };
  const drawn = tables.sequences ? planOfSequences(tables, options) : planOfSource(tables, options);
  const plan = options.dropLast ? { ...drawn, count: drawn.count - (drawn.count % (options.shards ?? 1)) } : drawn;
  if (plan.count === 0) {
    const length = tables.all.reduce((sum, { source }) => sum + source.length, 0);
    throw new DataError(`fit: dropLast leaves no batch: ${length} rows, batchSize ${batchSize * (options.shards ?? 1)}`);
  }
  let room: IndexRows | null = null;
  const next = (most: number, { attempt, epoch, batch }: Counters): Chunk | 'endOfEpoch' => {
    if (batch >= plan.count) return 'endOfEpoch';
    const at = (j: number): At => ({ epoch, i: batch + j, attempt: attempt + j, batchSize, seed });
    // The last batches of an epoch may be too few for a whole step: they make one with fewer micro-batches, the shorter one the last.
    const micros = Math.min(accumulate, plan.count - batch);
    const equal = plan.equal(at(0));
    const steps = Math.max(1, Math.min(most, Math.floor(equal / micros)));
    const part = (first: number, micros: number): ChunkPart => {
      const shape = plan.table(at(first)).shape(plan.rows(at(first)));
      return {
        micros,
        shape,
        fill(_columns, rowBytes) {
          // Nothing of the batch is read.
          if (rowBytes === 0) return new Uint8Array(0);
          const count = steps * micros;
          room ??= count === 1 ? null : new IndexRows();
          const memory = count === 1 ? one : room!;
          const views = memory.views(count, shape.rows, rowBytes);
          const place = at(first);
          for (let j = 0; j < count; j++, place.i++, place.attempt++) plan.draw(views[j]!, place);
          return memory.bytes(count * rowBytes);
        },
      };
    };
    const parts: ChunkPart[] = [];
    for (let first = 0; first < micros; ) {
      const together = Math.min(micros - first, plan.equal(at(first)));
      parts.push(part(first, together));
      first += together;
    }
    return {
      steps,
      micros,
      parts,
      batch(j) {
        const { source, arrays, examples } = plan.table(at(j));
        if (!source.byRow) return { arrays, rows: null, of: '' };
        const rows = new Int32Array(plan.rows(at(j)));
        plan.draw(rows, at(j));
        return { arrays, rows, examples, of: '' };
      },
    };
  };
  const isOver = ({ batch }: Counters): boolean => batch >= plan.count;
  return {
    data: tables.data,
    epochSteps: Math.ceil(plan.count / accumulate),
    kind: tables.kind,
    of,
    anew: place.batch > 0 && !mayGoOn(before, of),
    next: (most, counters) => ({ now: () => next(most, counters), later: async () => next(most, counters) }),
    ends: (counters) => ({ now: () => isOver(counters), later: async () => isOver(counters) }),
    close: { now: () => {}, later: async () => {} },
  };
}

/** Index rows of one chunk after the other, in the same memory: a run copies what it is fed. */
class IndexRows {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #views: Int32Array[] = [];
  #rows = 0;
  #rowBytes = 0;

  /** `count` rows of so many indices, `rowBytes` apart. */
  views(count: number, rows: number, rowBytes: number): readonly Int32Array[] {
    if (rows !== this.#rows || rowBytes !== this.#rowBytes || count > this.#views.length) {
      this.#bytes = new Uint8Array(count * rowBytes);
      const { buffer } = this.#bytes;
      this.#views = Array.from({ length: count }, (_, j) => new Int32Array(buffer, j * rowBytes, rows));
      this.#rows = rows;
      this.#rowBytes = rowBytes;
    }
    return this.#views;
  }

  bytes(length: number): Uint8Array {
    return length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, length);
  }
}

/** A row of a chunk that has one, of whatever fit. */
const one = new IndexRows();

// Batches held ahead of the run; more would only take memory.
const AHEAD = 16;
// Of small ones that are cut from larger parts, so many: a chunk of short steps has hundreds.
const AHEAD_OF_CUT = { bytes: 4 << 20, most: 1024 };

/**
 * Whole batches of a stream, pulled ahead while a run is on.
 * @param differ null: batches differ in rows alone
 * @param of what an epoch of it is trained on
 * @param blocks for a run that does not wait, and a stream that need not
 * @param cut of batches that were cut for this fit: nobody else has their arrays; of others they are copied
 */
export function streamFeeder(
  stream: Stream,
  differ: Differ | null,
  { accumulate, place: at, before = null }: Pick<FeedOptions, 'accumulate' | 'place' | 'before'>,
  of: EpochData,
  blocks: boolean,
  cut: CutStream | null = null,
): Feeder {
  const anew = at.batch > 0 && !mayGoOn(before, of);
  const place = anew ? { ...at, batch: 0 } : at;
  const { first } = of.stream!;
  const shapes = new Shapes(differ, cut === null);
  const memory = new FeedMemory();
  const limit = (): number => Math.max(2 * accumulate, aheadOf(cut?.batchBytes() ?? null));
  let opened!: Opened;
  const open = (place: StreamPlace): Prefetcher | Puller => {
    opened = openStream(stream, place);
    return blocks ? new Puller(opened, shapes, limit, first) : new Prefetcher(opened, shapes, limit, first);
  };
  let source: Prefetcher | Puller | null = open(place);
  let drawn = place.batch;

  const endEpoch = (): void => {
    drawn = 0;
    // Opened anew, but not before another epoch is wanted.
    if (opened.again) source = null;
  };
  const chunkOf = (batches: readonly Came[]): Chunk | 'endOfEpoch' | 'endOfData' | 'otherData' => {
    if (first.other) {
      first.other = false;
      source?.giveBack(batches);
      drawn = 0;
      return 'otherData';
    }
    if (batches.length === 0) {
      if (!shapes.any && drawn === 0) throw new DataError('fit: expected at least one batch, the source gave none');
      if (drawn === 0) return 'endOfData';
      endEpoch();
      return 'endOfEpoch';
    }
    const start = drawn;
    drawn += batches.length;
    const micros = Math.min(accumulate, batches.length);
    let kept = batches.length;
    return {
      ...chunkOfBatches(batches, micros, (j) => ` of batch ${start + j} of the epoch`, memory),
      done: () => cut?.release(batches.slice(0, kept).map((b) => b.arrays)),
      giveBack(used) {
        kept = used * micros;
        const rest = batches.slice(kept);
        source?.giveBack(rest);
        drawn -= rest.length;
      },
    };
  };
  const close = async (): Promise<void> => source?.close();
  const cutShort = async (): Promise<void> => {
    drawn = 0;
    // An iterator goes on where it is.
    if (!opened.again) return;
    const before = source;
    source = null;
    await before?.close();
  };
  const now = ({ epoch, batch }: StreamPlace): Prefetcher | Puller => {
    source ??= open({ epoch, batch });
    return source;
  };
  return {
    data: new Map(),
    epochSteps: cut?.batches ? Math.ceil(cut.batches / accumulate) : null,
    kind: 'stream',
    of,
    anew,
    next: (most, at) => ({
      later: async () => chunkOf(await now(at).take(most, accumulate)),
      now: () => chunkOf(now(at).take(most, accumulate) as Came[]),
    }),
    ends: (at) => ({
      later: async () => drawn > 0 && (await now(at).ends()),
      now: () => drawn > 0 && (now(at).ends() as boolean),
    }),
    cut: { now: () => void cutShort().catch(() => {}), later: cutShort },
    close: { now: () => void close().catch(() => {}), later: close },
  };
}

function aheadOf(batchBytes: number | null): number {
  if (batchBytes === null) return AHEAD;
  const { bytes, most } = AHEAD_OF_CUT;
  return Math.min(most, Math.floor(bytes / batchBytes));
}

/** Feed rows of one chunk after the other, in the same memory: a run copies what it is fed. */
class FeedMemory {
  #bytes: Uint8Array = new Uint8Array(0);

  bytes(length: number): Uint8Array {
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(length);
    return this.#bytes.subarray(0, length);
  }
}

/**
 * Batches that are there, as a chunk of steps of `micros` each.
 * @param of what rows of the j-th are counted in
 * @param memory for their feed rows; null: some of their own
 */
export function chunkOfBatches(
  batches: readonly Came[],
  micros: number,
  of: (j: number) => string,
  memory: FeedMemory | null = null,
): Chunk {
  return {
    steps: batches.length / micros,
    micros,
    parts: equalParts(batches).map((part) => ({
      micros: Math.min(micros, part.length),
      shape: part[0]!.shape,
      fill: (columns, rowBytes) =>
        packBatches(
          part.map((b) => b.arrays),
          columns,
          rowBytes,
          memory?.bytes(part.length * rowBytes),
        ),
    })),
    batch: (j) => ({ arrays: batches[j]!.arrays, rows: null, of: of(j) }),
  };
}

/** Batches that follow each other with one shape. */
function equalParts(batches: readonly Came[]): Came[][] {
  const parts: Came[][] = [];
  for (const batch of batches) {
    const last = parts.at(-1);
    if (last && last[0]!.shape === batch.shape) last.push(batch);
    else parts.push([batch]);
  }
  return parts;
}

/** Batches as feed rows: each array's bytes at its column. What lies between columns may be anything. */
export function packBatches(
  batches: readonly StreamBatch[],
  columns: readonly Column[],
  rowBytes: number,
  bytes: Uint8Array = new Uint8Array(batches.length * rowBytes),
): Uint8Array {
  for (const [j, batch] of batches.entries()) {
    for (const { name, offset } of columns) {
      const { data } = batch.get(name)!;
      bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), j * rowBytes + offset);
    }
  }
  return bytes;
}
