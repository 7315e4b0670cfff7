// constraint.ts: what parameters are held to after each update: bounds of their elements, or of the norms of their rows.
import { OptionError } from '../../errors.ts';
import { match } from '../../nn/fields.ts';
import type { Match } from '../../nn/module/module.ts';
import type { ProjectAxis, Projection } from '../../ops/update/project.ts';
import { choice, custom, type Field, list, number, options, optionsOnly, signature } from '../../options/index.ts';

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

const constraint: Field<Constraint> = custom('one such as constraint.maxNorm()', (given, place) => {
  const { name, bounds, projection } = (given ?? {}) as Partial<Constraint>;
  const bounded = bounds === null || (Array.isArray(bounds) && bounds.length === 2 && bounds[0] <= bounds[1]);
  if (typeof name !== 'string' || !bounded || projection === undefined)
    throw place.wrong('one such as constraint.maxNorm()', given);
  return given as Constraint;
});
/** Rules, as an option. */
export const constraintRules: Field<readonly ConstraintRule[], readonly ConstraintRule[]> = list(
  options<ConstraintRule>()({ match, constraint }),
);

const readWeightClip = signature('constraint.weightClip', { max: number({ min: 0 }).default(0.01) });

/**
 * Every element within [-max, max] (Arjovsky et al. 2017, for the critic of a Wasserstein GAN).
 * @param max rounded to f32; default 0.01
 */
export function weightClip(max: number = 0.01): Constraint {
  readWeightClip(arguments);
  return { name: 'constraint.weightClip', bounds: [-max, max], projection: null };
}

const readNonNegative = signature('constraint.nonNegative', {});

/** Negative elements become 0. As Keras' NonNeg. */
export function nonNegative(): Constraint {
  readNonNegative(arguments);
  return { name: 'constraint.nonNegative', bounds: [0, Number.POSITIVE_INFINITY], projection: null };
}

/** Options of `constraint.maxNorm` and `constraint.unitNorm`. */
export interface NormConstraintOptions {
  /**
   * What has a norm: a row, that is dims 1.., which in a Linear are the weights of one output (default); a column, which are those
   * of one input; or the tensor. A tensor of one dimension is one unit in any case. Keras' weights are the other way round: its axis 0 is `rows`.
   */
  readonly axis?: ProjectAxis;
  /** `keras`: its formula, which divides by norm + 1e-7 even where the constraint holds. Default `exact`. */
  readonly compat?: 'exact' | 'keras';
}

const normOptions = options<NormConstraintOptions>()({
  axis: choice('rows', 'columns', 'tensor').default('rows'),
  compat: choice('exact', 'keras').default('exact'),
});
const readMaxNorm = signature('constraint.maxNorm', { max: number({ min: 0 }).default(2) }, normOptions);
const readUnitNorm = optionsOnly('constraint.unitNorm', normOptions);

/**
 * Norms of at most `max` (Srivastava et al. 2014): what is longer is scaled to that, in f64 and rounded once. As Keras' MaxNorm.
 * @param max default 2
 */
export function maxNorm(max: number = 2, options: NormConstraintOptions = {}): Constraint {
  return byNorm('constraint.maxNorm', false, max, readMaxNorm(arguments));
}

/** Norms of 1. What is 0 stays 0. As Keras' UnitNorm. */
export function unitNorm(options: NormConstraintOptions = {}): Constraint {
  return byNorm('constraint.unitNorm', true, 1, readUnitNorm(arguments));
}

function byNorm(name: string, unit: boolean, limit: number, { axis, compat }: Required<NormConstraintOptions>): Constraint {
  return { name, bounds: null, projection: { unit, limit, axis, eps: compat === 'keras' ? 1e-7 : 0 } };
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
