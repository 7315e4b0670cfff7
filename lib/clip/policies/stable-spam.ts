// stable-spam.ts: the two clips of Stable-SPAM (2025): AdaClip for elements, AdaGN for norms. Each has a step counter of its own.
import { add, div, equal, mul, pow, square, sub, where } from '../../ops/elementwise/elementwise.ts';
import { shrinkAbove } from '../../ops/gradient/stage.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { sqrt } from '../../ops/index.ts';
import { choice, options, optionsOnly, pair } from '../../options/index.ts';
import type { ClipPolicy } from '../clip.ts';
import { decay, epsilon, nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, remembered, scaled, shaped } from '../measure.ts';
import { bounded, boundOf, type CapOptions, cap, corrected, counted, type YoungOptions, youngFields } from '../young.ts';

/** Options of `clip.adaClip`. */
export interface AdaClipOptions extends NonFiniteOptions, YoungOptions, CapOptions {
  /** Decay of the running mean of the largest |g|. Default 0.999. */
  readonly decay?: number;
}

const readAdaClip = optionsOnly(
  'clip.adaClip',
  options<AdaClipOptions>()({ ...nonFiniteFields, ...youngFields, cap, decay: decay.default(0.999) }),
);

/**
 * AdaClip: elements above M^, the running mean of their tensor's largest |g| (corrected for its start at 0), are
 * multiplied by M^ / max |g|. Reads gradients once more. As published with `{ warmup: 0, cap: Infinity }`. State: a
 * number per gradient, and one.
 * @throws OptionError
 * @see Huang et al. 2025, Stable-SPAM: How to Train in 4-Bit More Stably than 16-Bit Adam
 */
export function adaClip(options: AdaClipOptions = {}): ClipPolicy {
  const { decay, cap, warmup, absolute, max, ...given } = readAdaClip(arguments);
  const rules = ruleOf(given);
  const young = boundOf('clip.adaClip', { warmup, absolute, max });
  return {
    name: 'adaClip',
    maxSkips: rules.maxSkips,
    ...young.first,
    build(context) {
      const m = measure(context, rules);
      const largest = statistic(context.grads, { kind: 'maxAbs', stages: [...context.stages, ...m.stages] }).each;
      const steps = remembered(context, m, 'steps', []);
      const mean = remembered(context, m, 'largest', [context.grads.length]);
      const bounds = young.at(context, steps.now);
      const count = add(steps.now, 1);
      const before = cap === Infinity ? mean.now : corrected(mean.now, decay, steps.now);
      const next = add(mul(decay, mean.now), mul(1 - decay, counted(largest, before, cap, bounds.young)));
      const limit = bounded(corrected(next, decay, count), bounds.all);
      mean.next(next);
      steps.next(count);
      return shaped(m, [shrinkAbove(limit, where(equal(largest, 0), 1, div(limit, largest)))]);
    },
  };
}

/** Options of `clip.adaGn`. */
export interface AdaGNOptions extends NonFiniteOptions {
  /** Decay of the running means of the norm and of its square. Default [0.7, 0.9]. */
  readonly decays?: readonly [number, number];
  /** Added to the root of the second mean. Default 1e-8. */
  readonly eps?: number;
  /** `tensor`: each gradient by its own norm, as published; `global`: all by the norm of all. Default 'tensor'. */
  readonly scope?: 'tensor' | 'global';
}

const readAdaGn = optionsOnly(
  'clip.adaGn',
  options<AdaGNOptions>()({
    ...nonFiniteFields,
    decays: pair(decay, decay).default([0.7, 0.9]),
    eps: epsilon.default(1e-8),
    scope: choice('tensor', 'global').default('tensor'),
  }),
);

/**
 * AdaGN, gradients by a running norm: g / n m^ / (sqrt(v^) + eps), m and v the running means of n and n^2, corrected
 * for their start at 0.
 * @throws OptionError
 * @see Huang et al. 2025, Stable-SPAM: How to Train in 4-Bit More Stably than 16-Bit Adam
 */
export function adaGn(options: AdaGNOptions = {}): ClipPolicy {
  const { decays, eps, scope, ...given } = readAdaGn(arguments);
  const rules = ruleOf(given);
  const [g1, g2] = decays;
  const each = scope === 'tensor';
  return {
    name: 'adaGn',
    maxSkips: rules.maxSkips,
    build(context) {
      const m = measure(context, rules);
      const n = each ? m.each : m.total;
      const steps = remembered(context, m, 'steps', []);
      const mean = remembered(context, m, 'mean', n.shape);
      const squares = remembered(context, m, 'square', n.shape);
      const count = add(steps.now, 1);
      const nextMean = add(mul(g1, mean.now), mul(1 - g1, n));
      const nextSquares = add(mul(g2, squares.now), mul(1 - g2, square(n)));
      const m1 = div(nextMean, sub(1, pow(g1, count)));
      const v1 = div(nextSquares, sub(1, pow(g2, count)));
      mean.next(nextMean);
      squares.next(nextSquares);
      steps.next(count);
      return scaled(context, m, where(equal(n, 0), 1, div(div(m1, add(sqrt(v1), eps)), n)));
    },
  };
}
