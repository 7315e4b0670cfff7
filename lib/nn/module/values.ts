// values.ts: where the values of parameters and buffers lie: native memory that their module owns, and that every trainer of it binds.
import { alignUp } from '../../compile/layout.ts';
import { BusyError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import { ARRAYS, type Data, DTYPE_BYTES, type DType } from '../../ir/op.ts';
import type { NativeBlock } from '../../native/addon.ts';
import { allocate, withOurErrors } from '../../native/program.ts';
import type { Purpose } from '../../native/room.ts';

/** Who works on a memory, until it is done: a trainer with a fit, which changes the values, or with another call. */
interface Hold {
  readonly owner: object;
  readonly writes: boolean;
}

const VALUES_OF: Purpose = { what: 'the values of parameters', advice: 'A smaller model takes less' };

/** A block of native memory that values lie in. Freed when it and all views of it are collected. */
export class Memory {
  readonly block: NativeBlock;
  readonly #holds = new Set<Hold>();

  /** @throws GradclipError ERR_MEMORY */
  constructor(bytes: number, purpose: Purpose = VALUES_OF) {
    this.block = allocate(Math.max(1, bytes), purpose);
  }

  /** @throws BusyError while anybody but `owner` works on it: if `writes`, in any way; else with a fit */
  check(where: string, owner: object | null, writes: boolean): void {
    for (const hold of this.#holds) {
      if (hold.owner === owner || !(writes || hold.writes)) continue;
      const [who, what] = [owner ? 'another trainer' : 'a trainer', hold.writes ? 'fit' : 'call'];
      throw new BusyError(`${where}: ${who} of these values has a ${what} that is not done; await it first`);
    }
  }

  /** Work on it until the returned function is called. */
  hold(owner: object, writes: boolean): () => void {
    const hold = { owner, writes };
    this.#holds.add(hold);
    return () => {
      this.#holds.delete(hold);
    };
  }
}

/** Work on several memories, all or none. @returns what ends it; @throws BusyError */
export function holdAll(memories: readonly Memory[], where: string, owner: object, writes: boolean): () => void {
  for (const memory of memories) memory.check(where, owner, writes);
  const ends = memories.map((memory) => memory.hold(owner, writes));
  return () => {
    for (const end of ends) end();
  };
}

export interface Place {
  readonly memory: Memory;
  readonly offset: number;
}

/**
 * The values of a parameter or buffer. What is given before they have a place is kept in an array; once they have one they stay there, since
 * programs and views hold on to it.
 */
export class Values {
  readonly #dtype: DType;
  readonly #size: number;
  #given: Data | null = null;
  #place: Place | null = null;
  #view: Data | null = null;
  /** Whether there are any. */
  filled: boolean = false;
  /** Whose fit changed them last, where that matters: what a trainer has carried from batch to batch is not for another to continue. */
  trainer: symbol | null = null;

  constructor(dtype: DType, size: number) {
    this.#dtype = dtype;
    this.#size = size;
  }

  get bytes(): number {
    return this.#size * DTYPE_BYTES[this.#dtype];
  }

  get placed(): boolean {
    return this.#place !== null;
  }

  /** Where they lie. What has no place gets one of its own. */
  get place(): Place {
    if (!this.#place) this.moveTo({ memory: new Memory(this.bytes), offset: 0 });
    return this.#place!;
  }

  moveTo(place: Place): void {
    this.#place = place;
    const given = this.#given;
    this.#given = null;
    if (given) withOurErrors(() => place.memory.block.write(place.offset, given));
  }

  /** The values themselves. One that was detached is replaced by another on the same memory. */
  get view(): Data {
    if (!this.#view || this.#view.length !== this.#size) {
      const { memory, offset } = this.place;
      this.#view = viewOf(memory.block, this.#dtype, offset, this.#size);
    }
    return this.#view;
  }

  /** A copy of them. @throws BusyError while a fit changes them */
  copy(name: string): Data {
    const { memory, offset } = this.place;
    memory.check(name, null, false);
    const out = new ARRAYS[this.#dtype](this.#size);
    withOurErrors(() => memory.block.read(offset, out));
    return out;
  }

  /** Copy `values`, as many as there are. @throws BusyError while a trainer works on them */
  write(name: string, values: ArrayLike<number>): void {
    const array = ARRAYS[this.#dtype];
    if (!this.#place) this.#given = array.from(values);
    else {
      const { memory, offset } = this.#place;
      memory.check(name, null, true);
      withOurErrors(() => memory.block.write(offset, values instanceof array ? values : array.from(values)));
    }
    this.filled = true;
  }

  /** There are none any more. @throws BusyError while a trainer works on them */
  drop(name: string): void {
    this.#place?.memory.check(name, null, true);
    this.#given = null;
    this.filled = false;
  }

  /** Let `fill` write them. @throws BusyError while a trainer works on them */
  fill(name: string, fill: (out: Data) => void): void {
    this.place.memory.check(name, null, true);
    fill(this.view);
    this.filled = true;
  }
}

/** Elements of a block as an array: the only place where native memory becomes JavaScript's. */
function viewOf(block: NativeBlock, dtype: DType, offset: number, size: number): Data {
  const array = ARRAYS[dtype];
  if (size === 0) return new array(0);
  const { buffer, byteOffset } = withOurErrors(() => block.view(offset, size * DTYPE_BYTES[dtype]));
  // Or a SharedArrayBuffer, which arrays take as well.
  return new array(buffer as ArrayBuffer, byteOffset, size);
}

const VALUES = new WeakMap<State, Values>();

/** Say that a state is the values of a parameter or buffer. */
export function register(state: State, values: Values): void {
  VALUES.set(state, values);
}

/** The values that a state is; undefined for a state of a trainer's own. */
export function valuesOf(state: State): Values | undefined {
  return VALUES.get(state);
}

/** Give places to those that have none: one after the other, in one block. */
export function placeTogether(all: readonly Values[]): void {
  const homeless = all.filter((v) => !v.placed);
  if (homeless.length === 0) return;
  const offsets: number[] = [];
  let bytes = 0;
  for (const v of homeless) {
    offsets.push(bytes);
    bytes += alignUp(v.bytes);
  }
  const memory = new Memory(bytes);
  for (const [i, v] of homeless.entries()) v.moveTo({ memory, offset: offsets[i]! });
}
