// evaluate.ts: loss and metrics of a model over a data set.

import type { Group } from '../../mpi/group.ts';
import type { NativeBlock, RunRequest, RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import type { DrawnBatch } from '../feed/feeder.ts';
import type { Table, Tables } from '../feed/tables.ts';
import type { Access } from '../flow/access.ts';
import { type Loop, perform } from '../flow/effect.ts';
import type { Halt } from '../flow/halt.ts';
import type { Metrics } from '../flow/progress.ts';
import { Gathering, type TracedMetric } from '../step/measure.ts';
import { located, rowsFrom } from './located.ts';
import { Pace } from './pace.ts';
import { tellPrints } from './prints.ts';
import { type Compiled, EVALUATE, runOf } from './session.ts';
import type { Use } from './sessions.ts';
import { batchesOf, measureTogether, type Part, type Sharing } from './shared.ts';

// Steps of one run, and bytes of their reports: bounds the memory of both and of index rows.
const MOST_STEPS = 256;
const MOST_BYTES = 16 << 20;

type Measuring = readonly TracedMetric[];

/** Blocks of rows, each spread over all of them. */
export interface Picked {
  readonly blocks: number;
  /** Of a block, each of so many rows. */
  readonly batches: number;
  readonly rows: number;
  /** Which rows, block by block. */
  readonly which: Int32Array;
}

/** Whose values are measured, and who may end it. */
interface Measures {
  /** Each part waits for a turn; null: the whole evaluation has one. */
  readonly access: Access | null;
  /** Ends it, which gives null then. */
  readonly halt: Halt | null;
  /** A twin of the store's blocks; null: those of the store. */
  readonly values: readonly NativeBlock[] | null;
}

/** What was run. */
interface Ran {
  readonly compiled: Compiled<Measuring>;
  readonly result: RunResult;
}

export class Evaluation {
  readonly #use: Use<Measuring>;
  readonly #tables: readonly Table[];
  readonly #batchSize: number;

  /** @param use is its own from here on */
  constructor(use: Use<Measuring>, { all }: Tables, batchSize: number) {
    this.#use = use;
    this.#tables = all;
    this.#batchSize = batchSize;
  }

  /** Compile what it needs first, to see whether that can be done. */
  prepare(): void {
    const table = this.#tables[0]!;
    this.#use.hold([table.shape(Math.min(this.#sizeOf(table), table.source.length))]).release();
  }

  /**
   * @param access each part waits for a turn; null: the whole evaluation has one
   * @param halt ends it, which gives null then
   * @param values with these, a twin of the store's; null: with those of the store
   * @param sharing with these processes, each some of the batches; null: alone
   */
  *measure(
    access: Access | null = null,
    halt: Halt | null = null,
    values: readonly NativeBlock[] | null = null,
    sharing: Sharing | null = null,
  ): Loop<Metrics<string> | null> {
    const measures = { access, halt, values };
    if (sharing && sharing.group.size > 1)
      return yield* measureTogether(sharing, (part) => this.#part(measures, sharing.group, part));
    const gathering = new Gathering();
    const whole = yield* this.#each(measures, [0, this.batches], ({ extra }, rows, at) => gathering.add(extra, rows, at));
    return whole ? (gathering.finish() as Metrics<string>) : null;
  }

  /** Those batches that are this process's. */
  *#part(measures: Measures, group: Group, part: Part): Loop<Measuring> {
    const table = this.#tables[0]!;
    const { access } = measures;
    const endTurn = access && (yield* perform(access.turn(() => this.#use.endEarly())));
    let measured: Measuring;
    try {
      const { programs, release } = this.#use.hold([table.shape(Math.min(this.#sizeOf(table), table.source.length))]);
      measured = programs[0]!.extra;
      release();
    } finally {
      endTurn?.();
    }
    yield* this.#each(measures, batchesOf(group, this.batches), ({ extra }, rows, at) => {
      measured = extra;
      part.add(extra, rows, at);
    });
    return measured;
  }

  /**
   * Run the batches with these numbers, over all tables, one after the other.
   * @returns false: the run shall end
   */
  *#each({ access, halt, values }: Measures, [from, to]: readonly [number, number], take: Take): Loop<boolean> {
    let before = 0;
    for (const table of this.#tables) {
      const { length } = table.source;
      const size = this.#sizeOf(table);
      const pace = new Pace();
      const end = Math.min(length, (to - before) * size);
      const order = { ...inOrderOf(table), length: end };
      for (let start = Math.max(0, from - before) * size; start < end; ) {
        const count = Math.min(size, length - start);
        const endTurn = access && (yield* perform(access.turn(() => this.#use.endEarly())));
        const batch = before + Math.floor(start / size);
        let ran: Ran;
        try {
          ran = yield* this.#run(table, start, count, { pace, access, halt, values, order, batch });
        } finally {
          endTurn?.();
        }
        if (halt?.called) return false;
        const { compiled, result } = ran;
        if (!values) tellPrints(compiled, result.report, result.tried, (i) => batch + i);
        eachOf(compiled, table.shape(count).rows, [0, result.tried], result.report, take);
        start += result.tried * count;
      }
      before += Math.ceil(length / size);
    }
    return true;
  }

  /** Batches that it takes. */
  get batches(): number {
    return this.#tables.reduce((sum, table) => sum + Math.ceil(table.source.length / this.#sizeOf(table)), 0);
  }

  /**
   * At most so many rows, evenly from all, in at most so many blocks of one size, between which they are dealt out in turns.
   * @returns null: rows cannot be picked
   */
  pick(most: number, blocks: number): Picked | null {
    const table = this.#tables[0]!;
    if (this.#tables.length > 1 || table.most !== null) return null;
    const { length } = table.source;
    const count = Math.max(1, Math.min(blocks, length, most));
    const each = Math.floor(Math.min(length, most) / count);
    const rows = Math.min(each, this.#batchSize);
    const batches = Math.floor(each / rows);
    const size = rows * batches;
    const place = (i: number): number => (i % size) * count + Math.floor(i / size);
    const which = Int32Array.from({ length: count * size }, (_, i) => Math.floor((place(i) * length) / (count * size)));
    return { blocks: count, batches, rows, which };
  }

  /** The loss of each block. */
  *measurePicked({ blocks, batches, rows, which }: Picked, measures: Measures): Loop<number[] | null> {
    const { access, halt } = measures;
    const table = this.#tables[0]!;
    const gathering = Array.from({ length: blocks }, () => new Gathering());
    const order: Order = { fill: (row, start) => fillOf(table, which, row, start), length: which.length };
    for (let start = 0; start < which.length; ) {
      const endTurn = access && (yield* perform(access.turn(() => this.#use.endEarly())));
      let ran: Ran;
      try {
        ran = yield* this.#run(table, start, rows, { ...measures, pace: null, order, batch: start / rows });
      } finally {
        endTurn?.();
      }
      if (halt?.called) return null;
      const { compiled, result } = ran;
      for (let j = 0; j < result.tried; j++) {
        const block = Math.floor((start / rows + j) / batches);
        const take: Take = ({ extra }, count, at) => gathering[block]!.add(extra, count, at);
        eachOf(compiled, table.shape(rows).rows, [j, j + 1], result.report, take);
      }
      start += result.tried * rows;
    }
    return gathering.map((g) => g.finish().loss!);
  }

  stop(): void {
    this.#use.stop();
  }

  dispose(): void {
    this.#use.end();
  }

  #sizeOf({ most }: Table): number {
    return most ?? this.#batchSize;
  }

  /** In a turn: as many batches of `count` rows, from row `start` on, as the pace has them. */
  *#run(
    table: Table,
    start: number,
    count: number,
    {
      pace,
      access,
      values,
      order,
      batch,
    }: Measures & { readonly pace: Pace | null; readonly order: Order; readonly batch: number },
  ): Loop<Ran> {
    const { programs, at, release } = this.#use.hold([table.shape(count)]);
    const compiled = programs[0]!;
    try {
      if (values) at(values);
      const wanted = access?.wanted ?? false;
      const most = wanted ? 1 : (pace?.steps ?? MOST_STEPS);
      // What a model draws when it is measured follows from the number of the batch, however many are measured at once.
      const request = { ...this.#request(order, compiled, start, count, most), attempt: batch };
      pace?.begin();
      const result = yield* perform(runOf(compiled, request));
      pace?.end(result.tried, wanted || result.status === STATUS.stopped);
      return { compiled, result };
    } catch (error) {
      throw located(error, (step) => drawnRows(table, start + step * count, count));
    } finally {
      release();
    }
  }

  /** Of batches of `count` rows from row `start` on. */
  #request(
    { fill, length }: Order,
    { program }: Compiled<Measuring>,
    start: number,
    count: number,
    most: number,
  ): Omit<RunRequest, 'threads'> {
    const { bytes } = program.feed;
    const within = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, program.report.bytes)));
    const steps = Math.min(most, MOST_STEPS, within, Math.floor((length - start) / count));
    const feed = new Uint8Array(steps * bytes);
    for (let j = 0; j < steps && feed.length > 0; j++) {
      fill(new Int32Array(feed.buffer, j * bytes, count), start + j * count);
    }
    return { ...EVALUATE, steps, feed };
  }
}

/** Rows that are measured, one after the other. */
interface Order {
  readonly length: number;
  /** Write the indices of those from the one at `start` on. */
  fill(row: Int32Array, start: number): void;
}

const inOrderOf = ({ source }: Table): Order => ({
  length: source.length,
  fill: (row, start) => source.fillInOrder(row, start),
});

function fillOf({ source }: Table, which: Int32Array, row: Int32Array, start: number): void {
  for (let j = 0; j < row.length; j++) source.fillInOrder(row.subarray(j, j + 1), which[start + j]!);
}

function drawnRows({ source, arrays, examples }: Table, start: number, count: number): DrawnBatch[] {
  return source.byRow ? [{ ...rowsFrom(arrays, start, count), examples }] : [];
}

/** What was reported of a batch that weighs `rows` rows. */
type Take = (compiled: Compiled<Measuring>, rows: number, at: (column: string, elements: number) => Float64Array) => void;

/** Take in what these of some batches that weigh `count` rows have reported. */
function eachOf(
  compiled: Compiled<Measuring>,
  count: number,
  [from, to]: readonly [number, number],
  report: ArrayBuffer,
  take: Take,
): void {
  const { columns, bytes } = compiled.program.report;
  const offsets = new Map(columns.map(({ name, offset }) => [name, offset]));
  for (let j = from; j < to; j++) {
    take(compiled, count, (column, elements) => new Float64Array(report, j * bytes + offsets.get(column)!, elements));
  }
}
