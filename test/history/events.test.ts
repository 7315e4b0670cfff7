// events.test.ts: what stands among the steps of a record: learning rates, validations, ends of epochs, what guards find, and the time where it is asked for.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readRecord } from '../../lib/history/index.ts';
import { parseLine, stepLine } from '../../lib/history/line.ts';
import { eventLine, type GuardFinding, type RunEvent } from '../../lib/history/run/events.ts';
import type { Report } from '../../lib/optim/apply/report.ts';
import * as optim from '../../lib/optim/index.ts';
import * as guard from '../../lib/public/guard.ts';
import { classifier, points } from '../train/models.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-events-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
const data = points(64);
const others = points(24, 6, 7);
const lines = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);

const number = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Infinity, -Infinity, -0, 0));
const place = { attempt: fc.nat(), step: fc.nat() };
const action = fc.constantFrom('warn', 'skip', 'rollback', 'stop') as fc.Arbitrary<GuardFinding['action']>;
const event: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record({
    event: fc.constant('validation' as const),
    ...place,
    metrics: fc.dictionary(
      fc.string().filter((name) => name !== '__proto__'),
      number,
    ),
  }),
  fc.record({
    ...{ event: fc.constant('epoch' as const), ...place, epoch: fc.nat(), loss: number },
    ...{ steps: fc.nat(), clipped: fc.nat(), skipped: fc.nat() },
  }),
  fc.record({
    ...{ event: fc.constant('guard' as const), ...place, guard: fc.string(), action, name: fc.string() },
    value: fc.option(number),
  }),
  fc.record(
    { event: fc.constant('clock' as const), attempt: fc.nat(), time: fc.nat(), machine: fc.string() },
    { requiredKeys: ['event', 'attempt', 'time'] },
  ),
);

describe('a line of an event', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(event, (given) => {
        const line = eventLine(given);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        const { event: read } = parseLine(line) as { event: RunEvent };
        expect({ ...read }).toEqual('metrics' in given ? { ...given, metrics: { ...given.metrics } } : given);
      }),
    );
  });

  it('of a step has rates and findings', () => {
    const hits = fc.array(fc.record({ guard: fc.string(), action, name: fc.string(), value: number }), { maxLength: 3 });
    fc.assert(
      fc.property(fc.array(number), hits, (rates, guards) => {
        const report = { attempt: 7, step: 5, loss: 1, norm: 2, scale: 1, normAfter: 2, threshold: 3, clipped: false } as Report;
        const whole = { ...report, clippedFraction: 0, skipped: false, nonFinite: null, nonFiniteCount: 0, guards };
        const { row } = parseLine(stepLine(whole, null, rates)) as unknown as {
          row: { rates: number[]; findings: GuardFinding[] };
        };
        expect(row.rates).toEqual(rates);
        expect(row.findings).toEqual(guards.map((hit) => ({ event: 'guard', attempt: 7, step: 5, ...hit })));
      }),
    );
  });

  it.each([
    ['{"event":"later","attempt":1}', 'event: expected validation, epoch, guard, clock, got "later"'],
    ['{"event":"clock","attempt":-1,"time":1}', 'attempt: expected a whole number from 0, got -1'],
    ['{"event":"clock","attempt":1}', 'time: expected a number, got nothing'],
    ['{"event":"clock","attempt":1,"time":1,"machine":2}', 'machine: expected a text, got 2'],
    ['{"event":"validation","attempt":1,"step":1,"metrics":[1]}', 'metrics: expected numbers by name, got [1]'],
    ['{"event":"validation","attempt":1,"step":1,"metrics":{"loss":"x"}}', 'metrics.loss: expected a number, got "x"'],
    ['{"event":"guard","attempt":1,"step":1,"guard":"g","action":"run","name":"n","value":1}', 'action: expected warn, skip'],
    ['{"event":"epoch","attempt":1,"step":1,"epoch":1,"loss":1,"steps":0.5,"clipped":0,"skipped":0}', 'steps: expected a whole'],
  ])('%s', (line, message) => {
    expect(() => parseLine(line)).toThrow(message);
  });
});

