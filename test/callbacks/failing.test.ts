// failing.test.ts: sinks that fail while a run is on: a full disk, a stream that is gone, a meter that throws. The run goes on without them and says so, or
// ends, as was asked for; files stay whole.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { type Callback, callbacks, type TrainingWarning } from '../../lib/index.ts';
import { bits } from '../train/models.ts';
import { data, folder, make } from './kit.ts';
import { eventsIn } from './read-events.ts';

/** Bytes that the disk still takes. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));
const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  type Done = (error: Error | null, written: number) => void;
  return {
    ...fs,
    // As the system does: as much as there is room for, then an error.
    write(fd: number, bytes: Buffer, from: number, length: number, at: null, done: Done) {
      const n = Math.min(length, disk.room);
      if (n === 0) return setImmediate(() => done(full(), 0));
      disk.room -= n;
      return fs.write(fd, bytes, from, n, at, done);
    },
    writeSync(fd: number, bytes: Buffer, from: number) {
      const n = Math.min(bytes.length - from, disk.room);
      if (n === 0) throw full();
      disk.room -= n;
      return fs.writeSync(fd, bytes, from, n);
    },
  };
});

type Ran = { readonly warnings: readonly TrainingWarning[]; readonly weights: string; readonly told: readonly string[] };

async function ran(how: 'fit' | 'fitSync', callback: Callback | null): Promise<Ran> {
  using trainer = make();
  const told: string[] = [];
  const hear: Callback = { onWarning: ({ code, message }) => void told.push(`${code} ${message}`) };
  const { warnings } = await trainer[how](data, { steps: 300, chunkSteps: 3, callbacks: callback ? [hear, callback] : [] });
  return { warnings, weights: await bits(trainer), told };
}

const SPACE = 'cannot be written: no space left on the device';

describe.each(['fit', 'fitSync'] as const)('a disk that is full, %s', (how) => {
  it('a table: the run goes on, the table ends with a whole row', async () => {
    const { weights } = await ran(how, null);
    const file = join(folder(), 'run.csv');
    disk.room = 4000;
    const found = await ran(how, callbacks.csv(file)).finally(() => {
      disk.room = Number.POSITIVE_INFINITY;
    });
    expect(found.weights).toBe(weights);
    const message = `callbacks.csv: ${file}: ${SPACE}: the run goes on without it`;
    expect(found.warnings).toMatchObject([{ code: 'callback', message, details: { where: 'callbacks.csv' } }]);
    expect(found.told).toEqual([`callback ${message}`]);
    const lines = readFileSync(file, 'utf8').split('\n');
    expect(lines.at(-1)).toBe('');
    expect(new Set(lines.slice(0, -1).map((line) => line.split(',').length)).size).toBe(1);
    expect(lines.length).toBeGreaterThan(5);
  });

  it('files of TensorBoard: the run goes on, and they are read to their end', async () => {
    const { weights } = await ran(how, null);
    const place = folder();
    const board = callbacks.tensorBoard(place, { every: 3 });
    disk.room = 4000;
    const found = await ran(how, board).finally(() => {
      disk.room = Number.POSITIVE_INFINITY;
    });
    expect(found.weights).toBe(weights);
    expect(found.warnings.map(({ message }) => message)).toEqual([expect.stringMatching(`${SPACE}: the run goes on without it`)]);
    expect(eventsIn(place).length).toBeGreaterThan(5);
    // The next run, when there is room, begins another file.
    expect((await ran(how, board)).warnings).toEqual([]);
    expect(readdirSync(place)).toHaveLength(2);
  });

  it.each([
    ['a table', (place: string) => callbacks.csv(join(place, 'run.csv'), { ifFails: 'stop' })],
    ['files of TensorBoard', (place: string) => callbacks.tensorBoard(place, { every: 3, ifFails: 'stop' })],
  ])('%s, where the run shall end then', async (_, callback) => {
    disk.room = 3000;
    await expect(
      ran(how, callback(folder())).finally(() => {
        disk.room = Number.POSITIVE_INFINITY;
      }),
    ).rejects.toThrow(SPACE);
  });

  it('before the first step: the run ends, whatever is asked for', async () => {
    disk.room = 10;
    for (const callback of [callbacks.csv(join(folder(), 'run.csv')), callbacks.tensorBoard(folder())]) {
      await expect(ran(how, callback)).rejects.toThrow(SPACE);
      disk.room = 10;
    }
    disk.room = Number.POSITIVE_INFINITY;
  });
});

/** Works some times. */
function failingAfter(times: number): () => void {
  return () => {
    if (--times < 0) throw new Error('gone');
  };
}

describe.each(['fit', 'fitSync'] as const)('what somebody else has made, %s', (how) => {
  const sinks: [string, (fail: () => void, ifFails: 'warn' | 'stop') => Callback][] = [
    ['logger', (fail, ifFails) => callbacks.logger({ info: fail, warn: fail }, { seconds: 0, ifFails })],
    [
      'openTelemetry',
      (fail, ifFails) => {
        const instrument = { add: fail, record: fail };
        const meter = {
          ...{ createCounter: () => instrument, createUpDownCounter: () => instrument },
          ...{ createGauge: () => instrument, createHistogram: () => instrument },
        };
        return callbacks.openTelemetry(meter, { ifFails });
      },
    ],
  ];

  it.each(sinks)('%s', async (name, make) => {
    const { weights } = await ran(how, null);
    const { warnings, weights: same } = await ran(how, make(failingAfter(30), 'warn'));
    expect(warnings).toMatchObject([{ code: 'callback', message: `callbacks.${name}: gone: the run goes on without it` }]);
    expect(same).toBe(weights);
    await expect(ran(how, make(failingAfter(30), 'stop'))).rejects.toThrow('gone');
  });

  it('a stream of progress', async () => {
    const stream = { write: failingAfter(2) };
    const { warnings } = await ran(how, callbacks.progress({ stream, seconds: 0 }));
    expect(warnings).toMatchObject([{ message: 'callbacks.progress: gone: the run goes on without it' }]);
  });
});

it('a failure of one run is none of the next', async () => {
  const lines: string[] = [];
  let broken = true;
  const target = {
    info(_: object, message: string) {
      if (broken && lines.length === 2) throw new Error('gone');
      lines.push(message);
    },
    warn() {},
  };
  const log = callbacks.logger(target as never, { seconds: 0 });
  expect((await ran('fit', log)).warnings).toHaveLength(1);
  broken = false;
  lines.length = 0;
  expect((await ran('fit', log)).warnings).toEqual([]);
  expect(lines.at(-1)).toMatch(/^training has ended: 300 steps/);
});
