// rewritten.ts: optimizers of the library written once more with optim.custom, in the order of operations of their kernels: the same bits.
import { ops, optim } from '../lib/index.ts';
import { pow } from '../lib/math/index.ts';

const LARGEST = 3.4028234663852886e38;
const SQUARES = 2 ** 63;

/** Both of one rule. */
export interface Pair {
  readonly builtIn: optim.Optimizer;
  readonly own: optim.CustomOptimizer;
  /** The case of golden/optim that it is a rule of. */
  readonly golden: string;
}

const momentum = (lr: optim.PerStep = 0.01): Pair => ({
  golden: 'lookahead of sgd',
  builtIn: optim.sgd({ lr, momentum: 0.9 }),
  own: optim.custom({
    name: 'own sgd',
    lr,
    slots: ['momentum_buffer'],
    hyper: { momentum: 0.9, down: (_, lr) => -lr, first: (step) => (step === 0 ? 1 : 0) },
    update(p, g, s, h) {
      const buffer = ops.where(h.first, g, ops.add(g, ops.mul(s.momentum_buffer, h.momentum)));
      return { p: ops.fma(buffer, h.down, p), slots: { momentum_buffer: buffer } };
    },
  }),
});

/** With or without decoupled weight decay. */
const adam = (weightDecay: number, lr: optim.PerStep = 1e-3): Pair => {
  const [beta1, beta2] = [0.9, 0.999];
  return {
    golden: weightDecay > 0 ? 'adamw' : 'adam',
    builtIn: weightDecay > 0 ? optim.adamw({ lr, weightDecay }) : optim.adam({ lr }),
    own: optim.custom({
      name: 'own adam',
      lr,
      limit: SQUARES,
      eps: 1e-8,
      slots: { exp_avg: 0, exp_avg_sq: 0 },
      hyper: {
        rest1: 1 - beta1,
        beta2,
        rest2: 1 - beta2,
        down: (step, lr) => -lr / (1 - pow(beta1, step + 1)),
        inverseRoot: (step) => 1 / Math.sqrt(1 - pow(beta2, step + 1)),
        eps: 1e-8,
        decay: (_, lr) => 1 - lr * weightDecay,
      },
      update(p, g, s, h) {
        const shrunk = weightDecay > 0 ? ops.mul(p, h.decay) : p;
        const m = ops.fma(ops.sub(g, s.exp_avg), h.rest1, s.exp_avg);
        const squares = ops.fma(ops.mul(h.rest2, g), g, ops.mul(s.exp_avg_sq, h.beta2));
        const v = ops.minimum(LARGEST, squares);
        const step = ops.div(ops.mul(h.down, m), ops.fma(ops.sqrt(v), h.inverseRoot, h.eps));
        return { p: ops.add(shrunk, step), slots: { exp_avg: m, exp_avg_sq: v } };
      },
    }),
  };
};

const lion = (lr: optim.PerStep = 1e-2): Pair => ({
  golden: 'lion, decay',
  builtIn: optim.lion({ lr, betas: [0.95, 0.98], weightDecay: 0.1 }),
  own: optim.custom({
    name: 'own lion',
    lr,
    slots: ['exp_avg'],
    hyper: { beta1: 0.95, rest1: 1 - 0.95, beta2: 0.98, rest2: 1 - 0.98, decay: (_, lr) => 1 - lr * 0.1, down: (_, lr) => -lr },
    update(p, g, s, h) {
      const c = ops.fma(g, h.rest1, ops.mul(s.exp_avg, h.beta1));
      const step = ops.where(ops.less(0, c), h.lr, ops.where(ops.less(c, 0), h.down, c));
      const next = ops.fma(g, h.rest2, ops.mul(s.exp_avg, h.beta2));
      return { p: ops.sub(ops.mul(p, h.decay), step), slots: { exp_avg: next } };
    },
  }),
});

const rmsprop = (lr: optim.PerStep = 1e-2): Pair => ({
  golden: 'rmsprop',
  builtIn: optim.rmsprop({ lr, alpha: 0.99 }),
  own: optim.custom({
    name: 'own rmsprop',
    lr,
    limit: SQUARES,
    eps: 1e-8,
    slots: ['square_avg'],
    hyper: { alpha: 0.99, rest: 1 - 0.99, eps: 1e-8, down: (_, lr) => -lr },
    update(p, g, s, h) {
      const v = ops.minimum(LARGEST, ops.fma(ops.mul(h.rest, g), g, ops.mul(s.square_avg, h.alpha)));
      const step = ops.div(ops.mul(h.down, g), ops.add(ops.sqrt(v), h.eps));
      return { p: ops.add(p, step), slots: { square_avg: v } };
    },
  }),
});

/** Each with its rate: by default that of its golden. */
export const REWRITTEN: Readonly<Record<string, (lr?: optim.PerStep) => Pair>> = {
  sgd: momentum,
  adam: (lr) => adam(0, lr),
  adamw: (lr) => adam(1e-2, lr),
  lion,
  rmsprop,
};
