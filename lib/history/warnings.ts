// warnings.ts: what looks wrong in how a run was clipped, in words and figures.
import { visible } from '../errors/visible.ts';
import { sizeOf } from '../ir/op.ts';
import { squareOf } from '../math/index.ts';
import { type History, layerNorms } from './history.ts';
import { median, quantile, sorted } from './numbers.ts';

/** What a warning of `advise` is about, for programs. Steps are those looked at. */
export type WarningCode =
  /** More than half of the steps were clipped: the clip acts as a learning rate. */
  | 'clipsMost'
  /** No step was clipped. */
  | 'neverClips'
  /** Norms were more than 10 times the threshold. */
  | 'farAbove'
  /** `eps` is more than a tenth of what the optimizer divides by. */
  | 'epsFloor'
  /** The 99th percentile of the norms is more than 5 times their median. */
  | 'heavyTail'
  /** The median of the norms fell by a factor of more than 1.5 from the first third of the steps to the last. */
  | 'falling'
  /** The median of the norms rose by a factor of more than 1.5 from the first third of the steps to the last. */
  | 'rising'
  /** One parameter has more than nine tenths of the square of the norm in the median step. */
  | 'oneLayer'
  /** Steps were skipped. */
  | 'skips'
  /** Fewer than 5 steps lie above the threshold that the wanted rate gives. */
  | 'fewSteps';

/** Something about how a run was clipped that may not be what was meant. */
export interface Warning {
  /** What it is about, for programs. */
  readonly code: WarningCode;
  /** What it is and what helps, for people, with the figures. */
  readonly text: string;
  /** The figures and names of the text, by name. */
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface Evidence {
  readonly history: History;
  /** Indices of the steps looked at. */
  readonly at: readonly number[];
  readonly rate: number;
  readonly norms: Readonly<Record<'median' | 'p99' | 'max', number>>;
  readonly threshold: number;
  readonly eps: number | undefined;
  readonly elements: number | undefined;
}

/** A clip that bites in more than half of the steps sets their length. */
const MOST = 0.5;
/** Norms above this many thresholds are cut to less than a tenth. */
const FAR = 10;
/** What eps may take of an update before it is worth a word: eps / (rms + eps). */
const EPS_PART = 0.1;
/** The 99th percentile over the median; 1.3 to 2 is usual of a smooth run, an exponential distribution has 6.6. */
const TAIL = 5;
/** The medians of the last and the first third of the steps. */
const DRIFT = 1.5;
/** One parameter that has this part of the square of the norm decides alone. */
const ALONE = 0.9;
/** A quantile that rests on fewer steps above it is a guess. */
const ABOVE = 5;

type Rule = (e: Evidence) => Warning | Warning[] | null;

export function warningsOf(evidence: Evidence): Warning[] {
  return RULES.flatMap((rule) => rule(evidence) ?? []);
}

const warn = (code: WarningCode, figures: Warning['figures'], text: string): Warning => ({ code, text: visible(text), figures });
const show = (x: number): string => {
  const text = x.toPrecision(3);
  return Math.abs(x) >= 1e5 || (x !== 0 && Math.abs(x) < 1e-3) ? x.toExponential(1) : String(Number(text));
};
const percent = (part: number): string => `${Number((100 * part).toPrecision(3))} %`;
const steps = (n: number): string => (n === 1 ? '1 step' : `${n.toLocaleString('en-US')} steps`);

const clipsMost: Rule = ({ history, at }) => {
  const clipped = at.filter((i) => history.clipped[i]);
  const rate = clipped.length / at.length;
  if (!(rate > MOST)) return null;
  const scale = median(clipped.map((i) => history.scale[i]!));
  return warn(
    'clipsMost',
    { rate, scale },
    `The clip was active in ${percent(rate)} of ${steps(at.length)}, with a median scale of ${show(scale)}: it acts as a learning rate, since ` +
      'most updates have the length that the threshold gives them. Raise the threshold, or lower the learning rate and mean it.',
  );
};

const neverClips: Rule = ({ history, at, norms }) => {
  const limits = at.map((i) => history.threshold[i]!).filter(Number.isFinite);
  if (limits.length === 0 || at.some((i) => history.clipped[i])) return null;
  const least = limits.reduce((a, b) => Math.min(a, b));
  return warn(
    'neverClips',
    { threshold: least, largest: norms.max },
    `No gradient was clipped in ${steps(at.length)}: the largest norm is ${show(norms.max)}, the least threshold ${show(least)}. The ` +
      'threshold is for what has not come yet; one near the largest norms would be there for it sooner.',
  );
};

const farAbove: Rule = ({ history, at }) => {
  const ratios = at.map((i) => history.norm[i]! / history.threshold[i]!).filter((r) => r > FAR && Number.isFinite(r));
  if (ratios.length === 0) return null;
  const largest = ratios.reduce((a, b) => Math.max(a, b));
  return warn(
    'farAbove',
    { steps: ratios.length, largest },
    `In ${steps(ratios.length)} (${percent(ratios.length / at.length)}) the norm was more than ${FAR} times the threshold, up to ${show(largest)} ` +
      'times: such a step keeps a direction and little else. Where they are few, look at their batches; where many, the threshold is too low.',
  );
};

const epsFloor: Rule = (evidence) => {
  const { history, at } = evidence;
  const scale = median(at.map((i) => history.scale[i]!).filter(Number.isFinite));
  for (const { name, eps, rms, before, elements } of rmsOf(evidence)) {
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
    return warn('epsFloor', { name, rms, eps, scale, part: 1 - part, least }, `${what}: ${shrunk}. ${cure}`);
  }
  return null;
};

/** The root mean square of an element after and before the clip, median over the steps; of each parameter where it is known. */
function rmsOf({ history, at, eps, elements }: Evidence): {
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
      const own = eps ?? header?.optimizers[parameters[k]!.optimizer]?.eps ?? null;
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

const heavyTail: Rule = ({ norms }) => {
  const ratio = norms.p99 / norms.median;
  if (!(ratio > TAIL)) return null;
  return warn(
    'heavyTail',
    { median: norms.median, p99: norms.p99, max: norms.max, ratio },
    `Norms have a heavy tail: 99 % are below ${show(norms.p99)}, ${show(ratio)} times the median of ${show(norms.median)}, and the largest is ` +
      `${show(norms.max)}. A clip matters here; a threshold by percentile or median and MAD follows the bulk, one by mean and deviation the tail.`,
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
        figures,
        `Norms are still falling: ${medians}. A threshold from all of them will soon never clip: ${advice}.`,
      )
    : warn('rising', figures, `Norms are rising: ${medians}. A threshold from all of them will clip more and more: ${advice}.`);
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
  return warn(
    'skips',
    { steps: skipped, ...(first ? { tensor: first[0] } : {}) },
    `${steps(skipped)} (${percent(skipped / history.length)}) ${skipped === 1 ? 'was' : 'were'} skipped${first ? `, most often for ${first[0]}` : ''}: no threshold helps there; look at the ` +
      'learning rate, and at the batches.',
  );
};

const fewSteps: Rule = ({ at, rate, threshold }) => {
  const above = rate * at.length;
  if (rate === 0 || above >= ABOVE) return null;
  return warn(
    'fewSteps',
    { steps: at.length, above },
    `${steps(at.length)} are few for a rate of ${percent(rate)}: about ${show(above)} of them lie above the threshold of ${show(threshold)}. Run longer, or ` +
      'take a rate that more steps stand behind.',
  );
};

const RULES: readonly Rule[] = [clipsMost, neverClips, farAbove, epsFloor, heavyTail, drift, oneLayer, skips, fewSteps];
