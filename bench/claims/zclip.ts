// zclip.ts: clipping norms that are far above their running mean does away with spikes of the loss, and lets rates be higher.
import { clip } from '../../lib/index.ts';
import type { Claim } from './claim.ts';
import { compared, GLOBAL, halved, TRIED, told } from './spikes.ts';

export const ZCLIP: Claim = {
  name: 'zclip',
  paper: 'Kumar et al. 2025, ZClip: Adaptive Spike Mitigation for LLM Pre-Training',
  says: 'ZClip does away with spikes that a fixed threshold lets through, and trains at higher rates, to lower losses',
  trial: `${TRIED}; zclip() beside globalNorm(1), same seeds: spikes (loss more than five deviations above the median of 20 steps), and test losses`,
  rule: 'two things: at most half of the spikes, of ten or more, and a 95 % interval of the loss ratio at the raised rate below 1; confirmed if both hold, depends if one does',
  run(effort) {
    const found = compared(() => clip.zclip(), GLOBAL, effort);
    const held = [halved(found), found.at(-1)!.ratio.high < 1].filter(Boolean).length;
    return { verdict: held === 2 ? 'confirmed' : held === 1 ? 'depends' : 'not confirmed', figures: told(found) };
  },
};
