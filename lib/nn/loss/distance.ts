// distance.ts: losses that compare distributions and vectors: KL divergence, cosine, triplets, ranking, hinges.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { sameShape } from '../../ir/op.ts';
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
} from '../../ops/elementwise.ts';
import { sum } from '../../ops/reduce.ts';
import { checkBoolean, checkChoice, checkNumber, checkOptions } from '../../options.ts';
import { alike, type Reduction, type ReductionOptions, reduced } from './reduction.ts';

export interface KLDivOptions {
  /** `batchmean` is the sum divided by the first dimension, which is the divergence; `mean` divides by all elements. Default `mean`, as in PyTorch. */
  readonly reduction?: Reduction | 'batchmean';
  /** The target is in logarithms too. Default false. */
  readonly logTarget?: boolean;
}

/**
 * Kullback-Leibler divergence: target (log target - input), the input in log-probabilities (`ops.logSoftmax`), both of one shape. As
 * `torch.nn.functional.kl_div`.
 */
export function klDiv(input: TensorLike, target: TensorLike, options: KLDivOptions = {}): Tensor {
  checkOptions('klDiv', options, ['reduction', 'logTarget']);
  const reduction = checkChoice('klDiv', 'reduction', options.reduction ?? 'mean', ['mean', 'batchmean', 'sum', 'none']);
  const logTarget = checkBoolean('klDiv', 'logTarget', options.logTarget ?? false);
  const [x, t] = alike('klDiv', input, target) as [Tensor, Tensor];
  // 0 log 0 is 0.
  const values = logTarget ? mul(exp(t), sub(t, x)) : mul(t, sub(log(maximum(t, 1e-38)), x));
  if (reduction !== 'batchmean') return reduced('klDiv', values, { reduction });
  return div(sum(values, { dtype: 'f64' }), Math.max(1, x.shape[0] ?? 1));
}

const lastAxis = { axes: [-1], dtype: 'f64' } as const;

/**
 * Cosine of the angle between vectors of the last dimension: f32 [..., d] twice -> f64 [...]. As `torch.nn.functional.cosine_similarity`
 * with `dim=-1`, without broadcasting.
 * @param options.eps the least length of a vector. Default 1e-8.
 */
export function cosineSimilarity(a: TensorLike, b: TensorLike, options: { readonly eps?: number } = {}): Tensor {
  checkOptions('cosineSimilarity', options, ['eps']);
  const eps = checkNumber('cosineSimilarity', 'eps', options.eps ?? 1e-8, { above: 0 });
  const [x, y] = vectors('cosineSimilarity', a, b);
  const length = (v: Tensor): Tensor => sqrt(maximum(sum(square(v), lastAxis), eps * eps));
  return div(sum(mul(x!, y!), lastAxis), mul(length(x!), length(y!)));
}

export interface MarginOptions extends ReductionOptions {
  readonly margin?: number;
}

/**
 * 1 - cosine of pairs [n, d] that belong together (target 1), max(0, cosine - margin) of those that do not (target -1); targets f32 [n].
 * As `torch.nn.functional.cosine_embedding_loss`. Default margin 0.
 */
export function cosineEmbedding(a: TensorLike, b: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const op = 'cosineEmbedding';
  const margin = marginOf(op, options, 0);
  const [x, y] = vectors(op, a, b);
  const t = expectLead(op, x!, targets);
  const squares = (v: Tensor): Tensor => add(sum(square(v), lastAxis), 1e-12);
  const cosine = div(sum(mul(x!, y!), lastAxis), sqrt(mul(squares(x!), squares(y!))));
  return reduced(op, where(less(0, t), sub(1, cosine), clamp(sub(cosine, margin), { min: 0 })), options);
}

export interface TripletOptions extends MarginOptions {
  /** The norm of the distance. Default 2. */
  readonly p?: number;
  /** Added to each difference. Default 1e-6. */
  readonly eps?: number;
  /** Take the distance of positive and negative where it is the smaller one (Balntas et al. 2016). Default false. */
  readonly swap?: boolean;
}

