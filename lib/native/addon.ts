// addon.ts: loads the native add-on and gives its surface a type. Nothing else in lib/ touches the binary.
import { createRequire } from 'node:module';
import { AddonError, OptionError } from '../errors.ts';
import { absent, checkFile, checkHost, checkVersion, refused, unreadable } from './failure.ts';
import { type Found, find, type Searched, searched } from './find.ts';

/**
 * A program as C++ decodes it. `code` holds, for each instruction in turn, whole numbers:
 *   kernel, flags (1 skippable, 2 serial), nOut, nIn, nInt, nFloat,
 *   then nOut + nIn operands of three numbers (space, offset, bytes), then nInt ints, then nFloat floats.
 */
export interface ProgramSpec {
  readonly code: Float64Array;
  readonly instrs: number;
  readonly microEnd: number;
  /** Where the micro section is cut into stages. */
  readonly cuts: Float64Array;
  readonly arenaBytes: number;
  readonly constants: Uint8Array;
  readonly feedBytes: number;
  readonly stepBytes: number;
  readonly reportBytes: number;
  /** Least bytes per block. */
  readonly blockBytes: Float64Array;
  /** Per block: 1 if the program may write to it. */
  readonly blockWrites: Uint8Array;
}

/** Memory owned by the add-on, 64-byte aligned, zeroed. Freed when the object is collected or disposed and no run or view uses it. */
export interface NativeBlock {
  readonly bytes: number;
  /** Copy bytes in. Throws ERR_BUSY while a run that uses the block, or a read, is queued or running. */
  write(offset: number, source: NodeJS.TypedArray): void;
  /** Copy bytes out, now. Throws ERR_BUSY while a run that writes to the block is queued or running. */
  read(offset: number, target: NodeJS.TypedArray): void;
  /** Copy bytes out between chunks: waits its turn in the executor's queue. */
  readAsync(offset: number, bytes: number): Promise<ArrayBuffer>;
  /**
   * Copy parts of other blocks in, between chunks: waits its turn in the executor's queue. `parts` has four numbers for each: which block, its place
   * there, its place here, bytes. Throws ERR_BUSY while a run that uses this block is queued or running.
   */
  copy(sources: readonly NativeBlock[], parts: Float64Array): Promise<void>;
  /** The same in this thread's time: it waits for what runs. */
  copySync(sources: readonly NativeBlock[], parts: Float64Array): void;
  /**
   * An array on the block's own bytes, at least one of them. It keeps them, whatever becomes of the block, and nothing that is done with it
   * (detach, transfer) takes them from the block. Its buffer has these bytes alone, or, where there are no `externalBuffers`, is a SharedArrayBuffer of
   * the whole block. Nobody waits for runs: to read or write it meanwhile is a race.
   */
  view(offset: number, bytes: number): Uint8Array;
  dispose(): void;
}

export interface RunRequest {
  /** Steps to try. */
  readonly steps: number;
  /** Micro-batches per step. */
  readonly micros: number;
  /**
   * Only micro-batches [first, end) of one step: programs that share their accumulators each run a part of it, one after the other, and
   * `apply` is run by that with the last one. Until then no step counts as tried, and `attempt` is that of the step. Of programs of several stages each
   * runs one at a time, in turn: the last of them does what is done once. Default: all stages.
   */
  readonly part?: { readonly first: number; readonly end: number; readonly stage?: number };
  /**
   * Which micro-batches of a step are this process's, from `base` on; the others are those of others, with whom `apply` sums. It may have none.
   * Default: all.
   */
  readonly share?: { readonly base: number; readonly share: number };
  /** A row of the program's feedBytes for each micro-batch of each step. Copied. May be absent when feedBytes is 0. */
  readonly feed?: NodeJS.TypedArray;
  /** `steps` rows of stepBytes. Copied. */
  readonly step?: NodeJS.TypedArray;
  readonly seed: bigint;
  readonly attempt: number;
  readonly stepCount: number;
  /** Skips in a row so far, and how many in a row end the run (0: no limit). */
  readonly skips: number;
  readonly maxSkips: number;
  readonly threads: number;
}

export interface RunResult {
  /** 0 ok, 1 index out of bounds, 2 too many skips, 3 non-finite, 4 stopped (the environment is closing or `stop` was called). */
  readonly status: number;
  /** Steps tried (rows of `report` that hold something), and the counters after them. */
  readonly tried: number;
  readonly attempt: number;
  readonly stepCount: number;
  readonly skips: number;
  /** Of the instruction that failed; -1 if none. */
  readonly instr: number;
  readonly position: number;
  readonly value: number;
  readonly bound: number;
  /** Threads the run got. */
  readonly threads: number;
  /** `tried` rows of reportBytes, and the row of the step that failed, if one did. */
  readonly report: ArrayBuffer;
}

export interface NativeProgram {
  /**
   * Give every block of the program its memory: a NativeBlock, or the caller's own typed array. A program bound to typed arrays
   * runs synchronously only, and every run checks that none is detached or moved (ERR_DETACHED).
   * @param apart runs wait for none but those that are apart, too: on one thread each, `runSync` on the caller's own. The program writes to no block, and
   * no run may that writes to one of these (ERR_BUSY)
   */
  bind(blocks: readonly (NativeBlock | NodeJS.TypedArray)[], apart?: boolean): NativeBinding;
  readonly scratchBytes: number;
}
/**
 * The raw form of a run; BoundProgram in program.ts has the readable one. `numbers` are laid out by program.ts, in and out; what
 * comes back are the rows of `report`.
 */
