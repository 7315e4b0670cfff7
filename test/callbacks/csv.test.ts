// csv.test.ts: the table of a run: each number that a report has, a row for each, the same table whether a run was interrupted or not, and torn ends.
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusyError, callbacks, clip, DataError, io, metrics, optim } from '../../lib/index.ts';
import { data, folder, make, seeing, validation } from './kit.ts';

/** Cells by the names of their columns, cut at commas. */
function table(file: string): Record<string, string>[] {
  const [header, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const names = header!.split(',');
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [names[i]!, cell])));
}

describe('a row for each step', () => {
  it.each(['fit', 'fitSync'] as const)('%s: has what its report has, and validations in rows of their own', async (how) => {
    const file = join(folder(), 'run.csv');
    const { seen, callback } = seeing();
    const accuracy = metrics.accuracy;
    using trainer = make<'accuracy'>({
      metrics: { accuracy: ({ x, y }, model) => accuracy(model.forward(x), y) },
      optimizer: optim.adamw({ lr: (step) => 0.05 / (1 + step) }),
    });
    const options = { epochs: 2, validation, callbacks: [callback, callbacks.csv(file)] };
    await trainer[how](data, options);
    const rows = table(file);
    const steps = rows.filter((row) => row.loss !== '');
    expect(steps.map((row) => [row.step, row.attempt, row.loss, row.grad_norm, row.grad_norm_clipped, row.clipped])).toEqual(
      seen.reports.map((r) => [r.step, r.attempt, r.loss, r.norm, r.normAfter, r.clipped ? 1 : 0].map(String)),
    );
    expect(steps.map((row) => row.learning_rate)).toEqual(seen.reports.map(({ step }) => String(0.05 / (1 + step))));
    expect(steps.map((row) => row.epoch)).toEqual([...new Array(7).fill('0'), ...new Array(7).fill('1')]);
    expect(steps.every((row) => row.threshold === '0.5' && row.validation_loss === '' && row.non_finite === '')).toBe(true);
    const measured = rows.filter((row) => row.loss === '');
    expect(measured.map((row) => [row.step, row.validation_loss])).toEqual(
      seen.validations.map(({ step, loss }) => [String(step), String(loss)]),
    );
    expect(measured.every((row) => Number(row.validation_accuracy) >= 0)).toBe(true);
    // In the order in which they happened, and as wide as the header.
    expect(rows.map((row) => row.loss === '')).toEqual([...new Array(7).fill(false), true, ...new Array(7).fill(false), true]);
    const widths = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(',').length);
    expect(new Set(widths).size).toBe(1);
  });

  it('is read by the reader of tables', async () => {
    const file = join(folder(), 'run.csv');
    const { seen, callback } = seeing();
    using trainer = make();
    await trainer.fit(data, { epochs: 1, callbacks: [callback, callbacks.csv(file)] });
    const { features } = await io.readCsv(file, { columns: ['loss', 'grad_norm'] });
    expect([...features.data]).toEqual(seen.reports.flatMap(({ loss, norm }) => [Math.fround(loss), Math.fround(norm)]));
  });

  it('numbers that are not finite, a threshold that is none, rates of several groups', async () => {
    const file = join(folder(), 'run.csv');
    using trainer = make({
      clip: clip.none(),
      groups: [{ match: 'fc1.*', optimizer: optim.sgd({ lr: 0.25 }) }],
    });
    const bad = { ...data, x: { ...data.x, data: data.x.data.map((v, i) => (i === 0 ? Number.NaN : v)) } };
    await trainer.fit(bad, { epochs: 1, shuffle: false, callbacks: [callbacks.csv(file)] });
    const [first, second] = table(file);
    expect(first).toMatchObject({
      loss: 'NaN',
      skipped: '1',
      threshold: 'inf',
      learning_rate_0: '0.25',
      learning_rate_1: '0.05',
    });
    expect(first!.non_finite).toMatch(/^fc/);
    expect(second).toMatchObject({ skipped: '0', step: '0', attempt: '1', non_finite: '' });
  });

  it('names that would end a cell or a line', async () => {
    const file = join(folder(), 'run.csv');
    const name = 'a,"b\nc';
    using trainer = make<string>({ metrics: { [name]: ({ x, y }, model) => metrics.accuracy(model.forward(x), y) } });
    await trainer.fit(data, { epochs: 1, validation, callbacks: [callbacks.csv(file)] });
    const [header, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(header!.endsWith(',validation_loss,"validation_a,""b\\nc"')).toBe(true);
    expect(lines).toHaveLength(8);
  });
});

describe('a row for each epoch', () => {
  it('has what its end has', async () => {
    const file = join(folder(), 'run.csv');
    const { seen, callback } = seeing();
    using trainer = make();
    await trainer.fit(data, { epochs: 3, validation, callbacks: [callback, callbacks.csv(file, { rows: 'epochs' })] });
    expect(readFileSync(file, 'utf8').split('\n')[0]).toBe('epoch,step,loss,steps,clipped,skipped,validation_loss');
    expect(table(file)).toEqual(
      seen.epochs.map(({ epoch, loss, steps, clipped, skipped, validation }) => {
        const cells = { epoch, step: 7 * epoch, loss, steps, clipped, skipped, validation_loss: validation!.loss };
        return Object.fromEntries(Object.entries(cells).map(([key, value]) => [key, String(value)]));
      }),
    );
  });
});

