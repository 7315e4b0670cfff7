// lbfgs.ts: L-BFGS (Liu and Nocedal 1989): steps by the curvature that gradients have shown, of several evaluations each.
import { choice, number, options, optionsOnly, type PerStep, whole } from '../../options/index.ts';
import { rate } from '../fields.ts';
import { defineSearch, type SearchOptimizer } from '../optimizer.ts';

/** Options of `optim.lbfgs`. */
export interface LBFGSOptions {
  /** The first step that is tried along a direction, a number or a schedule; without a line search each step is that long. Default 1. */
  readonly lr?: PerStep;
  /** Iterations of a step of the trainer, all on its batch. Default 20. */
  readonly maxIter?: number;
  /** Evaluations of loss and gradient after which a step ends. Default: 1.25 times `maxIter`. */
  readonly maxEval?: number;
  /** A step ends where no element of the gradient is larger. Default 1e-7. */
  readonly toleranceGrad?: number;
  /** A step ends where the loss, or every parameter, changes by less. Default 1e-9. */
  readonly toleranceChange?: number;
  /**
   * Pairs of steps and changes of the gradient that directions are made of; each, and one more, takes twice the memory of the parameters, in checkpoints,
   * too. Default 10, where PyTorch has 100.
   */
  readonly historySize?: number;
  /**
   * How far an iteration goes: `'none'`, as far as `lr` says; `'strongWolfe'`, to a point where the loss is lower and flatter, which takes some evaluations
   * more. Default `'none'`.
   */
  readonly lineSearch?: 'none' | 'strongWolfe';
}

const tolerance = number({ min: 0 });
const readLbfgs = optionsOnly(
  'optim.lbfgs',
  options<LBFGSOptions>()({
    lr: rate.default(1),
    maxIter: whole({ min: 1 }).default(20),
    maxEval: whole({ min: 1 }).optional(),
    toleranceGrad: tolerance.default(1e-7),
    toleranceChange: tolerance.default(1e-9),
    historySize: whole({ min: 1 }).default(10),
    lineSearch: choice('none', 'strongWolfe').default('none'),
  }),
);

/**
 * L-BFGS, for a loss that is the same in each evaluation: of all rows, `batchSize` being as many. A step of the trainer
 * is what PyTorch's `step(closure)` is: up to `maxIter` iterations on one batch, with the same dropout; its report is
 * that of the first evaluation. All parameters are one vector: no groups, no clipping, no constraints.
 * @throws OptionError
 * @see torch.optim.LBFGS
 */
export function lbfgs(options: LBFGSOptions = {}): SearchOptimizer {
  const { lr, maxEval, ...rule } = readLbfgs(arguments);
  const most = maxEval ?? Math.floor((rule.maxIter * 5) / 4);
  return defineSearch({ name: 'optim.lbfgs', lr, search: { ...rule, maxEval: most } });
}
