// columns.test.ts: tables that come part by part: the batches of a fit are those of the same rows in memory, to the bit, whatever the parts are, resumed or
// not, shuffled or not; what is no table is refused by row and column; and a table is closed when nobody wants more.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { NdArray } from '../../../lib/data/arrays.ts';
import { DataError, DetachedError, OptionError } from '../../../lib/errors.ts';
import {
  columns,
  type FitOptions,
  optim,
  preprocess,
  readColumns,
  type TablePlace,
  type TableSource,
} from '../../../lib/index.ts';
import { cutOf, isColumns } from '../../../lib/train/feed/columns.ts';
import type { Cut } from '../../../lib/train/feed/cutting.ts';
import { SOME_TEAMS } from '../../kit.ts';
import { fails } from '../fails.ts';
import { bits, type ClassifierOptions, classifier, points } from '../models.ts';

const both = ['fit', 'fitSync'] as const;
const data = points(50);
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const ARRAYS = { x: NAMES, y: 'label' } as const;
type Column = Float32Array | Float64Array | Int32Array | BigInt64Array | number[];
type Part = Record<string, Column>;

/** Rows [from, to) of the data as columns. */
function part(from: number, to: number, more: Part = {}): Part {
  const entries = NAMES.map((name, c) => [
    name,
    Float32Array.from({ length: to - from }, (_, r) => data.x.data[6 * (from + r) + c]!),
  ]);
  return {
    id: Int32Array.from({ length: to - from }, (_, r) => from + r),
    ...Object.fromEntries(entries),
    label: data.y.slice(from, to),
    ...more,
  };
}
/** All of them, in parts of these lengths, over and over. */
function parts(lengths: readonly number[], rows = 50): Part[] {
  const all: Part[] = [];
  for (let from = 0, i = 0; from < rows; i++) {
    const to = Math.min(rows, from + lengths[i % lengths.length]!);
    all.push(part(from, to));
    from = to;
  }
  return all;
}
const asRows = (p: Part): Record<string, number>[] =>
  Array.from({ length: p.label!.length }, (_, r) =>
    Object.fromEntries(Object.entries(p).map(([name, v]) => [name, Number(v[r])])),
  );

/** The weights after it. */
async function trained(
  how: 'fit' | 'fitSync',
  given: unknown,
  options: FitOptions = {},
  of: ClassifierOptions = {},
): Promise<string> {
  const trainer = classifier({ rate: 0.3, ...of });
  await trainer[how](given as never, options);
  return bits(trainer);
}

/** The batches that a fit gets. */
async function batchesOf(
  given: unknown,
  cut: Partial<Cut> = {},
  place = { epoch: 0, batch: 0 },
): Promise<Record<string, NdArray>[]> {
  if (!isColumns(given)) throw new Error('no columns');
  const { stream } = cutOf(given, { batchSize: 8, dropLast: false, seed: 3n, blocks: false, ...cut });
  const batches = typeof stream === 'function' ? stream(place) : stream;
  const all: Record<string, NdArray>[] = [];
  for await (const batch of batches as AsyncIterable<Record<string, NdArray>>) all.push(batch);
  return all;
}
const idsOf = (batches: readonly Record<string, NdArray>[]): number[] => batches.flatMap(({ id }) => [...id!.data]);

