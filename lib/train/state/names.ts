// names.ts: what the states of a setup are called in files and by users: tied parameters have several names.
import type { State } from '../../ir/graph.ts';
import { type Buffer, type Module, namesOf, Parameter } from '../../nn/module/module.ts';
import type { Weights } from '../options.ts';
import type { Store } from '../programs/store.ts';
import { stateNames } from './checkpoint.ts';
import type { Kept } from './kept.ts';

/** The first step of trained parameters; 0 of those that are not in it. */
export type Since = ReadonlyMap<Parameter, number>;

/** What has names. */
interface NamedStates {
  /** All names that the model has for each of them. */
  readonly names: ReadonlyMap<Parameter | Buffer, readonly string[]>;
  readonly parameters: readonly Parameter[];
  readonly buffers: readonly Buffer[];
  readonly weights: readonly State[];
  readonly averages: ReadonlyMap<Parameter, State>;
  readonly kept: Kept;
  readonly store: Store;
  readonly since: Since;
}

export class Names {
  readonly #of: NamedStates;
  readonly #weights = new Map<Weights, ReadonlyMap<string, State>>();

  constructor(of: NamedStates) {
    this.#of = of;
  }

  /** Of all states in a checkpoint: those that are written, or all by which they are found. */
  states(found: boolean = false): Map<string, State> {
    const { names, kept, store, weights } = this.#of;
    const known = new Map([...names].map(([{ state }, all]) => [state, all]));
    for (const [p, states] of found ? kept : []) {
      const own = names.get(p)!;
      for (const state of states.values()) {
        known.set(
          state,
          own.map((name) => state.name.replace(`.${own[0]}`, () => `.${name}`)),
        );
      }
    }
    return stateNames(store.lasting, new Set(weights), (state) => known.get(state) ?? [state.name]);
  }

  /** Of the weights in a file. */
  weights(weights: Weights): ReadonlyMap<string, State> {
    let names = this.#weights.get(weights);
    if (!names) {
      const kept = this.#of.buffers.filter((b) => b.persistent);
      names = new Map([...this.parameters(weights), ...kept.flatMap((b) => this.#named(b, b.state))]);
      this.#weights.set(weights, names);
    }
    return names;
  }

  parameters(weights: Weights): Map<string, State> {
    const { parameters, averages } = this.#of;
    const stateOf = (p: Parameter): State => (weights === 'ema' ? averages.get(p) : undefined) ?? p.state;
    return new Map(parameters.flatMap((p) => this.#named(p, stateOf(p))));
  }

  /** `since` by the names of the parameters. */
  get since(): Record<string, number> {
    const { since, names } = this.#of;
    return Object.fromEntries([...since].filter(([, step]) => step > 0).map(([p, step]) => [names.get(p)![0]!, step]));
  }

  #named(x: Parameter | Buffer, state: State): [string, State][] {
    return this.#of.names.get(x)!.map((name) => [name, state]);
  }
}

/** `since` of the parameters that have these names; names that the model does not have are not taken. */
export function sinceOf(model: Module, names: Readonly<Record<string, number>>): Since {
  const found = [...namesOf(model)].flatMap(([p, all]) => {
    const name = all.find((n) => Object.hasOwn(names, n));
    return p instanceof Parameter && name !== undefined ? [[p, names[name]!] as const] : [];
  });
  return new Map(found);
}
