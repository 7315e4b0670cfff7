// warnings.ts: what looks wrong in a run and in how it was clipped, in words and figures.
import { sizeOf } from '../ir/op.ts';
import { squareOf } from '../math/index.ts';
import { layerNorms } from './history.ts';
import { median, quantile, sorted } from './numbers.ts';
import { runWarnings, soundNorm } from './run-warnings.ts';
import type { Seen } from './seen.ts';
import { FAR_OUT, tailText } from './tail.ts';
import { type Cure, percent, round, show, steps, type Warning, warn } from './warning.ts';

/** A clip that bites in more than half of the steps sets their length. */
const MOST = 0.5;
/** Updates so many times longer than what is sound beside the weights throw them over. */
const BEARABLE = 10;
/** Norms above this many thresholds are cut to less than a tenth. */
const FAR = 10;
/** A step in twenty beyond that is no exception. */
const OFTEN = 0.05;
/** What eps may take of an update before it is worth a word: eps / (rms + eps). */
const EPS_PART = 0.1;
/** The medians of the last and the first third of the steps. */
const DRIFT = 1.5;
/** One parameter that has this part of the square of the norm decides alone. */
const ALONE = 0.9;
/** A quantile that rests on fewer steps above it is a guess. */
const ABOVE = 5;

type Rule = (seen: Seen) => Warning | Warning[] | null;

export function warningsOf(seen: Seen): Warning[] {
  const ofClip = RULES.flatMap((rule) => rule(seen) ?? []);
  return [...runWarnings(seen, ofClip), ...ofClip];
}

/** The threshold to raise `limit` to: none where a rate is so high that only the clip bears it, or the tail so heavy that a low one is right. */
function raised({ history, isHeavy, wanted }: Seen, limit: number): Cure | null {
  const isSound = !(wanted > BEARABLE * (soundNorm(history.header) ?? Number.POSITIVE_INFINITY));
  return wanted > limit && isSound && !isHeavy ? { option: 'threshold', value: round(wanted) } : null;
}

const clipsMost: Rule = (seen) => {
  const { history, at, isHeavy } = seen;
  // What has no threshold (a fixed length, signs) is meant to change every step; a limit for elements changes some of them in most steps.
  const bites = (i: number): boolean => history.clipped[i] === 1 && !(history.clippedFraction[i]! < MOST);
  const clipped = at.filter((i) => bites(i) && Number.isFinite(history.threshold[i]!));
  if (history.header?.policy.includes('normalize') || clipped.some((i) => history.scale[i]! > 1)) return null;
  const rate = clipped.length / at.length;
  if (!(rate > MOST)) return null;
  const scale = median(clipped.map((i) => history.scale[i]!));
  // Nobody told it.
  if (Number.isNaN(scale)) return null;
  const limit = median(clipped.map((i) => history.threshold[i]!));
  return warn(
    'clipsMost',
    // Of norms with a heavy tail most are to be clipped.
    isHeavy ? 'remark' : 'warning',
    { rate, scale },
    `The clip was active in ${percent(rate)} of ${steps(at.length)}, with a median scale of ${show(scale)}: it acts as a learning rate, since ` +
      'most updates have the length that the threshold gives them. Raise the threshold, or lower the learning rate and mean it.',
    raised(seen, limit),
  );
};

const neverClips: Rule = ({ history, at, norms }) => {
  const limits = at.map((i) => history.threshold[i]!).filter(Number.isFinite);
  if (limits.length === 0 || at.some((i) => history.clipped[i])) return null;
  const least = limits.reduce((a, b) => Math.min(a, b));
  return warn(
    'neverClips',
    'remark',
    { threshold: least, largest: norms.max },
    `No gradient was clipped in ${steps(at.length)}: the largest norm is ${show(norms.max)}, the least threshold ${show(least)}. The ` +
      'threshold is for what has not come yet; one near the largest norms would be there for it sooner.',
  );
};

