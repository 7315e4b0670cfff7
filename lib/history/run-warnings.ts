// run-warnings.ts: what looks wrong in a run itself, clipped or not: it does not learn or stands still, gradients explode, vanish or are 0.
import { sizeOf } from '../ir/op.ts';
import { log, pow, squareOf } from '../math/index.ts';
import { deadOf } from './dead.ts';
import { type History, layerNorms, type RecordHeader } from './history.ts';
import { median } from './numbers.ts';
import type { Seen } from './seen.ts';
import { type Cure, percent, round, show, steps, type Warning, type WarningCode, warn } from './warning.ts';

/** Half an ulp of a float32 is 2^-25 to 2^-24 of it: below the lower end an update is lost for certain. */
const HALF_ULP = 2 ** -25;
/** Most of the weights. */
const MOST = 0.5;
/** An update this long beside the weights neither stands still nor throws them over. */
const SOUND = 0.03;
/** Gradients this many times as long as all weights together are out of hand at any usual learning rate. */
const EXPLODED = 10;
/** A rate that let the loss rise is divided by this where nothing tells how much too high it is. */
const LOWER = 10;
/** A gradient of 0 in this part of the steps is no chance. */
const ZERO = 0.1;
/** From the last to the first layer gradients get smaller by this, */
const VANISHED = 1e-3;
/** in a network of this many layers at least. */
const DEEP = 4;
/** A norm beyond this many thresholds before there was a threshold is what clipping is for. */
const UNBOUNDED = 10;

type Rule = (seen: Seen, others: ReadonlyMap<WarningCode, Warning>) => Warning | Warning[] | null;

/** @param others what is wrong otherwise, which may be why nothing is learned */
export function runWarnings(seen: Seen, others: readonly Warning[]): Warning[] {
  const known = new Map(others.map((w) => [w.code, w]));
  const found: Warning[] = [];
  for (const rule of [standsStill, exploding, zeroGradients, vanishing, noPast, notLearning]) {
    const made = rule(seen, known) ?? [];
    for (const warning of Array.isArray(made) ? made : [made]) {
      known.set(warning.code, warning);
      found.push(warning);
    }
  }
  // First what matters most: a run that failed.
  return found.toSorted((a, b) => Number(b.code === 'notLearning') - Number(a.code === 'notLearning'));
}

/** The learning rate of the record, where all groups have the same. */
function rateOf(header: RecordHeader | null): number | null {
  const rates = new Set(header?.optimizers.map((o) => o.lr));
  const [lr] = rates;
  return rates.size === 1 && lr! > 0 ? lr! : null;
}

const appliedOf = ({ history, at }: Pick<Seen, 'history' | 'at'>): number[] => at.filter((i) => !history.skipped[i]);

/** Of each parameter whose first values are known: elements, their root mean square, and that of an update, as it was and without the clip. */
interface Moved {
  readonly elements: number;
  readonly rms: number;
  readonly update: number;
  readonly unclipped: number;
}

/** By the update rule where it is gradient times rate, over 1 - momentum at most; else by what a division by the root of the mean square leaves of the rate. */
function movedOf({ history, at }: Pick<Seen, 'history' | 'at'>): Moved[] {
  const { header, layers, norm, normAfter } = history;
  const applied = appliedOf({ history, at });
  const all = header?.parameters.reduce((n, p) => n + sizeOf(p.shape), 0) ?? 0;
  return (header?.parameters ?? []).flatMap((p, k): Moved[] => {
    const { lr, eps, momentum = null } = header!.optimizers[p.optimizer]!;
    const elements = sizeOf(p.shape);
    if (p.rms === undefined || !(p.rms > 0) || elements === 0 || (momentum === null && eps === null) || !(lr > 0)) return [];
    const own = layers ? layerNorms(layers, k) : norm;
    const size = Math.sqrt(layers ? elements : all);
    const kept = (i: number): number => (norm[i] === 0 ? 1 : normAfter[i]! / norm[i]!);
    const moves = (g: number): number => (momentum === null ? (lr * g) / (g + eps!) : (lr * g) / Math.max(1 - momentum, 1e-3));
    const of = (gradient: (i: number) => number): number =>
      median(applied.map((i) => moves(gradient(i))).filter((u) => !Number.isNaN(u)));
    return [{ elements, rms: p.rms, update: of((i) => (own[i]! * kept(i)) / size), unclipped: of((i) => own[i]! / size) }];
  });
}

