// adagc.ts: a threshold for each tensor, from its own running mean, has fewer spikes than one for the norm of all.
import { clip } from '../../lib/index.ts';
import type { Claim } from './claim.ts';
import { compared, GLOBAL, halved, TRIED, told } from './spikes.ts';

export const ADAGC: Claim = {
  name: 'adagc',
  paper: 'Wang et al. 2025, AdaGC: Improving Training Stability for Large Language Model Pretraining',
  says: 'AdaGC has no spikes where clipping by the global norm has some, and ends no worse',
  trial: `${TRIED}; adaGc({ warmup: 25 }) beside globalNorm(1), same seeds: spikes (loss more than five deviations above the median of 20 steps), and test losses`,
  rule: 'two things: at most half of the spikes, of ten or more, and a mean loss ratio at the raised rate of 1 or less; confirmed if both hold, depends if one does',
  run(effort) {
    const found = compared(() => clip.adaGc({ warmup: 25 }), GLOBAL, effort);
    const held = [halved(found), found.at(-1)!.ratio.value <= 1].filter(Boolean).length;
    return { verdict: held === 2 ? 'confirmed' : held === 1 ? 'depends' : 'not confirmed', figures: told(found) };
  },
};
