// feeding.test.ts: how a fit is fed: batches in lists, generators and streams, the order of rows, and the rows of a batch.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Arrays } from '../../../lib/data/arrays.ts';
import { DataError, OptionError } from '../../../lib/errors.ts';
import { readRecord } from '../../../lib/history/index.ts';
import { rows, windows } from '../../../lib/train/feed/source.ts';
import type { FitOptions, Stream } from '../../../lib/train/index.ts';
import { fails } from '../fails.ts';
import { bits, classifier, points } from '../models.ts';

const data = points(50);
/** The rows as they lie, in batches of 8, the last one of 2. */
const list: Arrays[] = Array.from({ length: 7 }, (_, i) => {
  const [from, to] = [8 * i, Math.min(50, 8 * i + 8)];
  return { x: { data: data.x.data.slice(6 * from, 6 * to), shape: [to - from, 6] }, y: data.y.slice(from, to) };
});
function* generated(): Generator<Arrays> {
  yield* list;
}
async function* waited(): AsyncGenerator<Arrays> {
  for (const batch of list) {
    await new Promise((resolve) => setImmediate(resolve));
    yield batch;
  }
}

const both = ['fit', 'fitSync'] as const;
/** The weights after it. */
async function trained(how: 'fit' | 'fitSync', given: unknown, options: FitOptions, of = {}): Promise<string> {
  const trainer = classifier({ rate: 0.3, ...of });
  await trainer[how](given as never, options);
  return bits(trainer);
}

describe('shuffle: false', () => {
  it.each(both)('takes rows as they lie: %s has the bits of these batches in a list', async (how) => {
    expect(await trained(how, data, { epochs: 3, shuffle: false })).toBe(await trained('fit', list, { epochs: 3 }));
  });
  it('takes them in another order than true, which is the default', async () => {
    const shuffled = await trained('fit', data, { epochs: 1 });
    expect(await trained('fit', data, { epochs: 1, shuffle: true })).toBe(shuffled);
    expect(await trained('fit', data, { epochs: 1, shuffle: false })).not.toBe(shuffled);
  });
  it('goes on where it was, after a checkpoint too', async () => {
    const whole = await trained('fit', data, { steps: 19, shuffle: false });
    const [one, other] = [classifier({ rate: 0.3 }), classifier({ rate: 0.3 })];
    await one.fit(data, { steps: 9, shuffle: false });
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'm.safetensors');
    await one.save(file);
    await other.load(file);
    await other.fit(data, { steps: 10, shuffle: false });
    expect(await bits(other)).toBe(whole);
  });
  it('is refused where the order is not of the trainer', async () => {
    const text = /^fit: option shuffle: .* come in an order of their own/;
    await fails(() => classifier().fit(list, { shuffle: false }), OptionError, 'ERR_OPTION', text);
    await fails(() => classifier().fit(waited(), { shuffle: true }), OptionError, 'ERR_OPTION', text);
    await fails(
      () => classifier().fit(windows(new Uint8Array(99), { length: 3 }) as never, { shuffle: false }),
      OptionError,
      'ERR_OPTION',
      text,
    );
    expect(await trained('fit', rows(data), { steps: 7, shuffle: false })).toBe(await trained('fit', list, { epochs: 1 }));
  });
});

describe('batchSize of a fit', () => {
  it.each(both)('is in place of the trainer’s: %s', async (how) => {
    expect(await trained(how, data, { epochs: 2, batchSize: 12 })).toBe(
      await trained(how, data, { epochs: 2 }, { batchSize: 12 }),
    );
  });
  it('is in the record', async () => {
    const record = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'run.jsonl');
    await classifier().fit(data, { epochs: 1, batchSize: 12, record });
    expect((await readRecord(record)).header?.batchSize).toBe(12);
  });
  it('goes on in the epoch after a checkpoint', async () => {
    const whole = await trained('fit', data, { steps: 8, batchSize: 12 });
    const [one, other] = [classifier({ rate: 0.3 }), classifier({ rate: 0.3 })];
    await one.fit(data, { steps: 3, batchSize: 12 });
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'm.safetensors');
    await one.save(file);
    await other.load(file);
    await other.fit(data, { steps: 5, batchSize: 12 });
    expect(await bits(other)).toBe(whole);
  });
  it('where it changes within an epoch, that goes on with the batch of the next row', async () => {
    const trainer = classifier();
    await trainer.fit(data, { steps: 3 });
    expect(trainer.counters).toMatchObject({ epoch: 0, batch: 3 });
    // 24 rows are done: the next one is in the fifth batch of 5.
    await trainer.fit(data, { steps: 1, batchSize: 5 });
    expect(trainer.counters).toMatchObject({ epoch: 0, batch: 5 });
    // 25 of them: the one after is in the first batch of 30.
    await trainer.fit(data, { steps: 1, batchSize: 30 });
    expect(trainer.counters).toMatchObject({ epoch: 0, batch: 1 });
    // Which the second one ends.
    await trainer.fit(data, { steps: 1, batchSize: 30 });
    expect(trainer.counters).toMatchObject({ epoch: 1, batch: 0 });
  });
  it('must be one', async () => {
    await fails(() => classifier().fit(data, { batchSize: 0 }), OptionError, 'ERR_OPTION', /batchSize.* got 0/);
  });
});

