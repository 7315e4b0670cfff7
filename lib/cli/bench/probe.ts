// probe.ts: what the machine can do at most: fma in registers, and streams over memory. Kernels: binding/kernels/probe.h.
import { allocate, CompiledProgram } from '../../native/program.ts';
import { instruction, type Operation } from './instruction.ts';
import { type Sample, sampleCalls } from './sample.ts';

/** Something to time: a call does `inner` units of work. */
export interface Probe {
  readonly flops: number;
  /** Read and written. */
  readonly bytes: number;
  sample(seconds: number): Sample;
}

/** `read` sums, `copy` writes elsewhere what it reads, `axpy` is y = a * x + y in place. */
export type StreamKind = 'read' | 'copy' | 'axpy';
// Operands of as many elements as there are, and those of them that are written.
const STREAMS: Readonly<Record<StreamKind, { readonly arrays: number; readonly moved: number; readonly step: number }>> = {
  read: { arrays: 1, moved: 1, step: 1024 },
  copy: { arrays: 2, moved: 2, step: 16 },
  axpy: { arrays: 2, moved: 3, step: 16 },
};

/** Chains of fma on each of the threads. */
export function fmaProbe(threads: number): Probe {
  const rounds = 100_000;
  const { run, read } = prepare(
    { kernel: 'probe_fma', outs: [64], ins: [8], ints: [rounds] },
    [new Float32Array([0.5, 0.5])],
    threads,
  );
  run(1);
  // x = x / 2 + 1 / 2 goes to 1.
  expect(read, 16, 12, 'probe_fma');
  return { flops: 2 * 16 * 12 * rounds * threads, bytes: 0, sample: (seconds) => sampleCalls(() => run(1), 1, seconds) };
}

/** Chains of products of pairs in bf16 on each of the threads, as the instruction set has them. */
export function dotProbe(threads: number): Probe {
  const rounds = 50_000;
  const { run, read } = prepare(
    { kernel: 'probe_dot', outs: [64], ins: [8], ints: [rounds] },
    [new Float32Array([1, 1])],
    threads,
  );
  run(1);
  // 0, 1, ... 23, to each of which 1 + 1 is added.
  expect(read, 16, 276 + 24 * 2 * rounds, 'probe_dot');
  return { flops: 4 * 16 * 24 * rounds * threads, bytes: 0, sample: (seconds) => sampleCalls(() => run(1), 1, seconds) };
}

/** A stream that moves about so many bytes. */
export function streamProbe(kind: StreamKind, bytes: number, threads: number): Probe {
  const { moved, step } = STREAMS[kind];
  const n = Math.max(1, Math.round(bytes / moved / 4 / step)) * step;
  const size = 4 * n;
  const ones = new Float32Array(n).fill(1);
  const operation: Operation = {
    kernel: `probe_${kind}`,
    outs: [kind === 'read' ? 64 : size],
    ins: kind === 'axpy' ? [size, size] : [size],
    ints: [n],
    ...(kind === 'axpy' && { floats: [0.25], inplace: [[0, 1]] as const }),
  };
  const { run, read } = prepare(operation, [ones], threads);
  run(1);
  if (kind === 'read') expect(read, 16, n / 16, operation.kernel);
  else expect(read, n, kind === 'copy' ? 1 : 0.25, operation.kernel);
  const inner = Math.max(1, Math.round(2e6 / size));
  return { flops: 0, bytes: moved * size, sample: (seconds) => sampleCalls(() => run(inner), inner, seconds) };
}

/** What the machine does at most: fma in registers, and a stream over more than any cache holds. */
export function measurePeak(threads: number): { readonly gflops: number; readonly gbytes: number } {
  const [fma, stream] = [fmaProbe(threads), streamProbe('axpy', 1.5e8, threads)];
  return { gflops: fma.flops / fma.sample(0.2).median_ms / 1e6, gbytes: stream.bytes / stream.sample(0.3).median_ms / 1e6 };
}

/** The program on blocks of its own: the inputs are given, the rest is zero. */
export function prepare(
  operation: Operation,
  inputs: readonly NodeJS.TypedArray[],
  threads: number,
): { run(steps: number): void; read(block: number, into: NodeJS.TypedArray): void } {
  const program = instruction(operation);
  const elsewhere = new Set(operation.inplace?.map(([, i]) => operation.outs.length + i));
  const blocks = program.blocks.map(({ bytes }, i) => allocate(elsewhere.has(i) ? 1 : Math.max(1, bytes)));
  for (const [i, data] of inputs.entries()) {
    const [output] = operation.inplace?.find(([, input]) => input === i) ?? [operation.outs.length + i];
    blocks[output]!.write(0, data);
  }
  const bound = new CompiledProgram(program).bind(blocks);
  const counters = { seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0 };
  return {
    run: (steps) => {
      bound.runSync({ steps, micros: 1, threads, ...counters });
    },
    read: (block, into) => blocks[block]!.read(0, into),
  };
}

/** Output 0 is `value` everywhere. */
function expect(read: (block: number, into: NodeJS.TypedArray) => void, length: number, value: number, what: string): void {
  const got = new Float32Array(length);
  read(0, got);
  const wrong = got.findIndex((v) => v !== value);
  if (wrong >= 0) throw new Error(`${what}: expected ${value} at ${wrong}, got ${got[wrong]}`);
}
