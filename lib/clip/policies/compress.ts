// compress.ts: gradients as a compressed message would carry them (QSGD, 1-bit, top-k), with error feedback: what is lost is added to the
// next gradient.
import type { Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { add, cast, div, equal, where } from '../../ops/elementwise/elementwise.ts';
import { residual } from '../../ops/gradient/residual.ts';
import { kthLargest } from '../../ops/gradient/select.ts';
import * as stage from '../../ops/gradient/stage.ts';
import { staged } from '../../ops/gradient/staged.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { sqrt } from '../../ops/index.ts';
import { bool, choice, number, options, optionsOnly, signature, whole } from '../../options/index.ts';
import type { ClipContext, ClipPolicy } from '../clip.ts';
import { nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, perGradient } from '../measure.ts';
import { samples } from '../samples.ts';

/** Options of `clip.oneBit`. */
export interface CompressOptions extends NonFiniteOptions {
  /** Keep what compression loses and add it to the next gradient: 4 bytes per parameter. Default true. */
  readonly errorFeedback?: boolean;
}

const compressing = { ...nonFiniteFields, errorFeedback: bool.default(true) };

/** A policy whose stages decode what a message about tensors `xs` (gradients, with what was lost before) would carry. */
function compressed(
  name: string,
  { errorFeedback: feedback, ...given }: Required<CompressOptions>,
  decoded: (c: ClipContext, xs: readonly Tensor[]) => readonly stage.Stage[],
): ClipPolicy {
  const rules = ruleOf(given);
  return {
    name,
    maxSkips: rules.maxSkips,
    build(context) {
      const { graph } = context;
      const m = measure(context, rules);
      const report = { norm: m.total, ...m.report };
      const before = [...context.stages, ...m.stages];
      const written = before.length > 0 ? staged(graph, context.grads, before) : context.grads;
      if (!feedback) return { grads: written, stages: decoded(context, written), skip: m.skip, report, measure: true };
      const states = context.names.map((n, t) => context.state(`residual.${n}`, context.grads[t]!.type));
      const errors = states.map((s) => graph.state(s));
      const xs = written.map((g, t) => add(errors[t]!, g));
      const stages = decoded(context, xs);
      const lost = residual(graph, xs, errors, stages);
      // A NaN that is let through must not stay for good.
      const kept = (t: number): Tensor =>
        rules.mode === 'propagate' ? where(cast(m.finite, 'f32'), lost[t]!, errors[t]!) : lost[t]!;
      for (const [t, state] of states.entries()) graph.assign(state, kept(t));
      return { grads: xs, stages, skip: m.skip, report, measure: true };
    },
  };
}

/** Options of `clip.qsgd`. */
export interface QSGDOptions extends CompressOptions {
  /** Levels s between 0 and the norm. Default 256. */
  readonly levels?: number;
}

const readQsgd = optionsOnly(
  'clip.qsgd',
  options<QSGDOptions>()({ ...compressing, levels: whole({ min: 1, max: 2 ** 22 }).default(256) }),
);

/**
 * QSGD: each element of a tensor x becomes n / s times s x / n rounded up or down at random, so that its mean is x; n
 * is the tensor's 2-norm. Draws are keyed by seed and batch. Reads gradients once more, and with error feedback
 * writes them.
 * @throws OptionError
 * @see Alistarh et al. 2017, QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding
 */
export function qsgd(options: QSGDOptions = {}): ClipPolicy {
  const { levels, ...given } = readQsgd(arguments);
  return compressed('qsgd', given, (c, xs) => {
    const norms = sqrt(statistic(xs, { kind: 'sumSquares' }).each);
    const up = where(equal(norms, 0), 1, div(levels, norms));
    const sizes = xs.map((x) => sizeOf(x.shape));
    return [stage.scale(up), stage.round(c.graph, sizes), stage.scale(where(equal(norms, 0), 1, div(norms, levels)))];
  });
}

const readOneBit = optionsOnly('clip.oneBit', options<CompressOptions>()(compressing));

/**
 * 1-bit gradients: the sign of each element times the mean |x| of its tensor.
 * @throws OptionError
 * @see Seide et al. 2014, 1-Bit Stochastic Gradient Descent and Its Application to Data-Parallel Distributed Training
 * of Speech DNNs
 */
export function oneBit(options: CompressOptions = {}): ClipPolicy {
  return compressed('oneBit', readOneBit(arguments), (c, xs) => {
    const sums = statistic(xs, { kind: 'sumAbs' }).each;
    const sizes = xs.map((x) => Math.max(1, sizeOf(x.shape)));
    return [stage.sign(), stage.scale(div(sums, perGradient(c, sizes)))];
  });
}

/** Options of `clip.topK`. */
export interface TopKOptions extends CompressOptions {
  /** `tensor`: the fraction of each gradient; `global`: of all elements together. Default 'tensor'. */
  readonly scope?: 'tensor' | 'global';
}

const readTopK = signature(
  'clip.topK',
  { fraction: number({ above: 0, max: 1 }).default(0.01) },
  options<TopKOptions>()({ ...compressing, scope: choice('tensor', 'global').default('tensor') }),
);

/**
 * Only the elements of the largest |x| stay, a fraction of them (at least one per tensor), with all that are equal to
 * the smallest that stays; the others become 0.
 * @param fraction in (0, 1]. Default 0.01.
 * @throws OptionError
 * @see Lin et al. 2018, Deep Gradient Compression: Reducing the Communication Bandwidth for Distributed Training
 */
export function topK(fraction?: number, options: TopKOptions = {}): ClipPolicy {
  const { fraction: part, scope, ...given } = readTopK(arguments);
  const together = scope === 'global';
  return compressed('topK', given, (_, xs) => {
    const sizes = xs.map((x) => sizeOf(x.shape));
    const kept = (n: number): number => (n === 0 ? 0 : Math.max(1, Math.round(part * n)));
    return [stage.zeroBelow(kthLargest(xs, together ? kept(sizes.reduce((a, b) => a + b, 0)) : sizes.map((n) => kept(n))))];
  });
}

samples({
  qsgd: (given) => qsgd(given),
  'qsgd forgetting': (given) => qsgd({ errorFeedback: false, ...given }),
  topK: (given) => topK(0.01, given),
  'topK global': (given) => topK(0.01, { scope: 'global', ...given }),
});
