// finishing.ts: what happens to parameters after their update, as nodes of the graph: bounds and masks within the update, then pruning, then
// norms. All of it is held back by the skip decision: a skipped step changes neither parameters nor masks.
import { OptionError } from '../../errors.ts';
import type { Graph, State, Tensor } from '../../ir/graph.ts';
import { sizeOf, typeName } from '../../ir/op.ts';
import type { Match } from '../../nn/module/module.ts';
import { add, div } from '../../ops/elementwise/elementwise.ts';
import { sum } from '../../ops/reduce/reduce.ts';
import type { Finish } from '../../ops/update/finish.ts';
import { project } from '../../ops/update/project.ts';
import { pruneMagnitude, pruneRows } from '../../ops/update/pruning.ts';
import { number, Place } from '../../options/index.ts';
import { type Constraint, type ConstraintRule, constraintRules, joinConstraints } from '../weights/constraint.ts';
import { type Prune, pruneRule } from '../weights/prune.ts';
import type { ApplyStates, Updatable } from './apply.ts';

/** A rule of pruning and what it is for: weights, then biases, whose elements go with rows of the weights `owners`. */
interface Pruning {
  readonly prune: Prune;
  readonly params: readonly Updatable[];
  readonly owners: readonly number[];
  /** f64, how many elements of each are pruned. */
  readonly pruned: State;
}

/** Options of `Trainer`. */
export interface FinishingOptions {
  /** What parameters are held to after each update. Default []: nothing. */
  readonly constraints?: readonly ConstraintRule[];
  /** What is pruned while training; several for different parameters. Default: nothing. */
  readonly prune?: Prune | readonly Prune[];
}

/** The constraints and prunings of a set of parameters. */
export class Finishing {
  readonly prunings: readonly Pruning[];
  /** Of the parameters that are pruned: u8, 0 where they are. */
  readonly masks: ReadonlyMap<State, State>;
  readonly #joined: ReadonlyMap<State, Omit<Constraint, 'name'>>;

  /** @param select the parameters that match, among `params`; throws OptionError if there is none */
  constructor(
    where: string,
    params: readonly Updatable[],
    states: ApplyStates,
    select: (where: string, match: Match) => readonly Updatable[],
    { constraints = [], prune = [] }: FinishingOptions,
  ) {
    this.#joined = joinAll(where, constraints, select);
    this.prunings = ([prune].flat() as Prune[]).map((p, i) => pruningOf(`${where}: prune`, p, i, params, states, select));
    const masks = new Map<State, State>();
    for (const { prune, params } of this.prunings) {
      for (const { name, state } of params) {
        if (masks.has(state)) throw new OptionError(`${where}: prune: ${name} is pruned twice, again by ${prune.name}`, { name });
        masks.set(
          state,
          states.of(`prune.${name}.mask`, { dtype: 'u8', shape: state.type.shape }, (out) => out.fill(1)),
        );
      }
    }
    this.masks = masks;
  }

  /** States beside those of parameters: masks, and how much is pruned. */
  get states(): readonly State[] {
    return [...this.masks.values(), ...this.prunings.map((p) => p.pruned)];
  }

