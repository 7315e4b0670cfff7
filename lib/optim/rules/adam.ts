// adam.ts: Adam (Kingma and Ba 2014) and AdamW (Loshchilov and Hutter 2017), with AMSGrad (Reddi, Kale and Kumar 2018).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, choice, options, optionsOnly, type PerStep, pair, perStep } from '../../options/index.ts';
import { ascent, decay, epsilon, type Maximize, momentum, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adam` and `optim.adamw`. */
export interface AdamOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients, a number or a schedule, and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [PerStep, number];
  /** Added to the root of the second mean. Default 1e-8. */
  readonly eps?: number;
  /**
   * Adam adds weightDecay * p to the gradient, after clipping; AdamW shrinks p by lr * weightDecay. Default 0 of
   * Adam, 0.01 of AdamW.
   */
  readonly weightDecay?: number;
  /** Divide by the largest second mean so far. Default false. */
  readonly amsgrad?: boolean;
  /**
   * `keras`: eps is added before the second mean is corrected for its start at 0, so that it counts as eps / sqrt(1 - beta2^t) in
   * step t; and the corrections are of betas rounded to f32, which moves the first steps by 6e-6 of their length. Default 'torch'.
   */
  readonly compat?: 'torch' | 'keras';
}

const fieldsOf = (weightDecay: number) =>
  options<AdamOptions>()({
    lr: rate.default(1e-3),
    betas: pair(perStep({ min: 0, below: 1 }), momentum).default([0.9, 0.999]),
    eps: epsilon.default(1e-8),
    weightDecay: decay.default(weightDecay),
    amsgrad: bool.default(false),
    compat: choice('torch', 'keras').default('torch'),
    maximize: ascent,
  });
const readAdam = optionsOnly('optim.adam', fieldsOf(0));
const readAdamw = optionsOnly('optim.adamw', fieldsOf(1e-2));

/**
 * Variants: weight decay as a term of the gradient, or decoupled, where `decay` is the factor 1 - lr * weight decay; each without and with
 * AMSGrad. Kernel: rules/adam.h.
 */
const ADAM = updateOp({
  name: 'update_adam',
  slots: {
    adam: ['exp_avg', 'exp_avg_sq'],
    adamw: ['exp_avg', 'exp_avg_sq'],
    adamAmsgrad: ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'],
    adamwAmsgrad: ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'],
  },
  hyper: ['stepSize', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'decay'],
  rows: [
    { stepSize: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, inverseRoot: 1.5, eps: 0.01, decay: 0.8 },
    { stepSize: 0.2, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, inverseRoot: 1, eps: 0.1, decay: 0 },
  ],
  flops: 14,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === 'adamw' || variant === 'adamwAmsgrad';
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    const p = decoupled ? parameter * h.decay : parameter;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const v = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    slots[0] = m;
    slots[1] = v;
    let largest = v;
    if (slots.length > 2) {
      largest = Math.max(slots[2]!, v);
      slots[2] = largest;
    }
    return p - (h.stepSize * m) / (Math.sqrt(largest) * h.inverseRoot + h.eps);
  },
});
const { at } = ADAM;

/**
 * Adam (Kingma and Ba 2014): a running mean of gradients over the root of one of squares. Slots `exp_avg`,
 * `exp_avg_sq`, with AMSGrad `max_exp_avg_sq`.
 * @throws OptionError
 * @see torch.optim.Adam
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return make('optim.adam', false, readAdam(arguments));
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2017). Slots `exp_avg`, `exp_avg_sq`, with AMSGrad
 * `max_exp_avg_sq`.
 * @throws OptionError
 * @see torch.optim.AdamW
 */
export function adamw(options: AdamOptions = {}): Optimizer {
  return make('optim.adamw', true, readAdamw(arguments));
}

/** What a running mean that began at 0 is divided by after t steps; and as f32 has it. */
const exact = (beta: number, t: number): number => 1 - pow(beta, t);
const inF32 = (beta: number, t: number): number => Math.fround(1 - Math.fround(pow(Math.fround(beta), t)));

function make(name: string, decoupled: boolean, values: ReturnType<typeof readAdam>): Optimizer {
  const { lr, betas, eps, weightDecay, amsgrad, compat, maximize } = values;
  const [beta1At, beta2] = betas;
  const plain = decoupled ? 'adamw' : 'adam';
  const largest = decoupled ? 'adamwAmsgrad' : 'adamAmsgrad';
  return makeOptimizer({
    maximize,
    name,
    op: ADAM,
    variant: amsgrad ? largest : plain,
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      const t = step + 1;
      const beta1 = beta1At(step);
      const correction = compat === 'keras' ? inF32 : exact;
      out[at.stepSize] = lr / correction(beta1, t);
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      const inverseRoot = 1 / Math.sqrt(correction(beta2, t));
      out[at.inverseRoot] = inverseRoot;
      out[at.eps] = compat === 'keras' ? eps * inverseRoot : eps;
      out[at.decay] = decoupled ? 1 - lr * weightDecay : weightDecay;
    },
  });
}