describe('a fit of a table has the bits of the same rows in memory', () => {
  const lists = parts([7, 0, 13, 1]);
  async function* waited(): AsyncGenerator<Part> {
    for (const p of lists) {
      await new Promise((resolve) => setImmediate(resolve));
      yield p;
    }
  }
  const sources: Record<string, () => unknown> = {
    'a list of parts': () => lists,
    'one part': () => [part(0, 50)],
    'a function that gives a generator': () =>
      function* () {
        yield* lists;
      },
    'a set': () => new Set(lists),
    Maps: () => lists.map((p) => new Map(Object.entries(p))),
    'rows as objects': () => lists.map(asRows),
    'single rows': () => lists.flatMap(asRows),
    'f64 and BigInts': () =>
      lists.map(({ a, label, ...p }) => ({
        ...p,
        a: Float64Array.from(a as number[]),
        label: BigInt64Array.from([...label!].map((v) => BigInt(v))),
      })),
    'lists of values': () =>
      lists.map(({ b, label, ...p }) => ({ ...p, b: [...(b as number[])], label: [...label!].map((v) => v === 1) })),
    'parts of many kinds': () => [...asRows(part(0, 3)), part(3, 20), asRows(part(20, 31)), [], ...asRows(part(31, 50))],
  };
  describe.each(both)('%s', (how) => {
    it.each(Object.entries(sources))('%s', async (_name, make) => {
      const expected = await trained('fit', data, { epochs: 3, shuffle: false });
      expect(await trained(how, columns(make() as TableSource, ARRAYS), { epochs: 3 })).toBe(expected);
    });
  });
  it('an asynchronous one, whose arrays are used again', async () => {
    const expected = await trained('fit', data, { epochs: 2, shuffle: false });
    expect(await trained('fit', columns(waited, ARRAYS), { epochs: 2 })).toBe(expected);
    async function* again(): AsyncGenerator<Part> {
      const own = part(0, 5);
      for (const p of parts([5])) {
        for (const [name, values] of Object.entries(p)) (own[name] as Float32Array).set(values as Float32Array);
        yield own;
        for (const values of Object.values(own)) (values as Float32Array).fill(99);
      }
    }
    expect(await trained('fit', columns(again, ARRAYS), { epochs: 2 })).toBe(expected);
    function* one(): Generator<object> {
      const row: Record<string, number> = {};
      for (const p of lists.flatMap(asRows)) yield Object.assign(row, p);
    }
    expect(await trained('fit', columns(one, ARRAYS), { epochs: 2 })).toBe(expected);
    await fails(
      () => trained('fitSync', columns(waited, ARRAYS)),
      OptionError,
      'ERR_OPTION',
      'fitSync: an asynchronous source needs fit',
    );
  });
  it('of more rows than fit into some blocks, whose memory is used again', async () => {
    const long = points(40_000);
    const names = NAMES.map(
      (name, c) => [name, Float32Array.from({ length: 40_000 }, (_, r) => long.x.data[6 * r + c]!)] as const,
    );
    const table = (): object[] => [{ ...Object.fromEntries(names), label: long.y }];
    for (const more of [{}, { batchSize: 700 }]) {
      const expected = await trained('fit', long, { epochs: 1, shuffle: false, ...more }, { batchSize: 64 });
      for (const how of both) {
        expect(await trained(how, columns(table, ARRAYS), { epochs: 1, chunkSteps: 3, ...more }, { batchSize: 64 })).toBe(
          expected,
        );
      }
    }
    // A window is another block.
    const shuffled = columns(table, ARRAYS, { shuffle: 1000 });
    const once = await trained('fit', shuffled, { epochs: 1 }, { batchSize: 64 });
    expect(await trained('fitSync', shuffled, { epochs: 1, chunkSteps: 1 }, { batchSize: 64 })).toBe(once);
  });
  it.each([1, 3])('for any team, batch size and %i micro-batches, without the last batch too', async (accumulate) => {
    for (const options of [{}, { batchSize: 12 }, { batchSize: 50 }, { batchSize: 64 }]) {
      const expected = await trained('fit', data, { epochs: 2, shuffle: false, ...options }, { accumulate, threads: 1 });
      for (const threads of SOME_TEAMS) {
        expect(await trained('fit', columns(lists, ARRAYS), { epochs: 2, ...options }, { accumulate, threads })).toBe(expected);
      }
    }
    const dropped = await trained('fit', data, { epochs: 2, shuffle: false }, { accumulate, dropLast: true });
    expect(await trained('fitSync', columns(lists, ARRAYS), { epochs: 2 }, { accumulate, dropLast: true })).toBe(dropped);
  });
  it('as a probe sees them', async () => {
    const options = { batches: 4, batchSize: 10 };
    const one = await classifier().probe(columns(lists, ARRAYS), options);
    const list = Array.from({ length: 5 }, (_, i) => ({
      x: { data: data.x.data.slice(60 * i, 60 * i + 60), shape: [10, 6] },
      y: data.y.slice(10 * i, 10 * i + 10),
    }));
    expect(one).toEqual(await classifier().probe(list as never, { batches: 4 }));
  });
});

