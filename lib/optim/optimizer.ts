// optimizer.ts: the contract of an optimizer: its slots, and the nodes that update a group of parameters.
import { printed } from '../errors/inspect.ts';
import { OptionError } from '../errors.ts';
import type { Graph, Tensor } from '../ir/graph.ts';
import { sizeOf, type TensorType } from '../ir/op.ts';
import { div } from '../ops/elementwise/elementwise.ts';
import { MOST, type Stage, scale } from '../ops/gradient/stage.ts';
import type { Finish } from '../ops/update/finish.ts';
import { type Measuring, type StageSums, type UpdateOp, type UpdateOperands, update } from '../ops/update/update.ts';
import { fn, options, optionsOnly, type PerStep, Place, text } from '../options/index.ts';
import { clippedGradients, fuse } from './apply/build.ts';
import { epsilon, rate } from './fields.ts';
import type { SearchRule } from './search/space.ts';
import type { Named } from './standalone/arrays.ts';
import { type BindOptions, BoundOptimizer, readBind } from './standalone/bound.ts';
import { BoundSearch, readBindClosure } from './standalone/closure.ts';

/** State that an optimizer keeps per parameter, named as in PyTorch's state_dict. */
export interface Slot {
  /** As checkpoints have it. */
  readonly name: string;
  /** Its dtype and shape. */
  readonly type: TensorType;
  /** First value of every element. Default 0. */
  readonly init?: number;
}

/**
 * What an optimizer is given to update one group of parameters with. One of one's own gets clipped gradients, no stages, nothing to
 * measure and nothing to finish.
 */
export interface GroupContext {
  /** What the optimizer adds its nodes to. */
  readonly graph: Graph;
  /** The parameters of the group, each of its own shape. */
  readonly params: readonly Tensor[];
  /** Their names. */
  readonly names: readonly string[];
  /** Their gradients as the policy left them, each of its parameter's shape. */
  readonly grads: readonly Tensor[];
  /** Per parameter, its slots in the order of `slots`, each of the shape that these say. */
  readonly slots: readonly (readonly Tensor[])[];
  /** What the clip policy makes of these gradients: ops read them through it. */
  readonly stages: readonly Stage[];
  /** Whether the norms before and after the stages are wanted. */
  readonly measure: Measuring;
  /** What is done to the new parameters: the last op that writes them is given it. */
  readonly finish: Finish | null;
  /**
   * `size` numbers (f64) that `fill` writes for each step, given its learning rate.
   * @shape f64 [size]
   */
  column(name: string, size: number, fill: HyperFill): Tensor;
}
/** Writes the numbers of one step. */
export type HyperFill = (step: number, lr: number, out: Float64Array) => void;

/** Next values, as the context gives them. A skipped step leaves out what is assigned of them. */
export interface GroupUpdate {
  /** What parameters become, each of its own shape. */
  readonly params: readonly Tensor[];
  /** What slots become, per parameter in the order of its slots and of their shapes. Default: there are none. */
  readonly slots?: readonly (readonly Tensor[])[];
  /** From each op that was asked to measure. */
  readonly measured?: readonly StageSums[];
}

/** Made by a function such as `adamw`, or of one's own by `define`. */
export interface Optimizer {
  /** As errors have it. */
  readonly name: string;
  /** What it remembers of a parameter. */
  slots(param: TensorType): readonly Slot[];
  /** What is added to the root of a mean of squared gradients before it divides; absent where nothing of the kind is. `advise` asks. */
  readonly eps?: number;
  /** Where an update is the gradient times the rate: the part of the last one that is added to it, 0 for none; else absent. `advise` asks. */
  readonly momentum?: number;
  /**
   * The largest norm of the clipped gradient that the arithmetic holds in f32. Where the policy skips what is not finite, it skips what is
   * beyond this too. Absent: any.
   */
  readonly limit?: number;
  /**
   * The slot, of the parameter's shape, that holds an average of it which is to be evaluated in its place: `weights: 'ema'` of a trainer. Absent: the
   * optimizer keeps none.
   */
  readonly average?: string;
  /** Each element is updated independently, by nothing that needs all steps: so rows of a table may be updated alone. */
  readonly rowwise: boolean;
  /** How it goes about a step that takes several evaluations of loss and gradient, of which a trainer's programs are made; absent: `build` says. */
  readonly search?: SearchRule;
  /** The learning rate of a step. */
  lr(step: number): number;
  /**
   * Adds the update of a group to the graph. Its gradients come clipped, and constraints and masks hold for what it returns; the library's own do
   * both in their one pass. Throws OptionError for parameters it is not made for.
   */
  build(group: GroupContext): GroupUpdate;
  /**
   * Use the optimizer standalone, on the caller's own arrays: `step(grads)` updates them in place. Parameters are Float32Arrays, in
   * a list or by name. Throws OptionError.
   */
  bind(params: Named<Float32Array>, options?: BindOptions): BoundOptimizer;
}

