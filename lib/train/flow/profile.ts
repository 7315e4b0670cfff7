// profile.ts: where the time of a training run went, instruction by instruction.
import type { Program } from '../../compile/program.ts';

/** One instruction of a program, over all steps profiled. */
export interface InstructionProfile {
  /** Position in the program. */
  readonly index: number;
  readonly section: 'micro' | 'apply';
  readonly kernel: string;
  /** What it computes: `matmul -> f32[64,10]`. */
  readonly note: string;
  /** Too small to share: one thread runs it. */
  readonly serial: boolean;
  readonly calls: number;
  /** Milliseconds per step, from its start until all threads go on. */
  readonly ms: number;
  /** Its part of the step, 0 to 1. */
  readonly share: number;
  /** The part of the team's time in it that the threads worked, 0 to 1; the rest is waiting for each other. */
  readonly busy: number;
  /** By the op's own account, per call: floating point operations, bytes read and written; and what they come to a second. */
  readonly flops: number;
  readonly bytes: number;
  readonly gflops: number;
  readonly gbytes: number;
}

/** The program for one batch size: its steps, and its instructions in order. */
export interface Profile {
  /** Rows of a micro-batch. */
  readonly rows: number;
  readonly threads: number;
  readonly steps: number;
  /** Milliseconds per step in instructions. */
  readonly ms: number;
  readonly instrs: readonly InstructionProfile[];
}

/** @param times per instruction: calls, wall nanoseconds, busy nanoseconds over all threads (BoundProgram.profile) */
export function profileOf(
  program: Program,
  times: Float64Array,
  about: { rows: number; threads: number; steps: number },
): Profile {
  const { rows, threads, steps } = about;
  const wall = (i: number): number => times[3 * i + 1]!;
  const total = program.instrs.reduce((sum, _, i) => sum + wall(i), 0);
  const per = (amount: number, time: number): number => (time > 0 ? amount / time : 0);
  const instrs = program.instrs.map(({ kernel, note, serial, flops, bytes }, index): InstructionProfile => {
    const [calls, ns, busy] = times.subarray(3 * index, 3 * index + 3) as unknown as [number, number, number];
    return {
      index,
      section: index < program.microEnd ? 'micro' : 'apply',
      kernel,
      note,
      serial,
      calls,
      ms: per(ns, steps) / 1e6,
      share: per(ns, total),
      busy: Math.min(1, per(busy, ns * (serial ? 1 : threads))),
      flops,
      bytes,
      gflops: per(flops * calls, ns),
      gbytes: per(bytes * calls, ns),
    };
  });
  return { rows, threads, steps, ms: per(total, steps) / 1e6, instrs };
}
