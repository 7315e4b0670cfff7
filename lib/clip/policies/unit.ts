// unit.ts: policies that look at rows or columns of each gradient: norms by axis, sums of row maxima, adaptive clipping by units (AGC),
// centralization. What a row is, ops/gradient/axis.ts says.
import type { Tensor } from '../../ir/graph.ts';
import { pattern } from '../../nn/fields.ts';
import { matcher, type Pattern } from '../../nn/module/module.ts';
import { unitAxis as axis, type UnitAxis } from '../../ops/gradient/axis.ts';
import { perUnit, sumSegments } from '../../ops/gradient/lists.ts';
import { type Stage, scaleUnits, shiftRows, type Units } from '../../ops/gradient/stage.ts';
import { unitStatistic } from '../../ops/gradient/unit-statistic.ts';
import {
  argmax,
  cast,
  div,
  equal,
  isFinite as finiteOnes,
  less,
  max,
  maximum,
  min,
  mul,
  sqrt,
  square,
  sub,
  sum,
  where,
} from '../../ops/index.ts';
import { choice, custom, type Field, options, optionsOnly, type PerStep, signature } from '../../options/index.ts';
import type { ClipContext, ClipPolicy, Clipped } from '../clip.ts';
import { epsilon, limit, nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, type NonFiniteRule, ruleOf } from '../finite.ts';
import { type Measured, measure, measured, measureOnly, perGradient, scaled, scaleOf, shaped } from '../measure.ts';
import { samples } from '../samples.ts';

/** Options of `clip.axisNorm`. */
export interface AxisNormOptions extends NonFiniteOptions {
  /**
   * What has a norm: `rows` (what has one index of dimension 0: in a weight [out, in] all that leads to one output), `columns` (there
   * all that comes from one input), or the `tensor`. With fewer than two dimensions a tensor is one unit. Default 'rows'.
   */
  readonly axis?: UnitAxis;
  /** The norm: 1, 2 or Infinity. Default 2. */
  readonly p?: number;
}

const KINDS = new Map([
  [1, 'sumAbs'],
  [2, 'sumSquares'],
  [Infinity, 'maxAbs'],
] as const);

/** What is measured of units by one reading of the gradients, which is of the gradients, too. */
interface Squares {
  readonly m: Measured;
  /** The sum of squares of each unit. */
  readonly squares: Tensor;
  readonly units: Units;
}

/** Null where more than sums of squares is to be known: of other gradients, or of elements that became 0. */
function squaresOf(c: ClipContext, rules: NonFiniteRule, axis: UnitAxis): Squares | null {
  if (c.all || rules.stages.length > 0) return null;
  const { each: squares, units } = unitStatistic(c.grads, { kind: 'sumSquares', axis, stages: c.stages });
  const each = sumSegments(squares, units.counts);
  const bad = sub(1, finiteOnes(each));
  const badCount = sum(bad);
  const firstBad = where(less(0, badCount), cast(argmax(bad), 'f64'), -1);
  const total = sum(each);
  const norms = { total: sqrt(total), each: sqrt(each), found: { each, total, firstBad, badCount } };
  return { m: measured(c, rules, 2, norms, norms), squares, units };
}

/** A norm per unit of gradients behind all stages so far. */
function unitNorms(c: ClipContext, m: Measured, axis: UnitAxis, p: number): { each: Tensor; units: Units } {
  const kind = KINDS.get(p as 1)!;
  const { each, units } = unitStatistic(c.grads, { kind, axis, stages: [...c.stages, ...m.stages] });
  return { each: p === 2 ? sqrt(each) : each, units };
}

const norm: Field<number> = custom(
  '1, 2 or Infinity',
  (value, place) => {
    if (value === 1 || value === 2 || value === Infinity) return value;
    throw place.wrong('1, 2 or Infinity', value);
  },
  { anyOf: [{ enum: [1, 2] }, { type: 'number', exclusiveMinimum: Number.MAX_VALUE }] },
);
const threshold = limit().default(1);
const readAxisNorm = signature(
  'clip.axisNorm',
  { threshold },
  options<AxisNormOptions>()({ ...nonFiniteFields, axis, p: norm.default(2) }),
);

