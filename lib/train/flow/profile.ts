// profile.ts: where the time of a training run went, instruction by instruction.
import type { Program } from '../../compile/program.ts';
import type { Section } from '../../ir/graph.ts';
import { PROFILE_ROW } from '../../native/program.ts';

/** One instruction of a program, over all steps profiled. */
export interface InstructionProfile {
  /** Position in the program. */
  readonly index: number;
  /** The part of the step that it is in: `micro`, run for every micro-batch; `joint`, once between two parts of that; `apply`, once at the end. */
  readonly section: Section;
  /** Name of the native kernel. */
  readonly kernel: string;
  /** What it computes: `matmul -> f32[64,10]`. */
  readonly note: string;
  /** Its products take their operands rounded to bf16 (option `precision`). */
  readonly bf16: boolean;
  /** Too small to share: one thread runs it. */
  readonly serial: boolean;
  /** How often it ran, over all steps profiled. */
  readonly calls: number;
  /** Milliseconds per step, from its start until all threads go on. Of balance: what it would take with a core for each thread. */
  readonly ms: number;
  /** Its part of the step, 0 to 1. */
  readonly share: number;
  /** The part of the team's time in it that the threads worked, 0 to 1; the rest is waiting for each other. */
  readonly busy: number;
  /** Of balance: what the thread with the largest share works, over the mean of all threads. 1: all work alike. */
  readonly largest?: number;
  /** Of balance: barriers per call, the one at its end among them. */
  readonly barriers?: number;
  /** Floating point operations per call, by the op's own account. */
  readonly flops: number;
  /** Bytes read and written per call, by the op's own account. */
  readonly bytes: number;
  /** 10^9 floating point operations a second. */
  readonly gflops: number;
  /** 10^9 bytes read and written a second. */
  readonly gbytes: number;
}

/** The program for one batch size: its steps, and its instructions in order. */
export interface Profile {
  /** Rows of a micro-batch. */
  readonly rows: number;
  /** Threads of the run. */
  readonly threads: number;
  /** Steps that were measured. */
  readonly steps: number;
  /** Milliseconds per step in instructions. */
  readonly ms: number;
  /** The instructions in the order in which they run. */
  readonly instrs: readonly InstructionProfile[];
}

function sectionOf({ cuts, microEnd }: Program, index: number): Section {
  if (index >= microEnd) return 'apply';
  return cuts.filter((cut) => cut <= index).length % 2 === 1 ? 'joint' : 'micro';
}

/** @param times of BoundProgram.profile */
export function profileOf(
  program: Program,
  times: Float64Array,
  about: { rows: number; threads: number; steps: number; balance: boolean },
): Profile {
  const { rows, threads, steps, balance } = about;
  const wall = (i: number): number => times[PROFILE_ROW * i + 1]!;
  const total = program.instrs.reduce((sum, _, i) => sum + wall(i), 0);
  const per = (amount: number, time: number): number => (time > 0 ? amount / time : 0);
  const instrs = program.instrs.map(({ kernel, note, bf16 = false, serial, flops, bytes }, index): InstructionProfile => {
    const row = times.subarray(PROFILE_ROW * index, PROFILE_ROW * (index + 1));
    const [calls, ns, busy, barriers, largest] = row as unknown as [number, number, number, number, number];
    return {
      index,
      section: sectionOf(program, index),
      kernel,
      note,
      bf16,
      serial,
      calls,
      ms: per(ns, steps) / 1e6,
      share: per(ns, total),
      busy: Math.min(1, per(busy, ns * (serial ? 1 : threads))),
      flops,
      bytes,
      gflops: per(flops * calls, ns),
      gbytes: per(bytes * calls, ns),
      ...(balance ? { largest: per(largest * threads, busy), barriers: per(barriers, calls) } : {}),
    };
  });
  return { rows, threads, steps, ms: per(total, steps) / 1e6, instrs };
}
