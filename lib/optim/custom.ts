// custom.ts: an optimizer of one's own that is a rule for one parameter, in ops. Where all it does is elementwise it becomes one pass over the
// parameters of a group, as those of the library are.
import { OptionError } from '../errors.ts';
import { Tensor } from '../ir/graph.ts';
import { sameType, type TensorType, typeName } from '../ir/op.ts';
import { cast } from '../ops/elementwise/elementwise.ts';
import { apply } from '../ops/elementwise/maps.ts';
import { type Traced, traceChain, traceInputs } from '../ops/elementwise/own.ts';
import { selectStages } from '../ops/gradient/stage.ts';
import { reshape } from '../ops/shape/shape.ts';
import { slice } from '../ops/shape/slice.ts';
import type { Finish } from '../ops/update/finish.ts';
import { updateChain } from '../ops/update/own-update.ts';
import type { StageSums } from '../ops/update/update.ts';
import {
  type AtStep,
  custom as customField,
  type Field,
  fn,
  number,
  options,
  optionsOnly,
  type PerStep,
  Place,
  record,
  show,
  text,
} from '../options/index.ts';
import { clippedGradients, finished } from './apply/build.ts';
import { epsilon, rate } from './fields.ts';
import { defineOptimizer, type GroupContext, type GroupUpdate, type HyperFill, type Optimizer, turned } from './optimizer.ts';

/** A number, or what it is in a step: of the step, from 0, and its learning rate. A schedule is one. */
export type HyperValue = number | ((step: number, lr: number) => number);

/** What `update` gives where there are slots. */
export interface CustomUpdate<S extends string = string> {
  /** The next value of the parameter, of its shape. */
  readonly p: Tensor;
  /** The next value of each slot, of the parameter's shape. What stays is given back as it was. */
  readonly slots: Readonly<Record<S, Tensor>>;
}

/** Options of `optim.custom`. */
export interface CustomOptions<S extends string = string, H extends string = string> {
  /** As errors and reports have it. Default 'custom'. */
  readonly name?: string;
  /** Learning rate, a number or a schedule. */
  readonly lr: PerStep;
  /** What is remembered of a parameter, each of its shape: names, or names with the first value of all elements. Default []: nothing. */
  readonly slots?: readonly S[] | Readonly<Record<S, number>>;
  /** Numbers that `update` is given beside `lr`. Default {}: none. */
  readonly hyper?: Readonly<Record<H, HyperValue>>;
  /**
   * The rule for one parameter: its next value, or `{ p, slots }`. It is called while a graph is made, not in each step, with f32 tensors: the parameter
   * and its clipped gradient, slots by name, of the same shape, and scalars.
   */
  readonly update: (
    p: Tensor,
    g: Tensor,
    slots: Readonly<Record<S, Tensor>>,
    hyper: Readonly<Record<H | 'lr', Tensor>>,
  ) => Tensor | CustomUpdate<S>;
  /** What is added to the root of a mean of squared gradients before it divides, where there is one: `advise` asks. Default: none. */
  readonly eps?: number;
  /**
   * The largest norm of the clipped gradient that the arithmetic holds in f32: a policy that skips what is not finite skips what is beyond this, too. A rule
   * that squares gradients says 2 ** 63. Default: any.
   */
  readonly limit?: number;
}

/** What `optim.custom` makes. */
export interface CustomOptimizer extends Optimizer {
  /** All that `update` does is elementwise: parameters, slots and gradients are read once, and written once. Else each op is an instruction. */
  readonly onePass: boolean;
}

type Update = CustomOptions['update'];

const initial = number({ infinite: true });
const slotsField: Field<readonly string[] | Readonly<Record<string, number>>, readonly (readonly [string, number])[]> =
  customField('names of slots, or an object of their first values', (value, place) => {
    const wrong = (): OptionError => place.wrong('names of slots, or an object of their first values', value);
    if (typeof value !== 'object' || value === null) throw wrong();
    if (!Array.isArray(value)) return Object.entries(value).map(([name, init]) => [name, initial.read(init, place.key(name))]);
    if (!value.every((name) => typeof name === 'string' && name !== '')) throw wrong();
    const twice = value.find((name, i) => value.indexOf(name) !== i);
    if (twice !== undefined) throw place.refuse(`expected names of their own, got ${show(twice)} twice`, { value });
    return (value as string[]).map((name) => [name, 0]);
  });
const hyperField: Field<HyperValue> = customField('a number, or a function of step and lr', (value, place) => {
  if (typeof value === 'number') return initial.read(value, place);
  return fn<Exclude<HyperValue, number>>('a number, or a function of step and lr').read(value, place);
});