const standsStill: Rule = (seen) => {
  // What has no gradient has a warning of its own. What learns moves: a rate of the header that only its schedule's first step has would tell otherwise.
  if (seen.learning.learned === true) return null;
  const moved = movedOf(seen).filter((m) => m.unclipped > 0);
  const sum = (of: readonly Moved[]): number => of.reduce((n, m) => n + m.elements, 0);
  const still = moved.filter((m) => m.update < HALF_ULP * m.rms);
  const share = sum(still) / sum(moved);
  if (!(share > MOST)) return null;
  const ratio = median(still.map((m) => m.update / m.rms));
  const scale = median(appliedOf(seen).map((i) => seen.history.normAfter[i]! / seen.history.norm[i]!));
  const byClip = still.some((m) => !(m.unclipped < HALF_ULP * m.rms));
  const lr = rateOf(seen.history.header);
  const [cure, help]: [Cure | null, string] = byClip
    ? [
        { option: 'threshold', value: round(seen.wanted) },
        `The clip does that (median scale ${show(scale)}): with a threshold of ${show(seen.wanted)} it would not.`,
      ]
    : [
        lr === null ? null : { option: 'lr', value: round((lr * SOUND) / median(still.map((m) => m.unclipped / m.rms))) },
        'It would without the clip too: the learning rate is too low.',
      ];
  return warn(
    'standsStill',
    'warning',
    { share, ratio, scale },
    `Most weights stand still: by the learning rate and the norms an update is ${show(ratio)} of a weight, less than half of the distance to the ` +
      `next float32 (3e-8 of it), for ${percent(share)} of the elements. This is an estimate, in the mean square. ${help}`,
    cure,
  );
};

const exploding: Rule = (seen) => {
  const { history, learning, threshold } = seen;
  const { header, norm } = history;
  const limit = EXPLODED * lengthOf(header);
  // Without weights to compare with (all 0 at first, a history without a record) nothing is long.
  if (!(limit > 0)) return null;
  const long = Array.from(norm, (_, i) => i).filter((i) => norm[i]! > limit && Number.isFinite(norm[i]!));
  if (long.length === 0) return null;
  const largest = long.reduce((n, i) => Math.max(n, norm[i]!), 0);
  const sound = soundNorm(header);
  // Where it explodes after updates that threw the weights over, those are to be shorter, and the rest follows.
  const isFirst = long[0] === 0 || (threshold !== null && learning.learned === false);
  const bound = learning.learned === false && threshold !== null ? threshold : sound;
  const times = largest / limit;
  const what = `In ${steps(long.length)}, the first of them step ${long[0]}, the gradient is more than ${EXPLODED} times as long as all weights together, up to ${show(EXPLODED * times)} times: it explodes.`;
  const isWrong = learning.learned !== true;
  const cureOf = (): Cure | null => {
    // A run that is known to have failed has a warning with the rate to take.
    if (!isFirst) return learning.learned === false ? null : slower(seen);
    return bound === null || history.threshold.every((t) => t <= 1.01 * bound)
      ? null
      : { option: 'threshold', value: round(bound) };
  };
  const help = !isWrong
    ? 'The run learned all the same; such steps are what a clip is for.'
    : !isFirst
      ? 'It did so after updates that were too long: a lower learning rate comes first.'
      : bound === null
        ? 'Clip its norm.'
        : `Clip its norm: at ${show(bound)} ${bound === sound ? `an update is ${percent(SOUND)} as long as the weights` : 'the steps before would be left alone'}.`;
  return warn(
    'exploding',
    isWrong ? 'warning' : 'remark',
    { steps: long.length, first: long[0]!, largest, times: EXPLODED * times },
    `${what} ${help}`,
    isWrong ? cureOf() : null,
  );
};