describe('a run that goes on', () => {
  /** What an uninterrupted run of three epochs, validated every 3 steps, writes. */
  async function whole(rows: 'steps' | 'epochs', place: string): Promise<string> {
    const file = join(place, 'whole.csv');
    using trainer = make();
    const every = rows === 'steps' ? { validateEvery: 3 } : {};
    await trainer.fit(data, { epochs: 3, validation, ...every, callbacks: [callbacks.csv(file, { rows })] });
    return readFileSync(file, 'utf8');
  }

  it.each(['steps', 'epochs'] as const)(
    'from every step on, after more was written and a line was torn: rows: %s',
    async (rows) => {
      const place = folder();
      const expected = await whole(rows, place);
      const every = rows === 'steps' ? { validateEvery: 3 } : {};
      const at = [1, 2, 3, 6, 7, 8, 12, 14, 20];
      for (const stop of at) {
        const [file, checkpoint] = [join(place, `${stop}.csv`), join(place, 'c.safetensors')];
        const fit = { epochs: 3, validation, ...every, checkpoint: { file: checkpoint, every: { steps: stop } } };
        const fail = (): never => {
          throw new Error('given up');
        };
        // It is given up some steps after its checkpoint.
        const end = {
          onSteps: (_: unknown, run: { counters: { attempt: number } }) => void (run.counters.attempt === stop + 3 && fail()),
        };
        using first = make();
        const before = first.fit(data, { ...fit, chunkSteps: 1, callbacks: [callbacks.csv(file, { rows }), end] });
        await before.catch(() => {});
        appendFileSync(file, stop % 2 ? '19,19,2,0.1' : '');
        using second = make();
        await second.fit(data, { ...fit, resume: checkpoint, callbacks: [callbacks.csv(file, { rows })] });
        expect(readFileSync(file, 'utf8'), `stopped after ${stop}`).toBe(expected);
      }
    },
  );

  it('in fits of one trainer, by one callback or several', async () => {
    const place = folder();
    const expected = await whole('steps', place);
    for (const one of [true, false]) {
      const file = join(place, `${one}.csv`);
      const callback = callbacks.csv(file);
      using trainer = make();
      for (const steps of [4, 3, 9, 5]) {
        await trainer.fit(data, { steps, validation, validateEvery: 3, callbacks: [one ? callback : callbacks.csv(file)] });
      }
      expect(readFileSync(file, 'utf8')).toBe(expected);
    }
  });

  it('begins anew where the run does, where the file is gone, and where only a part of a header is there', async () => {
    const place = folder();
    const file = join(place, 'run.csv');
    const rows = async (): Promise<number> => {
      using trainer = make();
      await trainer.fit(data, { steps: 5, callbacks: [callbacks.csv(file)] });
      return table(file).length;
    };
    expect([await rows(), await rows()]).toEqual([5, 5]);
    truncateSync(file, 10);
    expect(await rows()).toBe(5);
    using trainer = make();
    await trainer.fit(data, { steps: 3 });
    writeFileSync(file, '');
    await trainer.fit(data, { steps: 2, callbacks: [callbacks.csv(file)] });
    expect(table(file).map(({ step }) => step)).toEqual(['3', '4']);
  });
});

describe('what is refused', () => {
  it('a file that is no such table, and stays as it is; columns that are others; no file at all', async () => {
    const place = folder();
    const [file, precious] = [join(place, 'run.csv'), join(place, 'data.csv')];
    writeFileSync(precious, 'a,b\n1,2\n');
    using trainer = make();
    await expect(trainer.fit(data, { steps: 1, callbacks: [callbacks.csv(precious)] })).rejects.toThrow(DataError);
    expect(readFileSync(precious, 'utf8')).toBe('a,b\n1,2\n');
    expect(trainer.counters.step).toBe(0);
    await trainer.fit(data, { steps: 1, callbacks: [callbacks.csv(file)] });
    await expect(trainer.fit(data, { steps: 1, validation, callbacks: [callbacks.csv(file)] })).rejects.toThrow(
      /expected the columns .*validation_loss to go on with, got .*sparsity: give another file/,
    );
    await expect(trainer.fit(data, { steps: 1, callbacks: [callbacks.csv(place)] })).rejects.toThrow(DataError);
    await expect(trainer.fit(data, { steps: 1, callbacks: [callbacks.csv(join(place, 'none', 'x.csv'))] })).rejects.toThrow(
      'there is no folder',
    );
  });

  it('whatever the file is: an error of its own, and the file as it was, or a table that goes on', async () => {
    const place = folder();
    const file = join(place, 'run.csv');
    using trainer = make();
    await trainer.fit(data, { steps: 3, callbacks: [callbacks.csv(file)] });
    const good = readFileSync(file);
    const change = fc.record({
      at: fc.nat({ max: good.length }),
      bytes: fc.uint8Array({ maxLength: 6 }),
      cut: fc.nat({ max: 30 }),
    });
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 3 }), async (changes) => {
        let bytes = good;
        for (const { at, bytes: put, cut } of changes)
          bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)]);
        writeFileSync(file, bytes);
        const before = trainer.counters.attempt;
        try {
          await trainer.fit(data, { steps: 1, callbacks: [callbacks.csv(file)] });
          expect(table(file).at(-1)).toMatchObject({ attempt: String(before) });
          outcomes.add('table');
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
          expect(readFileSync(file).equals(bytes)).toBe(true);
          expect(trainer.counters.attempt).toBe(before);
          outcomes.add('refused');
        }
      }),
      { numRuns: 150 },
    );
    expect(outcomes).toEqual(new Set(['table', 'refused']));
  });
  it('one table for two runs at once', async () => {
    const shared = callbacks.csv(join(folder(), 'run.csv'));
    using one = make();
    using two = make();
    const first = one.fit(data, { epochs: 30, callbacks: [shared] });
    await expect(two.fit(data, { steps: 1, callbacks: [shared] })).rejects.toThrow(BusyError);
    await first;
    await two.fit(data, { steps: 1, callbacks: [shared] });
  });
});