const farAbove: Rule = (seen) => {
  const { history, at, isHeavy } = seen;
  const ratios = at.map((i) => history.norm[i]! / history.threshold[i]!).filter((r) => r > FAR && Number.isFinite(r));
  if (ratios.length === 0) return null;
  const largest = ratios.reduce((a, b) => Math.max(a, b));
  const isOften = ratios.length > OFTEN * at.length;
  return warn(
    'farAbove',
    isOften && !isHeavy ? 'warning' : 'remark',
    { steps: ratios.length, largest },
    `In ${steps(ratios.length)} (${percent(ratios.length / at.length)}) the norm was more than ${FAR} times the threshold, up to ${show(largest)} ` +
      'times: such a step keeps a direction and little else. Where they are few, look at their batches; where many, the threshold is too low.',
    isOften ? raised(seen, median(at.map((i) => history.threshold[i]!))) : null,
  );
};

const epsFloor: Rule = (seen) => {
  const { history, at } = seen;
  const scale = median(at.map((i) => history.scale[i]!).filter(Number.isFinite));
  for (const { name, eps, rms, before, elements } of rmsOf(seen)) {
    const part = eps / (rms + eps);
    if (!(part > EPS_PART)) continue;
    // Where eps is this part of what an update is divided by, the norm is as follows.
    const least = ((1 - EPS_PART) / EPS_PART) * eps * Math.sqrt(elements);
    const byClip = scale < 1 && !(eps / (before + eps) > EPS_PART);
    const what = `An element of the gradient of ${name} is ${show(rms)} in the mean square${scale < 1 ? ' after the clip' : ''}, eps is ${show(eps)}`;
    const shrunk = `the optimizer, which divides by the root of the mean square plus eps, makes ${percent(1 - part)} of the update it would without`;
    const cure = byClip
      ? `The clip does that (median scale ${show(scale)}): a norm after it of ${show(least)} or more would not, or a smaller eps.`
      : 'It would without the clip too: a smaller eps helps, or a loss that is not so small.';
    const value: Cure = byClip
      ? { option: 'threshold', value: round(least) }
      : { option: 'eps', value: round((rms * EPS_PART) / 2) };
    return warn('epsFloor', 'warning', { name, rms, eps, scale, part: 1 - part, least }, `${what}: ${shrunk}. ${cure}`, value);
  }
  return null;
};

/** The root mean square of an element after and before the clip, median over the steps; of each parameter where it is known. */
function rmsOf({ history, at, eps, elements }: Seen): {
  readonly name: string;
  readonly eps: number;
  readonly rms: number;
  readonly before: number;
  readonly elements: number;
}[] {
  const { header, layers, norm, scale, normAfter } = history;
  const all = (x: number, n: number): number => x / Math.sqrt(n);
  const parameters = header?.parameters ?? [];
  if (layers && (header || eps !== undefined)) {
    return layers.names.flatMap((name, k) => {
      const own = eps ?? header?.optimizers[parameters[k]?.optimizer ?? -1]?.eps ?? null;
      const n = sizeOf(layers.shapes[k]!);
      if (own === null || n === 0) return [];
      const norms = layerNorms(layers, k);
      const before = median(at.map((i) => all(norms[i]!, n)));
      return [{ name, eps: own, rms: median(at.map((i) => all(norms[i]! * scale[i]!, n))), before, elements: n }];
    });
  }
  const least =
    eps ?? header?.optimizers.reduce<number | null>((e, o) => (o.eps === null ? e : Math.max(e ?? 0, o.eps)), null) ?? null;
  const n = elements ?? (header ? parameters.reduce((sum, p) => sum + sizeOf(p.shape), 0) : 0);
  if (least === null || n === 0) return [];
  const after = at.map((i) => normAfter[i]!).filter(Number.isFinite);
  const before = median(at.map((i) => all(norm[i]!, n)));
  return [
    {
      name: 'all parameters',
      eps: least,
      rms: after.length > 0 ? median(after.map((x) => all(x, n))) : before,
      before,
      elements: n,
    },
  ];
}