describe('where a run goes on', () => {
  const lists = parts([11, 4]);
  const saved = async (trainer: ReturnType<typeof classifier>): Promise<ReturnType<typeof classifier>> => {
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'm.safetensors');
    await trainer.save(file);
    const other = classifier({ rate: 0.3 });
    await other.load(file);
    return other;
  };
  it.each([0, 16, 23])(
    'a table is read once more, or begins with the row: the same bits, shuffled in windows of %i',
    async (shuffle) => {
      const asked: TablePlace[] = [];
      const told = (at: TablePlace): Part[] => {
        asked.push(at);
        return at.row < 50
          ? parts([9], 50)
              .map((_, i) => i)
              .flatMap((i) => (9 * i + 9 <= at.row ? [] : [part(Math.max(9 * i, at.row), Math.min(50, 9 * i + 9))]))
          : [];
      };
      const whole = await trained(
        'fit',
        columns(() => lists, ARRAYS, { shuffle }),
        { steps: 17 },
      );
      for (const steps of [3, 7, 9]) {
        for (const table of [() => lists, told]) {
          const first = classifier({ rate: 0.3 });
          await first.fit(columns(table, ARRAYS, { shuffle }), { steps });
          const other = await saved(first);
          asked.length = 0;
          await other.fit(columns(table, ARRAYS, { shuffle }), { steps: 17 - steps });
          expect(await bits(other)).toBe(whole);
        }
      }
      // Nine steps: an epoch of seven batches, and two of the next one.
      expect(asked[0]).toEqual({ epoch: 1, row: shuffle === 0 ? 16 : Math.floor(16 / shuffle) * shuffle });
      expect(asked[1]).toEqual({ epoch: 2, row: 0 });
    },
  );
  it('with batches of another size, it is with the batch of the next row', async () => {
    const trainer = classifier();
    const asked: TablePlace[] = [];
    const told = (at: TablePlace): Part[] => {
      asked.push(at);
      return [part(at.row, 50)];
    };
    await trainer.fit(columns(told, ARRAYS), { steps: 3 });
    await trainer.fit(columns(told, ARRAYS), { steps: 1, batchSize: 5 });
    expect(trainer.counters).toMatchObject({ epoch: 0, batch: 5 });
    expect(asked).toEqual([
      { epoch: 0, row: 0 },
      { epoch: 0, row: 20 },
    ]);
  });
  it('an iterator goes on where it is, with the rows that are in no batch yet', async () => {
    const iterator = lists[Symbol.iterator]();
    const own = { [Symbol.iterator]: () => own, next: () => iterator.next() };
    const table = columns(own as unknown as TableSource, ARRAYS);
    const trainer = classifier({ rate: 0.3 });
    for (let k = 0; k < 3; k++) trainer.fitSync(table as never, { steps: 2 });
    trainer.fitSync(table as never, { epochs: 1 });
    expect(await bits(trainer)).toBe(await trained('fit', data, { epochs: 1, shuffle: false }));
    await fails(() => trainer.fitSync(table as never), DataError, 'ERR_DATA', 'the source gave none');
  });
});

