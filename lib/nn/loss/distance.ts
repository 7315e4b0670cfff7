// distance.ts: losses that compare distributions and vectors: KL divergence, cosine, triplets, ranking, hinges.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape } from '../../ir/op.ts';
import { tensor } from '../../ops/args.ts';
import {
  abs,
  add,
  cast,
  clamp,
  div,
  exp,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  sqrt,
  square,
  sub,
  where,
} from '../../ops/elementwise/elementwise.ts';
import { sum } from '../../ops/reduce/reduce.ts';
import { bool, choice, number, type OptionsField, options, signature } from '../../options/index.ts';
import { alike, type Reduction, type ReductionOptions, reduced, reductionField } from './reduction.ts';

/** Options of `loss.klDiv`. */
export interface KLDivOptions {
  /** `batchmean` is the sum divided by the first dimension, which is the divergence; `mean` divides by all elements. Default `mean`, as in PyTorch. */
  readonly reduction?: Reduction | 'batchmean';
  /** The target is in logarithms too. Default false. */
  readonly logTarget?: boolean;
}

const readKlDiv = signature(
  'loss.klDiv',
  { input: tensor, target: tensor },
  options<KLDivOptions>()({
    reduction: choice('mean', 'batchmean', 'sum', 'none').default('mean'),
    logTarget: bool.default(false),
  }),
);

/**
 * Kullback-Leibler divergence: target (log target - input), the input in log-probabilities (`ops.logSoftmax`). As
 * `torch.nn.functional.kl_div`.
 * @shape input [...], target [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError unless both are f32 or both f64
 * @see torch.nn.functional.kl_div
 */
export function klDiv(input: TensorLike, target: TensorLike, options: KLDivOptions = {}): Tensor {
  const { input: x, reduction, logTarget, ...read } = readKlDiv(arguments);
  const [t] = alike('klDiv', x, read.target);
  // 0 log 0 is 0.
  const values = logTarget ? mul(exp(t), sub(t, x)) : mul(t, sub(log(maximum(t, 1e-38)), x));
  if (reduction !== 'batchmean') return reduced(values, { reduction });
  return div(sum(values, { dtype: 'f64' }), Math.max(1, x.shape[0] ?? 1));
}

const lastAxis = { axes: [-1], dtype: 'f64' } as const;

interface LengthOptions {
  /** The least length of a vector. Default 1e-8. */
  readonly eps?: number;
}
const readCosineSimilarity = signature(
  'loss.cosineSimilarity',
  { a: tensor, b: tensor },
  options<LengthOptions>()({ eps: number({ above: 0 }).default(1e-8) }),
);

/**
 * Cosine of the angle between vectors of the last dimension (PyTorch's `dim=-1`), without broadcasting.
 * @shape a and b [..., d] -> f64 [...]
 * @param options.eps the least length of a vector. Default 1e-8
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError unless both are f32 or both f64
 * @see torch.nn.functional.cosine_similarity
 */
export function cosineSimilarity(a: TensorLike, b: TensorLike, options: LengthOptions = {}): Tensor {
  const { a: x, b: y, eps } = readCosineSimilarity(arguments);
  checkVectors('cosineSimilarity', x, y);
  const length = (v: Tensor): Tensor => sqrt(maximum(sum(square(v), lastAxis), eps * eps));
  return div(sum(mul(x, y), lastAxis), mul(length(x), length(y)));
}

/** Options of `loss.cosineEmbedding`, `loss.hinge`, `loss.hingeEmbedding` and `loss.marginRanking`. */
export interface MarginOptions extends ReductionOptions {
  /** The distance that is asked for. Default 1, or 0 of `cosineEmbedding` and `marginRanking`. */
  readonly margin?: number;
}
const marginOptions = (usual: number): OptionsField<MarginOptions, Required<MarginOptions>> =>
  options<MarginOptions>()({ reduction: reductionField, margin: number().default(usual) });
const readCosineEmbedding = signature('loss.cosineEmbedding', { a: tensor, b: tensor, targets: tensor }, marginOptions(0));

/**
 * 1 - cosine of pairs that belong together (target 1), max(0, cosine - margin) of those that do not (target -1).
 * Default margin 0.
 * @shape a and b [n, d], targets [n] -> f64 scalar, or [n] where not reduced
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless all are f32 or all f64
 * @see torch.nn.functional.cosine_embedding_loss
 */
export function cosineEmbedding(a: TensorLike, b: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const { a: x, b: y, targets: given, margin, ...read } = readCosineEmbedding(arguments);
  checkVectors('cosineEmbedding', x, y);
  const t = expectLead('cosineEmbedding', x, given);
  const squares = (v: Tensor): Tensor => add(sum(square(v), lastAxis), 1e-12);
  const cosine = div(sum(mul(x, y), lastAxis), sqrt(mul(squares(x), squares(y))));
  return reduced(where(less(0, t), sub(1, cosine), clamp(sub(cosine, margin), { min: 0 })), read);
}

