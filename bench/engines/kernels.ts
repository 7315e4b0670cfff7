// kernels.ts: one kernel by itself, verified against its op's `ref`; and beside it what the machine can do: fma, and a stream over as
// many bytes.
import { fmaProbe, prepare, streamProbe } from '../../lib/cli/bench/probe.ts';
import { type Cell, sampleCalls } from '../../lib/cli/bench/sample.ts';
import { bytesOf, type Data, type DType, sizeOf, type TensorType } from '../../lib/ir/op.ts';
import { target } from '../../lib/native/program.ts';
import { KERNEL_CASES, type KernelCase, kernelNode } from '../kernels.ts';

export async function kernelCell(name: string, threads: number): Promise<Cell> {
  const given = KERNEL_CASES[name]!;
  const { repeat = 1 } = given;
  const { node, data } = kernelNode(given, repeat);
  const { op, ins, outs } = node;
  const { ints = [], floats = [] } = op.lower?.(node, target()) ?? {};
  const { run, read } = prepare(
    {
      kernel: op.kernel ?? op.name,
      outs: outs.map((t) => bytesOf(t.type)),
      ins: ins.map((t) => bytesOf(t.type)),
      ints,
      floats,
      // As the compiler does with what is updated; other outputs stay apart, so that inputs keep their values.
      inplace: op.skippable ? (op.inplace?.(node) ?? []) : [],
    },
    data,
    threads,
  );
  run(1);
  const truth = reference(given);
  for (const [o, out] of node.outs.entries()) {
    const got = zeros(out.type);
    read(o, got);
    compare(got, truth[Math.floor(o / repeat)]!, given.tolerance ?? 2e-6, `${op.name}, output ${o}`);
  }

  const { flops, bytes } = op.cost(node);
  const inner = Math.max(1, Math.round(2e6 / Math.max(flops / 20, bytes)));
  const fma = fmaProbe(threads);
  const stream = streamProbe(given.stream, bytes, threads);
  return {
    info: { flops, bytes, fma_flops: fma.flops, stream: given.stream, stream_bytes: stream.bytes },
    variants: {
      kernel: (seconds) => sampleCalls(() => run(inner), inner, seconds),
      stream: (seconds) => stream.sample(seconds),
      fma: (seconds) => fma.sample(seconds / 4),
    },
  };
}

/** What `ref` gives for one of the tensors that are alike. */
function reference(given: KernelCase): Data[] {
  const { node, data } = kernelNode(given, 1);
  const outs = node.outs.map((t) => zeros(t.type));
  node.op.ref(outs, data, node, { seed: 0n, attempt: 0, micro: 0, micros: 1 });
  return outs;
}

function compare(got: Data, want: Data, tolerance: number, what: string): void {
  for (let i = 0; i < got.length; i++) {
    const error = Math.abs(got[i]! - want[i]!) / Math.max(1, Math.abs(want[i]!));
    if (!(error <= tolerance)) throw new Error(`${what}: expected ${want[i]} at ${i}, got ${got[i]}`);
  }
}

const ARRAYS: Readonly<Record<DType, new (n: number) => Data>> = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  u8: Uint8Array,
};
const zeros = ({ dtype, shape }: TensorType): Data => new ARRAYS[dtype](sizeOf(shape));
