// other-data.test.ts: a fit after one that was stopped within an epoch goes on with the same data, and leaves out nothing of others.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Arrays } from '../../../lib/data/arrays.ts';
import {
  columns,
  type EpochEnd,
  loss,
  nn,
  optim,
  rows,
  sequenceBatches,
  sequences,
  Trainer,
  windows,
} from '../../../lib/index.ts';
import { batches } from '../../../lib/train/feed/batches.ts';
import type { FitOptions } from '../../../lib/train/index.ts';
import { bits, classifier, points } from '../models.ts';

const [here, there] = [points(50), points(50, 6, 7)];
type Points = typeof here;
/** The rows as they lie, in batches of 8, the last one of 2. */
const listOf = (data: Points): Arrays[] =>
  Array.from({ length: 7 }, (_, i) => {
    const [from, to] = [8 * i, Math.min(50, 8 * i + 8)];
    return { x: { data: data.x.data.slice(6 * from, 6 * to), shape: [to - from, 6] }, y: data.y.slice(from, to) };
  });
const copyOf = ({ x, y }: Points): Points => ({ x: { data: x.data.slice(), shape: [...x.shape] }, y: y.slice() });
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const tableOf = ({ x, y }: Points): Record<string, number>[] =>
  Array.from(y, (label, r) => ({
    label,
    ...Object.fromEntries(NAMES.map((name, c) => [name, x.data[6 * r + c]!])),
  }));

/** The weights after these batches, whatever gave them: of a generator that was called already nothing is left out. */
async function after(all: readonly Arrays[]): Promise<string> {
  const trainer = classifier({ rate: 0.3 });
  await trainer.fit(all[Symbol.iterator]() as Iterable<Arrays>, {});
  return bits(trainer);
}
const goesOn = (): Promise<string> => after([...listOf(here).slice(0, 3), ...listOf(here).slice(3)]);
const beginsAnew = (): Promise<string> => after([...listOf(here).slice(0, 3), ...listOf(there)]);

type Way = (data: Points) => unknown;
const ways: Record<string, { readonly of: Way; readonly options?: FitOptions }> = {
  arrays: { of: (data) => copyOf(data), options: { shuffle: false } },
  'a source': { of: (data) => rows(copyOf(data)), options: { shuffle: false } },
  'a list of batches': { of: listOf },
  'a function that gives batches': {
    of: (data) =>
      function* () {
        yield* listOf(data);
      },
  },
  'a function whose batches wait': {
    of: (data) =>
      async function* () {
        for (const batch of listOf(data)) yield await Promise.resolve(batch);
      },
  },
  'batches of other shapes': { of: (data) => batches(listOf(data)) },
  columns: { of: (data) => columns(() => tableOf(data), { x: NAMES, y: 'label' }) },
  'columns that begin with a row, in windows': {
    of: (data) => columns(({ row }) => tableOf(data).slice(row), { x: NAMES, y: 'label' }, { shuffle: 50 }),
  },
};

describe.each(Object.entries(ways))('%s', (name, { of, options = {} }) => {
  const windowed = name.includes('windows');
  it('with the same, wherever they lie, it goes on', async () => {
    const trainer = classifier({ rate: 0.3 });
    await trainer.fit(of(here) as never, { steps: 3, ...options });
    await trainer.fit(of(here) as never, { epochs: 1, ...options });
    expect(trainer.counters).toMatchObject({ epoch: 1, batch: 0, step: 7 });
    if (!windowed) expect(await bits(trainer)).toBe(await goesOn());
  });
  it.each(['fit', 'fitSync'] as const)(
    'with others, all of them are trained on, and the epoch tells of them alone: %s',
    async (how) => {
      if (how === 'fitSync' && name.includes('wait')) return;
      const ends: EpochEnd[] = [];
      const trainer = classifier({ rate: 0.3 });
      await trainer[how](of(here) as never, { steps: 3, ...options });
      const onEpoch = (end: EpochEnd): void => void ends.push(end);
      const { tried } = await trainer[how](of(there) as never, { epochs: 1, onEpoch, ...options });
      expect(tried).toBe(7);
      expect(ends.map(({ epoch, steps }) => ({ epoch, steps }))).toEqual([{ epoch: 1, steps: 7 }]);
      expect(trainer.counters).toMatchObject({ epoch: 1, batch: 0, step: 10 });
      if (!windowed) expect(await bits(trainer)).toBe(await beginsAnew());
    },
  );
});

