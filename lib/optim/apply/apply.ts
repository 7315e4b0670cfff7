// apply.ts: clip, update and report as nodes of a graph: what the trainer and a standalone optimizer have in common.

import { buildPolicy } from '../../clip/build.ts';
import type { ClipColumns, ClipPolicy, Clipped, SampleTotals } from '../../clip/clip.ts';
import type { Column } from '../../compile/program.ts';
import { GraphError, OptionError, ShapeError } from '../../errors.ts';
import { type Graph, inSection, isLeaf, type State, type Tensor } from '../../ir/graph.ts';
import { type Data, sameShape, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import type { Purpose } from '../../native/room.ts';
import type { Parameter } from '../../nn/module/module.ts';
import { add, cast, div, less, mul, sqrt } from '../../ops/elementwise/elementwise.ts';
import { type Stage, selectStages, unscale } from '../../ops/gradient/stage.ts';
import { staged } from '../../ops/gradient/staged.ts';
import type { Lookups } from '../../ops/rows/sparse-rows.ts';
import { partOf, type Ranked } from '../../ops/step/parts.ts';
import type { StageSums } from '../../ops/update/update.ts';
import type { Optimizer } from '../optimizer.ts';
import type { SearchRule } from '../search/space.ts';
import { type SearchStates, searchStates } from '../search/states.ts';
import { buildEvaluated } from '../search/vectors.ts';
import { buildEma } from '../weights/ema.ts';
import { buildUpdate, checkedFill, isFused, slotsOf } from './build.ts';
import { StepColumns } from './columns.ts';
import type { Finishing } from './finishing.ts';
import { checkStages, taken } from './lookups.ts';
import { isShared, SharedParts } from './shared-parts.ts';

/** What the memory of `ApplyStates` is for. */
export const STATES: Purpose = {
  what: 'the state of optimizer and policy',
  advice: 'An optimizer that keeps less of each parameter takes less',
};

/** What can be updated: a Parameter, or anything else with a name and a state. */
export interface Updatable {
  readonly name: string;
  readonly state: State;
}

/** Parameters that are updated alike. */
export interface ApplyGroup<P extends Updatable = Parameter> {
  readonly params: readonly P[];
  readonly optimizer: Optimizer;
  /** The first step in which they are trained, from which the optimizer counts; its learning rate follows the step itself. Default 0. */
  readonly since?: number;
}

export interface ApplyOptions {
  readonly graph: Graph;
  readonly groups: readonly ApplyGroup<Updatable>[];
  /** All names of the parameters, of which tied ones have several. Default: that of each. */
  readonly allNames?: ReadonlyMap<unknown, readonly string[]>;
  /** Slots and policy state: every graph built with these shares them. Default: new ones. */
  readonly states?: ApplyStates;
  /** Final gradients (summed over uses and micro-batches, and divided) of all parameters of all groups, in order. */
  readonly grads: readonly Tensor[];
  /** Per parameter: the lookups that its gradient is made of, where only those rows are to be updated. Default: none. */
  readonly lookups?: readonly (Lookups | null)[];
  readonly policy: ClipPolicy;
  /** Of gradients that are sums over samples by weights: what became of the samples. */
  readonly samples?: SampleTotals | null;
  /** f64 scalar, for policies that look at it. */
  readonly loss?: Tensor;
  /** f64 scalar, a power of two: what gradients are to be multiplied by before anything else. */
  readonly unscale?: Tensor | null;
  /** f64 scalar, not 0 to skip the step, whatever the policy says. */
  readonly skip?: Tensor | null;
  /** What becomes of the learning rates that the optimizers give. Asked when rows are filled. */
  readonly rate?: (lr: number) => number;
  /** Told what the learning rate of a group becomes in a step, when rows are filled. */
  readonly onRate?: (group: number, lr: number, step: number) => void;
  /** Columns of the step row; default: new ones. */
  readonly columns?: StepColumns;
  /** Keep an average of the parameters, of which each step's new values make up so much. */
  readonly ema?: ((step: number) => number) | null;
  /** Constraints and pruning. */
  readonly finishing?: Finishing;
  /** Given the gradients as the policy makes them, written out, for whoever looks at them beside the update. */
  readonly clipped?: (grads: readonly Tensor[]) => void;
}

export interface Apply {
  /** Names of all parameters, in the order in which reports count them. */
  readonly names: readonly string[];
  /**
   * Rows of hyper-parameters and thresholds for `count` steps from `step` on.
   * @param row `step` of the compiled program
   */
  fillRows(row: { readonly bytes: number; readonly columns: readonly Column[] }, step: number, count: number): Float64Array;
}

/**
 * Add to a graph, in its `apply` section: what the policy measures and decides over all groups together, one update per group, the
 * assignment of parameters and slots, the skip decision and the report columns.
 */
export function buildApply(options: ApplyOptions): Apply {
  const { graph, groups, grads, policy, unscale: by = null } = options;
  const params = groups.flatMap((g) => g.params);
  checkGradients(params, grads);
  const { states = new ApplyStates() } = options;
  const columns = options.columns ?? new StepColumns(graph);
  const perStep = (name: string, value: (step: number) => number): Tensor => {
    return columns.of(name, [], (step, out) => {
      out[0] = value(step);
    });
  };
  inSection(graph, 'apply', () => {
    const first = by ? [unscale(by)] : [];
    const clipped = buildPolicy(policy, {
      graph,
      params: params.map((p) => graph.state(p.state)),
      grads,
      names: params.map((p) => p.name),
      ...(options.allNames && { allNames: params.map((p) => options.allNames!.get(p) ?? [p.name]) }),
      loss: options.loss ?? null,
      ...(options.samples && { samples: options.samples }),
      stages: first,
      perStep: (name, value) => perStep(`clip.${name}`, value),
      state: (name, type, init, options) => states.of(`clip.${name}`, type, init, options),
    });
    // An update that counts what the stages change must not count the first; gradients that the policy replaced have it in them.
    const apart = by !== null && clipped.measure && !clipped.grads;
    const updates = clipped.grads ?? (apart ? grads.map((g) => mul(g, cast(by, 'f32'))) : grads);
    const stages = apart || clipped.grads ? clipped.stages : [...first, ...clipped.stages];
    options.clipped?.(stages.length > 0 ? staged(graph, updates, stages) : updates);
    const { search } = groups[0]!.optimizer;
    const measured = search
      ? buildSearch(options, search, states, clipped)
      : updated({ ...options, states }, columns, clipped, { updates, stages, apart, perStep });
    const report =
      measured.length > 0 ? { ...clipped.report, ...measuredColumns(clipped.report, measured, grads) } : clipped.report;
    // Times one: a threshold that is given goes out with what is computed, not by a copy of its own.
    for (const [name, t] of Object.entries(report) as [string, Tensor][]) graph.output(name, isLeaf(t.node) ? mul(t, 1) : t);
    const skips = [options.skip, clipped.skip, beyondLimit(groups, clipped)].filter((t) => t !== null && t !== undefined);
    if (skips.length > 0) {
      graph.skip = skips.reduce((a, b) => add(a, b));
      graph.output('skipped', less(0, graph.skip));
    }
  });
  return {
    names: params.map((p) => p.name),
    fillRows: (row, step, count) => columns.rows(row, step, count),
  };
}

/** What updates are given. */
interface Given {
  /** Gradients, and the stages that they are read through. */
  readonly updates: readonly Tensor[];
  readonly stages: readonly Stage[];
  /** Gradients are multiplied by `unscale` before. */
  readonly apart: boolean;
  perStep(name: string, value: (step: number) => number): Tensor;
}

/** One update per group, and what follows from new values. @returns what updates were asked to measure */
function updated(
  {
    graph,
    groups,
    policy,
    rate,
    finishing,
    states,
    unscale: by = null,
    ...options
  }: ApplyOptions & { readonly states: ApplyStates },
  columns: StepColumns,
  clipped: Clipped,
  { updates, stages, apart, perStep }: Given,
): readonly StageSums[] {
  const params = groups.flatMap((g) => g.params);
  const measured: StageSums[] = [];
  const values = new Map<State, Tensor>();
  const shared = new SharedParts(graph, states.ranked);
  let offset = 0;
  for (const [i, group] of groups.entries()) {
    const { optimizer, since = 0 } = group;
    const places = group.params.map((_, t) => offset + t);
    const slots = slotStates(group, states);
    const finish = finishing?.ofUpdate(graph, group.params) ?? null;
    const own = groups.length > 1 ? selectStages(stages, places) : stages;
    const measure = clipped.measure && (clipped.report.norm ? 'after' : 'all');
    const read = shared.read(group, { grads: places.map((place) => updates[place]!), stages: own, measure, finish });
    measured.push(...read.measured);
    // Of a table that is updated by rows, these are in its place; of a parameter that processes share, the part of this one.
    const rows = group.params.map((p, t) => {
      const found = options.lookups?.[offset + t];
      if (!found) return shared.taken(p.state, read.grads[t]!);
      checkStages(p.name, policy.name, clipped, finish, offset + t);
      const of = taken(
        found,
        graph.state(p.state),
        slots[t]!.map((state) => graph.state(state)),
      );
      return { ...of, grad: apart ? mul(of.grad, cast(by!, 'f32')) : of.grad };
    });
    const updated = buildUpdate(optimizer, {
      graph,
      params: group.params.map((p, t) => rows[t]?.param ?? graph.state(p.state)),
      names: group.params.map((p) => p.name),
      grads: read.grads.map((grad, t) => rows[t]?.grad ?? grad),
      slots: slots.map((s, t) => rows[t]?.slots ?? s.map((state) => graph.state(state))),
      stages: read.stages,
      measure: read.measure,
      finish,
      column(name, size, fill) {
        const checked = isFused(optimizer) ? fill : checkedFill(optimizer, name, fill);
        return columns.of(['hyper', i, name].filter((s) => s !== '').join('.'), [size], (step, out) => {
          const given = optimizer.lr(step);
          const lr = rate ? rate(given) : given;
          options.onRate?.(i, lr, step);
          checked(step - since, lr, out);
        });
      },
    });
    group.params.forEach((p, t) => {
      const next = [updated.params[t]!, ...(updated.slots[t] ?? [])];
      const [value, ...ofSlots] = rows[t]?.put(next[0]!, next.slice(1)) ?? next;
      if (value) values.set(p.state, value);
      for (const [k, state] of slots[t]!.entries()) graph.assign(state, ofSlots[k]!);
    });
    measured.push(...updated.measured);
    offset += group.params.length;
  }
  for (const [state, value] of shared.gathered()) values.set(state, value);
  finishing?.afterUpdates(graph, values, perStep);
  for (const [state, value] of values) graph.assign(state, value);
  if (options.ema) buildEma(graph, params, values, states, columns, options.ema, finishing);
  return measured;
}

/** Of an optimizer that searches: an evaluation. @throws OptionError for a policy that changes gradients */
function buildSearch(
  { graph, groups, grads, policy }: ApplyOptions,
  search: SearchRule,
  states: ApplyStates,
  { stages, grads: replaced }: Clipped,
): readonly StageSums[] {
  const [{ optimizer, params }] = groups as [ApplyGroup<Updatable>];
  if (stages.length > 0 || replaced) {
    const text = `${optimizer.name}: the clip policy ${policy.name} changes gradients, which a search compares with losses: train with clip.none()`;
    throw new OptionError(text, { option: 'clip', policy: policy.name, optimizer: optimizer.name });
  }
  buildEvaluated(graph, searchStatesOf(search, params, states), grads);
  return [];
}

/** What a search keeps, as states that are shared. */
export function searchStatesOf(search: SearchRule, params: readonly Updatable[], states: ApplyStates): SearchStates {
  return searchStates(search, params, (name, type, scratch) => states.of(name, type, undefined, { scratch }));
}

/** Not 0 where the clipped gradient is finite, but more than an optimizer can square: for policies that skip, and know the norm by then. */
function beyondLimit(groups: readonly ApplyGroup<Updatable>[], { skip, report }: Clipped): Tensor | null {
  const limit = Math.min(...groups.map((g) => g.optimizer.limit ?? Infinity));
  return skip && report.normAfter && limit < Infinity ? less(limit, report.normAfter) : null;
}

function checkGradients(params: readonly Updatable[], grads: readonly Tensor[]): void {
  if (grads.length !== params.length) {
    throw new GraphError(`apply: expected ${params.length} gradients, got ${grads.length}`);
  }
  for (const [t, { name, state }] of params.entries()) {
    const g = grads[t]!;
    if (g.dtype !== 'f32' || !sameShape(g.shape, state.type.shape)) {
      throw new ShapeError(`apply: expected ${typeName(state.type)} as gradient of ${name}, got ${typeName(g.type)}`);
    }
  }
}

/** Slots and policy state by name, each made when first asked for. */
export class ApplyStates {
  readonly #known = new Map<string, State>();
  /** Whose part of the slots this process has; null: all are its own. */
  readonly ranked: Ranked | null;

  constructor(ranked: Ranked | null = null) {
    this.ranked = ranked;
  }

  /** @throws OptionError where it was asked for as another one: by groups of optimizers that have the same name for different states */
  of(
    name: string,
    type: TensorType,
    init?: (out: Data) => void,
    { scratch = false, secret = false, part }: Pick<State, 'scratch' | 'secret' | 'part'> = {},
  ): State {
    const state = this.#known.get(name) ?? {
      name,
      type,
      ...(init && { init }),
      ...(scratch && { scratch }),
      ...(secret && { secret }),
      ...(part && { part }),
    };
    if (typeName(state.type) !== typeName(type)) {
      throw new OptionError(`state ${name}: expected ${typeName(state.type)}, got ${typeName(type)}`, { name });
    }
    this.#known.set(name, state);
    return state;
  }
}

