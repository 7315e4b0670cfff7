// constraint.ts: what parameters are held to after each update: bounds of their elements, or of the norms of their rows.
import { OptionError } from '../errors.ts';
import type { Match } from '../nn/module.ts';
import type { ProjectAxis, Projection } from '../ops/project.ts';
import { checkChoice, checkNumber, checkOptions } from '../options.ts';

/** Made by the functions of `constraint`. One that holds already changes no bit. */
export interface Constraint {
  readonly name: string;
  /** Of every element. */
  readonly bounds: readonly [lower: number, upper: number] | null;
  /** Of norms. */
  readonly projection: Projection | null;
}

/** A constraint and the parameters it is for. Several rules may be for one parameter. */
export interface ConstraintRule {
  readonly match: Match;
  readonly constraint: Constraint;
}

/**
 * Every element within [-w, w] (Arjovsky et al. 2017, for the critic of a Wasserstein GAN).
 * @param w rounded to f32; default 0.01
 */
export function weightClip(w: number = 0.01): Constraint {
  checkNumber('constraint.weightClip', 'w', w, { min: 0 });
  return { name: 'constraint.weightClip', bounds: [-w, w], projection: null };
}

/** Negative elements become 0. As Keras' NonNeg. */
export function nonNegative(): Constraint {
  return { name: 'constraint.nonNegative', bounds: [0, Number.POSITIVE_INFINITY], projection: null };
}

export interface NormConstraintOptions {
  /**
   * What has a norm: a row, that is dims 1.., which in a Linear are the weights of one output (default); a column, which are those
   * of one input; or the tensor. A tensor of one dimension is one unit in any case. Keras' weights are the other way round: its axis 0 is `rows`.
   */
  readonly axis?: ProjectAxis;
  /** `keras`: its formula, which divides by norm + 1e-7 even where the constraint holds. Default `exact`. */
  readonly compat?: 'exact' | 'keras';
}

/**
 * Norms of at most `max` (Srivastava et al. 2014): what is longer is scaled to that, in f64 and rounded once. As Keras' MaxNorm.
 * @param max default 2
 */
export function maxNorm(max: number = 2, options: NormConstraintOptions = {}): Constraint {
  checkNumber('constraint.maxNorm', 'max', max, { min: 0 });
  return byNorm('constraint.maxNorm', false, max, options);
}

/** Norms of 1. What is 0 stays 0. As Keras' UnitNorm. */
export function unitNorm(options: NormConstraintOptions = {}): Constraint {
  return byNorm('constraint.unitNorm', true, 1, options);
}

function byNorm(name: string, unit: boolean, limit: number, options: NormConstraintOptions): Constraint {
  checkOptions(name, options, ['axis', 'compat']);
  const axis = checkChoice(name, 'axis', options.axis ?? 'rows', ['rows', 'columns', 'tensor']);
  const eps = checkChoice(name, 'compat', options.compat ?? 'exact', ['exact', 'keras']) === 'keras' ? 1e-7 : 0;
  return { name, bounds: null, projection: { unit, limit, axis, eps } };
}

/**
 * All constraints of one parameter: the narrowest bounds, then the norm. Scaling down keeps an element within its bounds; scaling up to a norm
 * of 1 may not, and two norms need not agree: those are errors.
 */
export function joinConstraints(where: string, parameter: string, all: readonly Constraint[]): Omit<Constraint, 'name'> {
  const bounds = all.flatMap((c) => (c.bounds ? [c.bounds] : []));
  const norms = all.filter((c) => c.projection !== null);
  const unit = norms.find((c) => c.projection?.unit);
  const refuse = (a: Constraint, b: Constraint): OptionError =>
    new OptionError(`${where}: ${a.name} and ${b.name} of ${parameter} cannot both hold`, { parameter });
  if (norms.length > 1) throw refuse(norms[0]!, norms[1]!);
  const clipped = all.find((c) => c.bounds && Number.isFinite(c.bounds[1]));
  if (unit && clipped) throw refuse(unit, clipped);
  return {
    bounds: bounds.length > 0 ? [Math.max(...bounds.map((b) => b[0])), Math.min(...bounds.map((b) => b[1]))] : null,
    projection: norms[0]?.projection ?? null,
  };
}