describe('batches one after the other', () => {
  const again: Record<string, () => unknown> = {
    'a list': () => list,
    'a set': () => new Set(list),
    'an object that begins anew': () => ({ [Symbol.iterator]: generated }),
    'a function that gives a generator': () => generated,
    'a function that gives a list': () => () => list,
  };
  it.each(Object.entries(again))('%s is gone through in each epoch, also when it blocks', async (_name, make) => {
    const expected = await trained('fit', () => waited(), { epochs: 3 });
    expect(await trained('fit', make(), { epochs: 3 })).toBe(expected);
    expect(await trained('fitSync', make(), { epochs: 3 })).toBe(expected);
    for (const chunkSteps of [1, 3]) expect(await trained('fitSync', make(), { epochs: 3, chunkSteps })).toBe(expected);
    // Three batches to a step, and one for the last.
    const accumulated = await trained('fit', () => waited(), { epochs: 2 }, { accumulate: 3 });
    expect(await trained('fitSync', make(), { epochs: 2 }, { accumulate: 3 })).toBe(accumulated);
  });

  it.each<[string, () => Stream]>([
    ['a generator', generated],
    ['an asynchronous one', waited],
    ['a stream of Node', () => Readable.from(list)],
  ])('%s is gone through once', async (_name, make) => {
    const { stopReason, epochs, tried } = await classifier().fit(make(), { epochs: 3 });
    expect({ stopReason, epochs: epochs.length, tried }).toEqual({ stopReason: 'endOfData', epochs: 1, tried: 7 });
  });

  it.each(both)('a generator is told when no more is wanted: %s', async (how) => {
    let closed = 0;
    function* endless(): Generator<Arrays> {
      try {
        for (;;) yield list[0]!;
      } finally {
        closed++;
      }
    }
    await classifier()[how](endless(), { steps: 5 });
    expect(closed).toBe(1);
  });

  it.each(both)('an error of a generator comes out after the batches before it: %s', async (how) => {
    function* failing(): Generator<Arrays> {
      yield* list.slice(0, 2);
      throw new RangeError('no more');
    }
    const trainer = classifier();
    await expect((async () => trainer[how](failing()))()).rejects.toThrow(new RangeError('no more'));
    expect(trainer.counters.step).toBe(2);
  });

  it('what is no batch is refused', async () => {
    await fails(() => classifier().fit([]), OptionError, 'ERR_OPTION', 'fit: expected named arrays, such as { x, y }');
    await fails(
      () => classifier().fit([data.x, data.y] as never),
      OptionError,
      'ERR_OPTION',
      'fit: expected named arrays, such as { x, y }',
    );
    await fails(() => classifier().fit((() => 3) as never), OptionError, 'ERR_OPTION', 'to return an iterable of batches, got 3');
    await fails(
      () => classifier().fitSync((() => waited()) as never),
      OptionError,
      'ERR_OPTION',
      'fitSync: an asynchronous source needs fit',
    );
    await fails(
      () => classifier().fit([list[0]!, { x: data.x }]),
      DataError,
      'ERR_DATA',
      'batch 1 of the epoch: expected an array named y',
    );
    await fails(() => classifier().evaluate(list as never), OptionError, 'ERR_OPTION', 'batches one after the other are for fit');
  });
});