const zeroGradients: Rule = (seen, others) => {
  const { history, at, learning } = seen;
  const { norm } = history;
  const zero = at.filter((i) => norm[i] === 0);
  const share = zero.length / at.length;
  const { firsts } = deadOf(history, at);
  const dead = [...firsts.keys()];
  const some = share <= MOST ? dead : [];
  if (zero.length === 0 && some.length === 0) return null;
  const whole = `The gradient was 0 in ${steps(zero.length)} (${percent(share)})`;
  const named = `${some.slice(0, 3).join(', ')}${some.length > 3 ? ` and ${some.length - 3} more` : ''}`;
  const parts = `the gradient of ${named} was 0 in more than half of the steps`;
  const what = zero.length === 0 ? `T${parts.slice(1)}` : some.length === 0 ? whole : `${whole}, and ${parts}`;
  // Units die of an update: before it gradients were not 0.
  const died = share > ZERO ? norm[0]! > 0 : [...firsts.values()].some((first) => first > 0);
  const why = died
    ? 'It was not at the start: an update has set all units to where their activation is flat (a ReLU below 0). A lower learning rate helps, a clip, or an activation that is never flat.'
    : 'Nothing reaches these weights: units that are 0 for all rows, a loss that is flat, or a part of the model that is not used. No threshold helps.';
  const isWrong = share > ZERO || some.length > 0;
  return warn(
    'zeroGradients',
    isWrong && !(learning.learned === true && some.length === 0) ? 'warning' : 'remark',
    { share, steps: zero.length, parameters: some.length, ...(some[0] === undefined ? {} : { name: some[0] }) },
    `${what}. ${why}`,
    died && !others.get('exploding')?.cure ? slower(seen) : null,
  );
};

const vanishing: Rule = ({ history, at }) => {
  const depth = depths(history, at);
  if (depth.length < DEEP) return null;
  const [first, last] = [depth[0]!, depth.at(-1)!];
  const ratio = first.rms / last.rms;
  if (!(ratio < VANISHED) || !(first.rms > 0)) return null;
  // Not one layer alone, as an embedding of which few rows are used: they get smaller all along.
  const third = Math.floor(depth.length / 3);
  const level = (of: typeof depth): number => median(of.map((l) => log(l.rms)));
  const [a, b, c] = [level(depth.slice(0, third)), level(depth.slice(third, -third)), level(depth.slice(-third))];
  if (!(a < b && b < c)) return null;
  // Of each tensor its part of a sound update, whatever its gradient was.
  const sound = soundNorm(history.header);
  const factor = pow(1 / ratio, 1 / (depth.length - 1));
  return warn(
    'vanishing',
    'warning',
    { first: first.name, last: last.name, ratio, factor, layers: depth.length },
    `Gradients vanish toward the input: in the mean square an element of ${first.name} has ${show(ratio)} of what one of ${last.name} has, ` +
      `${show(factor)} times less a layer over ${depth.length} layers. A clip only makes gradients smaller: what helps is another activation than a sigmoid, ` +
      'normalization, residual connections, other first values, or steps that do not depend on the size of a gradient (Adam; clip.normalize by tensor).',
    sound === null || history.header?.policy.includes('normalize')
      ? null
      : { option: 'normalize', value: round(sound / Math.sqrt(history.layers!.names.length)) },
  );
};

/** By layer, in the order of the parameters, which is that of the modules: the root mean square of the gradient of its weights, median over the steps. */
function depths({ layers }: History, at: readonly number[]): { readonly name: string; readonly rms: number }[] {
  if (!layers) return [];
  return layers.names.flatMap((name, k) => {
    const shape = layers.shapes[k]!;
    if (shape.length < 2) return [];
    const own = layerNorms(layers, k);
    return [{ name, rms: median(at.map((i) => own[i]! / Math.sqrt(sizeOf(shape)))) }];
  });
}

const noPast: Rule = ({ history }) => {
  const { header, norm, threshold } = history;
  // Only the first steps of a run are without a past.
  if (!(history.attempt[0] === 0 || (header === null && Number.isNaN(history.attempt[0]!)))) return null;
  const firstBound = threshold.findIndex(Number.isFinite);
  const unbounded = header?.unbounded ?? null;
  if (firstBound <= 0 && unbounded === null) return null;
  if (firstBound < 0) return null;
  const open = Math.max(1, firstBound);
  const largest = norm.subarray(0, open).reduce((a, b) => (b > a ? b : a), 0);
  const later = median(threshold.subarray(open).filter(Number.isFinite));
  const times = largest / later;
  const isWrong = times > UNBOUNDED;
  const bound = unbounded === null ? 'A bound for the first steps' : `A bound for the first steps (${unbounded})`;
  return warn(
    'noPast',
    isWrong ? 'warning' : 'remark',
    { steps: open, largest, threshold: later },
    `The policy makes its threshold of earlier steps, so the first ${open === 1 ? 'step' : steps(open)} had none: norms up to ${show(largest)} went through, ` +
      `${show(times)} times the median threshold of later steps. ${bound} would hold there.`,
    isWrong ? { option: 'absolute', value: round(later) } : null,
  );
};

