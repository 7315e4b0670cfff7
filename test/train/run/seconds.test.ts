// seconds.test.ts: a fit that has a time ends with its result when it is over, after the step it is in; what resumes it comes to the bits of one that had
// all the time it took.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Arrays, type FitOptions, type FitResult, OptionError } from '../../../lib/index.ts';
import { bits, classifier, points, stream } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'seconds-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Four steps an epoch. */
const data = points(32);
const validation = points(16, 6, 2);
/** Over before the first step is: such a fit has one, on any machine. */
const AT_ONCE = 1e-9;
/** Not over before anything here is. */
const AGES = 1e9;

describe('a fit without time', () => {
  it.each(['fit', 'fitSync'] as const)('has one step: %s', async (method) => {
    const trainer = classifier();
    expect(await trainer[method](data, { seconds: AT_ONCE })).toMatchObject({
      stopReason: 'seconds',
      tried: 1,
      applied: 1,
      epochs: [],
    });
    expect(trainer.counters).toMatchObject({ step: 1, epoch: 0, batch: 1 });
    expect(await trainer[method](data, { seconds: AT_ONCE, chunkSteps: 4 })).toMatchObject({ stopReason: 'seconds', tried: 1 });
    expect(trainer.counters.step).toBe(2);
  });

  it('of several micro-batches, of other shapes: a whole step', async () => {
    const trainer = classifier({ accumulate: 3, batchSize: 12 });
    expect(await trainer.fit(data, { seconds: AT_ONCE })).toMatchObject({ tried: 1, epochs: [{ steps: 1 }] });
    expect(trainer.counters).toMatchObject({ attempt: 3, step: 1 });
  });

  it('finishes the epoch that its step ends, with its validation', async () => {
    const trainer = classifier({ batchSize: 32 });
    const { stopReason, epochs } = await trainer.fit(data, { epochs: 2, seconds: AT_ONCE, validation });
    expect([stopReason, epochs.length, trainer.counters.epoch]).toEqual(['seconds', 1, 1]);
    expect(epochs[0]!.validation).toEqual(await trainer.evaluate(validation));
  });

  it('tells what all is done by, where that comes at the same moment', async () => {
    const whole = classifier({ batchSize: 32 });
    expect((await whole.fit(data, { epochs: 1, seconds: AT_ONCE })).stopReason).toBe('epochs');
    expect((await classifier().fit(data, { steps: 1, seconds: AT_ONCE })).stopReason).toBe('steps');
    const stopping = { epochs: 9, seconds: AT_ONCE, validation, validateEvery: 1, earlyStop: { patience: 1, minDelta: 1e9 } };
    const trainer = classifier();
    expect((await trainer.fit(data, stopping)).stopReason).toBe('seconds');
    expect((await trainer.fit(data, stopping)).stopReason).toBe('earlyStop');
  });
});

it.each(['fit', 'fitSync'] as const)('with time enough, is the fit without it: %s', async (method) => {
  const [plain, timed] = [classifier(), classifier()];
  const expected = await plain[method](data, { epochs: 3, validation });
  expect(await timed[method](data, { epochs: 3, validation, seconds: AGES })).toEqual(expected);
  expect(await bits(timed)).toBe(await bits(plain));
  expect((await timed[method](data, { steps: 5, epochs: 9, seconds: AGES })).stopReason).toBe('steps');
});

it('ends in the middle of a chunk that would take minutes', async () => {
  const trainer = classifier();
  const { stopReason, tried } = await trainer.fit(data, { seconds: 0.2, chunkSteps: 5_000_000 });
  expect(stopReason).toBe('seconds');
  expect(tried).toBe(trainer.counters.step);
  const sync = trainer.fitSync(data, { seconds: 0.1, chunkSteps: 5_000_000 });
  expect([sync.stopReason, sync.tried]).toEqual(['seconds', trainer.counters.step - tried]);
});

it('does not wait for a batch that does not come, before the first step or later', async () => {
  for (const batches of [0, 2]) {
    let closed = false;
    const inner = stream(points(8 * batches), 8);
    const stalls: AsyncIterable<Arrays> = {
      [Symbol.asyncIterator]: () => ({
        async next() {
          const got = await inner.next();
          return got.done ? new Promise(() => {}) : got;
        },
        async return() {
          closed = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const { stopReason, tried } = await classifier().fit(stalls, { seconds: 0.3 });
    expect(stopReason).toBe('seconds');
    expect(tried).toBeLessThanOrEqual(batches);
    expect(closed).toBe(true);
  }
});

it('resumed until its epochs are over, is the fit that had all the time: bits, record, validations, early stop', async () => {
  const epochs = 3;
  const ways = { validation, earlyStop: { patience: 2 }, epochs };
  const whole = classifier({ rate: 0.2 });
  const wholeRecord = join(folder, 'whole.jsonl');
  const expected = await whole.fit(data, { ...ways, record: wholeRecord });
  const files = { checkpoint: join(folder, 'run.safetensors'), record: join(folder, 'parts.jsonl'), resume: 'auto' };
  const results: FitResult[] = [];
  let trainer = classifier({ rate: 0.2 });
  for (let i = 0; i < 20 && results.at(-1)?.stopReason !== 'epochs'; i++) {
    trainer = classifier({ rate: 0.2 });
    results.push(await trainer.fit(data, { ...ways, ...files, seconds: AT_ONCE }));
  }
  expect(results.map(({ stopReason }) => stopReason)).toEqual([...Array(11).fill('seconds'), 'epochs']);
  expect(results.every(({ tried }) => tried === 1)).toBe(true);
  expect(results.flatMap((r) => r.epochs)).toEqual(expected.epochs);
  expect(results.at(-1)!.best).toEqual(expected.best);
  expect(await bits(trainer)).toBe(await bits(whole));
  const steps = (file: string): unknown[] => readFileSync(file, 'utf8').trim().split('\n').slice(1);
  // With three validations and ends of epochs.
  expect(steps(files.record).length).toBe(18);
  expect(steps(files.record)).toEqual(steps(wholeRecord));
});

it.each([0, -1, Number.NaN, Infinity, '5'])('of %s seconds is refused', (seconds) => {
  const fit = (): unknown => classifier().fit(data, { seconds } as FitOptions);
  expect(fit).toThrow(OptionError);
  expect(fit).toThrow(/option seconds: expected a finite number > 0/);
});
