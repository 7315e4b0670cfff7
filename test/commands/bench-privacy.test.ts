// bench-privacy.test.ts: suite privacy of the bench: what its rows have, who is refused, and that our steps are those of the workload.
import { describe, expect, it } from 'vitest';
import type { Engine, Info } from '../../bench/engine.ts';
import { memoryOf, privacyCell } from '../../bench/engines/privacy.ts';
import { findPeers } from '../../bench/peers.ts';
import type { Rounds } from '../../bench/suite.ts';
import { SUITES } from '../../bench/suites.ts';
import { loadWorkload } from '../../bench/workload.ts';
import type { Sample } from '../../lib/cli/bench/sample.ts';

const suite = SUITES.privacy!;
const of = (figures: Record<string, readonly number[]>): Rounds =>
  new Map(Object.entries(figures).map(([way, ms]) => [way, ms.map((m): Sample => ({ median_ms: m, min_ms: m, n: 1 }))]));
const ours = of({ plain: [2, 4, 3], clipped: [3, 6, 4.5], seeded: [4, 8, 6], private: [4, 8, 6] });

describe('rows', () => {
  it('has private steps and their memory beside ordinary ones', () => {
    const info = {
      variants: ['plain', 'clipped', 'seeded', 'private'],
      params: 7,
      loss: [1],
      norm: [2],
      plain_mib: 10,
      private_mib: 12,
    };
    expect(suite.row('lenet', info, ours)).toEqual({
      ...{ workload: 'lenet', params: 7, plain_ms: 3, clipped_ms: 4.5, seeded_ms: 6, private_ms: 6 },
      ...{ clipped_to_plain: 1.5, seeded_to_plain: 2, private_to_plain: 2 },
      ...{ plain_mib: 10, private_mib: 12, memory_ratio: 1.2, spread_percent: 66.67 },
    });
  });
  it('has the way of a peer, and how many times as long it takes', () => {
    const info = { variants: ['private'], params: 7, way: 'ghost', own_threads: 1, loss: [1], norm: [2] };
    const theirs = of({ private: [16, 40, 24] });
    expect(suite.row('lenet', info, theirs)).toEqual({
      ...{ workload: 'lenet', params: 7, way: 'ghost', own_threads: 1, private_ms: 24, spread_percent: 100 },
    });
    expect(suite.compare!(theirs, ours, info)).toMatchObject({ ratio: 4, seeded_ratio: 4 });
  });
});

describe('who takes part', () => {
  const engine = (info: Partial<Info>): Pick<Engine, 'info' | 'digest'> => ({
    info: { variants: [], ...info },
    digest: async () => null,
  });
  it('has the first loss of the workload, and the norms of our samples, but where it has another model', async () => {
    const { reference } = await loadWorkload('mlp-small');
    const loss = [reference.loss[0]];
    const mine = engine({ loss, norm: [3] });
    const check = (info: Partial<Info>) => suite.check!('mlp-small', engine(info), mine);
    expect(await check({ loss, norm: [3.001] })).toBeNull();
    expect(await check({ loss, norm: [3.01] })).toBe('expected norm 3 in its first step, got 3.01');
    expect(await check({ loss, norm: [4], untied: true })).toBeNull();
    expect(await check({ loss: [loss[0]! * 1.01], norm: [3] })).toContain('expected loss');
    expect(await check({ norm: [3] })).toContain('got undefined');
  });
  it('leaves out a peer that is not installed', () => {
    const home = process.env.PEERS_HOME;
    process.env.PEERS_HOME = '/nowhere';
    try {
      const told: string[] = [];
      expect(findPeers(['opacus'], (text) => told.push(text))).toEqual([]);
      expect(told).toEqual(['opacus: no /nowhere/opacus/bin/python, goes without (PEERS_HOME says where the peers are)']);
    } finally {
      if (home === undefined) delete process.env.PEERS_HOME;
      else process.env.PEERS_HOME = home;
    }
  });
});

it('times three kinds of steps of a workload', async () => {
  const cell = await privacyCell('mlp-small', 2, memoryOf);
  if (typeof cell === 'string') throw new Error(cell);
  expect(await suite.check!('mlp-small', { info: { variants: [], ...cell.info }, digest: async () => null }, null)).toBeNull();
  for (const way of ['plain', 'clipped', 'seeded', 'private'])
    expect((await cell.variants[way]!(0)).median_ms).toBeGreaterThan(0);
  await cell.dispose!();
});
