// probe-warnings.ts: what looks wrong in the gradients of a probe, in words and figures.
import { quantile, sorted } from './numbers.ts';
import type { Estimate, Probe } from './probe.ts';
import { type Cure, percent, round, show, type Warning, warn } from './warning.ts';

/**
 * Noise this many times the gradient, in the squares of norms: a batch's gradient then has a cosine of 1 / sqrt(51) = 0.14 with that of all rows. That
 * the noise scale is above the batch size is usual, and late in a training it is far above.
 */
const NOISY = 50;
/** A cosine below it, for certain, is a direction that training would not take without the clip: 18 degrees away. */
const TURNED = 0.95;
/** Below this it is 37 degrees away. */
const ASTRAY = 0.8;
/**
 * 1 - cosine of a batch's gradient with what the clip makes of it. The sign of each element, all that is left where the threshold is below all of them,
 * is 0.2 for elements that are spread like a normal distribution, and more for heavier tails.
 */
const LOST = 0.1;
/** Dead units of a module: some are usual, of few inputs a tenth before any training; */
const SOME = 0.25;
/** most of them are not. */
const MOST = 0.5;
/** In fewer rows a unit that is seldom active may be 0 by chance: one that is active in 3 of 100 is then missed in 5 of 100 cases. */
const ROWS = 100;
/** A threshold above the norms of this part of the batches. */
const SELDOM = 0.95;

type Rule = (probe: Omit<Probe, 'warnings'>) => Warning | Warning[] | null;

/** What looks wrong of it, what matters most first. */
export function probeWarnings(probe: Omit<Probe, 'warnings'>): Warning[] {
  return [standsStill, zeroGradients, deadUnits, clipBias, lostDirections, noisyGradients].flatMap((rule) => rule(probe) ?? []);
}

/** Those of a record with those of a probe, which measures what the record lets one estimate. */
export function withProbed(ofRecord: readonly Warning[], probe: Probe): Warning[] {
  const codes = new Set(probe.warnings.map((w) => w.code));
  // Its remedy may know a learning rate, which the probe's does not.
  const probed = probe.warnings.map((w) => ({ ...w, cure: w.cure ?? ofRecord.find((r) => r.code === w.code)?.cure ?? null }));
  const looked = probe.rates.some((rate) => rate > 0) && probe.unchanged !== null;
  return [...ofRecord.filter((w) => !codes.has(w.code) && !(looked && w.code === 'standsStill')), ...probed];
}

/** A norm that the gradients of few batches exceed, where the policy's threshold is one of norms, and below it. */
function higher({ clip, norms }: Omit<Probe, 'warnings'>): Cure | null {
  const wanted = quantile(sorted(norms), SELDOM);
  // What turns a gradient has a threshold for something else than the norm of all.
  return clip.turn < 1e-3 && clip.threshold < wanted ? { option: 'threshold', value: round(wanted) } : null;
}

const interval = ({ low, high }: Estimate): string => `${show(low)} to ${Number.isFinite(high) ? show(high) : 'more'}`;

const standsStill: Rule = (probe) => {
  const { unchanged, rates, clip, parameters } = probe;
  if (unchanged === null || !(unchanged > MOST) || !rates.some((rate) => rate > 0)) return null;
  const still = parameters.filter((p) => p.unchanged !== null && p.unchanged > MOST);
  const cure = clip.rate > MOST ? higher(probe) : null;
  return warn(
    'standsStill',
    'warning',
    { share: unchanged, parameters: still.length, ...(still[0] && { name: still[0].name }) },
    `Weights stand still: of the elements that the optimizer is given something for, the next update leaves ${percent(unchanged)} as they are, to the ` +
      `bit, since what it adds is below half of the distance to the next float32. ` +
      (cure
        ? `The clip is active in ${percent(clip.rate)} of the batches: a threshold of ${show(cure.value)} would not do that.`
        : 'A higher learning rate moves them.'),
    cure,
  );
};