export interface NativeBinding {
  run(numbers: Float64Array, seed: bigint, feed?: NodeJS.TypedArray, step?: NodeJS.TypedArray): Promise<ArrayBuffer>;
  /** @param atOnce done on this thread before it returns, where no other run is on and this one has one thread: then the rows themselves come back */
  run(
    numbers: Float64Array,
    seed: bigint,
    feed: NodeJS.TypedArray | undefined,
    step: NodeJS.TypedArray | undefined,
    atOnce: boolean,
  ): Promise<ArrayBuffer> | ArrayBuffer;
  runSync(numbers: Float64Array, seed: bigint, feed?: NodeJS.TypedArray, step?: NodeJS.TypedArray): ArrayBuffer;
  /** Other blocks in place of all that it was bound to. Throws ERR_BUSY while a run is queued or running. */
  rebind(blocks: readonly (NativeBlock | NodeJS.TypedArray)[]): void;
  /** Keep nothing of the blocks: the next run comes after `rebind`. Throws ERR_BUSY as that does. */
  unbind(): void;
  /**
   * From here on, measure each instruction. Throws ERR_BUSY while a run is queued or running.
   * @param balance threads work one after the other, each up to its next barrier
   */
  startProfile(balance?: boolean): void;
  /** Per instruction the five numbers of PROFILE_ROW (program.ts). Throws ERR_BUSY while a run is queued or running. */
  profile(): Float64Array;
  /** Ask the queued and running runs of this binding to end after the step they are in, or before their first; they resolve with status 4. */
  stop(): void;
  /** The same of runs that have begun; the others end after their first step. */
  endEarly(): void;
  /** For tests: step k of a run takes sizes[k % length] of its threads, whatever the machine is busy with. */
  sizeSteps(sizes: Int32Array): void;
  /** For tests: what the next run throws where it does its work, `memory`, `thread`, `error` or anything else. */
  failNext(what: string): void;
  dispose(): void;
}

/** How many of its threads a program's steps run on (binding/sizing.h). Here for tests; runs have their own. Times in ns. */
export interface NativeSizing {
  size(most: number): number;
  took(size: number, steps: number, ns: number, slept: number, now: number): void;
}

/** Processes that train together, of an MPI library (binding/mpi.cc). */
export interface NativeMpi {
  /** `error` where it does not open. Once in a process. */
  open(file: string): { readonly library: string; readonly error: string; readonly rank: number; readonly size: number };
  /** Send bytes to another process and get others from it, which does the same. Queued behind runs. */
  exchange(peer: number, out: Uint8Array, bytes: number): Promise<ArrayBuffer>;
  exchangeSync(peer: number, out: Uint8Array, bytes: number): ArrayBuffer;
  /** End all of them. */
  abort(code: number): void;
  /** Nothing is exchanged from here on. It waits for the others. */
  finalize(): void;
}

export interface Addon {
  readonly mpi: NativeMpi;
  /** Of the package that it was compiled in. */
  readonly version: string;
  readonly Block: new (bytes: number) => NativeBlock;
  /** Decodes and verifies. Throws ERR_PROGRAM. `isa` forces a table downwards (tests); default is the process's choice. */
  readonly Program: new (
    spec: ProgramSpec,
    isa?: string,
  ) => NativeProgram;
  readonly Sizing: new () => NativeSizing;
  /** Kernels and elementwise operations in table order: their position is what `code` holds. */
  readonly kernels: readonly string[];
  /** What the row of hyper-parameters of each optimizer's update holds, by kernel: `lr, momentum`. */
  readonly hyper: Readonly<Record<string, string>>;
  readonly maps: readonly {
    readonly name: string;
    readonly arity: number;
    /** May end a product; and a product that it ends can leave its derivative behind. */
    readonly ends: boolean;
    readonly sloped: boolean;
  }[];
  /** ISAs this machine can run, best first, and the one chosen (GRADCLIP_ISA considered). */
  readonly isas: readonly string[];
  readonly isa: string;
  /** Threads a run may use by default, and why: see Runtime. */
  readonly threads: { readonly count: number; readonly reason: string };
  /** Whose threads teams are made of (binding/region/region.h). */
  readonly team: 'openmp' | 'threads';
  /** Whether ArrayBuffers may be on the add-on's memory. Where they may not, as in Electron, blocks are SharedArrayBuffers. */
  readonly externalBuffers: boolean;
  /**
   * The first `count` values of each column as rows of `target`, whose width is the number of columns: from row `at` on, or row k at `places[k]`.
   * @returns the first value that the target's type does not have, as row * width + column; -1: it has all
   */
  rows(target: NodeJS.TypedArray, columns: readonly NodeJS.TypedArray[], count: number, at: number, places?: Int32Array): number;
  /** Bytes of large blocks and arenas of the whole process that have been given and that nobody has touched yet. */
  untouched(): number;
}

let loaded: (Found & { readonly addon: Addon }) | undefined;

/** The add-on, loaded on first use. */
export function addon(): Addon {
  loaded ??= load();
  return loaded.addon;
}

/** Which file it is. Loads it. */
export function addonFile(): Found {
  addon();
  return loaded!;
}

function load(): Found & { readonly addon: Addon } {
  checkHost();
  const at = searched();
  const found = lookFor(at);
  checkFile(found, at);
  try {
    const addon = createRequire(found.file)(found.file) as Addon;
    checkVersion(addon.version, found, at);
    return { ...found, addon };
  } catch (cause) {
    if (cause instanceof AddonError) throw cause;
    // The add-on loaded and refused GRADCLIP_ISA or GRADCLIP_THREADS.
    if ((cause as { code?: unknown }).code === 'ERR_OPTION') throw new OptionError((cause as Error).message, {}, { cause });
    throw refused(found, at, cause);
  }
}

function lookFor(at: Searched): Found {
  let found: Found | null;
  try {
    found = find(at);
  } catch (cause) {
    throw unreadable(at.folder, cause);
  }
  if (!found) throw absent(at);
  return found;
}
