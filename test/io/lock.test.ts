// lock.test.ts: one process at a time appends to a file.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { FileLock } from '../../lib/io/file/lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('keeps out whoever comes while it is held', () => {
  const file = join(folder, 'a');
  const lock = FileLock.take(file);
  expect(readFileSync(`${file}.lock`, 'utf8')).toBe(String(process.pid));
  expect(() => FileLock.take(file)).toThrow(
    expect.objectContaining({ code: 'ERR_BUSY', message: expect.stringContaining(`${process.pid}`) }),
  );
  FileLock.take(join(folder, 'b')).release();
  lock.release();
  expect(existsSync(`${file}.lock`)).toBe(false);
  FileLock.take(file).release();
  // Of a process of the past with the number that this one has.
  writeFileSync(`${file}.lock`, String(process.pid));
  FileLock.take(file).release();
});

it.each(['4194305', '', 'nobody', '-1'])('takes over what an ended process has left: %j', (left) => {
  const file = join(folder, 'c');
  writeFileSync(`${file}.lock`, left);
  const lock = FileLock.take(file);
  expect(() => FileLock.take(file)).toThrow(String(process.pid));
  lock.release();
});

it.runIf(process.platform === 'linux')('finds that another process lives', () => {
  const file = join(folder, 'd');
  // The parent is there, whoever it belongs to.
  writeFileSync(`${file}.lock`, String(process.ppid));
  expect(() => FileLock.take(file)).toThrow(`process ${process.ppid} writes it`);
});

it('says where there is no folder', () => {
  expect(() => FileLock.take(join(folder, 'none', 'e'))).toThrow('there is no folder');
});
