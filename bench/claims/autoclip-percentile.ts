// autoclip-percentile.ts: the 10th percentile does for all tasks.
import { clip } from '../../lib/index.ts';
import { WORKLOADS } from '../../lib/lab/workloads/list.ts';
import { type Claim, counted, median, show, some, train } from './claim.ts';

const PERCENTILES = [1, 10, 25, 50, 75, 90];

export const AUTOCLIP_PERCENTILE: Claim = {
  name: 'autoclip-percentile',
  paper: 'Seetharaman et al. 2020, AutoClip: Adaptive Gradient Clipping for Source Separation Networks',
  says: 'one percentile, the 10th, may be used for other tasks as it is, where a threshold would have to be found for each',
  trial: `all 24 workloads, both optimizers, three seeds: test loss of autoClip(10) over the best of autoClip(${PERCENTILES.join(', ')}) for the workload, medians`,
  rule: 'confirmed if it is within 10 % of the best percentile in three of four (workload, optimizer), not confirmed if in less than half, else it depends',
  run(effort) {
    const { seeds, part } = effort;
    const ratios = { sgd: [] as number[], adam: [] as number[] };
    for (const workload of some(WORKLOADS.values(), effort)) {
      for (const kind of ['sgd', 'adam'] as const) {
        const of = (q: number): number =>
          median(
            seeds
              .slice(0, 3)
              .map((seed) =>
                counted(train({ workload, optimizer: workload.optimizers[kind], policy: () => clip.autoClip(q), seed, part })),
              ),
          );
        const losses = PERCENTILES.map(of);
        ratios[kind].push(losses[PERCENTILES.indexOf(10)]! / Math.min(...losses));
      }
    }
    const near = (values: readonly number[]): number => values.filter((r) => r <= 1.1).length;
    const all = [...ratios.sgd, ...ratios.adam];
    const share = near(all) / all.length;
    return {
      verdict: share >= 0.75 ? 'confirmed' : share < 0.5 ? 'not confirmed' : 'depends',
      figures: `within 10 %: AdamW ${near(ratios.adam)} of ${ratios.adam.length}, SGD ${near(ratios.sgd)} of ${ratios.sgd.length}; worst ${show(Math.max(...ratios.adam))} and ${show(Math.max(...ratios.sgd))} of the best`,
    };
  },
};
