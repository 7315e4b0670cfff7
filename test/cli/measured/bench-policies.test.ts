// bench-policies.test.ts: the suite `policies` for a moment: every policy and optimizer is in it, runs, and tells its bytes. No figure is judged.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { POLICIES_CELLS, PoliciesCells } from '../../../lib/cli/bench/policies.ts';
import { policiesPage } from '../../../lib/cli/bench/policies-page.ts';
import { policiesRow } from '../../../lib/cli/bench/rows.ts';
import { quartiles, type Sample } from '../../../lib/cli/bench/sample.ts';
import { taskOf } from '../../../lib/cli/bench/tasks.ts';
import * as clip from '../../../lib/clip/index.ts';
import { POLICIES } from '../../../lib/clip/list.ts';
import * as optim from '../../../lib/optim/index.ts';
import { OPTIMIZERS } from '../../../lib/optim/list.ts';
import { folder, run } from '../kit.ts';

it('has every policy and every optimizer', () => {
  const inSteps = POLICIES_CELLS.filter((cell) => cell.startsWith('policy/mlp-small/'));
  const named = inSteps.map((cell) => cell.split('/')[2]!.split(' ')[0]);
  const policies = Object.entries(clip).filter(([, f]) => typeof f === 'function');
  // What a step by samples takes is of suite privacy.
  const apart = (name: string): boolean => name === 'perSample';
  expect(named).toEqual(expect.arrayContaining(policies.map(([name]) => name).filter((name) => !apart(name))));
  for (const name of named) expect(clip).toHaveProperty(name!);
  for (const [name, make] of Object.entries(POLICIES)) expect(typeof make().build, name).toBe('function');
  for (const name of Object.keys(OPTIMIZERS)) expect(optim).toHaveProperty(name);
  for (const name of Object.keys(POLICIES)) expect(POLICIES_CELLS).toContain(`policy/25x1M/${name}`);
  for (const name of Object.keys(OPTIMIZERS)) expect(POLICIES_CELLS).toContain(`optimizer/mlp-large/${name}`);
});

const cells = new PoliciesCells(1, { task: taskOf });
afterAll(() => cells.dispose());
const timed = POLICIES_CELLS.filter((cell) => cell.includes('/6x40k/') || /mlp-small\/(globalNorm|adamw)$/.test(cell));
it.each(timed)('%s runs', async (name) => {
  const cell = await cells.open(name);
  // A policy that needs what is not there by itself (a loss) says so.
  if (typeof cell === 'string') return expect(cell).toMatch(/\w+/);
  for (const variant of ['without', 'with']) expect((await cell.variants[variant]!(0)).n).toBeGreaterThan(0);
  cell.dispose!();
  expect(cell.info.params).toBe(235_146);
  expect(cell.info.extra_passes).toBeGreaterThanOrEqual(0);
});

it('tells passes and bytes', async () => {
  const facts = async (name: string) => {
    const cell = await cells.open(name);
    if (typeof cell === 'string') throw new Error(cell);
    cell.dispose!();
    return cell.info;
  };
  // AdamW reads p, g, m, v and writes p, m, v: 28 bytes; a norm reads the gradients once more.
  expect(await facts('policy/6x40k/globalNorm')).toMatchObject({
    ...{ policy_state_bytes: 0, slot_bytes_per_param: 8, update_bytes_per_param: 28, extra_passes: 1 },
  });
  expect((await facts('policy/6x40k/value unchecked')).extra_passes).toBeLessThan(0.01);
  expect((await facts('policy/6x40k/chain')).extra_passes).toBeCloseTo(2, 2);
  expect(await facts('optimizer/6x40k/sgd')).toMatchObject({ slot_bytes_per_param: 0, update_bytes_per_param: 12 });
});

describe('figures', () => {
  const rounds = (...ms: number[]): Sample[] => ms.map((m) => ({ median_ms: m, min_ms: m, n: 3 }));
  it('are quartiles over rounds; a cost is compared within its round', () => {
    expect(quartiles([4, 1, 3, 2])).toEqual([1.75, 2.5, 3.25]);
    expect(quartiles([7])).toEqual([7, 7, 7]);
    const timed = new Map([
      ['without', rounds(1, 2, 4)],
      ['with', rounds(1.1, 2.4, 6)],
    ]);
    const row = policiesRow('policy/6x40k/globalNorm', { params: 10, tensors: 2, extra_passes: 1, norm: [1] }, timed);
    expect(row).toMatchObject({
      ...{ kind: 'policy', place: '6x40k', name: 'globalNorm', without_ms: 2, with_ms: 2.4, with_q1_ms: 1.75, with_q3_ms: 4.2 },
      ...{ cost_percent: 20, cost_q1_percent: 15, cost_q3_percent: 35, rounds: 3, n: 9, params: 10, extra_passes: 1 },
    });
    expect(row).not.toHaveProperty('norm');
  });

  it('stand on a page that needs nothing else, each place and each number of threads by itself', () => {
    const row = (peer: string, threads: number, more: object = {}) => ({
      ...{ peer, threads, kind: 'policy', place: '6x40k', name: 'a<b>', params: 10, tensors: 2, without_ms: 1, with_ms: 2 },
      ...{ with_q1_ms: 1, with_q3_ms: 3, cost_percent: 100, cost_low_percent: -10, cost_high_percent: 200, ...more },
    });
    const html = policiesPage(
      ['A & B'],
      [row('gradclip', 1), row('torch', 1, { ratio: 3 }), row('gradclip', 2), row('gradclip', 2, { kind: 'optimizer' })],
    );
    expect(html).not.toMatch(/(?:src|href)=|https?:|url\((?!#)|@import|<script|NaN|undefined/i);
    expect([...html.matchAll(/<h2>(.*?)<\/h2>/g)].map((m) => m[1])).toEqual([
      'Method',
      ...['Policies: 6x40k, 1 thread', 'Policies: 6x40k, 2 threads', 'Optimizers: 6x40k, 2 threads'],
    ]);
    expect(html).toContain('A &amp; B');
    expect(html).toContain('a&lt;b&gt;');
    expect(html).toContain('left:0.0%;width:100.0%');
  });
});

it('runs from the command line, on several numbers of threads, and writes its page', async () => {
  const cwd = folder();
  const quick = ['--seconds', '0.01', '--rounds', '2', '--threads', '1,2', '--html', 'policies.html'];
  const only = 'policy/6x40k/globalNorm,optimizer/6x40k/sgd';
  const ran = await run(['bench', '--suite', 'policies', '--json', '--only', only, ...quick], { cwd });
  expect(ran.code).toBe(0);
  expect(ran.json().map((r) => [r.threads, r.kind, r.place, r.name])).toEqual([
    [1, 'policy', '6x40k', 'globalNorm'],
    [1, 'optimizer', '6x40k', 'sgd'],
    [2, 'policy', '6x40k', 'globalNorm'],
    [2, 'optimizer', '6x40k', 'sgd'],
  ]);
  for (const row of ran.json())
    for (const key of ['without_ms', 'with_ms', 'with_q3_ms']) expect(row[key], key).toBeGreaterThan(0);
  const html = readFileSync(join(cwd, 'policies.html'), 'utf8');
  expect(html).toContain(
    'gradclip bench --suite policies --threads 1,2 --seconds 0.01 --rounds 2 --only policy/6x40k/globalNorm',
  );
  expect(await run(['bench', '--html', 'x.html'])).toMatchObject({ code: 2 });
  expect(await run(['bench', '--threads', '0'])).toMatchObject({ code: 2 });
});
