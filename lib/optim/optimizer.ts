// optimizer.ts: the contract of an optimizer: its slots, its row of hyper-parameters, and the update op that reads them.
import { OptionError } from '../errors.ts';
import type { OpDef, TensorType } from '../ir/op.ts';
import type { UpdateAttrs } from '../ops/update.ts';
import { checkNumber, checkPerStep, type PerStep, show } from '../options.ts';
import type { Named } from './arrays.ts';
import { type BindOptions, BoundOptimizer } from './bound.ts';

/** State that an optimizer keeps per parameter, named as in PyTorch's state_dict. */
export interface Slot {
  readonly name: string;
  readonly type: TensorType;
  /** First value of every element. Default 0. */
  readonly init?: number;
}

export interface Optimizer {
  readonly name: string;
  /** The update op and which of its variants. */
  readonly op: OpDef<UpdateAttrs>;
  readonly variant: number;
  slots(param: TensorType): readonly Slot[];
  /** What is added to the root of a mean of squared gradients before it divides; absent where nothing of the kind is. `advise` asks. */
  readonly eps?: number;
  lr(step: number): number;
  /**
   * Writes the hyper-parameters of a step, in the order the op reads them; in f64, rounded once where they are used.
   * @param rate learning rate in place of `lr(step)`
   */
  hyper(step: number, out: Float64Array, rate?: number): void;
  /**
   * Use the optimizer by itself, on the caller's own arrays: `step(grads)` updates them in place. Parameters are Float32Arrays, in
   * a list or by name. Throws OptionError.
   */
  bind(params: Named<Float32Array>, options?: BindOptions): BoundOptimizer;
}

export interface OptimizerSpec extends Pick<Optimizer, 'name' | 'op' | 'variant' | 'eps'> {
  readonly slots: readonly (string | { readonly name: string; readonly init: number })[];
  readonly lr: PerStep;
  hyper(step: number, lr: number, out: Float64Array): void;
}

/** An optimizer whose slots all have the shape of their parameter. */
export function makeOptimizer(spec: OptimizerSpec): Optimizer {
  const { name, op, variant } = spec;
  const lr = checkPerStep(name, 'lr', spec.lr, { min: 0 });
  const self: Optimizer = {
    name,
    op,
    variant,
    ...(spec.eps === undefined ? {} : { eps: spec.eps }),
    lr,
    slots: (param) => spec.slots.map((slot) => ({ ...(typeof slot === 'string' ? { name: slot } : slot), type: param })),
    hyper: (step, out, rate = lr(step)) => spec.hyper(step, rate, out),
    bind: (params, options = {}) => new BoundOptimizer(self, params, options),
  };
  return self;
}

/** Two decay rates below 1, checked. */
export function checkBetas(where: string, given: unknown, usual: readonly [number, number]): readonly [number, number] {
  const betas: unknown = given ?? usual;
  if (!Array.isArray(betas) || betas.length !== 2) {
    throw new OptionError(`${where}: option betas: expected two numbers, got ${show(betas)}`, { betas });
  }
  return betas.map((b, i) => checkNumber(where, `betas[${i}]`, b, { min: 0, below: 1 })) as [number, number];
}