describe('windows', () => {
  const arrays = { ...ARRAYS, id: { columns: 'id', dtype: 'i32' } } as const;
  it('have each row once, before those of the next window, in another order in each epoch', async () => {
    for (const shuffle of [16, 50, 64]) {
      const given = columns(() => parts([11, 4]), arrays, { shuffle });
      const [one, two] = [await batchesOf(given), await batchesOf(given, {}, { epoch: 1, batch: 0 })];
      expect(one.map(({ y }) => y!.shape)).toEqual([[8], [8], [8], [8], [8], [8], [2]]);
      for (const batches of [one, two]) {
        const ids = idsOf(batches);
        for (let w = 0; w < 50; w += shuffle) {
          const own = ids.slice(w, w + shuffle);
          expect([...own].sort((a, b) => a - b)).toEqual(Array.from({ length: own.length }, (_, i) => w + i));
          if (own.length > 4) expect(own.some((id, i) => id !== w + i)).toBe(true);
        }
        // Rows are whole.
        for (const { id, x, y } of batches) {
          for (const [r, i] of [...id!.data].entries()) {
            expect(x!.data.subarray(6 * r, 6 * r + 6)).toEqual(data.x.data.subarray(6 * i, 6 * i + 6));
            expect(y!.data[r]).toBe(data.y[i]);
          }
        }
      }
      expect(idsOf(one)).not.toEqual(idsOf(two));
      expect(idsOf(await batchesOf(given))).toEqual(idsOf(one));
      expect(idsOf(await batchesOf(given, { seed: 4n }))).not.toEqual(idsOf(one));
    }
  });
  it('do not depend on how the table comes, nor on the size of batches', async () => {
    const drawn = fc.tuple(
      fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 2, max: 60 }),
      fc.boolean(),
    );
    await fc.assert(
      fc.asyncProperty(drawn, async ([lengths, batchSize, shuffle, rows]) => {
        const table = parts([...lengths, 1]);
        const given = columns(rows ? table.flatMap(asRows) : table, arrays, { shuffle });
        const expected = idsOf(await batchesOf(columns([part(0, 50)], arrays, { shuffle })));
        const all = await batchesOf(given, { batchSize });
        expect(idsOf(all)).toEqual(expected);
        // Wherever it goes on, the rest comes.
        for (const batch of [1, Math.floor(25 / batchSize)]) {
          if (batch >= all.length) continue;
          expect(idsOf(await batchesOf(given, { batchSize }, { epoch: 0, batch }))).toEqual(expected.slice(batch * batchSize));
        }
      }),
      { numRuns: 60 },
    );
  });
  it('are each in a random order: every place is as likely', async () => {
    const counts = new Float64Array(16);
    const table = Array.from({ length: 500 }, () => ({ id: Int32Array.of(0, 1, 2, 3) }));
    const ids = idsOf(await batchesOf(columns(table, { id: 'id' }, { shuffle: 4 })));
    for (let w = 0; w < 500; w++) for (let r = 0; r < 4; r++) counts[4 * ids[4 * w + r]! + r]!++;
    // 125 each, with a deviation of 9.7.
    for (const count of counts) expect(Math.abs(count - 125)).toBeLessThan(5 * 9.7);
  });
});

describe('how many rows there are', () => {
  const lists = parts([11, 4]);
  const { schedule } = optim;
  const of = { optimizer: optim.adamw({ lr: schedule.cosine(0.01, { steps: { epochs: 2 } }) }) };
  it('lets schedules take epochs', async () => {
    for (const accumulate of [1, 2]) {
      const expected = await trained('fit', data, { epochs: 2, shuffle: false }, { ...of, accumulate });
      const given = columns(lists, ARRAYS, { rows: 50 });
      expect(await trained('fit', given, { epochs: 2 }, { ...of, accumulate })).toBe(expected);
      expect(await trained('fitSync', given, { epochs: 2 }, { ...of, accumulate })).toBe(expected);
    }
    await fails(
      () => trained('fit', columns(lists, ARRAYS), {}, of),
      OptionError,
      'ERR_OPTION',
      'expected steps, got { epochs: 2 }',
    );
  });
  it('is an error where it is another number', async () => {
    const counted = (rows: number): unknown => trained('fit', columns(lists, ARRAYS, { rows }));
    await fails(() => counted(51), DataError, 'ERR_DATA', /^columns: option rows: expected 51 rows, the table has 50$/);
    await fails(() => counted(44), DataError, 'ERR_DATA', /^columns: option rows: expected 44 rows, the table has 45 and more$/);
    // Also where a run goes on, and reads them again.
    const trainer = classifier();
    await trainer.fit(
      columns(() => lists, ARRAYS, { rows: 50, shuffle: 9 }),
      { steps: 5 },
    );
    await trainer.fit(
      columns(() => lists, ARRAYS, { rows: 50, shuffle: 9 }),
      { steps: 9 },
    );
    expect(trainer.counters).toMatchObject({ epoch: 2, batch: 0 });
  });
});

