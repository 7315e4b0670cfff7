// autoclip.ts: a clip at the 10th percentile of all norms so far is better than none.
import { clip } from '../../lib/index.ts';
import { WORKLOADS } from '../../lib/lab/workloads/list.ts';
import { type Claim, counted, judged, type Policy, some, train } from './claim.ts';

export const AUTOCLIP: Claim = {
  name: 'autoclip',
  paper: 'Seetharaman et al. 2020, AutoClip: Adaptive Gradient Clipping for Source Separation Networks',
  says: 'clipping at the 10th percentile of the norms so far makes networks generalize better than no clip',
  trial:
    'all 24 workloads of the laboratory, AdamW at its rate: test loss with autoClip(10) over that without a clip, same seeds',
  rule: `a workload speaks for it where the 95 % interval of the mean ratio over seeds lies below 1; confirmed if half do and at most one in ten speaks against it; not confirmed if as many speak against it as for it; else it depends`,
  run(effort) {
    const { seeds, part } = effort;
    const cases = new Map<string, number[]>();
    for (const workload of some(WORKLOADS.values(), effort)) {
      const lost = (policy: Policy, seed: number): number =>
        counted(train({ workload, optimizer: workload.optimizers.adam, policy, seed, part }));
      cases.set(
        workload.name,
        seeds.map((seed) => lost(() => clip.autoClip(10), seed) / lost(clip.none, seed)),
      );
    }
    const { figures, ratios } = judged(cases);
    const better = [...ratios.values()].filter(({ high }) => high < 1).length;
    const worse = [...ratios.values()].filter(({ low }) => low > 1).length;
    const confirmed = better >= 0.5 * ratios.size && worse <= 0.1 * ratios.size;
    return { verdict: confirmed ? 'confirmed' : better <= worse ? 'not confirmed' : 'depends', figures };
  },
};