/** Per parameter, the states of its slots: `optim.<parameter>.<slot>`. */
export function slotStates({ optimizer, params }: ApplyGroup<Updatable>, states: ApplyStates): State[][] {
  const { ranked } = states;
  return params.map((p) => {
    const own = ranked && isShared(p.state) ? partOf(sizeOf(p.state.type.shape), ranked) : null;
    const typed = own ? { ...p.state.type, shape: [own[1] - own[0]] } : p.state.type;
    return slotsOf(optimizer, p.name, typed).map(({ name, type, init }) => {
      const part = own ? { whole: { ...type, shape: p.state.type.shape }, from: own[0] } : undefined;
      return states.of(`optim.${p.name}.${name}`, type, init === undefined ? init : (out) => out.fill(init), part && { part });
    });
  });
}

/** What the updates measured, in place of what the policy could not know. */
function measuredColumns(report: ClipColumns, measured: readonly StageSums[], grads: readonly Tensor[]): ClipColumns {
  const total = (key: keyof StageSums): Tensor => measured.map((m) => m[key]!).reduce((a, b) => add(a, b));
  const changed = total('changed');
  const elements = grads.reduce((n, t) => n + sizeOf(t.shape), 0);
  return {
    norm: report.norm ?? sqrt(total('before')),
    normAfter: sqrt(total('after')),
    clipped: less(0, changed),
    clippedFraction: div(changed, Math.max(1, elements)),
  };
}