describe('arrays', () => {
  it('have the dtypes and shapes that are asked for', async () => {
    const table = [
      {
        age: [41, 3],
        town: Uint16Array.of(7, 300),
        flag: [true, false],
        id: [2n ** 60n + 1n, -5n],
        price: Float64Array.of(1.1, NaN),
      },
    ];
    const given = columns(table, {
      x: ['age', 'flag'],
      one: ['price'],
      y: 'price',
      town: { columns: 'town', dtype: 'i32' },
      flags: { columns: ['flag'], dtype: 'u8' },
      id: 'id',
      rest: { except: ['age', 'id'] },
    });
    const [batch] = await batchesOf(given);
    expect(batch).toEqual({
      x: { data: Float32Array.of(41, 1, 3, 0), shape: [2, 2] },
      one: { data: Float32Array.of(1.1, NaN), shape: [2, 1] },
      y: { data: Float32Array.of(1.1, NaN), shape: [2] },
      town: { data: Int32Array.of(7, 300), shape: [2] },
      flags: { data: Uint8Array.of(1, 0), shape: [2, 1] },
      id: { data: Float32Array.of(2 ** 60, -5), shape: [2] },
      rest: { data: Float32Array.of(7, 1, 1.1, 300, 0, NaN), shape: [2, 3] },
    });
    expect(inspect(given)).toMatch(/^Columns: x of age, flag; one of price; .* rest of all but age, id$/);
  });
  it('columns that nobody asks for may be anything, and come and go', async () => {
    const table = [
      { a: [1], b: 'no array', c: ['text'] },
      { a: [2, 3], d: new Date() },
    ];
    expect((await batchesOf(columns(table, { x: 'a' })))[0]!.x!.data).toEqual(Float32Array.of(1, 2, 3));
    const rows = [{ a: 1, blob: Buffer.from('x') }, { a: 2 }];
    expect((await batchesOf(columns(rows, { x: 'a' })))[0]!.x!.data).toEqual(Float32Array.of(1, 2));
  });
  it('null is NaN where that is asked for', async () => {
    const table = [{ a: [1, null, undefined] }, [{ a: null }], { a: 4 }];
    const [{ x }] = (await batchesOf(columns(table, { x: 'a' }, { missing: 'nan' }))) as [{ x: NdArray }];
    expect(x.data).toEqual(Float32Array.of(1, NaN, NaN, NaN, 4));
  });
  it('of views, shared memory and Buffers', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(16));
    shared.set([1, 2, 3, 4]);
    const table = [{ a: shared.subarray(1, 3), b: Buffer.from([5, 6]), c: new Uint8ClampedArray([7, 8]) }];
    expect((await batchesOf(columns(table, { x: ['a', 'b', 'c'] })))[0]!.x!.data).toEqual(Float32Array.of(2, 5, 7, 3, 6, 8));
  });
});

