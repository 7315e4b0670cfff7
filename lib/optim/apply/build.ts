// build.ts: the update of a group by any optimizer. Those of the library read gradients through the clip policy's stages and finish what they
// write, in one pass; any other is given clipped gradients, and what it makes of them is checked and finished here.
import { GraphError, OptionError } from '../../errors.ts';
import { Tensor } from '../../ir/graph.ts';
import { DTYPE_BYTES, sameType, type TensorType, typeName } from '../../ir/op.ts';
import { cast, clamp, where } from '../../ops/elementwise/elementwise.ts';
import { staged } from '../../ops/gradient/staged.ts';
import type { Finish } from '../../ops/update/finish.ts';
import { type StageSums, update } from '../../ops/update/update.ts';
import { custom, type Field, number, Place, show } from '../../options/index.ts';
import type { GroupContext, GroupUpdate, HyperFill, Optimizer, Slot } from '../optimizer.ts';
import { EMA } from './average.ts';

/** Functions that read gradients through the stages of their group, measure, and finish what they write. */
const fused = new WeakSet<Optimizer['build']>();

/**
 * `build`, known as one that does all that is to be done around it. What is known is the function: an object that takes everything but `build` from
 * an optimizer of the library is one of one's own.
 */
export function fuse(build: Optimizer['build']): Optimizer['build'] {
  fused.add(build);
  return build;
}

export const isFused = ({ build }: Optimizer): boolean => fused.has(build);

/** An optimizer; errors name what it lacks. */
export const optimizer: Field<Optimizer> = custom('an optimizer such as optim.adamw()', (given, place) => {
  const wrong = (text: string): OptionError =>
    place.refuse(`expected an optimizer such as optim.adamw(), got ${text}`, { value: given });
  if (typeof given !== 'object' || given === null) throw wrong(given === undefined ? 'nothing' : show(given));
  const optimizer = given as Optimizer;
  const { name } = optimizer;
  if (typeof name !== 'string' || name === '') throw wrong(`${show(given)} without a name`);
  for (const key of ['build', 'slots', 'lr'] as const) {
    if (typeof optimizer[key] !== 'function') throw wrong(`${name}, whose ${key} is no function but ${show(optimizer[key])}`);
  }
  return optimizer;
});

const initial = number({ infinite: true });
const rateNow = number({ min: 0 });

/** The slots of a parameter, as the optimizer names them. @throws OptionError where they make no sense */
export function slotsOf(optimizer: Optimizer, param: string, type: TensorType): readonly Slot[] {
  const slots = optimizer.slots(type);
  const where = `${optimizer.name}: slots of ${param}`;
  if (!Array.isArray(slots)) throw new OptionError(`${where}: expected a list, got ${show(slots)}`, { name: param });
  const names = new Set<string>();
  for (const slot of slots as readonly Slot[]) {
    const { name, type: own, init = 0 } = slot ?? {};
    if (typeof name !== 'string' || name === '' || names.has(name)) {
      throw new OptionError(`${where}: expected names of their own, got ${show(name)}`, { name: param });
    }
    names.add(name);
    if (!(own?.dtype in DTYPE_BYTES) || !Array.isArray(own.shape)) {
      throw new OptionError(`${where}: ${name}: expected a type { dtype, shape }, got ${show(own)}`, { name: param });
    }
    initial.read(init, new Place(`${where}: ${name}`, 'option', 'init'));
  }
  return slots;
}

/** Writes hyper-parameters, and says where an optimizer of one's own wrote none or NaN. */
export function checkedFill({ name: where }: Optimizer, name: string, fill: HyperFill): HyperFill {
  return (step, lr, out) => {
    rateNow.read(lr, new Place(where, 'option', `lr at step ${step}`));
    out.fill(Number.NaN);
    fill(step, lr, out);
    const at = out.findIndex(Number.isNaN);
    if (at < 0) return;
    const text = `${where}: column ${show(name)}: number ${at} of ${out.length} is NaN or was not written at step ${step}`;
    throw new OptionError(text, { name, step });
  };
}

/** Add the update of a group to the graph. @throws OptionError if the optimizer gives back what is no update */
export function buildUpdate(optimizer: Optimizer, group: GroupContext): Required<GroupUpdate> {
  if (isFused(optimizer)) return checkUpdate(optimizer, group, optimizer.build(group));
  const { grads, measured } = clippedGradients(group);
  const own = optimizer.build({ ...group, grads, stages: [], measure: false, finish: null });
  const { params, slots } = checkUpdate(optimizer, group, own);
  return { params: finished(params, group.finish), slots, measured };
}

/** The gradients of a group as its stages make them, written out where there are any, or where what these change is to be measured. */
export function clippedGradients({
  graph,
  params,
  grads,
  stages,
  measure,
}: Pick<GroupContext, 'graph' | 'params' | 'grads' | 'stages' | 'measure'>): {
  readonly grads: readonly Tensor[];
  readonly measured: readonly StageSums[];
} {
  if (!measure) return { grads: stages.length > 0 ? staged(graph, grads, stages) : grads, measured: [] };
  // A mean of which the gradient makes up all: an update, since those measure.
  const hyper = graph.constant(Float64Array.of(1), [1], 'f64');
  const made = update(EMA, 'ema', { params, grads, slots: [], hyper, stages, measure });
  return { grads: made.params, measured: made.measured ? [made.measured] : [] };
}

/** New parameters within their bounds, and 0 where they are pruned. */
export function finished(params: readonly Tensor[], finish: Finish | null): readonly Tensor[] {
  if (!finish) return params;
  return params.map((p, t) => {
    const [min, max] = finish.bounds?.[t] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const within = Number.isFinite(min) || Number.isFinite(max) ? clamp(p, { min, max }) : p;
    const mask = finish.masks[t];
    return mask ? where(cast(mask, 'f32'), within, 0) : within;
  });
}

function checkUpdate(optimizer: Optimizer, group: GroupContext, given: GroupUpdate): Required<GroupUpdate> {
  const where = `${optimizer.name}: build`;
  if (typeof given !== 'object' || given === null) {
    throw new OptionError(`${where}: expected { params, slots }, got ${show(given)}`, { optimizer: optimizer.name });
  }
  const { params, slots = [], measured = [] } = given;
  const next = (what: string, t: number, was: Tensor, value: unknown): void => {
    const name = group.names[t]!;
    if (value instanceof Tensor && value.graph === group.graph && sameType(value.type, was.type)) return;
    const got = value instanceof Tensor ? typeName(value.type) : show(value);
    throw new OptionError(`${where}: ${name}: expected ${typeName(was.type)} as ${what}, got ${got}`, { name });
  };
  for (const [t, p] of group.params.entries()) {
    next('the next value', t, p, params?.[t]);
    for (const [k, slot] of group.slots[t]!.entries()) next(`the next value of slot ${k}`, t, slot, slots[t]?.[k]);
  }
  if (isFused(optimizer) && group.measure && measured.length === 0) {
    throw new GraphError(`${where}: it is fused, and has not measured what the stages do`, { optimizer: optimizer.name });
  }
  return { params, slots, measured };
}
