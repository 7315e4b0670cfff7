// adafactor.ts: Adafactor (Shazeer and Stern 2018): Adam without a mean, whose second moments of a matrix are a row and a column.
import type { Tensor } from '../../ir/graph.ts';
import { sizeOf, type TensorType } from '../../ir/op.ts';
import { pow } from '../../math/index.ts';
import { cast, div, maximum, minimum, mul, rsqrt, sqrt, square } from '../../ops/elementwise/elementwise.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { unitStatistic } from '../../ops/gradient/unit-statistic.ts';
import { mean } from '../../ops/reduce/reduce.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';
import { number, options, optionsOnly, type PerStep, pair } from '../../options/index.ts';
import { average } from '../apply/average.ts';
import { clippedGradients } from '../apply/build.ts';
import { descend } from '../apply/descend.ts';
import { ascent, bound, decay, divisor, type Maximize, rate } from '../fields.ts';
import { LARGEST, SQUARES } from '../limits.ts';
import { defineOptimizer, type Optimizer, perElement, type Slot } from '../optimizer.ts';

/** Options of `optim.adafactor`. */
export interface AdafactorOptions extends Maximize {
  /** Largest learning rate, a number or a schedule; the rate of step t is at most 1 / sqrt(t), too. Default 1e-2. */
  readonly lr?: PerStep;
  /** The means keep 1 - t^beta2Decay of what they were in step t. Default -0.8. */
  readonly beta2Decay?: number;
  /** Least root of a second moment, and least root mean square of a parameter that its steps are measured by. Default [2^-23, 1e-3]. */
  readonly eps?: readonly [number, number];
  /** A direction with a root mean square above this is scaled down to it. Infinity: none. Default 1. */
  readonly clip?: number;
  /** Shrinks p by lr * weightDecay in every step. Default 0. */
  readonly weightDecay?: number;
}

const readAdafactor = optionsOnly(
  'optim.adafactor',
  options<AdafactorOptions>()({
    lr: rate.default(1e-2),
    beta2Decay: number({ max: 0 }).default(-0.8),
    eps: pair(divisor, divisor).default([2 ** -23, 1e-3]),
    clip: bound.default(1),
    weightDecay: decay.default(0),
    maximize: ascent,
  }),
);

/**
 * Adafactor (Shazeer and Stern 2018) with relative steps and update clip. Slots `row_var` and `col_var` of a matrix
 * (one number a row and a column), `variance` of a vector. More than two dimensions count as [first, rest]; PyTorch
 * takes the last two as the matrix.
 * @throws OptionError
 * @see torch.optim.Adafactor
 */
export function adafactor(options: AdafactorOptions = {}): Optimizer {
  const { lr, beta2Decay, eps, clip, weightDecay, maximize } = readAdafactor(arguments);
  return defineOptimizer({
    maximize,
    name: 'optim.adafactor',
    slots: slotsOf,
    limit: SQUARES,
    lr,
    build(group) {
      const { grads, measured } = clippedGradients(group);
      const weight = group.column('', 1, (step, _, out) => {
        out[0] = pow(step + 1, beta2Decay);
      });
      const means = secondMoments(grads);
      const next = average(group.slots.flat(), means.flat(), weight);
      const starts = group.slots.map((_, t) => group.slots.slice(0, t).flat().length);
      const slots = group.slots.map((s, t) => next.slice(starts[t], starts[t]! + s.length));
      const directions = grads.map((g, t) => directionOf(g, slots[t]!, eps[0]));
      const rms = (xs: readonly Tensor[]): Tensor => sqrt(perElement(xs, statistic(xs, { kind: 'sumSquares' }).each));
      const by = div(maximum(rms(group.params), eps[1]), maximum(div(rms(directions), clip), 1));
      const relative = (step: number, lr: number): number => Math.min(lr, 1 / Math.sqrt(step + 1));
      const params = descend(group, directions, by, 'fixed', {
        lr: relative,
        // Of which the factor 1 - relative * this of p is 1 - lr * weightDecay.
        weightDecay(step, lr) {
          const own = relative(step, lr);
          return own === 0 ? 0 : (lr * weightDecay) / own;
        },
      });
      return { params, slots, measured };
    },
  });
}

const isMatrix = (shape: readonly number[]): boolean => shape.length > 1;

function slotsOf({ shape }: TensorType): Slot[] {
  const slot = (name: string, ...dims: number[]): Slot => ({ name, type: { dtype: 'f32', shape: dims } });
  if (!isMatrix(shape)) return [slot('variance', ...shape)];
  return [slot('row_var', shape[0]!), slot('col_var', sizeOf(shape.slice(1)))];
}

/** Per gradient, what enters its slots: means of squares, summed in f64. */
function secondMoments(grads: readonly Tensor[]): Tensor[][] {
  const matrices = grads.filter((g) => isMatrix(g.shape));
  const sides = (['rows', 'columns'] as const).map((axis) => {
    if (matrices.length === 0) return [];
    const { each, units } = unitStatistic(matrices, { kind: 'sumSquares', axis });
    return matrices.map((_, t) => {
      const start = units.at[t]!;
      const own = slice(each, { axis: 0, start, end: start + units.counts[t]! });
      return cast(minimum(div(own, Math.max(1, units.lengths[t]!)), LARGEST), 'f32');
    });
  });
  return grads.map((g) => (isMatrix(g.shape) ? sides.map((s) => s[matrices.indexOf(g)]!) : [minimum(square(g), LARGEST)]));
}

function directionOf(g: Tensor, slots: readonly Tensor[], eps: number): Tensor {
  const [first, column] = slots as [Tensor, Tensor | undefined];
  if (!column) return mul(g, rsqrt(maximum(first, eps * eps)));
  const [m, n] = [first.shape[0]!, column.shape[0]!];
  const typical = maximum(mean(first), eps);
  const estimate = div(mul(reshape(first, [m, 1]), reshape(column, [1, n])), typical);
  const direction = mul(reshape(g, [m, n]), rsqrt(maximum(estimate, eps * eps)));
  return reshape(direction, g.shape);
}