/** Options of `loss.tripletMargin`. */
export interface TripletOptions extends MarginOptions {
  /** The norm of the distance. Default 2. */
  readonly p?: number;
  /** Added to each difference. Default 1e-6. */
  readonly eps?: number;
  /** Take the distance of positive and negative where it is the smaller one (Balntas et al. 2016). Default false. */
  readonly swap?: boolean;
}

const readTripletMargin = signature(
  'loss.tripletMargin',
  { anchor: tensor, positive: tensor, negative: tensor },
  options<TripletOptions>()({
    reduction: reductionField,
    margin: number({ above: 0 }).default(1),
    p: number({ above: 0 }).default(2),
    eps: number({ min: 0 }).default(1e-6),
    swap: bool.default(false),
  }),
);

/**
 * max(0, margin + d(anchor, positive) - d(anchor, negative)) of vectors. Default margin 1.
 * @shape anchor, positive and negative [..., d] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless all are of one shape; DTypeError unless all are f32 or all f64
 * @see torch.nn.functional.triplet_margin_loss
 */
export function tripletMargin(
  anchor: TensorLike,
  positive: TensorLike,
  negative: TensorLike,
  options: TripletOptions = {},
): Tensor {
  const { anchor: a, positive: b, negative: c, margin, p, eps, swap, ...read } = readTripletMargin(arguments);
  checkVectors('tripletMargin', a, b, c);
  const distance = (u: Tensor, v: Tensor): Tensor => {
    const d = abs(add(sub(u, v), eps));
    if (p === 1) return sum(d, lastAxis);
    return p === 2 ? sqrt(sum(square(d), lastAxis)) : pow(sum(pow(d, p), lastAxis), 1 / p);
  };
  const far = distance(a, c);
  const apart = swap ? minimum(far, distance(b, c)) : far;
  return reduced(clamp(add(sub(distance(a, b), apart), margin), { min: 0 }), read);
}

const readMarginRanking = signature('loss.marginRanking', { a: tensor, b: tensor, targets: tensor }, marginOptions(0));
const readHinge = signature('loss.hinge', { scores: tensor, targets: tensor }, marginOptions(1));
const readHingeEmbedding = signature('loss.hingeEmbedding', { distances: tensor, targets: tensor }, marginOptions(1));

/**
 * max(0, margin - target (a - b)): target 1 wants a above b, -1 below. Default margin 0.
 * @shape a, b and targets [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless all are of one shape; DTypeError unless all are f32 or all f64
 * @see torch.nn.functional.margin_ranking_loss
 */
export function marginRanking(a: TensorLike, b: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const { margin, ...read } = readMarginRanking(arguments);
  const x = read.a;
  const [y, t] = alike('marginRanking', x, read.b, read.targets);
  return reduced(clamp(add(mul(neg(t), sub(x, y)), margin), { min: 0 }), read);
}

/**
 * max(0, margin - target score), targets being 1 and -1: the loss of support vector machines. Default margin 1.
 * @shape scores [...], targets [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError unless both are f32 or both f64
 * @see Cortes and Vapnik 1995, Support-Vector Networks
 */
export function hinge(scores: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const { scores: x, margin, ...read } = readHinge(arguments);
  const [t] = alike('hinge', x, read.targets);
  return reduced(clamp(sub(margin, mul(t, x)), { min: 0 }), read);
}

/**
 * The distance itself where the target is 1, max(0, margin - distance) where it is -1. Default margin 1.
 * @shape distances [...], targets [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError unless both are f32 or both f64
 * @see torch.nn.functional.hinge_embedding_loss
 */
export function hingeEmbedding(distances: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const { distances: x, margin, ...read } = readHingeEmbedding(arguments);
  const [t] = alike('hingeEmbedding', x, read.targets);
  return reduced(where(less(0, t), x, clamp(sub(margin, x), { min: 0 })), read);
}

/** @throws ShapeError unless all have one shape, whose last dimension are vectors */
function checkVectors(op: string, first: Tensor, ...rest: readonly Tensor[]): void {
  if (first.shape.length === 0) throw new ShapeError(`${op}: expected vectors in the last dimension, got a scalar`);
  for (const t of rest) {
    if (!sameShape(t.shape, first.shape)) throw new ShapeError(`${op}: expected [${first.shape}], got [${t.shape}]`);
  }
}

/** Targets with one value per vector of x, in f64. */
function expectLead(op: string, x: Tensor, t: Tensor): Tensor {
  const lead = x.shape.slice(0, -1);
  if (!sameShape(t.shape, lead)) throw new ShapeError(`${op}: expected targets [${lead}], got [${t.shape}]`);
  return cast(t, 'f64');
}
