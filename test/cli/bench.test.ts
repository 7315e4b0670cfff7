// bench.test.ts: `gradclip bench` for a moment: the fields it gives, and what it refuses. No figure is judged.
import { expect, it } from 'vitest';
import { run } from './kit.ts';

const quick = ['--seconds', '0.02', '--rounds', '2', '--threads', '1'];

it('times whole steps with a clip and without', async () => {
  const ran = await run(['bench', '--json', '--only', 'mlp-small', ...quick]);
  expect(ran.code).toBe(0);
  const [row, ...more] = ran.json();
  expect(more).toEqual([]);
  expect(row).toMatchObject({ peer: 'gradclip', suite: 'step', workload: 'mlp-small', threads: 1, params: 235146 });
  for (const key of ['median_ms', 'min_ms', 'noclip_ms', 'n']) expect(row![key], key).toBeGreaterThan(0);
  expect(ran.stderr).toMatch(/mlp-small +235,146/);
});

it('times the optimizer phase', async () => {
  const ran = await run(['bench', '--suite', 'clip-step', '--only', '6x40k', ...quick]);
  expect(ran.code).toBe(0);
  expect(ran.stdout).toMatch(/^6x40k +adamw +235,146( +[\d.]+){3}$/m);
  expect(ran.stdout).toMatch(/^6x40k +sgdm +235,146( +[\d.]+){3}$/m);
});

it.each([
  [['--suite', 'steps'], '--suite: expected one of step, clip-step, policies, got "steps"; did you mean step?'],
  [['--only', 'resnet'], '--only: expected some of mlp-small, char-rnn, got resnet'],
  [['--seconds', '0'], '--seconds: expected a finite number > 0, got "0"'],
])('refuses %j', async (argv, message) => {
  const ran = await run(['bench', ...argv]);
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toContain(message);
});

it('stops when it is told to', async () => {
  const signal = AbortSignal.abort('SIGINT');
  expect(await run(['bench', ...quick], { signal })).toMatchObject({ code: 130, stdout: '' });
});

it('profiles the instructions of a step', async () => {
  const ran = await run(['bench', '--profile', '--json', '--only', 'mlp-small', '--seconds', '0.02']);
  expect(ran).toMatchObject({ code: 0 });
  const profile = JSON.parse(ran.stdout);
  expect(profile).toMatchObject({ suite: 'profile', workload: 'mlp-small' });
  expect(profile.instrs.map((i: { kernel: string }) => i.kernel)).toContain('update_sgd');
  const table = (await run(['bench', '--profile', '--only', 'mlp-small', '--seconds', '0.02'])).stdout.split('\n');
  expect(table[1]).toMatch(/instruction +us +of step/);
  expect(table).toHaveLength(profile.instrs.length + 4);
});

it('profiles whole steps only', async () => {
  expect(await run(['bench', '--profile', '--suite', 'clip-step'])).toMatchObject({ code: 2 });
});