const heavyTail: Rule = ({ norms, spread, tail, isHeavy }) => {
  const ratio = quantile(sorted(spread), 0.99);
  if (!(ratio > FAR_OUT) && !isHeavy) return null;
  const index = tail ? ` ${tailText(tail)}` : '';
  return warn(
    'heavyTail',
    'remark',
    { median: norms.median, p99: norms.p99, max: norms.max, ratio, ...(tail ? { index: tail.index } : {}) },
    `Norms have a heavy tail: one in a hundred is above ${show(ratio)} times the median of its time, and the largest is ${show(norms.max)}, that of all ` +
      `steps ${show(norms.median)} in the median.${index} A clip matters here; a threshold by percentile or median and MAD follows the bulk, one by mean and ` +
      `deviation the tail.${isHeavy ? ' So many large ones have more noise than direction: a threshold near the median, or below it, takes that away.' : ''}`,
    isHeavy ? { option: 'threshold', value: round(norms.median) } : null,
  );
};

const drift: Rule = ({ history, at, rate }) => {
  const third = Math.floor(at.length / 3);
  if (third < 10) return null;
  const normsOf = (part: readonly number[]): number[] => part.map((i) => history.norm[i]!);
  const last = normsOf(at.slice(-third));
  const [from, to] = [median(normsOf(at.slice(0, third))), median(last)];
  if (!(to * DRIFT < from) && !(to > from * DRIFT)) return null;
  const recent = quantile(sorted(last), 1 - rate);
  const figures = { from, to, threshold: recent };
  const medians = `the median is ${show(from)} in the first third of the steps after the warm-up and ${show(to)} in the last`;
  const advice = `of the last third alone the threshold would be ${show(recent)}; a schedule or an adaptive policy follows the norms`;
  return to < from
    ? warn(
        'falling',
        'remark',
        figures,
        `Norms are still falling: ${medians}. A threshold from all of them will soon never clip: ${advice}.`,
      )
    : warn(
        'rising',
        'remark',
        figures,
        `Norms are rising: ${medians}. A threshold from all of them will clip more and more: ${advice}.`,
      );
};

const oneLayer: Rule = ({ history, at }) => {
  const { layers, norm } = history;
  if (!layers || layers.names.length < 2) return null;
  for (const [k, name] of layers.names.entries()) {
    const own = layerNorms(layers, k);
    const share = median(at.map((i) => (norm[i] === 0 ? 0 : squareOf(own[i]! / norm[i]!))));
    if (!(share > ALONE)) continue;
    return warn(
      'oneLayer',
      'remark',
      { name, share },
      `${name} alone has ${percent(share)} of the square of the norm in the median step: a global threshold follows it, and a spike elsewhere ` +
        'goes unseen. A norm per tensor, or a group of its own, would see both.',
    );
  }
  return null;
};

const skips: Rule = ({ history }) => {
  const skipped = history.skipped.reduce((n, s) => n + s, 0);
  if (skipped === 0) return null;
  const counts = new Map<string, number>();
  for (const [i, name] of history.nonFinite.entries())
    if (history.skipped[i] && name) counts.set(name, (counts.get(name) ?? 0) + 1);
  const [first] = [...counts].sort((a, b) => b[1] - a[1]);
  const what = `${steps(skipped)} (${percent(skipped / history.length)}) ${skipped === 1 ? 'was' : 'were'} skipped`;
  // A policy or a guard may skip what is finite: that is what it is for.
  if (history.skipped.every((s, i) => s === 0 || Number.isFinite(history.norm[i]!))) {
    return warn('skips', 'remark', { steps: skipped }, `${what} by the policy or a guard: look at their batches.`);
  }
  return warn(
    'skips',
    'warning',
    { steps: skipped, ...(first ? { tensor: first[0] } : {}) },
    `${what}${first ? `, most often for ${first[0]}` : ''}: such a step is not clipped but left out; look at the learning rate, and at the batches.`,
  );
};

const fewSteps: Rule = ({ at, rate, threshold }) => {
  const above = rate * at.length;
  if (threshold === null || rate === 0 || above >= ABOVE) return null;
  return warn(
    'fewSteps',
    'remark',
    { steps: at.length, above },
    `${steps(at.length)} are few for a rate of ${percent(rate)}: about ${show(above)} of them lie above the threshold of ${show(threshold)}. Run longer, or ` +
      'take a rate that more steps stand behind.',
  );
};

const RULES: readonly Rule[] = [clipsMost, neverClips, farAbove, epsFloor, heavyTail, drift, oneLayer, skips, fewSteps];
