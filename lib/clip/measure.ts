// measure.ts: what most policies have in common: norms in f64, what is not finite, a scale applied and reported, state that remembers.
import { Tensor } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { shape, tensor } from '../ops/args.ts';
import * as stage from '../ops/gradient/stage.ts';
import { type Statistic, statistic } from '../ops/gradient/statistics.ts';
import { div, equal, lessEqual, max, maximum, min, mul, pow, sqrt, square, sub, sum, where } from '../ops/index.ts';
import {
  bool,
  custom,
  type Field,
  list,
  type NumberRule,
  number,
  options as optionsField,
  optionsOf,
  type PerStep,
  Place,
  record,
  signature,
  text,
} from '../options/index.ts';
import type { ClipColumns, ClipContext, Clipped } from './clip.ts';
import { context, type Limit, limit, nonFiniteFields, rules } from './fields.ts';
import { type NonFiniteOptions, type NonFiniteRule, ruleOf } from './finite.ts';

/** What a policy measured, with the way it deals with NaN and infinities. */
export interface Measured {
  /** Norm of all gradients together, f64 []; and of each, f64 [n]. */
  readonly total: Tensor;
  /** A norm for each gradient, f64 [n]. */
  readonly each: Tensor;
  /** The norm's p. */
  readonly p: number;
  /** Stages that come before the policy's own. */
  readonly stages: readonly stage.Stage[];
  /** Not 0 where the step is skipped, a scalar; null where none is. */
  readonly skip: Tensor | null;
  /** Which tensors are not finite: columns of the report. */
  readonly report: ClipColumns;
  /** A scalar, 1 where every gradient is finite, else 0: state takes in nothing else. */
  readonly finite: Tensor;
}

const anything = custom('anything', (value) => value).optional();
const edge = number({ infinite: true }).optional();
const bounds = optionsField<NumberRule>()({ min: edge, max: edge, above: edge, below: edge, infinite: bool.optional() });
const report: Field<ClipColumns, ClipColumns, false> = record(tensor, 'columns by name').default({}) as never;
const measuredField: Field<Pick<Measured, 'finite'>> = custom('what measure gives', (value, place) => {
  if (!((value as Partial<Measured> | null)?.finite instanceof Tensor)) throw place.wrong('what measure gives', value);
  return value as Measured;
});
const readMeasure = signature('clip.parts.measure', { context, rules, p: number({ above: 0, infinite: true }).default(2) });

/**
 * Measure gradients behind the stages of earlier policies and of its rule for NaN. One reading of the gradients, or
 * none where they were just written.
 * @param p which norm. Default 2.
 * @throws OptionError
 */
export function measure(c: ClipContext, rules: NonFiniteRule, p = 2): Measured {
  readMeasure(arguments);
  const own = norms(c, rules, p);
  return measured(c, rules, p, own, c.all ? norms({ ...c, ...c.all }, rules, p) : own);
}

/** Norms of gradients, and what was found of them. */
interface Norms {
  readonly total: Tensor;
  readonly each: Tensor;
  readonly found: Statistic;
}

/** @param all of all gradients, where these are of some */
export function measured(c: ClipContext, rules: NonFiniteRule, p: number, { each, found }: Norms, all: Norms): Measured {
  const { skip, report } = rules.decide(found, c.stages);
  return { total: all.total, each, p, stages: rules.stages, skip, report, finite: lessEqual(all.found.badCount, 0) };
}

/** p-norms in f64. Finite gradients have a finite norm for p = 1, 2 and Infinity, whatever their size. */
function norms(c: ClipContext, rules: NonFiniteRule, p: number): Norms {
  const stages = [...c.stages, ...rules.stages];
  const xs = c.grads;
  if (p === 2) {
    const found = statistic(xs, { kind: 'sumSquares', stages });
    return { total: sqrt(found.total), each: sqrt(found.each), found };
  }
  const found = statistic(xs, { kind: p === 1 ? 'sumAbs' : 'maxAbs', stages });
  if (p === 1 || p === Infinity) return { total: found.total, each: found.each, found };
  const powers = statistic(xs, { kind: 'sumPow', p, max: found.each, stages });
  const each = mul(found.each, pow(powers.each, 1 / p));
  return { total: joined(each, p), each, found };
}

/** The p-norm of a vector of norms. */
export function joined(each: Tensor, p: number): Tensor {
  if (p === 1) return sum(each);
  if (p === 2) return sqrt(sum(square(each)));
  const largest = max(each);
  if (p === Infinity) return largest;
  const ratio = where(equal(largest, 0), 0, div(each, largest));
  return mul(largest, pow(sum(pow(ratio, p)), 1 / p));
}

const readScaleOf = signature('clip.parts.scaleOf', { norm: tensor, threshold: tensor });

/**
 * The scale of a norm n: exactly 1 up to the threshold, then threshold / n; NaN for a NaN norm, but 1 for a threshold
 * of Infinity.
 * @shape norm [...], threshold [...] -> [...], broadcast
 * @throws OptionError
 */
