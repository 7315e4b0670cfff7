// bench-mpi.test.ts: suite mpi of the bench: processes that are asked for steps do what the workload records, and end with whoever asks; where no mpirun
// is, it says so and skips.
import { describe, expect, it } from 'vitest';
import { mpiCell } from '../../bench/engines/mpi.ts';
import { launchers, Ranks } from '../../bench/mpi/ranks.ts';
import { checkStep } from '../../bench/step-suite.ts';
import type { Rounds } from '../../bench/suite.ts';
import { SUITES } from '../../bench/suites.ts';
import type { Sample } from '../../lib/cli/bench/sample.ts';

const all = launchers();
if (all.length === 0) console.warn('skipped: no mpirun is there');

describe('rows', () => {
  const rounds = (...ms: number[]): Sample[] => ms.map((m) => ({ median_ms: m, min_ms: m, n: 1 }));
  const of = (figures: Record<string, number[]>): Rounds => new Map(Object.entries(figures).map(([k, v]) => [k, rounds(...v)]));
  const suite = SUITES.mpi!;
  const ours = of({ ranks: [2, 4, 3], shared: [2, 4, 6], threads: [1, 4, 3], parts: [3, 6, 6] });

  it('has processes beside threads, and what it costs to cut a batch into more parts', () => {
    const info = { variants: ['ranks', 'shared', 'threads', 'parts'], params: 7, library: 'MPICH', parts: 8 };
    expect(suite.variants(info, new Set())).toEqual(['ranks', 'shared', 'threads']);
    expect(suite.variants(info, new Set(['overhead']))).toEqual(info.variants);
    expect(suite.row('gpt-nano', info, ours)).toEqual({
      ...{ workload: 'gpt-nano', params: 7, library: 'MPICH', ranks_ms: 3, threads_ms: 3, ranks_to_threads: 1 },
      ...{ shared_ms: 4, shared_to_threads: 2 },
      ...{ parts: 8, parts_ms: 6, parts_to_ranks: 1.5, spread_percent: 100 },
    });
  });
  it("compares a peer's processes with ours, and its threads with ours", () => {
    expect(suite.compare!(of({ ranks: [4, 12, 9], threads: [5, 8, 6] }), ours, { variants: [] })).toEqual({
      ratio: 3,
      shared_ratio: 2,
      threads_ratio: 2,
    });
  });
});

it('finds no launcher where there is none', async () => {
  expect(launchers(['/nowhere/mpirun'])).toEqual([]);
  const nobody = { library: 'MPICH', command: '/nowhere/mpirun', options: [], env: {} } as const;
  await expect(Ranks.start(nobody, 2, 1)).rejects.toThrow(/^\/nowhere\/mpirun: .*ENOENT/);
});

describe.runIf(all.length > 0)('processes', () => {
  it('do the steps that the workload records', async () => {
    const cell = await mpiCell('mlp-tiny', 2);
    if (typeof cell === 'string') throw new Error(cell);
    expect(await checkStep('mlp-tiny', { variants: [], ...cell.info })).toBeNull();
    expect(cell.info.ranks).toBe(2);
    for (const variant of ['ranks', 'shared', 'threads', 'parts'])
      expect((await cell.variants[variant]!(0)).median_ms).toBeGreaterThan(0);
    await cell.dispose!();
  });

  it('tell what their sums take, and end when nobody asks any more', async () => {
    const ranks = await Ranks.start(all[0]!, 2, 1);
    expect(ranks.who).toEqual({ rank: 0, size: 2, library: all[0]!.library });
    expect(await ranks.ask<number>({ exchange: 5, steps: 3 })).toBeGreaterThan(0);
    await ranks.close();
    await expect(ranks.ask({ exchange: 5, steps: 3 })).rejects.toThrow('processes ended');
  });
});