describe('the same data', () => {
  it('are a function or list that was given before, whatever comes of it', async () => {
    let calls = 0;
    const augmented = function* (): Generator<Arrays> {
      calls++;
      for (const { x, y } of listOf(here))
        yield { x: { ...(x as Points['x']), data: (x as Points['x']).data.map((v) => v + calls) }, y: y! };
    };
    const trainer = classifier();
    await trainer.fit(augmented, { steps: 3 });
    expect((await trainer.fit(augmented, { epochs: 1 })).tried).toBe(4);
  });
  it('are what a function that takes the place gives: it is told where to begin', async () => {
    const asked: number[] = [];
    const told = (data: Points) => (at: { batch: number }) => {
      asked.push(at.batch);
      return listOf(data).slice(at.batch);
    };
    const trainer = classifier();
    await trainer.fit(told(here), { steps: 3 });
    await trainer.fit(told(there), { epochs: 1 });
    expect(asked).toEqual([0, 3]);
  });
  it('are sequences of a stream whose first example is the same', async () => {
    const examples = (length: number, from: number): object[] =>
      Array.from({ length: 12 }, (_, i) => ({ x: Array.from({ length }, (_, j) => (i + j + from) % 5), y: i % 2 }));
    const made = (): Trainer<nn.Module> => {
      const model = new nn.Sequential(new nn.Embedding(5, 3), new nn.Flatten(), new nn.Linear(12, 2));
      return new Trainer({
        model,
        loss: ({ x, y }) => loss.crossEntropy(model.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
      }) as unknown as Trainer<nn.Module>;
    };
    const given = (from: number): unknown => sequenceBatches(() => examples(4, from) as never, { buckets: [4], batchSize: 3 });
    for (const [from, tried] of [
      [0, 3],
      [1, 4],
    ] as const) {
      const trainer = made();
      await trainer.fit(given(0) as never, { steps: 1 });
      expect((await trainer.fit(given(from) as never, { epochs: 1 })).tried).toBe(tried);
    }
  });
  it('come in the same order: rows as they lie are others than rows by the seed', async () => {
    const trainer = classifier();
    await trainer.fit(here, { steps: 3 });
    expect((await trainer.fit(here, { epochs: 1, shuffle: false })).tried).toBe(7);
  });
});

describe('other data', () => {
  it('may have fewer batches than the epoch had by then, and any number of rows', async () => {
    const trainer = classifier();
    await trainer.fit(here, { steps: 5 });
    const few = points(11, 6, 3);
    const { tried, epochs } = await trainer.fit(few, { epochs: 1 });
    expect([tried, epochs.length]).toEqual([2, 1]);
  });
  it('are a stream after arrays, and arrays after a stream', async () => {
    const trainer = classifier();
    await trainer.fit(here, { steps: 3 });
    expect((await trainer.fit(listOf(here), { steps: 7 })).tried).toBe(7);
    expect(trainer.counters).toMatchObject({ epoch: 1, batch: 0 });
    await trainer.fit(listOf(here), { steps: 2 });
    expect((await trainer.fit(here, { epochs: 1 })).tried).toBe(7);
  });
  it('of sequences may have batches of another size', async () => {
    const given = (from: number): never =>
      sequences(
        { x: Array.from({ length: 10 }, (_, i) => [i % 3, from]), y: Array.from({ length: 10 }, (_, i) => i % 2) },
        { buckets: [2] },
      ) as never;
    const model = new nn.Sequential(new nn.Embedding(5, 3), new nn.Flatten(), new nn.Linear(6, 2));
    const trainer = new Trainer({
      model,
      loss: ({ x, y }) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
      batchSize: 4,
    });
    await trainer.fit(given(1), { steps: 1 });
    await expect(async () => trainer.fit(given(1), { epochs: 1, batchSize: 2 })).rejects.toThrow(
      /sequences go on within an epoch/,
    );
    expect((await trainer.fit(given(2), { epochs: 1, batchSize: 2 })).tried).toBe(5);
  });
  it('give what is carried from batch to batch its first values', async () => {
    const text = (from: number): Int32Array => Int32Array.from({ length: 25 }, (_, i) => (i * from) % 5);
    const made = (): Trainer<nn.Module> => {
      const [embedding, rnn, head] = [new nn.Embedding(5, 4), new nn.GRU(4, 6, { carry: 2 }), new nn.Linear(6, 5)];
      class Reader extends nn.Module {
        embedding = embedding;
        rnn = rnn;
        head = head;
        forward(x: never): never {
          return head.forward(rnn.forward(embedding.forward(x)).output) as never;
        }
      }
      const model = new Reader();
      return new Trainer({
        model,
        loss: ({ x, y }) => loss.crossEntropy(model.forward(x as never), y),
        optimizer: optim.sgd({ lr: 0 }),
        batchSize: 2,
      }) as unknown as Trainer<nn.Module>;
    };
    const given = (from: number): never => windows(text(from), { length: 3, consecutive: true }) as never;
    const fresh = made().fitSync(given(2), { steps: 1 }).last!.loss;
    const trainer = made();
    trainer.fitSync(given(3), { steps: 2 });
    expect(trainer.fitSync(given(2), { steps: 1 }).last!.loss).toBe(fresh);
    expect(trainer.fitSync(given(2), { steps: 1 }).last!.loss).not.toBe(fresh);
  });
});

describe('a checkpoint', () => {
  const saved = async (trainer: ReturnType<typeof classifier>): Promise<string> => {
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'm.safetensors');
    await trainer.save(file);
    return file;
  };
  it('knows of which data the epoch is, and so does a snapshot', async () => {
    const one = classifier();
    await one.fit(here, { steps: 3 });
    const [file, snapshot] = [await saved(one), await one.snapshot()];
    const tried = async (data: Points, from: 'load' | 'restore'): Promise<number> => {
      const other = classifier();
      await (from === 'load' ? other.load(file) : other.restore(snapshot));
      return (await other.fit(data, { epochs: 1 })).tried;
    };
    for (const from of ['load', 'restore'] as const) {
      expect([await tried(copyOf(here), from), await tried(there, from)]).toEqual([4, 7]);
    }
  });
  it('that was written while a fit was on knows them, too', async () => {
    const one = classifier();
    let bytes: Promise<Uint8Array> | null = null;
    const onSteps = (): void => {
      bytes ??= one.save();
    };
    await one.fit(here, { epochs: 1, chunkSteps: 1, callbacks: [{ onSteps }] });
    const other = classifier();
    await other.load(await bytes!);
    const { batch } = other.counters;
    expect(batch).toBeGreaterThan(0);
    expect((await other.fit(there, { epochs: 1 })).tried).toBe(7);
  });
  it('of a stream goes on with any: nobody knows which it was', async () => {
    const one = classifier();
    await one.fit(listOf(here), { steps: 3 });
    const other = classifier();
    await other.load(await saved(one));
    expect((await other.fit(listOf(there), { epochs: 1 })).tried).toBe(4);
  });
  it('that a run resumes from with other data begins its epoch anew, with a warning', async () => {
    const one = classifier();
    await one.fit(here, { steps: 3 });
    const file = await saved(one);
    const { tried, warnings } = await classifier().fit(there, { epochs: 1, resume: file });
    expect(tried).toBe(7);
    expect(warnings.map(({ code }) => code)).toEqual(['otherData']);
    const same = await classifier().fit(here, { epochs: 1, resume: file });
    expect([same.tried, same.warnings]).toEqual([4, []]);
  });
  it('of a version that did not say so goes on with any', async () => {
    const one = classifier();
    await one.fit(here, { steps: 3 });
    const bytes = Buffer.from(await one.save());
    const text = bytes.toString('latin1');
    const said = /\\"data\\":\\"[^"]*\\",/.exec(text)![0];
    // As long as before.
    const without = Buffer.from(text.replace(said, ' '.repeat(said.length)), 'latin1');
    const other = classifier();
    await other.load(without);
    expect((await other.fit(there, { epochs: 1 })).tried).toBe(4);
  });
});
