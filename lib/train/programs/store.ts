// store.ts: the memory that a trainer's programs share and that outlives runs: a block of its own (optimizer slots, policy state, averages),
// and the blocks in which the model's values lie.
import { type Given, type Layout, layoutOf } from '../../compile/layout.ts';
import type { State } from '../../ir/graph.ts';
import { ARRAYS, bytesOf, type Data, DTYPE_BYTES, type DType, sizeOf } from '../../ir/op.ts';
import type { NativeBlock } from '../../native/addon.ts';
import { allocate as allocateBlock, withOurErrors } from '../../native/program.ts';
import { checkRoom, type Purpose } from '../../native/room.ts';
import { type Memory, type Place, valuesOf } from '../../nn/module/values.ts';
import { STATES } from '../../optim/apply/apply.ts';
import { inOrder, type Wait } from '../flow/effect.ts';

/** @throws GradclipError ERR_MEMORY */
export function allocate(dtype: DType, length: number, purpose: Purpose = { what: 'an array' }): Data {
  checkRoom(purpose, length * DTYPE_BYTES[dtype]);
  return new ARRAYS[dtype](length);
}

const TWIN: Purpose = { what: 'a trial of clip.auto', advice: 'Without clip.auto there are none' };
const COPY: Purpose = { what: 'a copy of the state' };

/** View of a state's bytes within a copy of the block. */
function view(dtype: DType, buffer: ArrayBuffer, offset: number, length: number): Data {
  return new ARRAYS[dtype](buffer, offset, length);
}

/** Where a state lies that is not a trainer's own; null: it is. */
export type PlaceOf = (state: State) => Place | null;

/** Of a parameter or buffer: in its module's memory. */
export const inModule: PlaceOf = (state) => valuesOf(state)?.place ?? null;

export class Store {
  readonly states: readonly State[];
  /** What a program of these states binds first: the trainer's own block, then those of others. */
  readonly blocks: readonly NativeBlock[];
  /** The memory of others. */
  readonly memories: readonly Memory[];
  /** Those that lie in the trainer's own block. */
  readonly own: readonly State[];
  /** Secret ones whose bits no other process of a group has. */
  readonly unshared: Set<State> = new Set();
  readonly #given: readonly Given[];
  readonly #layout: Layout;

