// shared.ts: what the processes of a group measure of a data set, each some of its batches: put together in their order, it has the bits of one process.
import { type Group, share } from '../../mpi/group.ts';
import { known } from '../../mpi/words.ts';
import { type Loop, perform } from '../flow/effect.ts';
import type { Metrics } from '../flow/progress.ts';
import { Gathering, type TracedMetric } from '../step/measure.ts';

/** With whom, and what all must have alike, by what it is. */
export interface Sharing {
  readonly group: Group;
  readonly where: string;
  readonly facts: Readonly<Record<string, string>>;
}

type Measured = readonly TracedMetric[];
/** Values of a column of a batch. */
type At = (column: string, elements: number) => Float64Array;

/** Which of so many batches are whose: those of one process follow each other. */
export function batchesOf({ rank, size }: Pick<Group, 'rank' | 'size'>, batches: number): readonly [from: number, to: number] {
  return [Math.floor((batches * rank) / size), Math.floor((batches * (rank + 1)) / size)];
}

/** What a process has measured of its batches. */
export class Part {
  readonly #batches: Float64Array[] = [];

  add(measured: Measured, rows: number, at: At): void {
    const columns = columnsOf(measured);
    const numbers = columns.flatMap(({ column, elements }) => [elements, ...at(column, elements)]);
    this.#batches.push(Float64Array.of(rows, ...numbers));
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#batches.map((b) => new Uint8Array(b.buffer)));
  }
}

const columnsOf = (measured: Measured): TracedMetric['columns'][number][] => measured.flatMap((m) => m.columns);

/** Take in the batches of a process, as if they had been measured here. */
function take(gathering: Gathering, measured: Measured, bytes: Uint8Array): void {
  const all = new Float64Array(bytes.slice().buffer);
  for (let at = 0; at < all.length; ) {
    const rows = all[at++]!;
    const values = new Map<string, Float64Array>();
    const own = measured.map((m) => ({
      ...m,
      columns: m.columns.map((c) => {
        const elements = all[at++]!;
        values.set(c.column, all.subarray(at, at + elements));
        at += elements;
        return { ...c, elements };
      }),
    }));
    gathering.add(own, rows, (column) => values.get(column)!);
  }
}

/**
 * Numbers of the whole data set, the same in all processes.
 * @param own measures the batches of this one; it gives what makes numbers of them
 * @throws what `own` does; GradclipError ERR_GROUP where it has failed in another process, or something is not alike
 */
export function* measureTogether({ group, where, facts }: Sharing, own: (part: Part) => Loop<Measured>): Loop<Metrics<string>> {
  const part = new Part();
  let measured: Measured;
  try {
    measured = yield* own(part);
  } catch (error) {
    yield* fail(group, where, error);
    throw error;
  }
  const names = columnsOf(measured).map(({ column }) => column);
  const measures = { measures: names.join(', ') };
  const all = yield* perform(share(group, where, { facts: { ...facts, ...measures }, bytes: part.bytes }));
  let numbers: number[] = [];
  try {
    // Who has the last batch makes numbers of all, since one process would do so by that.
    if (group.rank === group.size - 1) numbers = finished(measured, all);
  } catch (error) {
    yield* fail(group, where, error);
    throw error;
  }
  const bytes = new Uint8Array(Float64Array.from(numbers).buffer);
  const found = yield* perform(share(group, where, { facts: { place: `what ${where} gives` }, bytes }));
  const values = new Float64Array(found.at(-1)!.slice().buffer);
  return Object.fromEntries(measured.map(({ name }, i) => [name, values[i]!])) as Metrics<string>;
}

function finished(measured: Measured, all: readonly Uint8Array[]): number[] {
  const gathering = new Gathering();
  for (const bytes of all) take(gathering, measured, bytes);
  return Object.values(gathering.finish());
}

/** What has failed in this process, the others hear of, which wait for it. */
function* fail(group: Group, where: string, error: unknown): Loop<void> {
  const failure = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  try {
    yield* perform(share(group, where, { facts: { failure } }));
    known(error);
  } catch {
    // Others are elsewhere, which is not what went wrong here.
  }
}
