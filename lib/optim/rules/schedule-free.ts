// schedule-free.ts: schedule-free AdamW (Defazio et al. 2024).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep, pair } from '../../options/index.ts';
import { ascent, decay, epsilon, type Maximize, momentum, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';
import { epochNow } from '../schedules/length.ts';

/** Options of `optim.scheduleFree`. */
export interface ScheduleFreeOptions extends Maximize {
  /** Learning rate. A schedule is of use for a warm-up alone. Default 2.5e-3. */
  readonly lr?: PerStep;
  /** How far parameters lie from where steps go toward the average, above 0; and decay of the running mean of squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the mean of squares. Default 1e-8. */
  readonly eps?: number;
  /** Added as weightDecay * p to the direction, which lr multiplies. Default 0. */
  readonly weightDecay?: number;
  /** Step t counts t^r times in the average. Default 0. */
  readonly r?: number;
  /** And as the largest rate so far to this power, which lets a warm-up count little. Default 2. */
  readonly weightLrPower?: number;
}

const readScheduleFree = optionsOnly(
  'optim.scheduleFree',
  options<ScheduleFreeOptions>()({
    lr: rate.default(2.5e-3),
    betas: pair(number({ above: 0, below: 1 }), momentum).default([0.9, 0.999]),
    eps: epsilon.default(1e-8),
    weightDecay: decay.default(0),
    r: number({ min: 0 }).default(0),
    weightLrPower: number({ min: 0 }).default(2),
    maximize: ascent,
  }),
);

/**
 * Kept is how far the sequence that steps go along is from the parameters; the average follows from both. `part` is the weight of the step in the
 * average, `ofDirection` = lr (beta1 (1 - part) - 1), `ofGap` = lr beta1, `back` = (1 - beta1) / beta1. Kernel: rules/schedule_free.h.
 */
const SCHEDULE_FREE = updateOp({
  name: 'update_schedule_free',
  slots: { scheduleFree: ['exp_avg_sq', 'z_minus_y', 'x'] },
  hyper: ['ofDirection', 'ofGap', 'part', 'back', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'weightDecay'],
  rows: [
    {
      ...{ ofDirection: -0.05, ofGap: 0.09, part: 0.25, back: 0.1, beta2: 0.9, oneMinusBeta2: 0.1 },
      ...{ inverseRoot: 1.5, eps: 0.01, weightDecay: 0.3 },
    },
    {
      ...{ ofDirection: -0.2, ofGap: 0.1, part: 1, back: 1, beta2: 0.5, oneMinusBeta2: 0.5 },
      ...{ inverseRoot: 1, eps: 0.1, weightDecay: 0 },
    },
  ],
  flops: 16,
  step(_, p, g, slots, h) {
    slots[0] = h.beta2 * slots[0]! + h.oneMinusBeta2 * g * g;
    const by = g / (Math.sqrt(slots[0]) * h.inverseRoot + h.eps) + h.weightDecay * p;
    const y = p + h.part * slots[1]! + h.ofDirection * by;
    slots[1] = (1 - h.part) * (slots[1]! - h.ofGap * by);
    slots[2] = y - h.back * slots[1];
    return y;
  },
});
const { at } = SCHEDULE_FREE;

/**
 * Schedule-free AdamW: gradients are taken between where steps go and the average of where they went, and that
 * average is what is to be evaluated: it takes the place of a falling rate, so that a training may end at any step.
 * `weights: 'ema'` evaluates, predicts and saves with it, as with option `ema` of a trainer, which it takes the place
 * of; `weights: 'model'`, the default, are those that gradients are taken at. Constraints and pruning are refused,
 * since the average would not keep them. Slots `exp_avg_sq`, `z_minus_y` and `x`, the average.
 * @throws OptionError
 * @see Defazio et al. 2024, The Road Less Scheduled
 */
export function scheduleFree(options: ScheduleFreeOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, r, weightLrPower, maximize } = readScheduleFree(arguments);
  const [beta1, beta2] = betas;
  const parts = new Parts(lr, r, weightLrPower);
  return makeOptimizer({
    maximize,
    rowwise: false,
    name: 'optim.scheduleFree',
    op: SCHEDULE_FREE,
    variant: 'scheduleFree',
    average: 'x',
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      const part = parts.at(step);
      out[at.ofDirection] = lr * (beta1 * (1 - part) - 1);
      out[at.ofGap] = lr * beta1;
      out[at.part] = part;
      out[at.back] = (1 - beta1) / beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.inverseRoot] = 1 / Math.sqrt(1 - pow(beta2, step + 1));
      out[at.eps] = eps;
      out[at.weightDecay] = weightDecay;
    },
  });
}

/** The weight of each step in the average of all up to it. It goes by what the schedule says, not by what a plateau has made of the rate. */
class Parts {
  readonly #lr: (step: number) => number;
  readonly #r: number;
  readonly #power: number;
  /** Of the steps before `next`, with epochs as they were then. */
  #next = 0;
  #sum = 0;
  #largest = 0;
  #last = 0;
  #epoch: number | null = null;

  constructor(lr: (step: number) => number, r: number, power: number) {
    this.#lr = lr;
    this.#r = r;
    this.#power = power;
  }

  at(step: number): number {
    const epoch = epochNow();
    if (step !== this.#next - 1 || epoch !== this.#epoch) {
      if (step < this.#next || epoch !== this.#epoch) {
        this.#next = 0;
        this.#sum = 0;
        this.#largest = 0;
        this.#epoch = epoch;
      }
      for (; this.#next <= step; this.#next++) {
        this.#largest = Math.max(this.#largest, this.#lr(this.#next));
        this.#last = pow(this.#next + 1, this.#r) * pow(this.#largest, this.#power);
        this.#sum += this.#last;
      }
    }
    return this.#sum > 0 ? this.#last / this.#sum : 0;
  }
}
