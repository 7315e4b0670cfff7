// poisson.ts: batches by Poisson sampling: each row of the data is in a step or not, whatever the others are, so steps differ in rows. They are cut into
// micro-batches of one size, the last of which is filled up with rows that count nothing.
import { createCipheriv, randomBytes } from 'node:crypto';
import type { Column } from '../../compile/program.ts';
import { OptionError } from '../../errors.ts';
import { mostDrawn, rowsDrawn, type Uniform, uniformOf, uniforms } from '../../ir/draws.ts';
import { mayGoOn } from '../flow/epoch-data.ts';
import type { Counters } from '../flow/progress.ts';
import type { Chunk, Feeder, FeedOptions } from './feeder.ts';
import { dataOf } from './same-data.ts';
import type { Sampled } from './shape.ts';
import { INDEX, isRows } from './source.ts';
import type { Table, Tables } from './tables.ts';

/** What a program is fed beside the indices of its rows, f64 [rows]: 1 for those that were drawn, 0 for those that fill up. */
export const DRAWN = '$drawn';

/** What draws are made by: the numbers of a step that begins with this micro-batch. */
export type Uniforms = (attempt: number) => Uniform;

/** Who has the seed knows them all. */
export const bySeed =
  (seed: bigint): Uniforms =>
  (attempt) =>
    uniforms(seed, attempt);

/** Bytes of a key that nobody knows. */
export const newKey = (): Uint8Array => randomBytes(32);

// As many as are made at once: 128 numbers.
const BLOCK = new Uint8Array(1024);

/** AES-256 in counter mode: who has the key, which is in no file, knows them all. */
export const byKey =
  (key: Uint8Array): Uniforms =>
  (attempt) => {
    const counter = new Uint8Array(16);
    new DataView(counter.buffer).setBigUint64(0, BigInt(attempt));
    const cipher = createCipheriv('aes-256-ctr', key, counter);
    let words = new DataView(new ArrayBuffer(0));
    let at = 0;
    return () => {
      if (at === words.byteLength) {
        const { buffer, byteOffset, byteLength } = cipher.update(BLOCK);
        words = new DataView(buffer, byteOffset, byteLength);
        at = 0;
      }
      at += 8;
      return uniformOf(words.getUint32(at - 8, true), words.getUint32(at - 4, true));
    };
  };

/** The table of data whose rows can be drawn. @throws OptionError */
function tableOf(where: string, { all, sequences }: Tables): Table {
  const [table] = all as [Table];
  if (sequences === null && isRows(table.source)) return table;
  const what = sequences ? 'sequences in buckets' : 'a source that chooses its own rows';
  const text = `expected arrays of rows beside it, which are drawn independently, got ${what}`;
  throw new OptionError(`${where}: option sampling: 'poisson': ${text}`, { option: 'sampling', value: 'poisson' });
}

/**
 * How rows of these are drawn.
 * @param expected rows of a step
 * @param asked rows of a micro-batch; null: a quarter of a step, `usual` at most
 * @throws OptionError for data whose rows cannot be drawn, and where there are fewer
 */
export function sampledOf(
  where: string,
  tables: Tables,
  { expected, asked, usual }: { readonly expected: number; readonly asked: number | null; readonly usual: number },
): Sampled {
  const { length } = tableOf(where, tables).source;
  if (expected > length) {
    const text = `${where}: option batchSize: a step of ${expected} rows cannot be drawn of ${length}: expected that many at most`;
    throw new OptionError(text, { option: 'batchSize', value: expected });
  }
  if (asked !== null && asked > length) {
    const text = `${where}: option microBatch: expected ${length} at most, as many rows as there are, got ${asked}`;
    throw new OptionError(text, { option: 'microBatch', value: asked });
  }
  const q = expected / length;
  const rows = asked ?? Math.min(usual, Math.max(LEAST, Math.ceil(expected / 4)));
  return { q, expected, rows, micros: Math.ceil(mostDrawn(length, q) / rows) };
}

// Fewer rows at a time are no faster.
const LEAST = 8;

/** @param by whose numbers draw the rows */
export function poissonFeeder(
  where: string,
  tables: Tables,
  sampled: Sampled,
  by: Uniforms,
  { place, before = null }: Pick<FeedOptions, 'place' | 'before'>,
): Feeder {
  const { source, arrays, examples, shape: shapeOf } = tableOf(where, tables);
  const { q, expected, rows, micros: most } = sampled;
  const shape = shapeOf(rows);
  const epochSteps = Math.ceil(source.length / expected);
  const { contents } = dataOf(tables, true);
  const of = { contents: `${contents}, rows drawn independently`, stream: null };
  let ahead: { readonly attempt: number; readonly rows: Int32Array } | null = null;
  const drawn = (attempt: number): Int32Array => {
    if (ahead?.attempt === attempt) return ahead.rows;
    const uniform = by(attempt);
    let found: Int32Array;
    do found = rowsDrawn(source.length, q, uniform);
    while (found.length > rows * most);
    return found;
  };
  const microsOf = (step: Int32Array): number => Math.max(1, Math.ceil(step.length / rows));

  const next = (wanted: number, { attempt, batch }: Counters): Chunk | 'endOfEpoch' => {
    if (batch >= epochSteps) return 'endOfEpoch';
    const steps = [drawn(attempt)];
    const micros = microsOf(steps[0]!);
    const limit = Math.min(wanted, epochSteps - batch);
    // Those of one chunk have as many micro-batches.
    while (steps.length < limit) {
      const place = attempt + steps.length * micros;
      const step = drawn(place);
      ahead = { attempt: place, rows: step };
      if (microsOf(step) !== micros) break;
      steps.push(step);
    }
    const batchOf = (j: number): Int32Array => {
      const from = (j % micros) * rows;
      return steps[Math.floor(j / micros)]!.subarray(from, from + rows);
    };
    const fill = (columns: readonly Column[], rowBytes: number): Uint8Array => {
      const bytes = new Uint8Array(steps.length * micros * rowBytes);
      const [indices, counts] = [INDEX, DRAWN].map((name) => columns.find((c) => c.name === name)?.offset);
      for (let j = 0, at = 0; j < steps.length * micros; j++, at += rowBytes) {
        const batch = batchOf(j);
        // What fills up is the first row of the data.
        if (indices !== undefined) new Int32Array(bytes.buffer, at + indices, rows).set(batch);
        if (counts !== undefined) new Float64Array(bytes.buffer, at + counts, rows).fill(1, 0, batch.length);
      }
      return bytes;
    };
    return {
      steps: steps.length,
      micros,
      parts: [{ micros, shape, fill }],
      batch: (j) => ({ arrays, rows: batchOf(j), examples, of: '' }),
      rows: (count) => steps.slice(0, count).reduce((sum, step) => sum + step.length, 0),
    };
  };
  const isOver = ({ batch }: Counters): boolean => batch >= epochSteps;
  return {
    data: tables.data,
    epochSteps,
    kind: tables.kind,
    of,
    anew: place.batch > 0 && !mayGoOn(before, of),
    sampled,
    next: (most, counters) => ({ now: () => next(most, counters), later: async () => next(most, counters) }),
    ends: (counters) => ({ now: () => isOver(counters), later: async () => isOver(counters) }),
    close: { now: () => {}, later: async () => {} },
  };
}
