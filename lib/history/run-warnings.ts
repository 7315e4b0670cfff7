// run-warnings.ts: what looks wrong in a run itself, clipped or not: it does not learn, it stands still, gradients are 0 or vanish.
import { sizeOf } from '../ir/op.ts';
import { log, pow, squareOf } from '../math/index.ts';
import { type History, layerNorms, type RecordHeader } from './history.ts';
import { median } from './numbers.ts';
import type { Seen } from './seen.ts';
import { type Cure, percent, round, show, steps, type Warning, type WarningCode, warn } from './warning.ts';

/** Half an ulp of a float32 is 2^-25 to 2^-24 of it: below the lower end an update is lost for certain. */
const HALF_ULP = 2 ** -25;
/** Most of the weights. */
const MOST = 0.5;
/** An update this long beside the weights neither stands still nor throws them over. */
const SOUND = 1e-2;
/** Gradients this many times as long as all weights together are out of hand at any usual learning rate. */
const EXPLODED = 10;
/** A rate that let the loss rise is divided by this where nothing tells how much too high it is. */
const LOWER = 10;
/** Steps at the start, whose weights are about those of the header. */
const FIRST = 10;
/** A gradient of 0 in this part of the steps is no chance. */
const ZERO = 0.1;
/** From the last to the first layer gradients get smaller by this, */
const VANISHED = 1e-3;
/** in a network of this many layers at least. */
const DEEP = 4;
/** A norm beyond this many thresholds before there was a threshold is what clipping is for. */
const UNBOUNDED = 10;

type Rule = (seen: Seen, others: ReadonlySet<WarningCode>) => Warning | Warning[] | null;

/** @param others what is wrong otherwise, which may be why nothing is learned */
export function runWarnings(seen: Seen, others: readonly Warning[]): Warning[] {
  const codes = new Set(others.map((w) => w.code));
  const found: Warning[] = [];
  for (const rule of [standsStill, zeroGradients, vanishing, noPast, notLearning]) {
    const made = rule(seen, codes) ?? [];
    for (const warning of Array.isArray(made) ? made : [made]) {
      codes.add(warning.code);
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

const lower = (header: RecordHeader | null, by = LOWER): Cure | null => {
  const lr = rateOf(header);
  return lr === null ? null : { option: 'lr', value: round(lr / by) };
};

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
  // What learns moves: a rate of the header that only its schedule's first step has would tell otherwise.
  if (seen.learning.learned === true) return null;
  const moved = movedOf(seen);
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

const zeroGradients: Rule = ({ history, at, learning }) => {
  const { header, layers, norm } = history;
  const zero = at.filter((i) => norm[i] === 0);
  const share = zero.length / at.length;
  const dead = layers
    ? layers.names.filter((_, k) => {
        const own = layerNorms(layers, k);
        return at.filter((i) => own[i] === 0).length > MOST * at.length;
      })
    : [];
  const some = share <= MOST ? dead : [];
  if (zero.length === 0 && some.length === 0) return null;
  const whole = `The gradient was 0 in ${steps(zero.length)} (${percent(share)})`;
  const named = `${some.slice(0, 3).join(', ')}${some.length > 3 ? ` and ${some.length - 3} more` : ''}`;
  const parts = `the gradient of ${named} was 0 in more than half of the steps`;
  const what = zero.length === 0 ? `T${parts.slice(1)}` : some.length === 0 ? whole : `${whole}, and ${parts}`;
  // Units die of an update: before it gradients were not 0.
  const died = share > ZERO && norm[0]! > 0;
  const why = died
    ? 'It was not at the start: an update has set all units to where their activation is flat (a ReLU below 0). A lower learning rate helps, a clip, or an activation that is never flat.'
    : 'Nothing reaches these weights: units that are 0 for all rows, a loss that is flat, or a part of the model that is not used. No threshold helps.';
  const isWrong = share > ZERO || some.length > 0;
  return warn(
    'zeroGradients',
    isWrong && !(learning.learned === true && some.length === 0) ? 'warning' : 'remark',
    { share, steps: zero.length, parameters: some.length, ...(some[0] === undefined ? {} : { name: some[0] }) },
    `${what}. ${why}`,
    died ? lower(header) : null,
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
  const factor = pow(1 / ratio, 1 / (depth.length - 1));
  return warn(
    'vanishing',
    'warning',
    { first: first.name, last: last.name, ratio, factor, layers: depth.length },
    `Gradients vanish toward the input: in the mean square an element of ${first.name} has ${show(ratio)} of what one of ${last.name} has, ` +
      `${show(factor)} times less a layer over ${depth.length} layers. A clip only makes gradients smaller: what helps is another activation than a sigmoid, ` +
      'normalization, residual connections, other first values, or an optimizer that gives each element its own step (Adam).',
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

const CAUSES: readonly WarningCode[] = ['standsStill', 'zeroGradients', 'vanishing', 'clipsMost'];

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
        ? 'the loss is no number'
        : `the loss was ${show(Number.isFinite(least) ? least : first)} and is no number at the end`,
    never: `the loss was ${show(first)} at first and is ${show(last)} at the end, no less than its noise allows`,
  }[why as 'rose' | 'notFinite' | 'never'];
  const cause = CAUSES.find((code) => others.has(code));
  const [cure, help] = cause === undefined ? remedy(seen) : [null, `Look at ${cause} first.`];
  const norms =
    threshold === null ? 'norms of such a run are no model for a threshold' : `a threshold is made of the ${steps(until)} before`;
  const figures = { first, least, last, until, why };
  return warn('notLearning', 'warning', figures, `The run failed: ${said}; ${norms}. ${help}`, cure);
};

/** What to change in a run that failed, for no other reason than its steps. */
function remedy({ history, learning, threshold, wanted }: Seen): [Cure | null, string] {
  const { header, norm } = history;
  const lr = rateOf(header);
  const limit = history.threshold.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  if (threshold !== null && norm.some((n) => n > UNBOUNDED * threshold) && !(limit <= threshold)) {
    return [
      { option: 'threshold', value: round(threshold) },
      `Norms rose far beyond those of the steps before: a clip at ${show(threshold)} is there for that, or a lower learning rate.`,
    ];
  }
  const weights = Math.sqrt((header?.parameters ?? []).reduce((s, p) => s + squareOf(p.rms ?? Number.NaN) * sizeOf(p.shape), 0));
  const start = appliedOf({ history, at: Array.from({ length: Math.min(FIRST, norm.length) }, (_, i) => i) });
  const length = median(start.map((i) => norm[i]!).filter(Number.isFinite));
  const isPlain = header?.optimizers.every((o) => (o.momentum ?? null) !== null) ?? false;
  if (isPlain && lr !== null && length > EXPLODED * weights && history.attempt[0] === 0) {
    const sound = round((SOUND * weights) / lr);
    return [
      { option: 'threshold', value: sound },
      `The gradient is ${show(length)} long at the start, ${show(length / weights)} times all weights: it explodes. Clip its norm: at ${show(sound)} an update is ` +
        `${percent(SOUND)} as long as the weights.`,
    ];
  }
  if (learning.why === 'never' && !(limit <= wanted)) {
    const first = isPlain && lr !== null ? (lr * length) / weights : Number.NaN;
    // Where the first updates were sound, or nothing is known of them, a loss that never fell does not say in which direction to go.
    if (!(first > SOUND)) return [null, 'Look at the data, the loss and the learning rate.'];
  }
  const by = isPlain && lr !== null ? Math.max(LOWER, ((lr * length) / weights / SOUND) | 0) : LOWER;
  return [lower(header, by), 'A lower learning rate is the first thing to try.'];
}
