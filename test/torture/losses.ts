// losses.ts: every loss: what it is given of a prediction, what its targets are, and its options.
import type { Tensor } from '../../lib/ir/graph.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import {
  abs,
  cast,
  equal,
  floor,
  logSoftmax,
  mean,
  mul,
  relu,
  reshape,
  sigmoid,
  slice,
  softplus,
  square,
  sub,
} from '../../lib/ops/index.ts';
import { given, type Random } from './random.ts';
import type { Options, Row } from './spec.ts';

/** Values of a target: a class of each row, or numbers. */
export type Targets = 'labels' | 'normal' | 'unit' | 'signs' | 'counts' | 'none';

export interface LossKind {
  readonly targets: Targets;
  /** The last dimension of a prediction is cut into so many equal parts. Default 1. */
  readonly parts?: number;
  /** Targets are one for each vector, not for each of its elements. */
  readonly perVector?: boolean;
  draw(r: Random, width: number): Options;
  apply(parts: readonly Tensor[], y: Tensor, options: Options): Tensor;
}

/** `counting`: elements, or rows, count what follows from their targets, nothing some of them. */
const reduction = (r: Random): Options =>
  given({ reduction: r.maybe(0.15, () => 'sum' as const), counting: r.maybe(0.25, () => r.pick(['elements', 'rows'])) });
const clamped = (r: Random): Options => ({
  ...reduction(r),
  ...given({ clamp: r.maybe(0.15, () => r.pick([1, [-0.5, 2]])) }),
});
const weights = (width: number): number[] => Array.from({ length: width }, (_, i) => (i % 3 === 2 ? 0.25 : 1 + (i % 2)));
const classes = (r: Random, width: number): Options => ({
  ...clamped(r),
  ...given({ weight: r.maybe(0.25, () => weights(width)), ignoreIndex: r.maybe(0.25, () => 0) }),
});

/** Losses of predictions against targets of the same shape. */
const alike = (targets: Targets, f: (x: Tensor, y: Tensor, o: Options) => Tensor, draw: LossKind['draw']): LossKind => ({
  targets,
  draw,
  apply: ([x], y, options) => f(x!, y, counted(y, options)),
});
/** Option `sampleWeight` in place of `counting`. */
function counted(y: Tensor, { counting, ...options }: Options & { readonly counting?: string }): Options {
  if (counting === undefined) return options;
  const all = relu(sub(abs(cast(y, 'f32')), 0.3));
  const rows = reshape(slice(reshape(all, [y.shape[0]!, -1]), { axis: 1, start: 0, end: 1 }), [-1]);
  return { ...options, sampleWeight: counting === 'rows' ? rows : all };
}
const labels = (f: (x: Tensor, y: Tensor, o: Options) => Tensor, draw: LossKind['draw']): LossKind => ({
  ...alike('labels', f, draw),
  perVector: true,
});