const readCustom = optionsOnly(
  'optim.custom',
  options<CustomOptions>()({
    name: text.default('custom'),
    lr: rate,
    slots: slotsField.default([]),
    hyper: record(hyperField, 'an object of numbers and functions of step and lr').default({}),
    update: fn<Update>('a function of parameter, gradient, slots and hyper-parameters'),
    eps: epsilon.optional(),
    limit: number({ above: 0 }).optional(),
  }),
);

/**
 * An optimizer of one's own, as a rule for one parameter. Gradients come clipped; constraints, pruning, skipped steps, averages,
 * checkpoints, groups and embeddings by rows are as of any optimizer. Where all that `update` does is elementwise (`ops.add`, `ops.fma`,
 * `ops.where`, ...), it is one pass over the memory of parameters, gradients and slots, and `onePass` says so; where it sums, multiplies
 * matrices or changes shapes, every op is an instruction of its own. What it writes is at least 2^-126 in size, or 0.
 *
 * ```ts
 * const signum = optim.custom({
 *   lr: 1e-3,
 *   slots: ['momentum'],
 *   hyper: { beta: 0.9 },
 *   update(p, g, { momentum }, { lr, beta }) {
 *     const m = ops.fma(momentum, beta, g);
 *     return { p: ops.sub(p, ops.mul(lr, ops.sign(m))), slots: { momentum: m } };
 *   },
 * });
 * ```
 * @throws OptionError
 * @see gradclip: a rule in ops that is fused with the clip
 */
export function custom<const S extends string = never, const H extends string = never>(
  options: CustomOptions<S, H>,
): CustomOptimizer;
export function custom(options: CustomOptions): CustomOptimizer {
  const given = readCustom(arguments);
  const where = new Place(given.name, 'option', 'lr');
  if (Object.hasOwn(given.hyper, 'lr'))
    throw new OptionError('optim.custom: option hyper: lr is given beside it, as option lr', { value: given.hyper });
  const rule = new Rule(given.name, given.slots, given.hyper, given.update);
  const made = defineOptimizer({
    name: given.name,
    lr: rate.read(options.lr, where) as AtStep,
    ...(given.eps === undefined ? {} : { eps: given.eps }),
    ...(given.limit === undefined ? {} : { limit: given.limit }),
    rowwise: rule.rowwise,
    slots: (type) => given.slots.map(([name, init]) => ({ name, type, ...(init === 0 ? {} : { init }) })),
    build: (group) => rule.build(group),
  });
  return Object.assign(made, { onePass: rule.onePass });
}

/** Numbers of a step that a chain is given. */
interface Chained extends Extract<Traced, { readonly chain: unknown }> {
  readonly places: number[];
}

class Rule {
  readonly #name: string;
  readonly #slots: readonly string[];
  readonly #hyper: readonly (readonly [string, HyperValue])[];
  readonly #update: Update;
  readonly #traced = new Map<string, Traced>();

  constructor(
    name: string,
    slots: readonly (readonly [string, number])[],
    hyper: Readonly<Record<string, HyperValue>>,
    update: Update,
  ) {
    this.#name = name;
    this.#slots = slots.map(([slot]) => slot);
    this.#hyper = Object.entries(hyper);
    this.#update = update;
  }