export function scaleOf(norm: Tensor, threshold: Tensor): Tensor {
  readScaleOf(arguments);
  return where(maximum(lessEqual(norm, threshold), equal(threshold, Infinity)), 1, div(threshold, norm));
}

const readScaled = signature('clip.parts.scaled', { context, measured: measuredField, scale: tensor, report });

/**
 * Multiply gradients by `scale`: one for all, or one each.
 * @shape scale f64 scalar, or f64 [n]
 * @throws OptionError
 */
export function scaled(c: ClipContext, m: Measured, scale: Tensor, report: ClipColumns = {}): Clipped {
  readScaled(arguments);
  const each = scale.shape.length > 0;
  const changed = sub(1, equal(scale, 1));
  return {
    stages: [...m.stages, stage.scale(scale)],
    skip: m.skip,
    report: {
      norm: m.total,
      normAfter: each ? joined(mul(m.each, scale), m.p) : mul(m.total, scale),
      scale: each ? min(scale) : scale,
      clipped: each ? max(changed) : changed,
      ...(each && { clippedFraction: sum(mul(changed, shares(c))) }),
      ...m.report,
      ...report,
    },
    measure: false,
  };
}

const readShaped = signature('clip.parts.shaped', { measured: measuredField, stages: list(stage.stageField), report });

/**
 * What `stages` make of the gradients; the update measures how much they changed.
 * @throws OptionError
 */
export function shaped(m: Measured, stages: readonly stage.Stage[], report: ClipColumns = {}): Clipped {
  readShaped(arguments);
  return {
    stages: [...m.stages, ...stages],
    skip: m.skip,
    report: { norm: m.total, ...m.report, ...report },
    measure: true,
  };
}

const readMeasureOnly = signature('clip.parts.measureOnly', {
  context,
  rules,
  p: number({ above: 0, infinite: true }).default(2),
});

/**
 * The gradients measured and left alone, as `clip.none` does, and a threshold of Infinity.
 * @param p which norm. Default 2.
 * @throws OptionError
 */
export function measureOnly(c: ClipContext, rules: NonFiniteRule, p = 2): Clipped {
  readMeasureOnly(arguments);
  const m = measure(c, rules, p);
  return { stages: m.stages, skip: m.skip, report: { norm: m.total, normAfter: m.total, ...m.report }, measure: false };
}

/** Elements of each gradient. */
export const sizesOf = (c: ClipContext): number[] => c.grads.map((g) => sizeOf(g.shape));

const readPerGradient = signature('clip.parts.perGradient', { context, values: list(number({ infinite: true })) });

/**
 * A number per gradient, f64 [n].
 * @shape f64 [n]
 * @throws OptionError
 */
export function perGradient(c: ClipContext, values: readonly number[]): Tensor {
  readPerGradient(arguments);
  return c.graph.constant(Float64Array.from(values), [values.length], 'f64');
}

/** The fraction of all elements that each gradient has, f64 [n]. */
export function shares(c: ClipContext): Tensor {
  const sizes = sizesOf(c);
  const all = Math.max(
    1,
    sizes.reduce((a, b) => a + b, 0),
  );
  return perGradient(
    c,
    sizes.map((n) => n / all),
  );
}

const readRemembered = signature('clip.parts.remembered', {
  context,
  measured: measuredField,
  name: text,
  shape,
  initial: number({ infinite: true }).default(0),
});

/**
 * A policy's own numbers, f64 of `shape`, which start at `initial`: the value of before this step. `next` gives what
 * they become, unless the step is skipped or a gradient is not finite.
 * @shape now [...shape], next [...shape]
 * @throws OptionError
 */
export function remembered(
  c: ClipContext,
  m: Pick<Measured, 'finite'>,
  name: string,
  shape: readonly number[],
  initial = 0,
): { readonly now: Tensor; next(value: Tensor): void } {
  readRemembered(arguments);
  const state = c.state(name, { dtype: 'f64', shape }, (out) => {
    out.fill(initial);
  });
  const now = c.graph.state(state);
  return { now, next: (value) => c.graph.assign(state, where(m.finite, value, now)) };
}

const readCheckLimit = signature('clip.parts.checkLimit', {
  where: text,
  option: text,
  value: anything,
  rule: bounds.default({ min: 0, infinite: true }),
});

/** Check a threshold. Negative ones and NaN are refused. @throws OptionError */
export function checkLimit(where: string, option: string, value: PerStep, rule: NumberRule = { min: 0, infinite: true }): Limit {
  readCheckLimit(arguments);
  return limit(option, rule).read(value, new Place(where, 'option', option));
}

const readCheckPolicy = signature('clip.parts.checkPolicy', { where: text, options: anything, known: list(text) });

/** Check a policy's options: that all keys are known, and what is said about NaN and infinities. @throws OptionError */
export function checkPolicy(where: string, options: NonFiniteOptions, known: readonly string[]): NonFiniteRule {
  readCheckPolicy(arguments);
  const fields = { ...Object.fromEntries(known.map((key) => [key, anything])), ...nonFiniteFields };
  return ruleOf(optionsOf(fields).read(options, new Place(where, '', '')) as Required<NonFiniteOptions>);
}
