// append.test.ts: what is added to a file is there in order, at once or behind the caller's back, also where the system writes less than it is given.
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it, vi } from 'vitest';
import { Appender, endOfLines, wholeLines } from '../../lib/io/file/append.ts';

/** Bytes that the system takes at once; and those that it still takes in all. */
const system = vi.hoisted(() => ({ most: Number.POSITIVE_INFINITY, room: Number.POSITIVE_INFINITY }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const taken = (length: number): number => {
    const n = Math.min(length, system.most, system.room);
    if (n === 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    system.room -= n;
    return n;
  };
  return {
    ...fs,
    write(fd: number, bytes: Buffer, from: number, length: number, at: null, done: (e: unknown, n: number) => void) {
      try {
        return fs.write(fd, bytes, from, taken(length), at, done);
      } catch (error) {
        return setImmediate(() => done(error, 0));
      }
    },
    writeSync: (fd: number, bytes: Buffer, from: number) => fs.writeSync(fd, bytes, from, taken(bytes.length - from)),
  };
});

const folder = mkdtempSync(join(tmpdir(), 'append-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function appender(sync: boolean, whole: typeof wholeLines) {
  const place = join(folder, `${files++}`);
  writeFileSync(place, 'before\n');
  const fd = openSync(place, 'a+');
  const error = (e: unknown): Error => new Error(`named: ${(e as Error).message}`);
  return { place, to: new Appender({ place, fd, position: fstatSync(fd).size, sync, whole, error }) };
}

it.each([true, false])('in order, a few bytes at a time, sync: %s', async (sync) => {
  system.most = 3;
  const { place, to } = appender(sync, wholeLines);
  const parts = Array.from({ length: 60 }, (_, i) => (i % 2 ? `part ${i}\n` : Buffer.from(`bytes ${i}\n`)));
  for (const [i, part] of parts.entries()) {
    to.add(() => part);
    if (i % 20 === 19) await to.flush();
  }
  await to.caughtUp();
  await to.close();
  system.most = Number.POSITIVE_INFINITY;
  const text = `before\n${parts.join('')}`;
  expect(readFileSync(place, 'utf8')).toBe(text);
  expect(to.position).toBe(text.length);
});

it.each([
  [true, wholeLines, 'before\n0123\n0123\n'],
  [false, wholeLines, 'before\n0123\n0123\n'],
])('where the disk is full, whole parts stay: sync: %s', async (sync, whole, left) => {
  const { place, to } = appender(sync, whole);
  system.room = 13;
  const add = (): void => to.add(() => '0123\n');
  if (sync) {
    add();
    add();
    expect(add).toThrow('named: full');
  } else {
    for (let i = 0; i < 5; i++) add();
    await expect(to.flush()).rejects.toThrow('named: full');
  }
  system.room = Number.POSITIVE_INFINITY;
  expect(to.isBehind).toBe(true);
  // What comes then is dropped, and the error is told again.
  to.add(() => 'later\n');
  await expect(to.caughtUp()).rejects.toThrow('named: full');
  await expect(to.close()).rejects.toThrow('named: full');
  expect(readFileSync(place, 'utf8')).toBe(left);
});

it('is behind when much waits, and until it has been written', async () => {
  const { to } = appender(false, wholeLines);
  for (let i = 0; i < 17; i++) {
    expect(to.isBehind).toBe(false);
    to.add(() => 'x\n');
  }
  expect(to.isBehind).toBe(true);
  await to.caughtUp();
  expect(to.isBehind).toBe(false);
  await to.close();
});

it('where the last line ends that stays', () => {
  const line = fc.oneof(fc.constant(''), fc.string({ maxLength: 8 }), fc.string({ minLength: 30_000, maxLength: 90_000 }));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.nat({ max: 12 }), fc.boolean(), (given, n, torn) => {
      const lines = given.map((text, i) => `${i % 3} ${text.replaceAll(/[\n\ud800-\udfff]/g, '-')}`);
      const text = lines.join('\n') + (torn || lines.length === 0 ? '' : '\n');
      const place = join(folder, 'lines');
      writeFileSync(place, text);
      const fd = openSync(place, 'r');
      const whole = torn ? lines.slice(0, -1) : lines;
      const last = whole.findLastIndex((_, i) => i % 3 === n % 4);
      const seen: string[] = [];
      const end = endOfLines(
        fd,
        fstatSync(fd).size,
        1 << 20,
        (found) => {
          seen.push(found);
          return found.startsWith(`${n % 4} `);
        },
        () => new Error('long'),
      );
      closeSync(fd);
      const kept = whole.slice(0, last + 1).map((kept) => `${kept}\n`);
      expect(end).toBe(Buffer.byteLength(kept.join('')));
      // Each line whole, from the end, though a larger block begins there again.
      expect(new Set(seen)).toEqual(new Set(whole.slice(Math.max(0, last))));
    }),
    { numRuns: 60 },
  );
  const place = join(folder, 'long');
  writeFileSync(place, `a\n${'b'.repeat(100_000)}`);
  const fd = openSync(place, 'r');
  expect(() =>
    endOfLines(
      fd,
      fstatSync(fd).size,
      1000,
      () => true,
      () => new Error('long'),
    ),
  ).toThrow('long');
  closeSync(fd);
});