describe('the record of fit', () => {
  it('has the learning rates of all groups, by their schedules', async () => {
    const file = join(folder(), 'run.jsonl');
    const halves = (step: number): number => 0.1 * 0.5 ** step;
    using trainer = classifier({
      optimizer: optim.sgd({ lr: 0.25 }),
      groups: [{ match: 'fc2.*', optimizer: optim.sgd({ lr: halves }) }],
    });
    await trainer.fit(data, { steps: 9, record: file });
    const { rates, step, header } = await readRecord(file);
    const of = header!.parameters.map(({ optimizer }) => optimizer);
    expect(new Set(of)).toEqual(new Set([0, 1]));
    const scheduled = header!.parameters.find(({ name }) => name === 'fc2.weight')!.optimizer;
    expect([...rates![scheduled]!]).toEqual([...step].map(halves));
    expect([...rates![1 - scheduled]!]).toEqual(Array(9).fill(0.25));
  });

  it('has a rate that is not that of the step number where steps are skipped, and that a plateau makes less', async () => {
    const file = join(folder(), 'run.jsonl');
    const bad = points(64);
    bad.x.data[6 * 11] = Number.NaN;
    const falling = (step: number): number => 1 / (1 + step);
    using trainer = classifier({ optimizer: optim.sgd({ lr: falling }), plateau: { factor: 0.5, patience: 0, threshold: 0.99 } });
    const factors: number[] = [];
    await trainer.fit(bad, {
      epochs: 4,
      record: file,
      validation: others,
      callbacks: [{ onStart: () => factors.push(1), onEpoch: () => factors.push(trainer.rateFactor) }],
    });
    const { rates, step, skipped, length } = await readRecord(file);
    expect(skipped.reduce((a, b) => a + b, 0)).toBe(4);
    expect(length).toBe(32);
    expect(new Set(factors).size).toBeGreaterThan(1);
    expect([...rates![0]!]).toEqual([...step].map((s, i) => falling(s) * factors[Math.floor(i / 8)]!));
  });

  it('has what callbacks are told of validations and epochs, where it happened', async () => {
    const file = join(folder(), 'run.jsonl');
    using trainer = classifier();
    const told: unknown[] = [];
    await trainer.fit(data, {
      ...{ epochs: 3, record: file, validation: others },
      callbacks: [
        {
          onValidation: (metrics, { counters: { attempt, step } }) => told.push({ event: 'validation', attempt, step, metrics }),
          onEpoch: ({ validation: _, ...end }, { counters: { attempt, step } }) =>
            told.push({ event: 'epoch', attempt, step, ...end }),
        },
      ],
    });
    expect(told).toHaveLength(6);
    expect((await readRecord(file)).events).toEqual(told);
    const kinds = lines(file).map((line) => (JSON.parse(line) as { event?: string; format?: string }).event ?? 'step');
    expect(kinds).toEqual(['step', ...[1, 2, 3].flatMap(() => [...Array<string>(8).fill('step'), 'validation', 'epoch'])]);
  });

  it('has what guards find: of a step that is reported in its line, of one that is undone beside it', async () => {
    const file = join(folder(), 'run.jsonl');
    const guards = [guard.loss({ max: 0.6, action: 'warn' }), guard.finite({ action: 'warn' })];
    using trainer = classifier({ guards });
    const told: unknown[] = [];
    await trainer.fit(data, { epochs: 2, record: file, onGuard: (found) => told.push({ event: 'guard', ...found }) });
    expect(told.length).toBeGreaterThan(0);
    expect((await readRecord(file)).events!.filter(({ event }) => event === 'guard')).toEqual(told);

    const stopped = join(folder(), 'stopped.jsonl');
    using other = classifier({ guards: [guard.loss({ max: 1e-9, action: 'stop' })] });
    await expect(other.fit(data, { record: stopped })).rejects.toThrow('guard.loss');
    expect((await readRecord(stopped)).events).toMatchObject([{ event: 'guard', action: 'stop', attempt: 0, value: null }]);
  });

  it('goes on with no event twice and none left out, wherever it was stopped', async () => {
    const path = folder();
    const run = async (file: string, stops: readonly number[]): Promise<string> => {
      let saved: Uint8Array | null = null;
      for (const [i, steps] of stops.entries()) {
        using trainer = classifier();
        if (saved) await trainer.load(saved);
        await trainer.fit(data, { steps, record: file, validation: others });
        saved = await trainer.save();
        // Given up after that: what is there of it is cut off.
        if (i + 1 < stops.length) await trainer.fit(data, { steps: 5, record: file, validation: others });
      }
      return readFileSync(file, 'utf8').replaceAll(/"threads":\d+/g, '');
    };
    const whole = await run(join(path, 'whole'), [24]);
    expect(whole.match(/"event":"validation"/g)).toHaveLength(3);
    for (const stops of [
      [8, 16],
      [7, 1, 16],
      [3, 13, 8],
      [16, 8],
    ])
      expect(await run(join(path, stops.join()), stops), stops.join()).toBe(whole);
  });

  it('goes on from a file that was written before a validation, and after it', async () => {
    const path = folder();
    const [file, before, after] = ['run', 'before', 'after'].map((name) => join(path, name)) as [string, string, string];
    using trainer = classifier();
    const follow = {
      onSteps: async (): Promise<void> => {
        if (trainer.counters.attempt === 8) await trainer.save(before);
      },
      onEpoch: async (): Promise<void> => {
        if (trainer.counters.attempt === 8) await trainer.save(after);
      },
    };
    await trainer.fit(data, { steps: 12, record: file, validation: others, chunkSteps: 1, callbacks: [follow] });
    const whole = readFileSync(file, 'utf8');
    for (const saved of [before, after, before]) {
      using resumed = classifier();
      await resumed.load(saved);
      expect(resumed.counters.attempt).toBe(8);
      await resumed.fit(data, { steps: 4, record: file, validation: others });
      expect(readFileSync(file, 'utf8'), saved).toBe(whole);
    }
  });

  it('has the time and the machine where it is asked for, and else no clock', async () => {
    const path = folder();
    const [plain, timed] = [join(path, 'plain'), join(path, 'timed')];
    using trainer = classifier();
    await trainer.fit(data, { steps: 4, record: plain });
    expect(readFileSync(plain, 'utf8')).not.toContain('clock');
    using other = classifier();
    const begun = Date.now();
    await other.fit(data, { steps: 4, record: { file: timed, clock: true } });
    await other.fit(data, { steps: 4, record: { file: timed, clock: true } });
    const { events, length } = await readRecord(timed);
    expect(length).toBe(8);
    const times = events!.filter((e) => e.event === 'clock');
    expect(times.filter(({ machine }) => machine?.includes(process.version))).toHaveLength(2);
    for (const { time } of times) expect(time - begun).toBeLessThan(60_000);
    expect(times.map(({ attempt }) => attempt)).toEqual([...times.map(({ attempt }) => attempt)].sort((a, b) => a - b));
  });

  it('refuses events where the header announces none', async () => {
    const file = join(folder(), 'run.jsonl');
    using trainer = classifier();
    await trainer.fit(data, { epochs: 1, record: file });
    const text = lines(file);
    expect(text.at(-1)).toContain('"event":"epoch"');
    writeFileSync(file, `${text[0]!.replace('"version":3', '"version":1')}\n${text.slice(1).join('\n')}\n`);
    await expect(readRecord(file)).rejects.toThrow('line 10: event: expected the header of a record that has events');
    writeFileSync(file, `${text.join('\n')}\n`);
    appendFileSync(file, `${text.at(-1)!.replace('"attempt":8', '"attempt":7')}\n`);
    await expect(readRecord(file)).rejects.toThrow('line 11: attempt: expected more than 7, got 7');
  });
});
