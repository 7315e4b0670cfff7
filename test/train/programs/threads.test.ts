// threads.test.ts: how many threads a fit has: more than there are CPUs, with the bits of one; fewer than asked for, which is told.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { runtime, type Source, Trainer } from '../../../lib/index.ts';
import { child } from '../../children/kit.ts';
import { hashOf } from '../../golden/runs/models.ts';
import { plainHash, VARIANTS } from '../variants.ts';

// Enough to pass each barrier of each step some times.
const STEPS = 6;

it.each(Object.entries(VARIANTS))('%s on 96 and 128 threads', async (_, { data, options }) => {
  const one = await plainHash({ data, options }, STEPS);
  for (const threads of [96, 128]) {
    for (const sync of [false, true]) {
      using trainer = new Trainer({ ...options(), threads, seed: 5 });
      const result = sync ? trainer.fitSync(data as Source, { steps: STEPS }) : await trainer.fit(data, { steps: STEPS });
      expect(result).toMatchObject({ threads, warnings: [] });
      expect(await hashOf(trainer)).toBe(one);
    }
  }
});

const fewer = (asked: number, got: number): unknown => ({
  code: 'fewerThreads',
  message: expect.stringContaining(`expected ${asked} threads, got ${got}`),
  details: { name: 'threads', step: 0, asked, got },
});

it('a fit beside another gets what that leaves, and says so if more was asked for', async () => {
  const ended = await child('process.js', ['beside'], { env: { GRADCLIP_THREADS: '2' } });
  expect(ended).toMatchObject({ code: 0, errors: '' });
  expect(ended.lines).toEqual([
    { beside: [1, fewer(2, 1)], byDefault: [1], one: [1] },
    { alone: [2], many: [5] },
  ]);
});

// The limit does not bind root, so as another user.
it('a team for which the system has no threads is smaller, and told', (context) => {
  const script = resolve(import.meta.dirname, '../../../dist/test/children/process.js');
  const user = ['--reuid=65532', '--regid=65532', '--clear-groups'];
  const asUser = (...command: string[]): SpawnSyncReturns<string> =>
    spawnSync('setpriv', [...user, ...command], { encoding: 'utf8', timeout: 100_000, killSignal: 'SIGKILL' });
  if (asUser('cat', script).status !== 0) return context.skip();
  const { status, stdout, stderr } = asUser(process.execPath, script, 'refused');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  // OpenMP keeps the thread of the team before, beside those that can be had.
  const got = runtime().team === 'openmp' ? 4 : 5;
  expect(JSON.parse(stdout)).toEqual({ before: [2], after: [got, fewer(9, got)] });
});

it('a team that the settings of a runtime loaded before us cut is told; native threads know none', async () => {
  const preload = [process.env.LD_PRELOAD, 'libgomp.so.1'].filter(Boolean).join(':');
  const env = { LD_PRELOAD: preload, OMP_THREAD_LIMIT: '3', OMP_DYNAMIC: 'true', GRADCLIP_THREADS: '2' };
  const ended = await child('process.js', ['alone'], { env });
  const many = runtime().team === 'openmp' ? [3, fewer(5, 3)] : [5];
  expect(ended).toMatchObject({ code: 0, errors: '', lines: [{ alone: [2], many }] });
});
