// full-disk.test.ts: a disk that takes no more in the middle of a training: one error that says so, whole lines, and a trainer that goes on.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { readRecord } from '../../lib/history/index.ts';
import { classifier, points } from '../train/models.ts';

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

it.each(['fit', 'fitSync'] as const)('%s', async (how) => {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-full-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'run.jsonl');
  const data = points(64);
  using trainer = classifier();
  disk.room = 4000;
  const options = { steps: 200, chunkSteps: 3, record: file };
  const failed = how === 'fit' ? trainer.fit(data, options) : (async () => trainer.fitSync(data, options))();
  await expect(failed).rejects.toMatchObject({
    message: `record: ${file}: cannot be written: no space left on the device`,
    details: { file, code: 'ENOSPC' },
  });
  disk.room = Number.POSITIVE_INFINITY;
  expect(readFileSync(file, 'utf8').at(-1)).toBe('\n');
  const { length } = await readRecord(file);
  expect(length).toBeGreaterThan(0);
  expect(length).toBeLessThanOrEqual(trainer.counters.step);
  // What it went on to write is as if nothing had been: the steps that could not be written are missing, not broken.
  await trainer.fit(data, { steps: 5, record: file });
  const history = await readRecord(file);
  expect(history.length).toBe(length + 5);
  expect(history.step.at(-1)).toBe(trainer.counters.step - 1);
});