/**
 * Scale each row (or column) of each gradient by c / n where n, its norm, exceeds c, the threshold, which is as in
 * globalNorm. Reads gradients once more.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see tf.clip_by_norm, with axes
 */
export function axisNorm(threshold?: PerStep, options: AxisNormOptions = {}): ClipPolicy {
  const { threshold: limit, axis, p, ...given } = readAxisNorm(arguments);
  const rules = ruleOf(given);
  return {
    name: 'axisNorm',
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules);
      const at = limit.at(context);
      const read = p === 2 ? squaresOf(context, rules, axis) : null;
      if (read) return scaledUnits(context, read, scaleOf(sqrt(read.squares), at), at);
      const m = measure(context, rules);
      const { each, units } = unitNorms(context, m, axis, p);
      return byUnits(m, units, scaleOf(each, at), at);
    },
  };
}

/** Units times their scales, where that says all that there is to report. */
function scaledUnits(c: ClipContext, { m, squares, units }: Squares, scales: Tensor, threshold: Tensor): Clipped {
  const changed = sub(1, equal(scales, 1));
  const all = units.counts.reduce((sum, n, t) => sum + n * units.lengths[t]!, 0);
  const shares = units.lengths.map((length) => length / Math.max(1, all));
  const none = units.total === 0 ? { scale: c.graph.scalar(1, 'f64'), clipped: c.graph.scalar(0, 'f64') } : null;
  return {
    stages: [...m.stages, scaleUnits(units, scales)],
    skip: m.skip,
    report: {
      norm: m.total,
      normAfter: sqrt(sum(mul(squares, square(scales)))),
      scale: none?.scale ?? min(scales),
      clipped: none?.clipped ?? max(changed),
      clippedFraction: sum(mul(sumSegments(changed, units.counts), perGradient(c, shares))),
      ...m.report,
      threshold,
    },
    measure: false,
  };
}

/** Units times their scales; the update measures what they change. */
function byUnits(m: Measured, units: Units, scales: Tensor, threshold?: Tensor): ReturnType<typeof shaped> {
  const scale = units.total > 0 ? { scale: min(scales), clipped: max(less(scales, 1)) } : {};
  return shaped(m, [scaleUnits(units, scales)], { ...scale, ...(threshold && { threshold }) });
}

/** Options of `clip.rowMaxNorm`. */
export interface RowMaxNormOptions extends NonFiniteOptions {
  /**
   * Whose largest elements are summed: `rows` (what has one index of dimension 0: in a weight [out, in] all that leads to one output),
   * `columns` (there all that comes from one input), or the `tensor`. With fewer than two dimensions a tensor is one unit.
   * Default 'rows'.
   */
  readonly axis?: UnitAxis;
  /** `tensor`: each gradient by its own sum; `global`: all by the sum over the rows of all of them. Default 'tensor'. */
  readonly scope?: 'tensor' | 'global';
}

const readRowMaxNorm = signature(
  'clip.rowMaxNorm',
  { threshold },
  options<RowMaxNormOptions>()({ ...nonFiniteFields, axis, scope: choice('tensor', 'global').default('tensor') }),
);

/**
 * Scale each gradient by c / s where s, the sum over its rows of the largest |g| in each, exceeds c, the threshold; with
 * scope `global`, all gradients by one scale, s being the sum over the rows of all. Reads gradients once more.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see gradclip: the sum over rows of their largest elements
 */
export function rowMaxNorm(threshold?: PerStep, options: RowMaxNormOptions = {}): ClipPolicy {
  const { threshold: limit, axis, scope, ...given } = readRowMaxNorm(arguments);
  const rules = ruleOf(given);
  return {
    name: 'rowMaxNorm',
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules);
      const at = limit.at(context);
      const m = measure(context, rules);
      const largest = unitNorms(scope === 'global' ? { ...context, ...context.all } : context, m, axis, Infinity);
      const sums = scope === 'global' ? sum(largest.each) : sumSegments(largest.each, largest.units.counts);
      return scaled(context, m, scaleOf(sums, at), { threshold: at });
    },
  };
}