export interface OptimizerSpec
  extends Pick<Optimizer, 'name' | 'slots' | 'build' | 'eps' | 'momentum' | 'limit' | 'average' | 'search'> {
  /** Default false. */
  readonly rowwise?: boolean;
  /** Go up the gradient. Default false. */
  readonly maximize?: boolean;
  readonly lr: (step: number) => number;
}

/** What an optimizer of one's own is. */
export interface OwnOptimizer extends Pick<Optimizer, 'name' | 'build' | 'eps'> {
  /** A number or a schedule; `column` hands it out. */
  readonly lr: PerStep;
  /** What it remembers of a parameter. Default: nothing. */
  readonly slots?: Optimizer['slots'];
}

const readDefine = optionsOnly(
  'optim.define',
  options<OwnOptimizer>()({
    name: text,
    lr: rate,
    slots: fn<Optimizer['slots']>('a function of the type of a parameter').default(() => []),
    build: fn<Optimizer['build']>('a function of the group'),
    eps: epsilon.optional(),
  }),
);

/**
 * An optimizer of one's own, with all that those of the library have: its gradients come clipped, constraints and pruning hold for what it returns, its
 * slots are part of checkpoints, and it works in a trainer, in groups and standalone.
 *
 * ```ts
 * const signSgd = (lr: PerStep) =>
 *   optim.define({
 *     name: 'signSgd',
 *     lr,
 *     build({ params, grads, column }) {
 *       const rate = ops.cast(column('lr', 1, (step, lr, out) => void (out[0] = lr)), 'f32');
 *       return { params: params.map((p, t) => ops.sub(p, ops.mul(rate, ops.sign(grads[t])))) };
 *     },
 *   });
 * ```
 * @throws OptionError
 */
export function define(spec: OwnOptimizer): Optimizer {
  const { name, slots, build, eps } = readDefine(arguments);
  // What a schedule gives is wrong of this optimizer.
  const lr = rate.read(spec.lr, new Place(name, 'option', 'lr'));
  return optimizer({ name, lr, slots, build, ...(eps === undefined ? {} : { eps }) });
}

/** An optimizer of the library, which does all that is to be done in its updates. */
export function defineOptimizer(spec: OptimizerSpec): Optimizer {
  return optimizer({ ...spec, build: fuse(spec.maximize ? upward(spec.build) : spec.build) });
}

/** An optimizer that evaluates loss and gradient several times in a step, such as `optim.lbfgs`. */
export interface SearchOptimizer extends Optimizer {
  /** How it goes about a step. */
  readonly search: SearchRule;
  /**
   * Use it standalone, on the caller's own arrays: `step(closure)` updates them in place, and calls the closure for loss and gradients. Parameters are
   * Float32Arrays, in a list or by name. Throws OptionError.
   */
  bindClosure(params: Named<Float32Array>): BoundSearch;
}

/** An optimizer that searches: `build` and `bind` refuse. */
export function defineSearch(spec: Required<Pick<OptimizerSpec, 'name' | 'lr' | 'search'>>): SearchOptimizer {
  const build = (): never => {
    throw new OptionError(`${spec.name} evaluates the loss several times in a step: train with a Trainer`, {
      optimizer: spec.name,
    });
  };
  return Object.assign(optimizer({ ...spec, slots: () => [], build }), {
    search: spec.search,
    bindClosure(this: SearchOptimizer, _params: Named<Float32Array>) {
      return new BoundSearch(this, readBindClosure(arguments).params);
    },
  });
}

