// tensorboard.test.ts: TensorBoard's files: the bytes that TensorBoard's own writer makes, curves and distributions that are those of the run, and runs
// that were interrupted.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startEvent, summaryEvent, versionEvent, wholeRecords } from '../../lib/callbacks/events.ts';
import { Histogram } from '../../lib/callbacks/histogram.ts';
import { callbacks, clip, DataError, io, type Report } from '../../lib/index.ts';
import { data, folder, make, seeing, validation } from './kit.ts';
import { curvesOf, eventOf, eventsIn, histogramsOf, recordsOf } from './read-events.ts';

const written = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/callbacks/events.json'), 'utf8')) as Record<
  string,
  string
>;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('bytes', () => {
  it('are those of the writer of TensorBoard', () => {
    expect(hex(versionEvent(1234567890.25))).toBe(written.version);
    expect(hex(startEvent(1234567890.25, 77))).toBe(written.start);
    const values = [
      { tag: 'train/loss', number: 0.1 },
      { tag: 'validation/größe', number: Number.NaN },
    ];
    expect(hex(summaryEvent(1234567890.5, 300, values))).toBe(written.scalars);
    const histogram = new Histogram();
    for (const value of [-1.5, 0, 0.25, 0.26, 3]) histogram.add(value);
    expect(hex(summaryEvent(1, 2 ** 33, [{ tag: 'weights/fc', histogram }]))).toBe(written.histogram);
  });

  it('of which some were written: as many as are whole', () => {
    const records = [versionEvent(1), startEvent(2, 3), summaryEvent(3, 4, [{ tag: 'a', number: 1 }])];
    const bytes = Buffer.concat(records);
    const ends = [0, ...records.map((_, i) => Buffer.concat(records.slice(0, i + 1)).length)];
    for (let done = 0; done <= bytes.length; done++) {
      expect(wholeRecords(bytes, done)).toBe(ends.findLast((end) => end <= done));
    }
  });

  it('a byte that is another is seen', () => {
    const bytes = Buffer.from(versionEvent(1));
    expect(eventOf(recordsOf(bytes)[0]!)).toMatchObject({ time: 1, version: 'brain.Event:2' });
    for (let i = 0; i < bytes.length; i++) {
      const other = Buffer.from(bytes);
      other[i]! ^= 4;
      expect(() => recordsOf(other), `byte ${i}`).toThrow();
    }
  });
});

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const near = (value: number): unknown => expect.closeTo(Math.fround(value), 6);

describe('curves', () => {
  it.each(['fit', 'fitSync'] as const)('%s: means of the steps between two points, and what is left at the end', async (how) => {
    const place = folder();
    const { seen, callback } = seeing();
    using trainer = make();
    const board = callbacks.tensorBoard(place, { every: 5, histograms: 'none' });
    await trainer[how](data, { steps: 17, validation, callbacks: [callback, board] });
    const events = eventsIn(place);
    expect(events[0]).toMatchObject({ version: 'brain.Event:2', values: [] });
    expect(events[1]).toMatchObject({ status: 1, step: 0 });
    const curves = curvesOf(events);
    const parts = [0, 5, 10, 15].map((from) => seen.reports.slice(from, from + 5));
    const expected = (of: (r: Report) => number): unknown[] =>
      parts.map((part, i) => [[5, 10, 15, 17][i], near(mean(part.map(of)))]);
    expect(curves['train/loss']).toEqual(expected((r) => r.loss));
    expect(curves['train/grad_norm']).toEqual(expected((r) => r.norm));
    expect(curves['train/grad_norm_clipped']).toEqual(expected((r) => r.normAfter));
    expect(curves['train/clipped_share']).toEqual(expected((r) => Number(r.clipped)));
    expect(curves['train/threshold']).toEqual(expected(() => 0.5));
    expect(curves['train/learning_rate']).toEqual(expected(() => 0.05));
    expect(curves['train/grad_norm_max']).toEqual(
      parts.map((part, i) => [[5, 10, 15, 17][i], near(Math.max(...part.map((r) => r.norm)))]),
    );
    expect(curves['validation/loss']).toEqual(seen.validations.map(({ step, loss }) => [step, near(loss)]));
    expect(curves['train/epoch_loss']).toEqual(seen.epochs.map(({ loss }, i) => [7 * (i + 1), near(loss)]));
    expect(curves['train/steps_per_second']!.every(([, rate]) => rate > 0)).toBe(true);
    expect(histogramsOf(events)).toEqual([]);
  });

  it('what is not measured has none; a loss that is not a number is one', async () => {
    const place = folder();
    using trainer = make({ clip: clip.none() });
    const bad = { ...data, x: { ...data.x, data: data.x.data.map((v, i) => (i === 0 ? Number.NaN : v)) } };
    await trainer.fit(bad, { steps: 1, shuffle: false, callbacks: [callbacks.tensorBoard(place, { every: 1 })] });
    const curves = curvesOf(eventsIn(place));
    expect(Object.keys(curves)).not.toContain('train/threshold');
    expect(curves['train/loss']).toEqual([[0, Number.NaN]]);
    expect(curves['train/skipped_share']).toEqual([[0, 1]]);
  });
});

