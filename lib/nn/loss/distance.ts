// distance.ts: losses that compare distributions and vectors: KL divergence, cosine, triplets, ranking, hinges.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape, sizeOf } from '../../ir/op.ts';
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
import { broadcastTo, reshape } from '../../ops/shape/shape.ts';
import { bool, choice, number, type OptionsField, options, signature } from '../../options/index.ts';
import {
  countingOf,
  expectFloats,
  type Numbers,
  operandsOf,
  type Reduction,
  type ReductionOptions,
  type ReductionRead,
  reducedBy,
  reducedByWeight,
  reductionFields,
} from './reduction.ts';

/** Options of `loss.klDiv`. */
export interface KLDivOptions {
  /** `batchmean` is the sum divided by the first dimension, which is the divergence; `mean` divides by all elements. Default `mean`, as in PyTorch. */
  readonly reduction?: Reduction | 'batchmean';
  /** As of the other losses. With `batchmean` a weight for each row, [rows], by whose sum it divides. Default: all 1. */
  readonly sampleWeight?: Numbers;
  /** The target is in logarithms too. Default false. */
  readonly logTarget?: boolean;
}

const readKlDiv = signature(
  'loss.klDiv',
  { input: tensor, target: tensor },
  options<KLDivOptions>()({
    reduction: choice('mean', 'batchmean', 'sum', 'none').default('mean'),
    sampleWeight: reductionFields.sampleWeight,
    logTarget: bool.default(false),
  }),
);

/**
 * Kullback-Leibler divergence: target (log target - input), the input in log-probabilities (`ops.logSoftmax`). As
 * `torch.nn.functional.kl_div`.
 * @shape input [...], target [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.kl_div
 */
export function klDiv(input: TensorLike, target: TensorLike, options: KLDivOptions = {}): Tensor {
  const { reduction, logTarget, ...read } = readKlDiv(arguments);
  const rule = { reduction: reduction === 'batchmean' ? 'sum' : reduction, sampleWeight: read.sampleWeight } as const;
  const { x, others, counting } = operandsOf('klDiv', read.input, [read.target], rule);
  const [t] = others;
  // 0 log 0 is 0.
  const values = logTarget ? mul(exp(t), sub(t, x)) : mul(t, sub(log(maximum(t, 1e-38)), x));
  if (reduction !== 'batchmean') return reducedBy(values, counting, rule);
  if (!counting) return div(sum(values, { dtype: 'f64' }), Math.max(1, x.shape[0] ?? 1));
  if (sizeOf(counting.weight.shape.slice(1)) !== 1) {
    const [rows] = x.shape;
    throw new ShapeError(
      `klDiv: expected sampleWeight of [${rows}], a weight for each row, with batchmean, got [${counting.weight.shape}]`,
    );
  }
  const each = broadcastTo(reshape(cast(counting.weight, 'f64'), counting.weight.shape.slice(0, 1)), x.shape.slice(0, 1));
  return reducedByWeight(cast(counting.times(values), 'f64'), each, { reduction: 'mean' });
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
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError for vectors of integers
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
const marginOptions = (usual: number): OptionsField<MarginOptions, ReductionRead & { readonly margin: number }> =>
  options<MarginOptions>()({ ...reductionFields, margin: number().default(usual) });
const readCosineEmbedding = signature('loss.cosineEmbedding', { a: tensor, b: tensor, targets: tensor }, marginOptions(0));

/**
 * 1 - cosine of pairs that belong together (target 1), max(0, cosine - margin) of those that do not (target -1).
 * Default margin 0.
 * @shape a and b [n, d], targets [n] -> f64 scalar, or [n] where not reduced
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError for vectors of integers
 * @see torch.nn.functional.cosine_embedding_loss
 */
export function cosineEmbedding(a: TensorLike, b: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const { a: first, b: second, targets: given, margin, ...read } = readCosineEmbedding(arguments);
  checkVectors('cosineEmbedding', first, second);
  const counting = countingOf('cosineEmbedding', first.graph, first.shape.slice(0, -1), read);
  const hide = (v: Tensor): Tensor => (counting ? counting.hide(v) : v);
  const [x, y, t] = [hide(first), hide(second), hide(expectLead('cosineEmbedding', first, given))];
  const squares = (v: Tensor): Tensor => add(sum(square(v), lastAxis), 1e-12);
  const cosine = div(sum(mul(x, y), lastAxis), sqrt(mul(squares(x), squares(y))));
  return reducedBy(where(less(0, t), sub(1, cosine), clamp(sub(cosine, margin), { min: 0 })), counting, read);
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
    ...reductionFields,
    margin: number({ above: 0 }).default(1),
    p: number({ above: 0 }).default(2),
    eps: number({ min: 0 }).default(1e-6),
    swap: bool.default(false),
  }),
);

