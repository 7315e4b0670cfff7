// weights.ts: a copy of a model's values, in memory of its own, for programs that run while the model itself may change.
import { alignUp } from '../../compile/layout.ts';
import { OptionError, ShapeError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import { ARRAYS, bytesOf, type Precision, sameShape } from '../../ir/op.ts';
import { withOurErrors } from '../../native/program.ts';
import { MadeOf } from '../../nn/module/made-of.ts';
import { type Module, namesOf, Parameter } from '../../nn/module/module.ts';
import { Memory, type Place, valuesOf } from '../../nn/module/values.ts';
import type { NdArray } from '../feed/source.ts';
import type { PlaceOf, Store } from './store.ts';

export class Weights {
  readonly #model: Module;
  readonly #madeOf: MadeOf;
  readonly #memory: Memory;
  readonly #places = new Map<State, Place>();
  readonly #wanted = new Set<State>();

  /** What products of the programs that read them take their operands as. */
  readonly precision: Precision;

  /** Room for all that the model has now. */
  constructor(model: Module, precision: Precision = 'f32') {
    this.precision = precision;
    model.initialize();
    this.#model = model;
    this.#madeOf = new MadeOf(model);
    const offsets = new Map<State, number>();
    let bytes = 0;
    for (const { state } of namesOf(model).keys()) {
      offsets.set(state, bytes);
      bytes += alignUp(bytesOf(state.type));
    }
    this.#memory = new Memory(bytes);
    for (const [state, offset] of offsets) this.#places.set(state, { memory: this.#memory, offset });
  }

  /** Where a parameter or buffer lies in the copy. Those that programs have asked for are copied, and no others. */
  readonly placeOf: PlaceOf = (state) => {
    const place = this.#places.get(state) ?? null;
    if (place) this.#wanted.add(state);
    return place;
  };

  /** Whether the model is still what it was: what was compiled of it holds. */
  get fits(): boolean {
    return this.#madeOf.difference() !== 'fields';
  }

  /** What `trace` writes into the model's fields is no change of it. */
  tracing<T>(trace: () => T): T {
    return this.#madeOf.during(trace);
  }

  /**
   * Copy the values that programs have asked for. No run of them may be on.
   * @param parameters by name; of buffers (running statistics) too, where they are there: else those of the model
   * @throws OptionError for a parameter without values; ShapeError for one of another shape
   */
  write(parameters: ReadonlyMap<string, NdArray>): void {
    for (const [x, names] of namesOf(this.#model)) {
      const { state, shape } = x;
      const name = names.find((n) => parameters.has(n)) ?? names[0]!;
      const values = parameters.get(name);
      if (!values && x instanceof Parameter) throw new OptionError(`no values for the parameter ${name}`, { name });
      if (values && !sameShape(values.shape, shape)) {
        throw new ShapeError(`${name}: expected [${shape}], got [${values.shape}]`, { name });
      }
      if (!this.#wanted.has(state)) continue;
      const array = ARRAYS[state.type.dtype];
      const data = values ? (values.data instanceof array ? values.data : array.from(values.data)) : valuesOf(state)!.copy(name);
      withOurErrors(() => this.#memory.block.write(this.#places.get(state)!.offset, data));
    }
  }

  /** Copy the values that a store has of them, between two runs, off this thread. */
  copy(source: Store): Promise<void> {
    const places = new Map([...this.#wanted].map((state) => [state, this.#places.get(state)!.offset]));
    return source.copyTo(this.#memory.block, places);
  }

  dispose(): void {
    this.#memory.block.dispose();
  }
}