describe('distributions', () => {
  it('of weights, at the ends of epochs and of the run: counts between the ends of buckets, sums', async () => {
    const place = folder();
    const kept: Record<string, Float32Array>[] = [];
    using trainer = make();
    const keep = (): void => {
      kept.push(Object.fromEntries([...trainer.model.namedParameters()].map(([name, p]) => [name, p.data.slice()])));
    };
    const callback = { onEpoch: keep, onEnd: keep };
    await trainer.fit(data, { steps: 17, callbacks: [callback, callbacks.tensorBoard(place)] });
    const all = histogramsOf(eventsIn(place)).filter(({ tag }) => tag.startsWith('weights/'));
    const names = [...trainer.model.namedParameters()].map(([name]) => `weights/${name}`);
    expect(all.map(({ tag, step }) => `${tag} ${step}`)).toEqual(
      [7, 14, 17].flatMap((step) => names.map((tag) => `${tag} ${step}`)),
    );
    for (const [i, { tag, of }] of all.entries()) {
      const values = kept[Math.floor(i / names.length)]![tag.slice('weights/'.length)]!;
      expect(of.count).toBe(values.length);
      expect([of.min, of.max]).toEqual([Math.min(...values), Math.max(...values)]);
      expect(of.sum).toBeCloseTo(
        values.reduce((a, b) => a + b, 0),
        10,
      );
      expect(of.squares).toBeCloseTo(
        values.reduce((a, b) => a + b * b, 0),
        10,
      );
      expect(of.limits).toEqual(of.limits.toSorted((a, b) => a - b));
      const counted = of.limits.map((limit, b) => values.filter((v) => v < limit && v >= (of.limits[b - 1] ?? -Infinity)).length);
      // Of numbers below 0 a bucket has its upper end, of others its lower one.
      const ends = of.limits.map((limit, b) => values.filter((v) => v <= limit && v > (of.limits[b - 1] ?? -Infinity)).length);
      expect(of.counts.map((n, b) => n === counted[b] || n === ends[b])).toEqual(of.counts.map(() => true));
    }
  });

  it('of the norms of gradients: those that a record has of each parameter', async () => {
    const place = folder();
    const record = join(place, 'run.jsonl');
    const board = join(place, 'board');
    using trainer = make();
    await trainer.fit(data, { epochs: 2, record: { file: record, perLayer: true }, callbacks: [callbacks.tensorBoard(board)] });
    const lines = readFileSync(record, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line) as { layers?: number[] })
      // Ends of epochs have lines of their own.
      .flatMap(({ layers }) => (layers ? [{ layers }] : []));
    const all = histogramsOf(eventsIn(board)).filter(({ tag }) => tag.startsWith('gradient_norms/'));
    expect(all).toHaveLength(2 * trainer.trained.length);
    for (const { tag, step, of } of all) {
      const p = trainer.trained.indexOf(tag.slice('gradient_norms/'.length));
      const norms = lines.slice(step - 7, step).map(({ layers }) => Math.fround(layers[p]!));
      expect([of.count, of.min, of.max]).toEqual([7, Math.min(...norms), Math.max(...norms)]);
      expect(of.sum).toBeCloseTo(
        norms.reduce((a, b) => a + b, 0),
        10,
      );
    }
  });

  it('after so many updates, or never; and a record has what it was asked for', async () => {
    const steps = async (histograms: 'none' | number): Promise<number[]> => {
      const place = folder();
      const record = join(place, 'run.jsonl');
      using trainer = make();
      const board = callbacks.tensorBoard(join(place, 'board'), { histograms });
      await trainer.fit(data, { steps: 10, chunkSteps: 1, record, callbacks: [board] });
      expect(readFileSync(record, 'utf8')).not.toContain('"layers"');
      return [...new Set(histogramsOf(eventsIn(join(place, 'board'))).map(({ step }) => step))];
    };
    expect(await steps(4)).toEqual([4, 8, 10]);
    expect(await steps('none')).toEqual([]);
  });

  it('change no bit of the training', async () => {
    const weights = async (follow: boolean): Promise<string> => {
      using trainer = make();
      await trainer.fit(data, { epochs: 2, callbacks: follow ? [callbacks.tensorBoard(folder(), { every: 1 })] : [] });
      return [...trainer.readParametersSync().values()].map(({ data }) => hex(new Uint8Array(data.buffer))).join();
    };
    expect(await weights(true)).toBe(await weights(false));
  });
});