export const LOSSES: Readonly<Record<string, LossKind>> = {
  mse: alike('normal', loss.mse, clamped),
  l1: alike('normal', loss.l1, clamped),
  huber: alike('normal', loss.huber, (r) => ({ ...clamped(r), ...given({ delta: r.maybe(0.5, () => 0.3) }) })),
  smoothL1: alike('normal', loss.smoothL1, (r) => ({ ...clamped(r), ...given({ beta: r.maybe(0.5, () => r.pick([0, 0.3])) }) })),
  poissonNll: alike('counts', loss.poissonNll, (r) => ({ ...clamped(r), ...given({ full: r.maybe(0.5, () => true) }) })),
  gaussianNll: {
    targets: 'normal',
    parts: 2,
    draw: (r) => ({ ...clamped(r), ...given({ full: r.maybe(0.5, () => true) }) }),
    apply: ([x, v], y, options) => loss.gaussianNll(x!, y, softplus(v!), counted(y, options)),
  },
  bceWithLogits: alike('unit', loss.bceWithLogits, (r, width) => ({
    ...clamped(r),
    ...given({ posWeight: r.maybe(0.3, () => r.pick([2, weights(width)])), weight: r.maybe(0.2, () => weights(width)) }),
  })),
  bce: alike(
    'unit',
    (x, y, o) => loss.bce(sigmoid(x), y, o),
    (r, width) => ({ ...reduction(r), ...given({ weight: r.maybe(0.2, () => weights(width)) }) }),
  ),
  multiMargin: labels(loss.multiMargin, (r, width) => ({
    ...reduction(r),
    ...given({ p: r.maybe(0.4, () => 2), margin: r.maybe(0.4, () => 0.5), weight: r.maybe(0.25, () => weights(width)) }),
  })),
  multiLabelMargin: alike(
    'unit',
    // Numbers from -1, which ends a row, to that of the last class.
    (x, y, o) => loss.multiLabelMargin(x, sub(floor(mul(y, 0.999 * (x.shape.at(-1)! + 1))), 1), o),
    (r) => given({ reduction: r.maybe(0.15, () => 'sum' as const) }),
  ),
  multiLabelSoftMargin: alike('unit', loss.multiLabelSoftMargin, (r, width) =>
    given({ reduction: r.maybe(0.15, () => 'sum' as const), weight: r.maybe(0.2, () => weights(width)) }),
  ),
  softMargin: alike('signs', loss.softMargin, reduction),
  sigmoidFocal: alike('unit', loss.sigmoidFocal, (r) => ({
    ...clamped(r),
    ...given({ alpha: r.maybe(0.4, () => r.pick([null, 0.6])), gamma: r.maybe(0.4, () => r.pick([0, 1.5])) }),
  })),
  crossEntropy: labels(loss.crossEntropy, (r, width) => ({
    ...classes(r, width),
    ...given({ labelSmoothing: r.maybe(0.3, () => 0.1) }),
  })),
  nll: labels((x, y, o) => loss.nll(logSoftmax(x), y, o), classes),
  focal: labels(loss.focal, (r, width) => ({ ...classes(r, width), ...given({ gamma: r.maybe(0.4, () => r.pick([0, 1.5])) }) })),
  klDiv: alike(
    'unit',
    (x, y, o) => loss.klDiv(logSoftmax(x), y, o),
    (r) => given({ reduction: r.maybe(0.4, () => r.pick(['batchmean', 'sum'])), logTarget: r.maybe(0.2, () => true) }),
  ),
  cosineSimilarity: {
    targets: 'none',
    parts: 2,
    draw: () => ({}),
    apply: ([a, b]) => sub(1, mean(loss.cosineSimilarity(a!, b!))),
  },
  cosineEmbedding: {
    targets: 'signs',
    parts: 2,
    perVector: true,
    draw: (r) => ({ ...reduction(r), ...given({ margin: r.maybe(0.5, () => 0.2) }) }),
    apply: ([a, b], y, options) => loss.cosineEmbedding(a!, b!, y, counted(y, options)),
  },
  tripletMargin: {
    targets: 'none',
    parts: 3,
    draw: (r) =>
      given({
        reduction: r.maybe(0.15, () => 'sum' as const),
        p: r.maybe(0.4, () => r.pick([1, 3])),
        swap: r.maybe(0.4, () => true),
      }),
    apply: ([a, b, c], _, options) => loss.tripletMargin(a!, b!, c!, options),
  },
  marginRanking: {
    targets: 'signs',
    parts: 2,
    draw: (r) => ({ ...reduction(r), ...given({ margin: r.maybe(0.5, () => 0.2) }) }),
    apply: ([a, b], y, options) => loss.marginRanking(a!, b!, y, counted(y, options)),
  },
  hinge: alike('signs', loss.hinge, reduction),
  hingeEmbedding: alike('signs', loss.hingeEmbedding, reduction),
  ctc: alike(
    'unit',
    // All but the last dimension are time. Labels are classes but the first, or end a row; there are at most half as many as frames.
    (x, y, o) => {
      const [n, classes] = [y.shape[0]!, x.shape.at(-1)!];
      const frames = reshape(x, [n, -1, classes]);
      const drawn = floor(mul(reshape(y, [n, -1]), 0.999 * classes));
      const labels = slice(sub(drawn, equal(drawn, 0)), { axis: 1, start: 0, end: Math.ceil(frames.shape[1]! / 2) });
      return loss.ctc(frames, labels, o);
    },
    (r) => ({
      ...given({ reduction: r.maybe(0.15, () => 'sum' as const), counting: r.maybe(0.25, () => 'rows') }),
      zeroInfinity: r.chance(0.9),
    }),
  ),
  weightedMean: alike(
    'unit',
    (x, y) => loss.weightedMean(square(x), y),
    () => ({}),
  ),
};

/** The shape of a row of targets for predictions of such rows. */
export function targetRow({ parts = 1, perVector = false }: LossKind, row: Row): Row {
  const lead = row.slice(0, -1);
  return perVector ? lead : [...lead, row.at(-1)! / parts];
}

/** The loss of a prediction. */
export function lossOf(name: string, options: Options, prediction: Tensor, y: Tensor): Tensor {
  const kind = LOSSES[name]!;
  const { parts = 1 } = kind;
  const width = prediction.shape.at(-1)! / parts;
  const axis = prediction.shape.length - 1;
  const cut = Array.from({ length: parts }, (_, i) =>
    parts === 1 ? prediction : slice(prediction, { axis, start: i * width, end: (i + 1) * width }),
  );
  return kind.apply(cut, y, options);
}