describe('what is wrong is told by row and column', () => {
  const wrong = async (table: unknown, arrays: object, text: string | RegExp, options: object = {}): Promise<void> => {
    const call = (): unknown => batchesOf(columns(table as TableSource, arrays as never, options));
    await fails(call, DataError, 'ERR_DATA', text);
  };
  it('columns that are not there, or differ', async () => {
    await wrong(
      [{ age: [1], price: [2] }],
      { x: ['agee'] },
      'columns: row 0: expected a column named agee, got age, price; did you mean age?',
    );
    await wrong([{ a: [1, 2, 3] }, { b: [2] }], { x: 'a' }, 'columns: row 3: expected a column named a, got b');
    await wrong([{ a: [1, 2], b: [3] }], { x: ['a', 'b'] }, 'columns: row 0: column b: expected 2 values as a has, got 1');
    await wrong(
      [{ a: [1] }, { a: [1], z: [2] }],
      { x: { except: [] } },
      'row 1: got a column named z, which was not there before',
    );
    await wrong([{ a: [1] }, { a: [1] }, {}], { x: { except: [] } }, 'row 2: expected a column named a, got none');
    await wrong([{ a: [1] }], { x: { except: ['b'] } }, 'columns: row 0: expected a column named b, got a');
    await wrong(
      [{ a: [1] }],
      { x: { except: ['a'] } },
      'columns: row 0: expected columns for x, got none but those that it excepts',
    );
    await wrong([[{ a: 1 }, { b: 1 }]], { x: 'a' }, 'expected a column named a, got b');
    await wrong([{ a: 1 }, { b: 1 }], { x: 'a' }, 'columns: row 1: expected a column named a, got b');
  });
  it('values that are none', async () => {
    await wrong(
      [{ a: [1, 2] }, { a: [3, 'x'] }],
      { x: 'a' },
      'columns: row 3: a: expected a number, got "x": text has to be made numbers first',
    );
    await wrong(
      [{ a: [1, null] }],
      { x: 'a' },
      "columns: row 1: a: expected a number, got null; option missing: 'nan' takes it as NaN",
    );
    await wrong([{ a: [new Date(0)] }], { x: 'a' }, 'a: expected a number, got a Date: its getTime() is one');
    await wrong([[{ a: 1 }, 5]], { x: 'a' }, 'expected rows as objects, with values by the names of columns, got 5 in a list');
    await wrong([[[1, 2]]], { x: 'a' }, 'expected rows as objects');
    await wrong([Float32Array.of(1)], { x: 'a' }, 'expected columns by name, rows as objects, or one row, got a Float32Array');
    await wrong([7], { x: 'a' }, 'got 7');
    await wrong([Promise.resolve({ a: [1] })].values(), { x: 'a' }, /is an await missing/);
    await wrong(
      [{ a: { data: [1], shape: [1] }, b: [1] }],
      { x: ['b', 'a'] },
      'column a: expected numbers in an array, got an object',
    );
    await wrong(
      [{ a: [1, 2] }, { a: Float32Array.of(3, 4.5) }],
      { x: { columns: 'a', dtype: 'i32' } },
      'row 3: a: expected a whole number from -2147483648 to 2147483647, got 4.5',
    );
    await wrong(
      [{ a: [1, 256] }],
      { x: { columns: 'a', dtype: 'u8' } },
      'row 1: a: expected a whole number from 0 to 255, got 256',
    );
    await wrong([{ a: [null] }], { x: { columns: 'a', dtype: 'u8' } }, 'expected a whole number from 0 to 255, got NaN', {
      missing: 'nan',
    });
    await wrong([{ a: [1n, 2n ** 40n] }], { x: { columns: 'a', dtype: 'i32' } }, 'got 1099511627776');
    const gone = Float32Array.from({ length: 20 }, (_, i) => i);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const text = 'columns: row 0: column a: the array has no memory: it was transferred';
    await fails(() => batchesOf(columns([{ a: gone }], { x: 'a' })), DetachedError, 'ERR_DETACHED', text);
  });
  it('an array that is transferred while it is read', async () => {
    const long = new Float32Array(200_000);
    const given = columns([{ a: long }], { x: 'a' });
    const { stream } = cutOf(given as never, { batchSize: 70_000, dropLast: false, seed: 0n, blocks: true });
    const batches = (stream as unknown as (at: object) => Iterator<object>)({ epoch: 0, batch: 0 });
    batches.next();
    structuredClone(long.buffer, { transfer: [long.buffer] });
    await fails(() => batches.next(), DetachedError, 'ERR_DETACHED', 'column a: the array has no memory: it was transferred');
  });
  it('arguments and options', async () => {
    const refused = (call: () => unknown, text: string | RegExp): Promise<unknown> =>
      fails(call, OptionError, 'ERR_OPTION', text);
    await refused(
      () => columns({ a: [1] } as never, { x: 'a' }),
      'columns: argument table: expected parts of a table one after the other, or a function that gives them, got an object',
    );
    await refused(() => columns([], {}), /columns: argument arrays: expected columns of at least one array/);
    await refused(() => columns([], { x: [] }), /arrays\.x/);
    await refused(() => columns([], { x: ['a', 'a'] }), 'columns: argument arrays.x: column a is named twice');
    await refused(() => columns([], { x: { columns: 'a', except: ['b'] } }), 'expected one of two: columns, or except');
    await refused(() => columns([], { x: {} }), 'expected one of two');
    await refused(() => columns([], { x: { columns: 'a', dtype: 'f64' as never } }), 'expected one of f32, i32, u8, got "f64"');
    await refused(() => columns([], { x: { columns: 'a', dtyp: 'f32' } as never }), 'did you mean dtype?');
    await refused(() => columns([], { x: 'a' }, { shuffle: 1 }), 'columns: option shuffle: one row is not shuffled, got 1');
    await refused(() => columns([], { x: 'a' }, { shuffle: true as never }), 'columns: option shuffle');
    await refused(() => columns([], { x: 'a' }, { batchSize: 3 } as never), 'columns: unknown option batchSize');
    const given = columns(parts([9]), ARRAYS);
    await refused(
      () => classifier().fit(given as never, { shuffle: true }),
      'fit: option shuffle: rows of columns (whose option shuffle is a number of rows) come in an order of their own',
    );
    await refused(
      () => classifier().evaluate(given as never),
      'evaluate: expected arrays: columns are for fit, and readColumns reads them all',
    );
    await refused(
      () => classifier().fit(data, { validation: given as never }),
      'fit: validation: expected arrays: columns are for fit',
    );
    await refused(() => classifier().step(given as never), 'step: expected named arrays');
    await refused(
      () => classifier().fit(columns(() => 5 as never, ARRAYS) as never),
      'columns: expected the function given as data to return an iterable of parts of a table, got 5',
    );
    await fails(
      () => classifier().fit(columns([], ARRAYS) as never),
      DataError,
      'ERR_DATA',
      'fit: expected at least one batch, the source gave none',
    );
    await fails(
      () => classifier().fit(columns([[], { ...part(0, 0) }], ARRAYS) as never),
      DataError,
      'ERR_DATA',
      'the source gave none',
    );
  });
});