  /** Allocates those that are its own: zeros, until `reset`. */
  constructor(states: readonly State[], placeOf: PlaceOf = () => null) {
    this.states = states;
    const elsewhere = new Map<Memory, Map<State, number>>();
    const own: State[] = [];
    for (const state of states) {
      const place = placeOf(state);
      if (!place) own.push(state);
      else elsewhere.set(place.memory, (elsewhere.get(place.memory) ?? new Map()).set(state, place.offset));
    }
    this.own = own;
    this.memories = [...elsewhere.keys()];
    this.#given = [...elsewhere].map(([{ block }, states], i) => ({ name: `values ${i}`, bytes: block.bytes, states }));
    this.#layout = this.layout([]);
    const block = allocateBlock(Math.max(1, this.#layout.blocks[0]!.bytes), STATES);
    this.blocks = [block, ...this.memories.map((m) => m.block)];
  }

  /** Those that a copy of them all has. */
  get lasting(): readonly State[] {
    return this.states.filter(({ scratch, secret }) => !scratch && !secret);
  }

  /** Give states their first values again. */
  reset(states: readonly State[], blocks: readonly NativeBlock[] = this.blocks): void {
    for (const state of states) {
      const data = allocate(state.type.dtype, sizeOf(state.type.shape));
      state.init?.(data);
      this.write(state, data, blocks);
      if (state.secret) this.unshared.add(state);
    }
  }

  /** The layout of a program that also reads data sets, and states in a block of somebody else. */
  layout(data: readonly { name: string; bytes: number }[], others: readonly Given[] = []): Layout {
    return layoutOf(this.own, data, [...this.#given, ...others]);
  }

  /** @param blocks where: the store's own, or a twin */
  write(state: State, data: Data, blocks: readonly NativeBlock[] = this.blocks): void {
    const { block, offset } = this.#placeOf(state, blocks);
    withOurErrors(() => block.write(offset, data));
  }

  /** The same, now: no run may be on. */
  read(states: readonly State[], blocks: readonly NativeBlock[] = this.blocks): Map<State, Data> {
    return new Map(
      states.map((state) => {
        const { block, offset } = this.#placeOf(state, blocks);
        const data = allocate(state.type.dtype, sizeOf(state.type.shape));
        withOurErrors(() => block.read(offset, data));
        return [state, data];
      }),
    );
  }

  /**
   * States as of now, copied at once between two runs, off this thread. What lies between them in a block is copied too: best ask for
   * neighbors.
   */
  async snapshot(states: readonly State[]): Promise<Map<State, Data>> {
    const places = states.map((state) => ({ state, ...this.#placeOf(state) }));
    // All are queued before anything else can be.
    const copies = [...new Set(places.map((p) => p.block))].map(async (block) => {
      const here = places.filter((p) => p.block === block);
      const start = Math.min(...here.map((p) => p.offset));
      const end = Math.max(...here.map((p) => p.offset + bytesOf(p.state.type)));
      checkRoom(COPY, end - start);
      return [block, start, await withOurErrors(() => block.readAsync(start, end - start))] as const;
    });
    const parts = new Map((await Promise.all(copies)).map(([block, start, buffer]) => [block, { start, buffer }]));
    return new Map(
      places.map(({ state, block, offset }) => {
        const { start, buffer } = parts.get(block)!;
        return [state, view(state.type.dtype, buffer, offset - start, sizeOf(state.type.shape))];
      }),
    );
  }

  /** States as of the end of a step, while a run may be on: it is waited for. */
  readBetween(states: readonly State[]): Map<State, Data> {
    const copy = new Store(states);
    try {
      copy.copySync(this);
      return copy.read(states);
    } finally {
      copy.dispose();
    }
  }

  /** Copy in what another store has of its states now, between two runs, off this thread. */
  copy(source: Store): Promise<void> {
    return source.copyTo(this.blocks[0]!, this.#places);
  }

  /** Copy out what it has of these states now, each to a place in a block, between two runs, off this thread. */
  async copyTo(block: NativeBlock, places: ReadonlyMap<State, number>): Promise<void> {
    await withOurErrors(() => block.copy(this.blocks, this.#parts(places)));
  }

  /** The same, now: it waits for the run that is on. */
  copySync(source: Store): void {
    withOurErrors(() => this.blocks[0]!.copySync(source.blocks, source.#parts(this.#places)));
  }

  /** Blocks like those of the store, for other values of all its states. @throws GradclipError ERR_MEMORY */
  twin(): readonly NativeBlock[] {
    return this.blocks.map(({ bytes }) => allocateBlock(bytes, TWIN));
  }

  /** Copy all states from one twin to another, or from or to the store's own blocks, between two runs. @param sync now, not off this thread */
  transfer(from: readonly NativeBlock[], to: readonly NativeBlock[], sync: boolean): Wait {
    const parts = this.#inPlace;
    const at = [...parts.keys()];
    const one = (i: number): Wait =>
      withOurErrors(() => (sync ? to[i]!.copySync([from[i]!], parts[i]!) : to[i]!.copy([from[i]!], parts[i]!)));
    return inOrder(at, one);
  }

  /** Of each block the places of all states, as the add-on takes them. */
  get #inPlace(): readonly Float64Array[] {
    const parts = this.blocks.map((): number[] => []);
    for (const state of this.states) {
      const { block, offset } = this.#layout.states.get(state)!;
      parts[block]!.push(0, offset, offset, bytesOf(state.type));
    }
    return parts.map((numbers) => Float64Array.from(numbers));
  }

  /** Frees what is its own. */
  dispose(): void {
    this.blocks[0]!.dispose();
  }

  /** Where those that are its own lie in their block. */
  get #places(): ReadonlyMap<State, number> {
    return new Map(this.own.map((state) => [state, this.#placeOf(state).offset]));
  }

  /** What of its blocks is to be copied to which places, as the add-on takes it. */
  #parts(places: ReadonlyMap<State, number>): Float64Array {
    return Float64Array.from(
      [...places].flatMap(([state, to]) => {
        const { block, offset } = this.#layout.states.get(state)!;
        return [block, offset, to, bytesOf(state.type)];
      }),
    );
  }

  #placeOf(state: State, blocks: readonly NativeBlock[] = this.blocks): { block: NativeBlock; offset: number } {
    const { block, offset } = this.#layout.states.get(state)!;
    return { block: blocks[block]!, offset };
  }
}
