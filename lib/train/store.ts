// store.ts: the memory of a model that outlives runs: parameters, optimizer slots, policy state. One block, shared by all its programs.
import { type Layout, layoutOf } from '../compile/layout.ts';
import type { State } from '../ir/graph.ts';
import { ARRAYS, bytesOf, type Data, type DType, sizeOf } from '../ir/op.ts';
import type { NativeBlock } from '../native/addon.ts';
import { allocate as allocateBlock, guard } from '../native/program.ts';

export function allocate(dtype: DType, length: number): Data {
  return new ARRAYS[dtype](length);
}

/** View of a state's bytes within a copy of the block. */
function view(dtype: DType, buffer: ArrayBuffer, offset: number, length: number): Data {
  return new ARRAYS[dtype](buffer, offset, length);
}

export class Store {
  readonly states: readonly State[];
  readonly block: NativeBlock;
  readonly #layout: Layout;

  /** Allocates and fills every state with its first value. */
  constructor(states: readonly State[]) {
    this.states = states;
    this.#layout = layoutOf(states, []);
    this.block = allocateBlock(Math.max(1, this.#layout.blocks[0]!.bytes));
    this.reset(states.filter((s) => s.init));
  }

  /** Give states their first values again. */
  reset(states: readonly State[]): void {
    for (const state of states) {
      const data = allocate(state.type.dtype, sizeOf(state.type.shape));
      state.init?.(data);
      this.write(state, data);
    }
  }

  /** The layout of a program that also reads data sets. */
  layout(data: readonly { name: string; bytes: number }[]): Layout {
    return layoutOf(this.states, data);
  }

  write(state: State, data: Data): void {
    guard(() => this.block.write(this.#offset(state), data));
  }

  /** The same, now: no run may be on. */
  read(states: readonly State[]): Map<State, Data> {
    return new Map(
      states.map((state) => {
        const data = allocate(state.type.dtype, sizeOf(state.type.shape));
        guard(() => this.block.read(this.#offset(state), data));
        return [state, data];
      }),
    );
  }

  /** States as of now, copied at once between two runs, off this thread. What lies between them is copied too: best ask for neighbours. */
  async snapshot(states: readonly State[]): Promise<Map<State, Data>> {
    const start = Math.min(...states.map((s) => this.#offset(s)));
    const end = Math.max(...states.map((s) => this.#offset(s) + bytesOf(s.type)));
    const buffer = await guard(() => this.block.readAsync(start, end - start));
    return new Map(states.map((s) => [s, view(s.type.dtype, buffer, this.#offset(s) - start, sizeOf(s.type.shape))]));
  }

  dispose(): void {
    this.block.dispose();
  }

  #offset(state: State): number {
    return this.#layout.states.get(state)!.offset;
  }
}