describe('a table is closed when nobody wants more', () => {
  /** Parts of 10 rows, and how many were asked for; `end` says how it was closed. */
  function counted(count = 1000): { table: () => AsyncGenerator<object>; seen: { parts: number; end: string | null } } {
    const seen = { parts: 0, end: null as string | null };
    const table = async function* (): AsyncGenerator<object> {
      seen.end = 'closed';
      try {
        for (let k = 0; k < count; k++) {
          seen.parts++;
          yield part((10 * k) % 40, ((10 * k) % 40) + 10);
        }
        seen.end = 'ended';
      } finally {
        seen.end = seen.end === 'ended' ? 'ended' : 'returned';
      }
    };
    return { table, seen };
  }
  it('after the steps of a run, and no more than some batches were read ahead', async () => {
    const { table, seen } = counted(100_000);
    await classifier().fit(columns(table, ARRAYS) as never, { steps: 30, chunkSteps: 1 });
    expect(seen.end).toBe('returned');
    // 30 batches of 8, and 1,024 ahead of them at most.
    expect(seen.parts).toBeLessThan(((30 + 1024) * 8) / 10 + 2);
    const large = counted(100_000);
    await classifier().fit(columns(large.table, ARRAYS) as never, { steps: 2, batchSize: 50_000, chunkSteps: 1 });
    // 1.4 MB each: three wait at most.
    expect(large.seen.parts).toBeLessThanOrEqual(5 * 5000 + 1);
  });
  it('when it is aborted', async () => {
    const { table, seen } = counted(1e9);
    const abort = new AbortController();
    const run = classifier().fit(columns(table, ARRAYS) as never, { steps: 1e9, signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    // Nobody waits for a part that is still to come.
    await vi.waitFor(() => expect(seen.end).toBe('returned'));
  });
  it('when its rows are wrong', async () => {
    const { table, seen } = counted();
    await fails(
      () => classifier().fit(columns(table, { x: NAMES, y: 'lable' }) as never),
      DataError,
      'ERR_DATA',
      'did you mean label?',
    );
    expect(seen).toEqual({ parts: 1, end: 'returned' });
    let closed = 0;
    const bad = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false as const, value: { a: ['x'] } }),
        return: () => {
          closed++;
          throw new Error('closing fails too');
        },
      }),
    };
    await fails(
      () => classifier().fitSync(columns(bad, { x: 'a' }) as never),
      DataError,
      'ERR_DATA',
      'expected a number, got "x"',
    );
    await fails(() => classifier().fit(columns(bad, { x: 'a' }) as never), DataError, 'ERR_DATA', 'expected a number, got "x"');
    expect(closed).toBe(2);
  });
  it('but not when it has failed itself', async () => {
    let returned = 0;
    const failing = {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          throw new RangeError('the disk is gone');
        },
        return: async () => {
          returned++;
          return { done: true as const, value: undefined };
        },
      }),
    };
    await expect(classifier().fit(columns(failing as never, ARRAYS) as never)).rejects.toThrow('the disk is gone');
    expect(returned).toBe(0);
  });
});

