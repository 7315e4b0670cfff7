// per-sample.ts: clipping the gradient of each sample before they are summed, and noise on the sum (Abadi et al. 2016): what privacy is made of.
import { OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import {
  add,
  cast,
  div,
  equal,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  sqrt,
  sub,
  where,
} from '../../ops/elementwise/elementwise.ts';
import { drawSecretKey, gaussianNoise, SECRET_KEY } from '../../ops/gradient/gaussian-noise.ts';
import { staged } from '../../ops/gradient/staged.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { sum } from '../../ops/reduce/reduce.ts';
import { bool, choice, number, options, type PerStep, signature } from '../../options/index.ts';
import type { ClipContext, ClipPolicy, PerSampleRule, SampleContext, SampleTotals, SampleWeights } from '../clip.ts';
import { type Limit, limit } from '../fields.ts';

/** Options of `clip.perSample`. */
export interface PerSampleOptions {
  /** Deviation of the noise that is added to each element of the sum, in thresholds. Default 0: none. */
  readonly noise?: number;
  /**
   * Whether all gradients of a sample have one norm (`flat`), or each has one of its own and of k parameters a threshold of c / sqrt(k) (`each`), so that
   * all together have a norm of c at most. Default `flat`.
   */
  readonly layers?: 'flat' | 'each';
  /** `opacus`: scale by min(1, c / (norm + 1e-6)), as Opacus does. Default `exact`. */
  readonly compat?: 'exact' | 'opacus';
  /**
   * Whether the noise is of ChaCha20 with a key of the system, which is in no file, another one after each resume; else of the trainer's seed, which is in
   * checkpoints: who has one can take the noise off. Default true.
   */
  readonly secure?: boolean;
}

const readPerSample = signature(
  'clip.perSample',
  { threshold: limit().default(1) },
  options<PerSampleOptions>()({
    noise: number({ min: 0 }).default(0),
    layers: choice('flat', 'each').default('flat'),
    compat: choice('exact', 'opacus').default('exact'),
    secure: bool.default(true),
  }),
);

/**
 * Scale the gradient of each sample by c / n where n, its norm, exceeds c, the threshold; sum them, add noise, and divide by the number of samples that a
 * batch is expected to have. A sample whose gradient is not finite is left out, and counted. The gradients of samples are never there one by one: a
 * first backward pass measures their norms, a second one sums them by weights. For a Trainer.
 * @param threshold > 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see opacus.PrivacyEngine
 */
export function perSample(threshold?: PerStep, options: PerSampleOptions = {}): ClipPolicy {
  const { threshold: limit, noise, layers, compat, secure } = readPerSample(arguments);
  if (noise > 0 && limit.idle) {
    throw new OptionError('clip.perSample: option noise: expected a finite threshold beside it, which it is a multiple of', {
      option: 'noise',
    });
  }
  const rule: PerSampleRule = { noise, secure, layers, weigh: (context) => weigh(context, { limit, layers, compat }) };
  return {
    name: 'perSample',
    maxSkips: 0,
    thresholds: limit.columns,
    perSample: rule,
    build(context) {
      const { samples, graph, stages } = context;
      if (!samples) throw new OptionError('clip.perSample: gradients of samples are what a Trainer has: train with one');
      const summed = stages.length > 0 ? staged(graph, context.grads, stages) : context.grads;
      const grads = noise > 0 ? noisy(context, summed, rule, samples) : summed;
      const after = sqrt(statistic(grads, { kind: 'sumSquares' }).total);
      return { stages: [], grads, skip: null, measure: false, report: { ...reportOf(samples), normAfter: after } };
    },
  };
}

/** Each element with noise of its own: the sum is of vectors of a norm of the threshold at most, and so is what one sample changes in it. */
function noisy(
  context: ClipContext,
  grads: readonly Tensor[],
  { noise, secure }: PerSampleRule,
  { threshold, expected }: SampleTotals,
): Tensor[] {
  const { graph } = context;
  const std = div(mul(threshold, noise), expected);
  const key = secure ? graph.state(context.state('noiseKey', SECRET_KEY, drawSecretKey, { secret: true })) : null;
  return grads.map((g) => gaussianNoise(g, { std, key }));
}

interface Weighing {
  readonly limit: Limit;
  readonly layers: 'flat' | 'each';
  readonly compat: 'exact' | 'opacus';
}

/** What the gradients of each sample are multiplied by. */
function weigh(context: SampleContext, { limit, layers, compat }: Weighing): SampleWeights {
  const { graph, counts, squares } = context;
  const one = graph.scalar(1, 'f64');
  const threshold = limit.idle ? graph.scalar(Infinity, 'f64') : limit.at(context as never);
  const all = squares.reduce((a, b) => add(a, b));
  // 0 times what is not finite is NaN.
  const finite = equal(mul(all, 0), 0);
  const counted = counts ? mul(finite, counts) : finite;
  const own = layers === 'each' ? div(threshold, Math.sqrt(squares.length)) : threshold;
  const scaleOf = (norm: Tensor, most: Tensor): Tensor => {
    if (limit.idle) return mul(norm, 0);
    if (compat === 'opacus') return minimum(1, div(most, add(norm, 1e-6)));
    return where(less(most, norm), div(most, norm), 1);
  };
  const norms = layers === 'each' ? squares.map((s) => sqrt(s)) : [sqrt(all)];
  const weights = norms.map((norm) => where(counted, limit.idle ? one : scaleOf(norm, own), 0));
  const clipped = norms.map((norm) => less(own, norm)).reduce((a, b) => maximum(a, b));
  const bad = sub(counts ?? 1, counted);
  const total = (name: string, value: Tensor): Tensor => context.sum(`samples ${name}`, sum(cast(value, 'f64')));
  return {
    weights,
    totals: {
      threshold,
      count: context.sum('samples counted', counts ? sum(counts, { dtype: 'f64' }) : graph.scalar(all.shape[0]!, 'f64')),
      clipped: total('clipped', where(counted, clipped, 0)),
      bad: total('bad', bad),
      below: total('below', where(counted, lessEqual(sqrt(all), threshold), 0)),
      norms: total('norms', where(counted, sqrt(all), 0)),
    },
  };
}

/** What of it a step's report has. */
function reportOf({ threshold, count, clipped, bad, norms }: SampleTotals) {
  const some = maximum(count, 1);
  return {
    threshold,
    norm: div(norms, maximum(sub(count, bad), 1)),
    clipped: less(0, clipped),
    clippedFraction: div(clipped, some),
    badCount: bad,
  };
}