  /** What the update itself does with these parameters. */
  ofUpdate(graph: Graph, params: readonly Updatable[]): Finish | null {
    const bounds = params.map(({ state }) => this.#joined.get(state)?.bounds ?? null);
    const masks = params.map(({ state }) => this.masks.get(state) ?? null);
    const bounded = bounds.some((b) => b !== null);
    if (!bounded && masks.every((m) => m === null)) return null;
    const none = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
    return { bounds: bounded ? bounds.map((b) => b ?? none) : null, masks: masks.map((m) => m && graph.state(m)) };
  }

  /** What is done with averages of these parameters; `next` are the values that the graph assigns. */
  ofAverage(params: readonly Updatable[], next: ReadonlyMap<State, Tensor>): Finish | null {
    const masks = params.map(({ state }) => this.masks.get(state) ?? null);
    return masks.some((m) => m) ? { bounds: null, masks: masks.map((m) => m && next.get(m)!) } : null;
  }

  /**
   * What follows the updates: `values` are the new parameters, and are replaced.
   * @param column makes an input that holds a number for each step
   */
  afterUpdates(
    graph: Graph,
    values: Map<State, Tensor>,
    column: (name: string, value: (step: number) => number) => Tensor,
  ): void {
    const before: Tensor[] = [];
    for (const [i, { prune, params, owners, pruned }] of this.prunings.entries()) {
      const operands = {
        tensors: params.map(({ state }) => values.get(state)!),
        masks: params.map(({ state }) => graph.state(this.masks.get(state)!)),
        pruned: graph.state(pruned),
        share: column(`prune.${i}`, (step) => shareAt(prune, step)),
      };
      before.push(operands.pruned);
      const { unit, norm } = prune;
      const next = unit === 'rows' ? pruneRows(operands, norm, owners) : pruneMagnitude(operands, unit === 'global');
      for (const [t, { state }] of params.entries()) {
        values.set(state, next.tensors[t]!);
        graph.assign(this.masks.get(state)!, next.masks[t]!);
      }
      graph.assign(pruned, next.pruned);
    }
    if (before.length > 0) {
      const elements = this.prunings.flatMap((p) => p.params).reduce((n, { state }) => n + sizeOf(state.type.shape), 0);
      const total = before.map((t) => sum(t)).reduce((a, b) => add(a, b));
      graph.output('sparsity', div(total, Math.max(1, elements)));
    }
    const held = [...this.#joined].flatMap(([state, { projection }]) => (projection ? [{ state, projection }] : []));
    const projected = project(
      held.map(({ state }) => values.get(state)!),
      held.map(({ projection }) => projection),
    );
    for (const [k, { state }] of held.entries()) values.set(state, projected[k]!);
  }
}

function joinAll(
  where: string,
  rules: readonly ConstraintRule[],
  select: (where: string, match: Match) => readonly Updatable[],
): Map<State, Omit<Constraint, 'name'>> {
  const all = new Map<State, { name: string; list: Constraint[] }>();
  for (const { match, constraint } of constraintRules.read(rules, new Place(where, 'option', 'constraints'))) {
    for (const { name, state } of select(`${where}: constraints`, match)) {
      const known = all.get(state) ?? { name, list: [] };
      known.list.push(constraint);
      all.set(state, known);
    }
  }
  return new Map([...all].map(([state, { name, list }]) => [state, joinConstraints(`${where}: constraints`, name, list)]));
}

function pruningOf(
  where: string,
  prune: Prune,
  index: number,
  all: readonly Updatable[],
  states: ApplyStates,
  select: (where: string, match: Match) => readonly Updatable[],
): Pruning {
  const { match, unit } = pruneRule.read(prune, new Place(where, 'option', ''));
  const wide = (p: Updatable): boolean => p.state.type.shape.length > 1;
  const matched = match === undefined ? all : select(where, match);
  const weights = match !== undefined && unit !== 'rows' ? matched : matched.filter(wide);
  if (weights.length === 0) {
    const names = matched.map((p) => `${p.name} ${typeName(p.state.type)}`);
    throw new OptionError(`${where}: ${prune.name} finds no weight of two dimensions or more among ${names.join(', ')}`);
  }
  const owned = unit === 'rows' ? biasesOf(weights, all) : [];
  const params = [...weights, ...owned.map(({ bias }) => bias)];
  const pruned = states.of(`prune.${index}.pruned`, { dtype: 'f64', shape: [params.length] });
  return { prune, params, owners: owned.map(({ owner }) => owner), pruned };
}

const fraction = number({ min: 0, max: 1 });

/** The share that is pruned after a step; -1: nothing new. */
function shareAt(prune: Prune, step: number): number {
  const share = prune.share(step);
  return share === null ? -1 : fraction.read(share, new Place(prune.name, 'option', `share at step ${step}`));
}

/** `x.bias` goes with the rows of `x.weight`. */
function biasesOf(weights: readonly Updatable[], all: readonly Updatable[]): { bias: Updatable; owner: number }[] {
  return weights.flatMap(({ name, state }, owner) => {
    if (!/(^|\.)weight$/.test(name)) return [];
    const bias = all.find((p) => p.name === name.replace(/weight$/, 'bias'));
    return bias && typeName(bias.state.type) === `f32[${state.type.shape[0]}]` ? [{ bias, owner }] : [];
  });
}
