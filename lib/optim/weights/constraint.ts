// constraint.ts: what parameters are held to after each update: bounds of their elements, or of the norms of their rows.
import { OptionError } from '../../errors.ts';
import { match } from '../../nn/fields.ts';
import type { Match } from '../../nn/module/module.ts';
import { type UnitAxis, unitAxis } from '../../ops/gradient/axis.ts';
import type { Projection } from '../../ops/update/project.ts';
import { choice, custom, type Field, list, number, options, optionsOnly, signature } from '../../options/index.ts';

/** Made by the functions of `constraint`. One that holds already changes no bit. */
export interface Constraint {
  /** Which constraint it is: `constraint.maxNorm`. */
  readonly name: string;
  /** Bounds of every element; null: none. */
  readonly bounds: readonly [lower: number, upper: number] | null;
  /** What norms are held to; null: nothing. */
  readonly projection: Projection | null;
}

/** A constraint and the parameters it is for. Several rules may be for one parameter. */
export interface ConstraintRule {
  /** The parameters that it is for, by name. */
  readonly match: Match;
  /** What they are held to after each update. */
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
 * Every element within [-max, max], as for the critic of a Wasserstein GAN.
 * @param max rounded to f32; default 0.01
 * @throws OptionError
 * @see Arjovsky et al. 2017, Wasserstein GAN
 */
export function weightClip(max: number = 0.01): Constraint {
  readWeightClip(arguments);
  return { name: 'constraint.weightClip', bounds: [-max, max], projection: null };
}

const readNonNegative = signature('constraint.nonNegative', {});

/**
 * Negative elements become 0.
 * @throws OptionError for any argument
 * @see keras.constraints.NonNeg
 */
export function nonNegative(): Constraint {
  readNonNegative(arguments);
  return { name: 'constraint.nonNegative', bounds: [0, Number.POSITIVE_INFINITY], projection: null };
}

/** Options of `constraint.maxNorm` and `constraint.unitNorm`. */
export interface NormConstraintOptions {
  /**
   * What has a norm: `rows` (what has one index of dimension 0: in a weight [out, in] all that leads to one output), `columns` (there
   * all that comes from one input), or the `tensor`. With fewer than two dimensions a tensor is one unit. Of weights as
   * Keras has them, [in, out], axis 0 is `rows` here. Default 'rows'.
   */
  readonly axis?: UnitAxis;
  /** `keras`: its formula, which divides by norm + 1e-7 even where the constraint holds. Default `exact`. */
  readonly compat?: 'exact' | 'keras';
}

const normOptions = options<NormConstraintOptions>()({
  axis: unitAxis,
  compat: choice('exact', 'keras').default('exact'),
});
const readMaxNorm = signature('constraint.maxNorm', { max: number({ min: 0 }).default(2) }, normOptions);
const readUnitNorm = optionsOnly('constraint.unitNorm', normOptions);

/**
 * Norms of at most `max`: what is longer is scaled to that, in f64 and rounded once.
 * @param max default 2
 * @throws OptionError
 * @see keras.constraints.MaxNorm, of Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from Overfitting
 */
export function maxNorm(max: number = 2, options: NormConstraintOptions = {}): Constraint {
  return byNorm('constraint.maxNorm', false, max, readMaxNorm(arguments));
}

/**
 * Norms of 1. What is 0 stays 0.
 * @throws OptionError
 * @see keras.constraints.UnitNorm
 */
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