  /** Of a matrix and of a vector. What is wrong with it is an error when there are parameters. */
  get onePass(): boolean {
    return [[2, 3], [3]].every((shape) => this.#chainOf(shape) !== null);
  }

  /** Elementwise, and the same however many rows there are. */
  get rowwise(): boolean {
    const [few, many] = [this.#chainOf([2, 3]), this.#chainOf([5, 3])];
    return few !== null && JSON.stringify(few) === JSON.stringify(many);
  }

  #chainOf(shape: readonly number[]): Traced | null {
    try {
      const traced = this.#trace(shape, 'a parameter');
      return 'chain' in traced ? traced : null;
    } catch {
      return null;
    }
  }

  #trace(shape: readonly number[], name: string): Traced {
    const key = shape.join();
    let traced = this.#traced.get(key);
    if (!traced) {
      const { vectors, given } = traceInputs(shape, 2 + this.#slots.length, 1 + this.#hyper.length);
      const [p, g, ...slots] = vectors as [Tensor, Tensor, ...Tensor[]];
      const next = this.#next(name, p, g, slots, given);
      traced = traceChain(next, vectors, given);
      this.#traced.set(key, traced);
    }
    return traced;
  }

  /** The next values of the parameter and its slots. @throws OptionError where `update` gives none */
  #next(name: string, p: Tensor, g: Tensor, slots: readonly Tensor[], numbers: readonly Tensor[]): Tensor[] {
    const where = `${this.#name}: update of ${name}`;
    const named = <T>(names: readonly string[], values: readonly T[]) =>
      Object.fromEntries(names.map((n, k) => [n, values[k]!] as const));
    const hyper = named(['lr', ...this.#hyper.map(([n]) => n)], numbers);
    const made: unknown = this.#update(p, g, named(this.#slots, slots), hyper as Parameters<Update>[3]);
    const isTensor = isOf(p, made);
    if (!isTensor && (typeof made !== 'object' || made === null)) {
      throw new OptionError(`${where}: expected a tensor, or { p, slots }, got ${show(made)}`, { name });
    }
    const given = isTensor ? { p: made } : (made as Partial<CustomUpdate>);
    const nexts: Readonly<Record<string, unknown>> = given.slots ?? {};
    const unknown = Object.keys(nexts).find((key) => !this.#slots.includes(key));
    if (unknown !== undefined) throw new OptionError(`${where}: there is no slot ${show(unknown)}`, { name, slot: unknown });
    return [
      this.#checked(where, 'the next value', name, p.type, given.p, p),
      ...this.#slots.map((slot) => this.#checked(where, `the next value of slot ${slot}`, name, p.type, nexts[slot], p)),
    ];
  }

  #checked(where: string, what: string, name: string, type: TensorType, value: unknown, of: Tensor): Tensor {
    if (isOf(of, value) && sameType(value.type, type)) return value;
    const got = isOf(of, value) ? typeName(value.type) : show(value);
    throw new OptionError(`${where}: expected ${typeName(type)} as ${what}, got ${got}`, { name });
  }

  /** The numbers of a step, then constants. */
  #fill(constants: readonly number[]): HyperFill {
    return (step, lr, out) => {
      out[0] = lr;
      this.#hyper.forEach(([name, value], k) => {
        const now = typeof value === 'number' ? value : value(step, lr);
        out[1 + k] = initial.read(now, new Place(this.#name, 'option', `hyper.${name} at step ${step}`));
      });
      constants.forEach((c, k) => {
        out[1 + this.#hyper.length + k] = c;
      });
    };
  }

  build(group: GroupContext): Required<GroupUpdate> {
    const chains = new Map<string, Chained>();
    const others: number[] = [];
    for (const [t, p] of group.params.entries()) {
      const traced = this.#trace(p.shape, group.names[t]!);
      if ('chain' in traced) {
        const key = JSON.stringify([traced.chain, traced.constants.map(String)]);
        const known = chains.get(key);
        if (known) known.places.push(t);
        else chains.set(key, { ...traced, places: [t] });
      } else others.push(t);
    }
    const params: Tensor[] = [];
    const slots: (readonly Tensor[])[] = [];
    const measured: StageSums[] = [];
    const take = (places: readonly number[], made: Required<GroupUpdate>): void => {
      for (const [k, t] of places.entries()) {
        params[t] = made.params[k]!;
        slots[t] = made.slots[k] ?? [];
      }
      measured.push(...made.measured);
    };
    [...chains.values()].forEach((chained, i) => {
      take(chained.places, this.#chained(partOf(group, chained.places), chained, i === 0 ? '' : `chain${i}`));
    });
    if (others.length > 0) take(others, this.#written(partOf(group, others)));
    return { params, slots, measured };
  }

  /** One pass over these parameters. */
  #chained(group: GroupContext, { chain, constants }: Chained, name: string): Required<GroupUpdate> {
    const hyper = group.column(name, chain.given, this.#fill(constants));
    const made = updateChain(chain, { ...group, slots: turned(group.slots), hyper });
    return { params: made.params, slots: turned(made.slots), measured: made.measured ? [made.measured] : [] };
  }

  /** Ops, one by one, of gradients that are written out. */
  #written(group: GroupContext): Required<GroupUpdate> {
    const { grads, measured } = clippedGradients(group);
    const count = 1 + this.#hyper.length;
    const row = cast(group.column('ops', count, this.#fill([])), 'f32');
    const numbers = Array.from({ length: count }, (_, k) => reshape(slice(row, { axis: 0, start: k, end: k + 1 }), []));
    const next = group.params.map((p, t) =>
      this.#next(group.names[t]!, p, grads[t]!, group.slots[t]!, numbers).map((x) => apply('flush', x)),
    );
    return {
      params: finished(
        next.map(([p]) => p!),
        group.finish,
      ),
      slots: next.map((x) => x.slice(1)),
      measured,
    };
  }
}

/** Is it a tensor of the same graph? */
const isOf = (of: Tensor, value: unknown): value is Tensor => value instanceof Tensor && value.graph === of.graph;

/** Some parameters of a group. */
function partOf(group: GroupContext, places: readonly number[]): GroupContext {
  if (places.length === group.params.length) return group;
  const pick = <T>(list: readonly T[]): T[] => places.map((t) => list[t]!);
  const finish: Finish | null = group.finish && {
    bounds: group.finish.bounds && pick(group.finish.bounds),
    masks: pick(group.finish.masks),
  };
  return {
    ...group,
    params: pick(group.params),
    names: pick(group.names),
    grads: pick(group.grads),
    slots: pick(group.slots),
    stages: selectStages(group.stages, places),
    finish,
  };
}
