// named-weights.ts: the weights of a trainer by their names, as others read and write them.
import type { State } from '../../ir/graph.ts';
import { bytesOf } from '../../ir/op.ts';
import type { ParameterValues, Weights } from '../options.ts';
import type { Store } from '../programs/store.ts';
import { tensorsOf } from './checkpoint.ts';
import type { Current } from './current.ts';
import { option } from './naming.ts';
import type { Standing } from './standing.ts';
import { type Origins, originsIn, originsOf, transfer, type WeightValues, type Written } from './transfer.ts';

/** Which of them. */
interface Asked {
  readonly weights: Weights;
  readonly buffers: boolean;
}

/** Bytes that are copied in less time than it takes to ask another thread to. */
const AT_ONCE = 1 << 18;

export class NamedWeights {
  readonly #current: Current;
  readonly #standing: Standing;

  constructor(current: Current, standing: Standing) {
    this.#current = current;
    this.#standing = standing;
  }

  /** As of the end of a step. */
  async read(where: string, asked: Asked): Promise<ParameterValues<boolean>> {
    const { access } = this.#begun(where, asked.weights);
    return access.use(where, async () => {
      const names = this.#names(asked);
      const { store } = this.#current.setup;
      const states = [...new Set(names.values())];
      const bytes = states.reduce((sum, { type }) => sum + bytesOf(type), 0);
      return tensorsOf(names, bytes <= AT_ONCE ? store.read(states) : await store.snapshot(states));
    });
  }

  readSync(where: string, asked: Asked): ParameterValues<boolean> {
    const { access } = this.#begun(where, asked.weights);
    access.checkBetween(where);
    const names = this.#names(asked);
    const [{ store }, states] = [this.#current.setup, new Set(names.values())];
    return tensorsOf(names, access.idle ? store.read([...states]) : store.readBetween([...states]));
  }

  /** As of the end of a step, to where there is room for them, which is made of the model as it is then. */
  async copy(where: string, room: () => { copy(source: Store): Promise<void> }): Promise<void> {
    const { access } = this.#begun(where, 'model');
    const copies = room();
    return access.use(where, () => copies.copy(this.#current.setup.store));
  }

  /** @param values those of another trainer, or of this one, or arrays; what the caller has may change meanwhile */
  async write(where: string, values: WeightValues | NamedWeights, how: Written): Promise<readonly string[]> {
    const { access } = this.#begun(where, values === this ? how.weights : 'model');
    const given =
      values === this
        ? null
        : values instanceof NamedWeights
          ? originsOf(where, await values.read(where, { ...how, buffers: true }), true)
          : this.#given(where, values, how, false);
    return access.use(where, () => this.#transfer(where, given ?? originsIn(this.#current.setup, how.weights), how), true);
  }

  writeSync(where: string, values: WeightValues | NamedWeights, how: Written): readonly string[] {
    const { access } = this.#begun(where, 'model');
    access.checkIdle(where);
    access.checkAlone(where);
    return this.#transfer(
      where,
      values instanceof NamedWeights ? values.#origins(where, how) : this.#given(where, values, how, true),
      how,
    );
  }

  /** Of arrays there are no averages. */
  #given(where: string, values: WeightValues, { weights }: Written, kept: boolean): Origins {
    if (weights === 'ema') throw option(where, 'weights').refuse('it is for the weights of a trainer, and arrays were given');
    return originsOf(where, values, kept);
  }

  #origins(where: string, { weights }: Written): Origins {
    const { access, setup } = this.#begun(where, weights);
    access.checkStill(where);
    return originsIn(setup, weights);
  }

  #transfer(where: string, origins: Origins, how: Written): readonly string[] {
    return transfer(where, this.#current, this.#standing, origins, how);
  }

  /** What is changed of the model is taken in. @throws OptionError for averages where there are none */
  #begun(where: string, weights: Weights): Current {
    this.#current.follow(where);
    this.#current.weightsOf(where, weights);
    return this.#current;
  }

  #names({ weights, buffers }: Asked): ReadonlyMap<string, State> {
    const { setup } = this.#current;
    return buffers ? setup.named.weights(weights) : setup.named.parameters(weights);
  }
}
