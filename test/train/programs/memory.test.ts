// memory.test.ts: long runs and many trainers do not take more and more memory. In child processes, with the garbage collector called.
import { expect, it } from 'vitest';
import { child } from '../../children/kit.ts';

interface Resident {
  readonly before: number;
  readonly most: number;
  readonly after: number;
}

// A sanitized build keeps what was freed.
const sanitized = process.env.GRADCLIP_PREBUILD !== undefined;

it.skipIf(sanitized).each([
  // MiB that may be added: what a leak of 1 KiB a step, or of every second trainer, would exceed.
  ['20,000 steps', 'steps', 16],
  ['50 trainers of 4 MiB, disposed of', 'disposed', 75],
  ['50 trainers of 4 MiB, dropped', 'dropped', 75],
  // Each would add 64 of weights; the arena has room for a gradient of that size until it is disposed of.
  ['three trainers of one model of 64 MiB', 'values', 32],
  ['six workers that end with values of 32 MiB', 'workers', 32],
])('%s', async (_name, scenario, limit) => {
  // Pages of poison are no memory of the trainer's.
  const ended = await child('memory.js', [scenario], { node: ['--expose-gc'], env: { GRADCLIP_POISON: '0' } });
  expect(ended).toMatchObject({ code: 0, errors: '' });
  const { before, most, after } = ended.lines[0] as Resident;
  console.log(`${scenario}: ${before.toFixed(0)} MiB before, ${most.toFixed(0)} at most, ${after.toFixed(0)} after`);
  expect(after - before).toBeLessThan(limit);
});