/** Options of `clip.agc`. */
export interface AGCOptions extends NonFiniteOptions {
  /** Norms of parameters count as at least this. Default 1e-3. */
  readonly eps?: number;
  /**
   * What has a norm: `rows` (what has one index of dimension 0: in a weight [out, in] all that leads to one output), `columns` (there
   * all that comes from one input), or the `tensor`. With fewer than two dimensions a tensor is one unit. Default 'rows'.
   */
  readonly axis?: UnitAxis;
  /** Parameters left alone, by name: the last layer, in NFNets. Default: none. */
  readonly exclude?: Pattern;
}

const readAgc = signature(
  'clip.agc',
  { threshold: limit().default(0.01) },
  options<AGCOptions>()({ ...nonFiniteFields, eps: epsilon.default(1e-3), axis, exclude: pattern.optional() }),
);

/**
 * Adaptive gradient clipping by units: a row of a gradient with a norm n above m = threshold max(|row of the
 * parameter|, eps) is scaled by m / max(n, 1e-6). Reads gradients and parameters once more. As timm's
 * adaptive_clip_grad and optax.adaptive_grad_clip.
 * @param threshold a part of the parameter's norm (the paper's lambda), >= 0, may depend on the step. Default 0.01.
 * @throws OptionError
 * @see Brock et al. 2021, High-Performance Large-Scale Image Recognition Without Normalization
 */
export function agc(threshold?: PerStep, options: AGCOptions = {}): ClipPolicy {
  const { threshold: limit, eps, axis, exclude, ...given } = readAgc(arguments);
  const rules = ruleOf(given);
  const excluded = exclude === undefined ? () => false : matcher('clip.agc: option exclude', exclude);
  return {
    name: 'agc',
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules);
      const factor = limit.at(context);
      const read = squaresOf(context, rules, axis);
      const m = read?.m ?? measure(context, rules);
      const { each, units } = read ? { each: sqrt(read.squares), units: read.units } : unitNorms(context, m, axis, 2);
      const own = sqrt(unitStatistic(context.params, { kind: 'sumSquares', axis }).each);
      const most = mul(factor, maximum(own, eps));
      // timm leaves a row with n = m alone only by rounding; here n <= m changes no bit.
      const scales = where(less(most, each), div(most, maximum(each, 1e-6)), 1);
      const free = context.names.map((n) => Number(excluded(n)));
      const kept = free.includes(1) ? where(perUnit(perGradient(context, free), units), 1, scales) : scales;
      return read ? scaledUnits(context, read, kept, factor) : byUnits(m, units, kept, factor);
    },
  };
}

const readCentralize = optionsOnly('clip.centralize', options<NonFiniteOptions>()(nonFiniteFields));

/**
 * Subtract from each row of a gradient of two or more dimensions its mean. Reads gradients once more.
 * @throws OptionError
 * @see Yong et al. 2020, Gradient Centralization: A New Optimization Technique for Deep Neural Networks
 */
export function centralize(options: NonFiniteOptions = {}): ClipPolicy {
  const rules = ruleOf(readCentralize(arguments));
  return {
    name: 'centralize',
    maxSkips: rules.maxSkips,
    build(context) {
      const m = measure(context, rules);
      const { each, units } = unitStatistic(context.grads, {
        kind: 'sum',
        axis: 'rows',
        stages: [...context.stages, ...m.stages],
      });
      const lengths = units.counts.flatMap((n, t) => new Array<number>(n).fill(Math.max(1, units.lengths[t]!)));
      const means = div(each, perGradient(context, lengths));
      const stage: Stage = shiftRows(units, means);
      const at = stage.at!.map((first, t) => (context.grads[t]!.shape.length > 1 ? first : -1));
      return shaped(m, [{ ...stage, at }]);
    },
  };
}

samples({
  axisNorm: (given) => axisNorm(0.1, given),
  'axisNorm columns': (given) => axisNorm(0.1, { axis: 'columns', ...given }),
  rowMaxNorm: (given) => rowMaxNorm(1, given),
  'rowMaxNorm global': (given) => rowMaxNorm(1, { scope: 'global', axis: 'columns', ...given }),
  agc: (given) => agc(0.01, given),
  'agc columns': (given) => agc(0.01, { axis: 'columns', ...given }),
  'axisNorm tensor': (given) => axisNorm(0.1, { axis: 'tensor', ...given }),
});