const CAUSES: readonly WarningCode[] = ['standsStill', 'exploding', 'zeroGradients', 'vanishing', 'clipsMost'];

const notLearning: Rule = (seen, others) => {
  const { learning, threshold } = seen;
  if (learning.learned !== false) return null;
  const { first, least, last, why, until } = learning;
  const said = {
    rose:
      until === 0
        ? `the loss rose from ${show(first)} to ${show(last)}`
        : `the loss fell from ${show(first)} to ${show(least)} and is ${show(last)} at the end`,
    notFinite:
      until === 0
        ? 'the loss is not finite'
        : `the loss was ${show(Number.isFinite(least) ? least : first)} and is not finite at the end`,
    never: `the loss was ${show(first)} at first and is ${show(last)} at the end, no less than its noise allows`,
  }[why as 'rose' | 'notFinite' | 'never'];
  const cause = CAUSES.find((code) => others.get(code)?.level === 'warning' && (code !== 'exploding' || others.get(code)!.cure));
  const [cure, help] = cause === undefined ? remedy(seen) : [null, `Look at ${cause} first.`];
  const norms =
    threshold === null ? 'norms of such a run are no model for a threshold' : `a threshold is made of the ${steps(until)} before`;
  const figures = { first, least, last, until, why };
  return warn('notLearning', 'warning', figures, `The run failed: ${said}; ${norms}. ${help}`, cure);
};

/** What to change in a run that failed, for no other reason than its steps. */
function remedy(seen: Seen): [Cure | null, string] {
  const { history, learning, threshold } = seen;
  const { norm } = history;
  const limit = history.threshold.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  if (threshold !== null && norm.some((n) => n > UNBOUNDED * threshold) && !(limit <= threshold)) {
    return [
      { option: 'threshold', value: round(threshold) },
      `Norms rose far beyond those of the steps before: a clip at ${show(threshold)} is there for that, or a lower learning rate.`,
    ];
  }
  // Where the first update was sound, or nothing is known of it, a loss that never fell does not say in which direction to go.
  if (learning.why === 'never' && !(firstOf(norm) > (soundNorm(history.header) ?? Number.POSITIVE_INFINITY))) {
    return [null, 'Look at the data, the loss and the learning rate.'];
  }
  return [slower(seen), 'A lower learning rate is the first thing to try.'];
}

/** A learning rate at which the first update would have been sound; a tenth where that is not known. */
function slower({ history: { header, norm } }: Pick<Seen, 'history'>): Cure | null {
  const lr = rateOf(header);
  const sound = soundNorm(header);
  return lr === null ? null : { option: 'lr', value: round(lr / Math.max(LOWER, sound === null ? 0 : firstOf(norm) / sound)) };
}

/** Of the weights as they were at first: later norms are of some that a wrong step may have spoiled. */
const firstOf = (norm: Float64Array): number => norm.find(Number.isFinite) ?? Number.NaN;

/** The length of all weights together, where the recording began; NaN where it is not known. */
const lengthOf = (header: RecordHeader | null): number =>
  Math.sqrt(
    (header?.parameters ?? []).reduce((s, p) => s + squareOf(p.rms ?? Number.NaN) * sizeOf(p.shape), header ? 0 : Number.NaN),
  );

/** The norm of a gradient whose update is sound beside the weights, where updates are gradient times rate; else null. */
export function soundNorm(header: RecordHeader | null): number | null {
  const lr = rateOf(header);
  const isPlain = header?.optimizers.every((o) => (o.momentum ?? null) !== null) ?? false;
  const norm = (SOUND * lengthOf(header)) / (lr ?? Number.NaN);
  return isPlain && norm > 0 ? norm : null;
}
