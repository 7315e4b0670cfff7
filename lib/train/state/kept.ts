// kept.ts: what a trainer keeps for each parameter that it trains, and how it is taken over when other parameters are trained.
import { OptionError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import { type Data, sameType } from '../../ir/op.ts';
import type { Parameter } from '../../nn/module/module.ts';
import { type ApplyGroup, type ApplyStates, slotStates } from '../../optim/apply/apply.ts';
import type { Finishing } from '../../optim/apply/finishing.ts';
import { PREFIX } from '../../optim/search/states.ts';
import { emaState } from '../../optim/weights/ema.ts';
import type { Store } from '../programs/store.ts';

/** Of each trained parameter, states by what they are: `optim.exp_avg`, `ema`, `mask`. */
export type Kept = ReadonlyMap<Parameter, ReadonlyMap<string, State>>;

export function keptOf(
  groups: readonly ApplyGroup[],
  states: ApplyStates,
  averages: ReadonlyMap<Parameter, State>,
  finishing: Finishing,
): Kept {
  const kept = new Map<Parameter, Map<string, State>>();
  for (const group of groups) {
    const slots = slotStates(group, states);
    for (const [t, p] of group.params.entries()) {
      const [average, mask] = [averages.get(p), finishing.masks.get(p.state)];
      const of = new Map(slots[t]!.map((state) => [state.name.replace(`.${p.name}.`, '.'), state]));
      if (average && !slots[t]!.includes(average)) of.set('ema', average);
      if (mask) of.set('mask', mask);
      kept.set(p, of);
    }
  }
  return kept;
}

/**
 * The averages that there are of trained parameters: what option `ema` keeps, or slots of optimizers that keep one. Made before all other states, since
 * they begin as what they are of.
 * @throws OptionError where an average of an optimizer would not be what options say
 */
export function averagesOf(
  groups: readonly ApplyGroup[],
  states: ApplyStates,
  { ema, held }: { readonly ema: boolean; readonly held: boolean },
): Map<Parameter, State> {
  const averages = new Map<Parameter, State>();
  for (const { optimizer, params } of groups) {
    const { average, name } = optimizer;
    if (average === undefined) {
      if (ema) for (const p of params) averages.set(p, emaState(states, p));
      continue;
    }
    if (ema) throw new OptionError(`Trainer: option ema: ${name} keeps an average of its own: leave one of them out`);
    if (held)
      throw new OptionError(
        `Trainer: constraints and prune do not hold for the average that ${name} keeps: take another optimizer`,
      );
    for (const p of params) averages.set(p, states.of(`optim.${p.name}.${average}`, p.state.type, p.state.init));
  }
  return averages;
}

interface Keeping {
  readonly store: Store;
  readonly kept: Kept;
  readonly averages: ReadonlyMap<Parameter, State>;
  readonly finishing: Finishing;
}

const isOfSearch = ({ name }: State): boolean => name.startsWith(PREFIX);

/**
 * Take over what an earlier store holds, between runs: what was kept for parameters that are still trained, and what belongs to no parameter.
 * What a clip policy or a search has seen were gradients of all that was trained then: it is taken over where that is the same. Everything else stays afresh.
 */
export function takeOver(from: Keeping, to: Keeping): void {
  const move = (a: State | undefined, b: State): void => {
    if (a && sameType(a.type, b.type)) to.store.write(b, from.store.read([a]).get(a)!);
  };
  for (const [p, states] of to.kept) {
    for (const [what, state] of states) move(from.kept.get(p)?.get(what), state);
    // One that an optimizer has just begun to keep.
    const average = to.averages.get(p);
    if (average && ![...(from.kept.get(p)?.values() ?? [])].some(({ name }) => name === average.name))
      to.store.write(average, to.store.read([p.state]).get(p.state)!);
  }
  const ofParameters = new Set([...to.kept.values()].flatMap((states) => [...states.values()]));
  const same = sameOrder([...from.kept.keys()], [...to.kept.keys()]);
  // Pairs of a search lie in blocks of their own.
  const ofTrainer = ({ own, states }: Store): Set<State> => new Set([...own, ...states.filter(isOfSearch)]);
  const before = new Map([...ofTrainer(from.store)].map((state) => [state.name, state]));
  for (const state of ofTrainer(to.store)) {
    if (ofParameters.has(state) || (!same && (state.name.startsWith('clip.') || isOfSearch(state)))) continue;
    move(before.get(state.name), state);
  }
  // How much is pruned is what the masks say.
  for (const { params, pruned } of to.finishing.prunings) {
    const masks = params.map((p) => to.finishing.masks.get(p.state)!);
    const values = to.store.read(masks);
    const gone = (mask: Data): number => (mask as Uint8Array).reduce((n, kept) => n + (kept === 0 ? 1 : 0), 0);
    to.store.write(
      pruned,
      Float64Array.from(masks, (mask) => gone(values.get(mask)!)),
    );
  }
}

export function sameOrder<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}