/** The same with gradients the other way around, after all that the policy does; what that changes is not counted. */
function upward(build: Optimizer['build']): Optimizer['build'] {
  return (group) => {
    if (!group.measure && group.stages.length < MOST) return build({ ...group, stages: [...group.stages, scale(-1)] });
    const { grads, measured } = clippedGradients(group);
    return { ...build({ ...group, grads, stages: [scale(-1)], measure: false }), measured };
  };
}

function optimizer(spec: OptimizerSpec): Optimizer {
  const made: Optimizer = {
    name: spec.name,
    ...(spec.eps === undefined ? {} : { eps: spec.eps }),
    ...(spec.momentum === undefined ? {} : { momentum: spec.momentum }),
    ...(spec.limit === undefined ? {} : { limit: spec.limit }),
    ...(spec.average === undefined ? {} : { average: spec.average }),
    ...(spec.search === undefined ? {} : { search: spec.search }),
    rowwise: spec.rowwise ?? false,
    lr: spec.lr,
    slots: spec.slots,
    build: spec.build,
    // Of the object that it is called on: one that is spread from another, with a part of its own, is bound with that part.
    bind(_params, _options) {
      return new BoundOptimizer(this, readBind(arguments));
    },
  };
  return printed(made, () => `Optimizer ${made.name}`);
}

export interface SinglePassSpec<H extends string, V extends string>
  extends Pick<OptimizerSpec, 'name' | 'eps' | 'momentum' | 'limit' | 'average' | 'lr' | 'rowwise' | 'maximize'> {
  // `rowwise`: default true.
  /** The update op and which of its variants. */
  readonly op: UpdateOp<H, V>;
  readonly variant: NoInfer<V>;
  /** First values of slots, by name. Default 0. */
  readonly init?: Readonly<Record<string, number>>;
  /** Writes the hyper-parameters of a step, where `at` of the op says; in f64, rounded once where they are used. */
  readonly hyper: HyperFill;
}

/** An optimizer that is one op. */
export function makeOptimizer<H extends string, V extends string>(spec: SinglePassSpec<H, V>): Optimizer {
  const { op, variant, hyper, init = {}, ...rest } = spec;
  return defineOptimizer({
    rowwise: true,
    ...rest,
    slots: (param) => slotsLike(op, variant, param, init),
    build: (group) => pass(op, variant, group, hyper),
  });
}

/** The slots of an update, which all have the shape of their parameter. */
export function slotsLike<H extends string, V extends string>(
  op: UpdateOp<H, V>,
  variant: NoInfer<V>,
  type: TensorType,
  init: Readonly<Record<string, number>> = {},
): Slot[] {
  return op.slots[variant].map((name) => ({ name, type, ...(init[name] === undefined ? {} : { init: init[name] }) }));
}

/** What an update makes of a group. */
export interface Pass extends Required<GroupUpdate> {
  /** f64 [n] each: the sums of squares over each tensor that the rule makes. */
  readonly sums: readonly Tensor[];
}

/**
 * One update of a group.
 * @param hyper writes its hyper-parameters
 * @param given in place of what the group has
 */
export function pass<H extends string, V extends string>(
  op: UpdateOp<H, V>,
  variant: NoInfer<V>,
  group: GroupContext,
  hyper: HyperFill,
  given: Partial<Pick<UpdateOperands, 'each' | 'finish'>> = {},
): Pass {
  const row = group.column('', op.hyper.length, hyper);
  const { params, slots, sums, measured } = update(op, variant, { ...group, slots: turned(group.slots), hyper: row, ...given });
  return { params, slots: turned(slots), sums, measured: measured ? [measured] : [] };
}

/** Slots per parameter as parameters per slot, and back. */
export function turned(lists: readonly (readonly Tensor[])[]): Tensor[][] {
  return (lists[0] ?? []).map((_, k) => lists.map((list) => list[k]!));
}

/** f64 [n] divided by the number of elements of each tensor. */
export function perElement(xs: readonly Tensor[], sums: Tensor): Tensor {
  const counts = Float64Array.from(xs, (x) => Math.max(1, sizeOf(x.shape)));
  return div(sums, sums.graph.constant(counts, [xs.length], 'f64'));
}