const zeroGradients: Rule = ({ batches, parameters }) => {
  const zero = parameters.filter((p) => p.elements > 0 && p.zeroBatches === batches);
  if (zero.length === 0) return null;
  const named = `${zero
    .slice(0, 3)
    .map((p) => p.name)
    .join(', ')}${zero.length > 3 ? ` and ${zero.length - 3} more` : ''}`;
  return warn(
    'zeroGradients',
    'warning',
    { parameters: zero.length, name: zero[0]!.name },
    `The gradient of ${named} is 0 in all ${batches} batches: nothing that the loss depends on reaches ${zero.length === 1 ? 'it' : 'them'} ` +
      '(dead units behind it, a part of the model that is not used, a loss that is flat).',
  );
};

const deadUnits: Rule = ({ units, rows, batches }) => {
  if (rows * batches < ROWS) return null;
  const dying = units.filter((u) => u.units > 0 && u.dead >= SOME * u.units);
  if (dying.length === 0) return null;
  const worst = dying.reduce((a, b) => (b.dead / b.units > a.dead / a.units ? b : a));
  const share = worst.dead / worst.units;
  const others = dying.length > 1 ? `; so do units of ${dying.length - 1} more` : '';
  return warn(
    'deadUnits',
    share > MOST ? 'warning' : 'remark',
    { name: worst.path, dead: worst.dead, units: worst.units, modules: dying.length },
    `${worst.dead} of ${worst.units} units of ${worst.path || 'the model'} (${percent(share)}) give 0 for each of ${(rows * batches).toLocaleString('en-US')} rows${others}. ` +
      'No gradient passes a rectifier there, so they stay so: a lower learning rate or a clip keeps them alive, other first values, or an activation ' +
      'that is never flat (GELU, SiLU).',
  );
};

const clipBias: Rule = (probe) => {
  const { cosine, length, rate } = probe.clip;
  if (cosine.value === null || !(cosine.high < TURNED)) return null;
  const cure = higher(probe);
  return warn(
    'clipBias',
    cosine.value < ASTRAY ? 'warning' : 'remark',
    { cosine: cosine.value, low: cosine.low, high: cosine.high, rate, ...(length !== null && { length }) },
    `The clip turns the mean gradient: its cosine with the mean of the clipped ones is ${show(cosine.value)} (${interval(cosine)})` +
      `${length === null ? '' : `, and ${percent(length)} of its length is left`}. Batches that are clipped most point elsewhere than the others, and ` +
      `what they would teach is mostly left out: training ends elsewhere than without the clip.${cure ? ` A threshold of ${show(cure.value)} would bite in few of the batches.` : ''}`,
    cure,
  );
};

const lostDirections: Rule = ({ clip: { turn, atBound, threshold } }) => {
  if (!(turn > LOST)) return null;
  // What has no threshold, as the sign of each element, is meant to do that.
  const isMeant = !Number.isFinite(threshold);
  return warn(
    'lostDirections',
    !isMeant && atBound > MOST ? 'warning' : 'remark',
    { turn, atBound, threshold },
    `The clip turns the gradient of a batch by a cosine of ${show(1 - turn)}, and ${percent(atBound)} of the elements that are not 0 are cut more than the rest: ` +
      'which elements were large is lost. A clip by norm keeps the direction; one by value with a higher threshold keeps more of it.',
  );
};

const noisyGradients: Rule = ({ noiseScale, rows }) => {
  if (!(noiseScale.low > NOISY * rows)) return null;
  const { value, low, high } = noiseScale;
  const scale = value !== null && Number.isFinite(value) ? value : low;
  const share = rows / (rows + scale);
  return warn(
    'noisyGradients',
    'remark',
    { scale, low, high, rows, share },
    `Gradients are mostly noise: the noise scale is ${scale === low ? 'at least ' : ''}${show(scale)} rows (${interval(noiseScale)}), a step has ${rows.toLocaleString('en-US')}. ` +
      `So ${percent(share)} of the square of a batch's norm is the gradient of all rows, and its cosine with that is ${show(Math.sqrt(share))}. Larger batches ` +
      '(batchSize, accumulate) or a lower learning rate would help; late in a training that is usual.',
  );
};