describe('the event loop', () => {
  it.each([0, 200_000])('has turns while rows are read once more, in windows of %i', async (shuffle) => {
    const row = { a: 1, y: 0 };
    function* table(): Generator<object> {
      for (let i = 0; i < 1_000_000; i++) yield row;
    }
    const given = columns(() => table(), { x: 'a', y: 'y' }, { shuffle });
    const { stream } = cutOf(given as never, { batchSize: 100_000, dropLast: false, seed: 1n, blocks: false });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const batches = (stream as unknown as (at: object) => AsyncIterator<unknown>)({ epoch: 0, batch: 9 });
    expect((await batches.next()).done).toBe(false);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    expect((await batches.next()).done).toBe(true);
  });
});

describe('readColumns', () => {
  it('has all rows, or as many as are wanted', async () => {
    const all = await readColumns(parts([7, 13]), { x: NAMES, y: { columns: 'label', dtype: 'i32' } });
    expect(all).toEqual({ x: data.x, y: { data: data.y, shape: [50] } });
    const { x } = await readColumns(() => parts([7, 13]).flatMap(asRows), { x: NAMES }, { limit: 9 });
    expect(x).toEqual({ data: data.x.data.slice(0, 54), shape: [9, 6] });
    const trainer = classifier({ preprocess: { x: preprocess.standardize().fit(x) } });
    await trainer.fit(columns(parts([7, 13]), ARRAYS) as never, { epochs: 2, validation: all as never });
    expect((await trainer.evaluate(all as never)).loss).toBeGreaterThan(0);
  });
  it('of more rows than are read at a time, and closes the table', async () => {
    const long = Float64Array.from({ length: 20_000 }, (_, i) => i);
    let end = 0;
    async function* table(): AsyncGenerator<object> {
      try {
        for (;;) yield { a: long };
      } finally {
        end++;
      }
    }
    const { x } = await readColumns(table, { x: 'a' }, { limit: 50_000 });
    expect(x.shape).toEqual([50_000]);
    expect([...x.data].every((v, i) => v === i % 20_000)).toBe(true);
    expect(end).toBe(1);
  });
  it('refuses a table without rows, and what is wrong', async () => {
    await fails(
      () => readColumns([], { x: 'a' }),
      DataError,
      'ERR_DATA',
      'readColumns: expected at least one row, the table gave none',
    );
    await fails(() => readColumns([{ a: ['x'] }], { x: 'a' }), DataError, 'ERR_DATA', 'readColumns: row 0: a: expected a number');
    await fails(() => readColumns([], { x: 'a' }, { limit: 0 }), OptionError, 'ERR_OPTION', 'readColumns: option limit');
  });
});
