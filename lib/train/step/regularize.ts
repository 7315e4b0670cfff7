// regularize.ts: penalties on weights as terms of the loss. Their gradients are added once a step, before anything is measured, so they are
// clipped with the rest; the decoupled decay of AdamW and others is not.
import type { Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { match } from '../../nn/fields.ts';
import type { Match } from '../../nn/module/module.ts';
import { abs, add, equal, mul, sqrt, square, where } from '../../ops/elementwise/elementwise.ts';
import { sum } from '../../ops/reduce/reduce.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { number, options, signature } from '../../options/index.ts';

/** A penalty on some of the parameters. */
export interface Regularizer {
  /** Which penalty it is: `l1`. */
  readonly name: string;
  /** Which parameters; null: the trained ones of two and more dimensions, so no biases. */
  readonly match: Match | null;
  /** The penalty of one of the parameters, which can be differentiated. @shape p [...] -> f64 scalar */
  penalty(p: Tensor): Tensor;
}

/** Options of `regularize.elasticNet`, `regularize.groupLasso`, `regularize.l1` and `regularize.l2`. */
export interface RegularizeOptions {
  /** The parameters that are penalized: their names, or a function. Default: those of two and more dimensions, so no biases. */
  readonly match?: Match;
}

const weight = number({ min: 0 });
const matching = options<RegularizeOptions>()({ match: match.optional() });
const readL1 = signature('regularize.l1', { weight }, matching);
const readL2 = signature('regularize.l2', { weight }, matching);
const readElasticNet = signature('regularize.elasticNet', { l1: weight, l2: weight }, matching);
const readGroupLasso = signature('regularize.groupLasso', { weight }, matching);

const total = (x: Tensor): Tensor => sum(x, { dtype: 'f64' });

/**
 * `weight` times the sum of |p|.
 * @throws OptionError
 * @see keras.regularizers.L1
 */
export function l1(weight: number, options: RegularizeOptions = {}): Regularizer {
  return make('l1', readL1(arguments), (p) => mul(total(abs(p)), weight));
}

/**
 * `weight` times the sum of p^2. The gradient is what `weightDecay` of twice this weight adds in `optim.sgd`, but clipped with
 * the rest.
 * @throws OptionError
 * @see keras.regularizers.L2
 */
export function l2(weight: number, options: RegularizeOptions = {}): Regularizer {
  return make('l2', readL2(arguments), (p) => mul(total(square(p)), weight));
}

/**
 * `l1` times the sum of |p| plus `l2` times the sum of p^2.
 * @throws OptionError
 * @see keras.regularizers.L1L2, of Zou and Hastie 2005, Regularization and Variable Selection via the Elastic Net
 */
export function elasticNet(l1: number, l2: number, options: RegularizeOptions = {}): Regularizer {
  return make('elasticNet', readElasticNet(arguments), (p) => add(mul(total(abs(p)), l1), mul(total(square(p)), l2)));
}

/**
 * `weight` times the sum over rows (dimensions 1 and up; a vector is one row) of sqrt(size of a row) times its norm: whole rows
 * go toward 0. A row that is 0 gets no gradient.
 * @throws OptionError
 * @see Yuan and Lin 2006, Model Selection and Estimation in Regression with Grouped Variables
 */
export function groupLasso(weight: number, options: RegularizeOptions = {}): Regularizer {
  return make('groupLasso', readGroupLasso(arguments), (p) => {
    const rows = p.shape.length > 1 ? p.shape[0]! : 1;
    const width = sizeOf(p.shape) / Math.max(1, rows);
    const squares = sum(square(reshape(p, [rows, width])), { axes: [1], dtype: 'f64' });
    const zero = equal(squares, 0);
    // The root of 0 has no gradient: there the root of 1 is taken, and not used.
    const norms = where(zero, 0, sqrt(where(zero, 1, squares)));
    return mul(total(norms), weight * Math.sqrt(width));
  });
}

function make(
  name: string,
  { match = null }: { readonly match: Match | null | undefined },
  penalty: (p: Tensor) => Tensor,
): Regularizer {
  return { name, match, penalty };
}
