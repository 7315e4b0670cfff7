// binary.ts: losses of yes or no, of logits and of probabilities.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { tensor } from '../../ops/args.ts';
import { sigmoid, softplus } from '../../ops/elementwise/activation.ts';
import { add, less, log, maximum, mul, neg, pow, sub, where } from '../../ops/elementwise/elementwise.ts';
import { either, nullable, number, options, signature } from '../../options/index.ts';
import {
  type LossOptions,
  lossFields,
  type Numbers,
  numbers,
  numbersField,
  operandsOf,
  type ReductionOptions,
  reducedBy,
  reductionFields,
} from './reduction.ts';

/** Options of `loss.bceWithLogits`. */
export interface BCEOptions extends LossOptions {
  /** What a target of 1 counts against one of 0: a number, or numbers that broadcast against the logits. Default 1. */
  readonly posWeight?: number | Numbers;
  /** What each element's loss is multiplied by; broadcast. A mean still divides by the number of elements, or the sum of `sampleWeight`. Default 1. */
  readonly weight?: Numbers;
}

const readBce = signature(
  'loss.bceWithLogits',
  { logits: tensor, targets: tensor },
  options<BCEOptions>()({
    ...lossFields,
    posWeight: either(number({ min: 0 }), numbersField).optional(),
    weight: numbersField.optional(),
  }),
);

/**
 * Binary cross-entropy of sigmoid(logits). The form y softplus(-x) + (1 - y) softplus(x) neither overflows nor
 * cancels, and unlike max(x, 0) - x y + log1p(exp(-|x|)) its gradient is right at x = 0, where a new head often
 * starts.
 * @shape logits [...], targets in [0, 1] [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.binary_cross_entropy_with_logits
 */
export function bceWithLogits(logits: TensorLike, targets: TensorLike, options: BCEOptions = {}): Tensor {
  const { posWeight, weight, ...read } = readBce(arguments);
  const { x, others, counting } = operandsOf('bceWithLogits', read.logits, [read.targets], read);
  const [y] = others;
  let positive = mul(y, softplus(neg(x)));
  if (posWeight !== undefined) {
    positive = mul(positive, typeof posWeight === 'number' ? posWeight : numbers(x.graph, posWeight));
  }
  const values = add(positive, mul(sub(1, y), softplus(x)));
  return reducedBy(weight === undefined ? values : mul(values, numbers(x.graph, weight)), counting, read);
}

/** Options of `loss.bce`. */
export interface ProbabilityOptions extends ReductionOptions {
  /** What each element's loss is multiplied by; broadcast. A mean still divides by the number of elements, or the sum of `sampleWeight`. Default 1. */
  readonly weight?: Numbers;
}

const readProbabilities = signature(
  'loss.bce',
  { probabilities: tensor, targets: tensor },
  options<ProbabilityOptions>()({ ...reductionFields, weight: numbersField.optional() }),
);

// The least logarithm, as PyTorch has it.
const LEAST_LOG = -100;
/** Below it there are no numbers of full precision. */
const LEAST = 1e-38;

/**
 * Binary cross-entropy of probabilities, such as a sigmoid gives. A logarithm is at least -100, as in PyTorch, so that of a sure and wrong one is
 * finite. Where a model can give logits, `bceWithLogits` loses no bits near 0 and 1.
 * @shape probabilities in [0, 1] [...], targets in [0, 1] [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.binary_cross_entropy
 */
export function bce(probabilities: TensorLike, targets: TensorLike, options: ProbabilityOptions = {}): Tensor {
  const { weight, ...read } = readProbabilities(arguments);
  const { x, others, counting } = operandsOf('bce', read.probabilities, [read.targets], read);
  const [y] = others;
  // Of 0 the line from -100 on whose slope is PyTorch's there: a sure and wrong probability can be mended.
  const logOf = (p: Tensor): Tensor => where(less(p, LEAST), sub(mul(p, 1e12), -LEAST_LOG), log(maximum(p, LEAST)));
  const values = neg(add(mul(y, logOf(x)), mul(sub(1, y), logOf(sub(1, x)))));
  return reducedBy(weight === undefined ? values : mul(values, numbers(x.graph, weight)), counting, read);
}

/** Options of `loss.sigmoidFocal`. */
export interface SigmoidFocalOptions extends LossOptions {
  /** Weight of targets of 1, of which those of 0 get the rest; null: both weigh 1. Default 0.25. */
  readonly alpha?: number | null;
  /** How much elements that are right already count less. Default 2. */
  readonly gamma?: number;
}

const readSigmoidFocal = signature(
  'loss.sigmoidFocal',
  { logits: tensor, targets: tensor },
  options<SigmoidFocalOptions>()({
    ...lossFields,
    alpha: nullable(number({ min: 0, max: 1 })).default(0.25),
    gamma: number({ min: 0 }).default(2),
  }),
);

/**
 * Focal loss of independent classes (Lin et al. 2017). torchvision leaves the elements as they are unless told
 * otherwise: here it is their mean.
 * @shape logits [...], targets in [0, 1] [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torchvision.ops.sigmoid_focal_loss
 */
export function sigmoidFocal(logits: TensorLike, targets: TensorLike, options: SigmoidFocalOptions = {}): Tensor {
  const { alpha, gamma, ...read } = readSigmoidFocal(arguments);
  const { x, others, counting } = operandsOf('sigmoidFocal', read.logits, [read.targets], read);
  const [y] = others;
  const other = sub(1, y);
  let values = add(mul(y, softplus(neg(x))), mul(other, softplus(x)));
  // The probability of what is not so, without the rounding of 1 - p.
  const wrong = add(mul(y, sigmoid(neg(x))), mul(other, sigmoid(x)));
  if (gamma !== 0) values = mul(values, pow(maximum(wrong, 1e-30), gamma));
  return reducedBy(alpha === null ? values : mul(values, add(mul(y, alpha), mul(other, 1 - alpha))), counting, read);
}