/**
 * max(0, margin + d(anchor, positive) - d(anchor, negative)) of vectors [..., d]. As `torch.nn.functional.triplet_margin_loss`. Default margin 1.
 */
export function tripletMargin(
  anchor: TensorLike,
  positive: TensorLike,
  negative: TensorLike,
  options: TripletOptions = {},
): Tensor {
  const op = 'tripletMargin';
  checkOptions(op, options, ['reduction', 'margin', 'p', 'eps', 'swap']);
  const margin = checkNumber(op, 'margin', options.margin ?? 1, { above: 0 });
  const p = checkNumber(op, 'p', options.p ?? 2, { above: 0 });
  const eps = checkNumber(op, 'eps', options.eps ?? 1e-6, { min: 0 });
  const [a, b, c] = vectors(op, anchor, positive, negative) as [Tensor, Tensor, Tensor];
  const distance = (u: Tensor, v: Tensor): Tensor => {
    const d = abs(add(sub(u, v), eps));
    if (p === 1) return sum(d, lastAxis);
    return p === 2 ? sqrt(sum(square(d), lastAxis)) : pow(sum(pow(d, p), lastAxis), 1 / p);
  };
  const far = distance(a, c);
  const apart = checkBoolean(op, 'swap', options.swap ?? false) ? minimum(far, distance(b, c)) : far;
  return reduced(op, clamp(add(sub(distance(a, b), apart), margin), { min: 0 }), options);
}

/** max(0, margin - target (a - b)): target 1 wants a above b, -1 below. As `torch.nn.functional.margin_ranking_loss`. Default margin 0. */
export function marginRanking(a: TensorLike, b: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const margin = marginOf('marginRanking', options, 0);
  const [x, y, t] = alike('marginRanking', a, b, targets) as [Tensor, Tensor, Tensor];
  return reduced('marginRanking', clamp(add(mul(neg(t), sub(x, y)), margin), { min: 0 }), options);
}

/** max(0, margin - target x) of scores against targets 1 and -1: the loss of support vector machines. Default margin 1. */
export function hinge(scores: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const margin = marginOf('hinge', options, 1);
  const [x, t] = alike('hinge', scores, targets) as [Tensor, Tensor];
  return reduced('hinge', clamp(sub(margin, mul(t, x)), { min: 0 }), options);
}

/** The distance itself where the target is 1, max(0, margin - distance) where it is -1. As `torch.nn.functional.hinge_embedding_loss`. Default margin 1. */
export function hingeEmbedding(distances: TensorLike, targets: TensorLike, options: MarginOptions = {}): Tensor {
  const margin = marginOf('hingeEmbedding', options, 1);
  const [x, t] = alike('hingeEmbedding', distances, targets) as [Tensor, Tensor];
  return reduced('hingeEmbedding', where(less(0, t), x, clamp(sub(margin, x), { min: 0 })), options);
}

function marginOf(op: string, options: MarginOptions, usual: number): number {
  checkOptions(op, options, ['reduction', 'margin']);
  return checkNumber(op, 'margin', options.margin ?? usual);
}

function vectors(op: string, ...given: TensorLike[]): Tensor[] {
  const [first, ...rest] = given.map((t) => t.toTensor()) as [Tensor, ...Tensor[]];
  if (first.shape.length === 0) throw new ShapeError(`${op}: expected vectors in the last dimension, got a scalar`);
  for (const t of rest) {
    if (!sameShape(t.shape, first.shape)) throw new ShapeError(`${op}: expected [${first.shape}], got [${t.shape}]`);
  }
  return [first, ...rest];
}

/** Targets with one value per vector of x, in f64. */
function expectLead(op: string, x: Tensor, targets: TensorLike): Tensor {
  const t = targets.toTensor();
  const lead = x.shape.slice(0, -1);
  if (!sameShape(t.shape, lead)) throw new ShapeError(`${op}: expected targets [${lead}], got [${t.shape}]`);
  return cast(t, 'f64');
}