/**
 * max(0, margin + d(anchor, positive) - d(anchor, negative)) of vectors. Default margin 1.
 * @shape anchor, positive and negative [..., d] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless all are of one shape; DTypeError for vectors of integers
 * @see torch.nn.functional.triplet_margin_loss
 */
export function tripletMargin(
  anchor: TensorLike,
  positive: TensorLike,
  negative: TensorLike,
  options: TripletOptions = {},
): Tensor {
  const { anchor: one, positive: like, negative: other, margin, p, eps, swap, ...read } = readTripletMargin(arguments);
  checkVectors('tripletMargin', one, like, other);
  const counting = countingOf('tripletMargin', one.graph, one.shape.slice(0, -1), read);
  // Apart, since a distance of 0 has no gradient.
  const [a, b, c] = [one, like, other].map((v, i) => (counting ? counting.hide(v, i) : v)) as [Tensor, Tensor, Tensor];
  const distance = (u: Tensor, v: Tensor): Tensor => {
    const d = abs(add(sub(u, v), eps));
    if (p === 1) return sum(d, lastAxis);
    return p === 2 ? sqrt(sum(square(d), lastAxis)) : pow(sum(pow(d, p), lastAxis), 1 / p);
  };
  const far = distance(a, c);
  const apart = swap ? minimum(far, distance(b, c)) : far;
  return reducedBy(clamp(add(sub(distance(a, b), apart), margin), { min: 0 }), counting, read);
}

const readMarginRanking = signature('loss.marginRanking', { a: tensor, b: tensor, targets: tensor }, marginOptions(0));
const readHinge = signature('loss.hinge', { scores: tensor, targets: tensor }, marginOptions(1));
const readHingeEmbedding = signature('loss.hingeEmbedding', { distances: tensor, targets: tensor }, marginOptions(1));

/**
 * max(0, margin - target (a - b)): target 1 wants a above b, -1 below. Default margin 0.
 * @shape a, b and targets [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless all are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.margin_ranking_loss
 */
export function marginRanking(a: TensorLike, b: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const { margin, ...read } = readMarginRanking(arguments);
  const { x, others, counting } = operandsOf('marginRanking', read.a, [read.b, read.targets], read);
  const [y, t] = others;
  return reducedBy(clamp(add(mul(neg(t), sub(x, y)), margin), { min: 0 }), counting, read);
}

/**
 * max(0, margin - target score), targets being 1 and -1: the loss of support vector machines. Default margin 1.
 * @shape scores [...], targets [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see Cortes and Vapnik 1995, Support-Vector Networks
 */
export function hinge(scores: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const { margin, ...read } = readHinge(arguments);
  const { x, others, counting } = operandsOf('hinge', read.scores, [read.targets], read);
  return reducedBy(clamp(sub(margin, mul(others[0], x)), { min: 0 }), counting, read);
}

/**
 * The distance itself where the target is 1, max(0, margin - distance) where it is -1. Default margin 1.
 * @shape distances [...], targets [...] -> f64 scalar, or [...] where not reduced
 * @throws OptionError; ShapeError unless both are of one shape; DTypeError if the first is of integers
 * @see torch.nn.functional.hinge_embedding_loss
 */
export function hingeEmbedding(distances: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const { margin, ...read } = readHingeEmbedding(arguments);
  const { x, others, counting } = operandsOf('hingeEmbedding', read.distances, [read.targets], read);
  return reducedBy(where(less(0, others[0]), x, clamp(sub(margin, x), { min: 0 })), counting, read);
}

/** @throws ShapeError unless all have one shape, whose last dimension are vectors; DTypeError for integers */
function checkVectors(op: string, first: Tensor, ...rest: readonly Tensor[]): void {
  if (first.shape.length === 0) throw new ShapeError(`${op}: expected vectors in the last dimension, got a scalar`);
  expectFloats(op, first, ...rest);
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
