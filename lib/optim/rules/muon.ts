// muon.ts: Muon (Jordan et al. 2024): momentum whose every step is made orthogonal.
import { OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { typeName } from '../../ir/op.ts';
import { add, cast, div, maximum, mul, sqrt } from '../../ops/elementwise/elementwise.ts';
import { matmul } from '../../ops/product/matmul.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, choice, number, options, optionsOnly, type PerStep, triple, whole } from '../../options/index.ts';
import { descend } from '../apply/descend.ts';
import { ascent, decay, divisor, type Maximize, rate } from '../fields.ts';
import { defineOptimizer, type GroupContext, type HyperFill, type Optimizer, pass, slotsLike } from '../optimizer.ts';

/** Options of `optim.muon`. */
export interface MuonOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Shrinks p by lr * weightDecay in every step. Default 0.1. */
  readonly weightDecay?: number;
  /** Decay of the running mean of gradients. Default 0.95. */
  readonly momentum?: number;
  /** Look ahead along the momentum. Default true. */
  readonly nesterov?: boolean;
  /** Of the polynomial a x + b x^3 + c x^5 of each iteration. Default [3.4445, -4.775, 2.0315]. */
  readonly coefficients?: readonly [number, number, number];
  /** How many Newton-Schulz iterations. Default 5. */
  readonly iterations?: number;
  /** Least norm that the direction is divided by. Default 1e-7. */
  readonly eps?: number;
  /**
   * A matrix [m, n] takes lr times sqrt(max(1, m / n)) (`original`), or times 0.2 sqrt(max(m, n)) (`matchRmsAdamw`).
   * Default 'original'.
   */
  readonly adjustLr?: 'original' | 'matchRmsAdamw';
}

const ADJUST = {
  original: (m: number, n: number) => Math.sqrt(Math.max(1, m / n)),
  matchRmsAdamw: (m: number, n: number) => 0.2 * Math.sqrt(Math.max(m, n)),
} as const;

const readMuon = optionsOnly(
  'optim.muon',
  options<MuonOptions>()({
    lr: rate.default(1e-3),
    weightDecay: decay.default(0.1),
    momentum: number({ min: 0, max: 1 }).default(0.95),
    nesterov: bool.default(true),
    coefficients: triple(number()).default([3.4445, -4.775, 2.0315]),
    iterations: whole({ min: 0, max: 99 }).default(5),
    eps: divisor.default(1e-7),
    adjustLr: choice('original', 'matchRmsAdamw').default('original'),
    maximize: ascent,
  }),
);

/**
 * In place of the new parameter it gives the direction before it is made orthogonal. Slot: the running mean of the gradient. Sum: squares of
 * the direction. Kernel: rules/momentum.h.
 */
const MOMENTUM = updateOp({
  name: 'update_momentum',
  slots: { plain: ['momentum_buffer'], nesterov: ['momentum_buffer'] },
  hyper: ['momentum', 'oneMinusMomentum'],
  rows: [
    { momentum: 0.95, oneMinusMomentum: 0.05 },
    { momentum: 0.25, oneMinusMomentum: 0.75 },
  ],
  flops: 6,
  sums: 1,
  step(variant, _p, g, slots, h, _each, squared) {
    slots[0]! += h.oneMinusMomentum * (g - slots[0]!);
    const direction = variant === 'nesterov' ? g + h.momentum * (slots[0]! - g) : slots[0]!;
    squared[0] = direction;
    return direction;
  },
});
const { at } = MOMENTUM;

/**
 * Muon (Jordan et al. 2024), for matrices: Newton-Schulz iterations bring the singular values of each step near 1, in
 * f32 (PyTorch's are in bfloat16). Put other parameters in a group with another optimizer. Slot `momentum_buffer`.
 * @throws OptionError
 * @see torch.optim.Muon
 */
export function muon(options: MuonOptions = {}): Optimizer {
  const { lr, weightDecay, momentum, nesterov, coefficients, iterations, eps, adjustLr, maximize } = readMuon(arguments);
  const adjust = ADJUST[adjustLr];
  const variant = nesterov ? 'nesterov' : 'plain';
  return defineOptimizer({
    maximize,
    name: 'optim.muon',
    slots: (type) => slotsLike(MOMENTUM, variant, type),
    lr,
    build(group) {
      checkMatrices('optim.muon', group);
      const hyper: HyperFill = (_step, _lr, out) => {
        out[at.momentum] = momentum;
        out[at.oneMinusMomentum] = 1 - momentum;
      };
      const made = pass(MOMENTUM, variant, group, hyper, { finish: null });
      const factor = cast(div(1, maximum(sqrt(made.sums[0]!), eps)), 'f32');
      const directions = made.params.map((u, t) => {
        const one = reshape(slice(factor, { axis: 0, start: t, end: t + 1 }), []);
        return orthogonal(mul(u, one), coefficients, iterations);
      });
      const ratios = Float64Array.from(group.params, ({ shape }) => adjust(shape[0]!, shape[1]!));
      const by = group.graph.constant(ratios, [ratios.length], 'f64');
      const params = descend(group, directions, by, 'fixed', { weightDecay: () => weightDecay });
      return { params, slots: made.slots, measured: made.measured };
    },
  });
}

/** X := a X + (b X X' + c (X X')^2) X, again and again, on the shorter side of X; the norm of the first is at most 1. */
function orthogonal(first: Tensor, [a, b, c]: readonly [number, number, number], iterations: number): Tensor {
  const tall = first.shape[0]! > first.shape[1]!;
  let x = first;
  for (let i = 0; i < iterations; i++) {
    const gram = matmul(x, x, tall ? { transA: true } : { transB: true });
    const inner = add(mul(gram, b), mul(matmul(gram, gram), c));
    x = add(mul(x, a), tall ? matmul(x, inner) : matmul(inner, x));
  }
  return x;
}

function checkMatrices(where: string, { params, names }: GroupContext): void {
  for (const [t, { type }] of params.entries()) {
    if (type.shape.length === 2 && type.shape.every((d) => d > 0)) continue;
    throw new OptionError(
      `${where}: expected matrices, got ${names[t]} of ${typeName(type)}: put it in a group with another optimizer`,
      { name: names[t] },
    );
  }
}