describe('runs that go on', () => {
  /** Curves but for the clock's. */
  const curves = (place: string) => {
    const { 'train/steps_per_second': _, ...rest } = curvesOf(eventsIn(place));
    return rest;
  };
  const norms = (place: string) =>
    histogramsOf(eventsIn(place)).filter(({ tag, step }) => tag.startsWith('gradient_norms/') && step % 7 === 0);

  it('have the curves of one that was not interrupted, and none of the steps that were given up', async () => {
    const whole = folder();
    const options = { every: 4 };
    using one = make();
    await one.fit(data, { epochs: 3, validation, callbacks: [callbacks.tensorBoard(whole, options)] });
    for (const stop of [1, 4, 6, 7, 9]) {
      const place = folder();
      const [board, checkpoint] = [join(place, 'board'), join(place, 'c.safetensors')];
      const fit = { epochs: 3, validation, chunkSteps: 1, checkpoint: { file: checkpoint, every: { steps: stop } } };
      const fail = {
        onSteps: (_: unknown, { counters }: { counters: { attempt: number } }) => {
          if (counters.attempt === stop + 5) throw new Error('given up');
        },
      };
      using first = make();
      await expect(first.fit(data, { ...fit, callbacks: [callbacks.tensorBoard(board, options), fail] })).rejects.toThrow(
        'given up',
      );
      const { step } = JSON.parse(await counters(checkpoint)) as { step: number };
      using second = make();
      await second.fit(data, { ...fit, resume: checkpoint, callbacks: [callbacks.tensorBoard(board, options)] });
      expect(curves(board), `from ${step}`).toEqual(curves(whole));
      expect(readdirSync(board)).toHaveLength(2);
      const last = norms(board).filter(({ step: at }) => at > step);
      expect(last).toEqual(norms(whole).filter(({ step: at }) => at > step));
    }
  });

  it('fits of one trainer go on in one file, a file each where there are several callbacks; a new training leaves out what was', async () => {
    const place = folder();
    const board = callbacks.tensorBoard(place, { every: 1 });
    using trainer = make();
    for (let i = 0; i < 4; i++) await trainer.fit(data, { steps: 2, callbacks: [board] });
    expect(readdirSync(place)).toHaveLength(1);
    expect(curvesOf(eventsIn(place))['train/loss']!.map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await trainer.fit(data, { steps: 2, callbacks: [callbacks.tensorBoard(place, { every: 1 })] });
    expect(readdirSync(place)).toHaveLength(2);
    using other = make();
    await other.fit(data, { steps: 3, callbacks: [callbacks.tensorBoard(place, { every: 1 })] });
    expect(curvesOf(eventsIn(place))['train/loss']!.map(([step]) => step)).toEqual([1, 2, 3]);
  });

  it('a file that was changed or removed meanwhile is left, and another one begun', async () => {
    const place = folder();
    const board = callbacks.tensorBoard(place, { every: 1 });
    using trainer = make();
    await trainer.fit(data, { steps: 2, callbacks: [board] });
    const file = join(place, readdirSync(place)[0]!);
    writeFileSync(file, readFileSync(file).subarray(0, -3));
    await trainer.fit(data, { steps: 2, callbacks: [board] });
    expect(readdirSync(place)).toHaveLength(2);
    rmSync(join(place, readdirSync(place).toSorted()[1]!));
    await trainer.fit(data, { steps: 2, callbacks: [board] });
    expect(readdirSync(place)).toHaveLength(2);
  });
});

describe('files', () => {
  it('have names that TensorBoard looks for, each after those that are there', async () => {
    const place = folder();
    const seconds = Math.floor(Date.now() / 1000) + 1000;
    writeFileSync(join(place, `events.out.tfevents.${seconds}.elsewhere.1.0`), '');
    using trainer = make();
    await trainer.fit(data, { steps: 1, callbacks: [callbacks.tensorBoard(place)] });
    const names = readdirSync(place).toSorted();
    expect(names[1]).toMatch(new RegExp(`^events\\.out\\.tfevents\\.${seconds + 1}\\.[\\w.-]+\\.${process.pid}\\.\\d+$`));
  });

  it('are not made before a run begins, and a place where none can be is refused before the first step', async () => {
    const place = folder();
    const file = join(place, 'file');
    writeFileSync(file, '');
    const board = callbacks.tensorBoard(join(place, 'never'));
    expect(board.onSteps).toBeDefined();
    expect(readdirSync(place)).toEqual(['file']);
    using trainer = make();
    await expect(trainer.fit(data, { steps: 1, callbacks: [callbacks.tensorBoard(file)] })).rejects.toThrow(DataError);
    expect(trainer.counters.attempt).toBe(0);
    expect(statSync(file).size).toBe(0);
  });

  it('are as small as the points that they have, however long a run is', async () => {
    const place = folder();
    using trainer = make();
    await trainer.fit(data, { steps: 2000, callbacks: [callbacks.tensorBoard(place, { histograms: 'none' })] });
    const bytes = readdirSync(place).reduce((sum, name) => sum + statSync(join(place, name)).size, 0);
    // 40 points of 9 curves, and 285 epochs of two.
    expect(bytes).toBeLessThan(60_000);
  });
});

async function counters(file: string): Promise<string> {
  return (await io.inspectSafetensors(file)).metadata['gradclip.counters']!;
}
