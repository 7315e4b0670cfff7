// program.ts: the flat form of a compiled graph. C++ verifies it (binding/program.cc) and runs it; print.ts prints it.
import type { TensorType } from '../ir/op.ts';

/**
 * Memory an operand may lie in. The first five belong to a run or a program; from `blocks` on, space `blocks + i` is the i-th
 * block bound to the program: states, data sets, the caller's own arrays.
 */
export const SPACE = {
  /** Scratch memory of the program, planned by plan.ts. Contents do not outlive a step. */
  arena: 0,
  /** Read-only bytes that come with the program. */
  constants: 1,
  /** One row per micro-batch of the run: index rows or whole batches. */
  feed: 2,
  /** One row per applied step of the run: hyper-parameters, thresholds. */
  step: 3,
  /** One row per step tried: the named outputs. Written, and read by later instructions of the same step. */
  report: 4,
  blocks: 5,
} as const;

/** Where a value lies. `offset` and `bytes` in bytes; offsets are multiples of 64 in the arena, of 8 elsewhere. */
export interface Place {
  readonly space: number;
  readonly offset: number;
  readonly bytes: number;
}

/** One instruction. */
export interface Instr {
  readonly kernel: string;
  /** What errors call it; default: the kernel. */
  readonly op?: string | undefined;
  readonly outs: readonly Place[];
  readonly ins: readonly Place[];
  readonly ints: readonly number[];
  readonly floats: readonly number[];
  /** Does nothing when the step is skipped. */
  readonly skippable: boolean;
  /** Too small to share: the first thread runs it alone. */
  readonly serial: boolean;
  /** What it computes, for printed programs and profiles: `matmul -> f32[64,10]`. */
  readonly note: string;
  /** Its products take their operands rounded to bf16. For profiles; the kernel knows it by `ints`. */
  readonly bf16?: boolean;
  /** Cost by the op's own account: floating point operations, and bytes read and written. */
  readonly flops: number;
  readonly bytes: number;
}

/** Stages of a step. */
export const stageCount = ({ cuts }: Pick<Program, 'cuts'>): number => cuts.length / 2 + 1;

/** A named row column: `offset` bytes into the row. Rows are multiples of 8 bytes. */
export interface Column {
  readonly name: string;
  readonly offset: number;
  readonly type: TensorType;
}

export interface Program {
  readonly instrs: readonly Instr[];
  /** Instructions [0, microEnd) are the micro section, the rest is `apply`. */
  readonly microEnd: number;
  /**
   * Where the micro section is cut into stages, two for each but the last: where what is done for each micro-batch ends, and where what is done once ends
   * that follows. All micro-batches come to the one before any goes on behind the other; until then each has an arena of its own.
   */
  readonly cuts: readonly number[];
  readonly arenaBytes: number;
  readonly constants: Uint8Array;
  readonly feed: { readonly bytes: number; readonly columns: readonly Column[] };
  readonly step: { readonly bytes: number; readonly columns: readonly Column[] };
  readonly report: { readonly bytes: number; readonly columns: readonly Column[] };
  /** Least size of each block to bind, and whether the program writes to it. */
  readonly blocks: readonly { readonly name: string; readonly bytes: number; readonly writes: boolean }[];
  /** Sum of the ops' cost for one micro-batch and one apply: chooses the number of threads. */
  readonly flops: number;
  readonly bytes: number;
}
