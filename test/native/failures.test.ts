// failures.test.ts: what is thrown where a run does its work is the error of that run alone: it settles, the executor goes on, threads go back.
import { expect, test } from 'vitest';
import { addon, type NativeBinding, type NativeBlock } from '../../lib/native/addon.ts';
import { AT } from '../../lib/native/numbers.ts';
import { allocate, encode } from '../../lib/native/program.ts';
import { add, block, numbersOf, program, report } from './kit.ts';

/** Adds the first block to itself, in the add-on's own terms. */
function doubling(): { binding: NativeBinding; blocks: NativeBlock[] } {
  const bytes = 1 << 14;
  const p = program([
    add(block(0, 0, bytes), block(0, 0, bytes), block(0, 0, bytes)),
    add(report(0, 4), block(0, 0, 4), block(0, 0, 4)),
  ]);
  const blocks = [allocate(bytes)];
  blocks[0]!.write(0, new Float32Array(bytes / 4).fill(1));
  return { binding: new (addon().Program)(encode(p)).bind(blocks), blocks };
}
const numbers = (threads: number): Float64Array => numbersOf({ threads });
const value = (rows: ArrayBuffer): number => new Float32Array(rows)[0]!;

const KINDS = [
  ['memory', { code: 'ERR_MEMORY', message: 'run: out of memory' }],
  ['thread', { code: 'ERR_MEMORY', message: 'run: Resource temporarily unavailable' }],
  ['error', { code: 'ERR_PROGRAM', message: 'run: a failure that was asked for' }],
  ['a number', { code: 'ERR_PROGRAM', message: 'run: unknown' }],
] as const;

test.each(KINDS)('%s, between runs that go well', async (what, expected) => {
  const { binding, blocks } = doubling();
  const other = doubling().binding;
  for (const threads of [1, 2, 3, 1]) {
    const before = value(binding.runSync(numbers(threads), 0n));
    binding.failNext(what);
    const [failed, beside] = [binding.run(numbers(threads), 0n), other.run(numbers(threads), 0n)];
    await expect(failed).rejects.toMatchObject(expected);
    expect(value(await beside)).toBeGreaterThan(1);
    binding.failNext(what);
    expect(() => binding.runSync(numbers(threads), 0n)).toThrow(expect.objectContaining(expected));
    // Nothing of them has happened, and their threads are there again.
    const got = numbers(threads);
    expect(value(await binding.run(got, 0n))).toBe(2 * before);
    expect(got[AT.threads]).toBe(threads);
  }
  blocks[0]!.write(0, new Float32Array(1));
  binding.failNext(what);
  const pending = binding.run(numbers(2), 0n);
  binding.dispose();
  blocks[0]!.dispose();
  await expect(pending).rejects.toMatchObject(expected);
});

test('a hundred of them in a queue, among reads', async () => {
  const reader = doubling().blocks[0]!;
  const all = Array.from({ length: 100 }, (_, k) => {
    const { binding } = doubling();
    binding.failNext('memory');
    const failed = binding.run(numbers(1 + (k % 3)), 0n).catch((error: { code: string }) => error.code);
    return [failed, reader.readAsync(0, 4).then(value)];
  });
  expect(await Promise.all(all.flat())).toEqual(Array(100).fill(['ERR_MEMORY', 1]).flat());
});
