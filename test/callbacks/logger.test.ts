// logger.test.ts: a run as lines of a log: of a real pino, and of loggers that take the message first.
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import pino from 'pino';
import { expect, it } from 'vitest';
import { callbacks, guard } from '../../lib/index.ts';
import { data, make, seeing, validation } from './kit.ts';

type Line = Record<string, unknown> & { readonly level: number; readonly msg: string; readonly event: string };

/** A pino, and the lines that it has written. */
function logging() {
  const lines: Line[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Line) };
  return { log: pino({ base: { service: 'mine' } }, stream), lines };
}
const [INFO, WARN, ERROR] = [30, 40, 50];

it.each(['fit', 'fitSync'] as const)('%s: begin, validations, epochs and end, with their numbers', async (how) => {
  const { log, lines } = logging();
  const { seen, callback } = seeing();
  using trainer = make();
  await trainer[how](data, { epochs: 2, validation, callbacks: [callback, callbacks.logger(log)] });
  expect(lines.map(({ level, event, step, msg }) => [level, event, step, msg.split(':')[0]])).toEqual([
    [INFO, 'start', 0, 'training begins'],
    [INFO, 'validation', 7, 'validation'],
    [INFO, 'epoch', 7, 'epoch 1 is over'],
    [INFO, 'validation', 14, 'validation'],
    [INFO, 'epoch', 14, 'epoch 2 is over'],
    [INFO, 'end', 14, 'training has ended'],
  ]);
  expect(lines[0]).toMatchObject({ service: 'mine', steps: 14, epochs: 2, resumedAt: 0 });
  expect(lines[3]!.loss).toBe(seen.validations[1]!.loss);
  const { epoch, loss, steps, clipped, skipped } = seen.epochs[1]!;
  expect(lines[4]).toMatchObject({ epoch, loss, steps, clipped, skipped });
  expect(lines[5]).toMatchObject({ stopReason: 'epochs', tried: 14, applied: 14, loss: seen.reports.at(-1)!.loss });
});

it('steps, as often as is asked for: means since the last line', async () => {
  const { log, lines } = logging();
  const { seen, callback } = seeing();
  using trainer = make();
  await trainer.fit(data, { steps: 6, chunkSteps: 3, callbacks: [callback, callbacks.logger(log, { seconds: 0 })] });
  const told = lines.filter(({ event }) => event === 'steps');
  expect(told.map(({ step, steps }) => [step, steps])).toEqual([
    [3, 3],
    [6, 3],
  ]);
  expect(told[1]!.loss).toBeCloseTo(seen.reports.slice(3).reduce((sum, r) => sum + r.loss, 0) / 3, 12);
  expect(told[1]).toMatchObject({ learning_rate: 0.05, threshold: 0.5, skipped_share: 0 });
});

it('what guards find and warnings say is warned of, an error is one, with its stack', async () => {
  const { log, lines } = logging();
  const bad = { ...data, x: { ...data.x, data: data.x.data.map((v, i) => (i === 0 ? Number.NaN : v)) } };
  using trainer = make({ guards: [guard.exploding({ max: 1e-9, action: 'warn' })] });
  await trainer.fit(bad, { epochs: 1, shuffle: false, callbacks: [callbacks.logger(log)] });
  const warned = lines.filter(({ level }) => level === WARN);
  expect(warned.find(({ event }) => event === 'guard')).toMatchObject({ guard: 'guard.exploding', action: 'warn' });
  expect(warned.find(({ event }) => event === 'warning')).toMatchObject({ code: 'nonFinite' });
  const fail = {
    onSteps() {
      throw new TypeError('mine');
    },
  };
  await expect(trainer.fit(data, { steps: 2, callbacks: [callbacks.logger(log), fail] })).rejects.toThrow('mine');
  expect(lines.at(-1)).toMatchObject({ level: ERROR, event: 'end', err: { type: 'TypeError', message: 'mine' } });
  expect((lines.at(-1)!.err as { stack: string }).stack).toContain('logger.test');
});

it('loggers that take the message first: consoles, winston, and whoever says so', async () => {
  const given: unknown[][] = [];
  const target = { info: (...all: unknown[]) => void given.push(all), warn: (...all: unknown[]) => void given.push(all) };
  const first = async (target: object, options = {}): Promise<unknown[]> => {
    given.length = 0;
    using trainer = make();
    await trainer.fit(data, { steps: 1, callbacks: [callbacks.logger(target as never, options)] });
    return given[0]!.map((value) => typeof value);
  };
  expect(await first(target)).toEqual(['object', 'string']);
  expect(await first(target, { messageFirst: true })).toEqual(['string', 'object']);
  expect(await first({ ...target, transports: [] })).toEqual(['string', 'object']);
  expect(await first({ ...target, transports: [] }, { messageFirst: false })).toEqual(['object', 'string']);
  let text = '';
  const stdout = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      done();
    },
  });
  using trainer = make();
  await trainer.fit(data, { steps: 1, callbacks: [callbacks.logger(new Console(stdout))] });
  expect(text).toMatch(/^training begins: 1 step \{\n? *event: 'start'/);
});

it('a logger without `error` warns of one; what is no logger is refused', async () => {
  const given: string[] = [];
  const target = { info() {}, warn: ({ event }: { event: string }) => void given.push(event) };
  using trainer = make();
  const fail = { onSteps: () => Promise.reject(new Error('mine')) };
  await expect(trainer.fit(data, { steps: 1, callbacks: [callbacks.logger(target as never), fail] })).rejects.toThrow('mine');
  expect(given).toEqual(['end']);
  for (const wrong of [undefined, {}, { info() {} }, console.log]) {
    expect(() => callbacks.logger(wrong as never)).toThrow('argument target: expected a logger with methods info and warn');
  }
});
