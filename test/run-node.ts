// run-node.ts: one node of a graph through its kernel, and through its `ref`, on given arrays.
import { instruction } from '../lib/cli/bench/instruction.ts';
import type { Node } from '../lib/ir/graph.ts';
import { type Data, type DType, sizeOf, type TensorType } from '../lib/ir/op.ts';
import { addon } from '../lib/native/addon.ts';
import { CompiledProgram } from '../lib/native/program.ts';

export interface NodeRun {
  readonly isa?: string;
  readonly threads?: number;
  readonly seed?: bigint;
  readonly attempt?: number;
  /** [output, input]: this output lies where this input lies. */
  readonly inplace?: readonly [number, number];
}

/** Zeros of a type. */
export function zeros({ dtype, shape }: TensorType): Data {
  const n = sizeOf(shape);
  const make: Record<DType, () => Data> = {
    f32: () => new Float32Array(n),
    f64: () => new Float64Array(n),
    i32: () => new Int32Array(n),
    u8: () => new Uint8Array(n),
  };
  return make[dtype]();
}

export const mapIndex = (name: string): number => addon().maps.findIndex((m) => m.name === name);

/** The outputs of `node` from its kernel. */
export function runNode(node: Node, ins: readonly Data[], run: NodeRun = {}): Data[] {
  const outs = node.outs.map((t) => zeros(t.type));
  if (run.inplace) outs[run.inplace[0]]!.set(ins[run.inplace[1]]!);
  const operation = {
    kernel: node.op.kernel ?? node.op.name,
    outs: outs.map((a) => a.byteLength),
    ins: ins.map((a) => a.byteLength),
    ...node.op.lower?.(node, { mapIndex }),
    ...(run.inplace && { inplace: [run.inplace] }),
  };
  const program = new CompiledProgram(instruction(operation), run.isa).bind([...outs, ...ins]);
  const { seed = 0n, attempt = 0, threads = 1 } = run;
  program.runSync({ steps: 1, micros: 1, seed, attempt, stepCount: 0, skips: 0, maxSkips: 0, threads });
  program.dispose();
  return outs;
}

/** The outputs of `node` from its `ref`. */
export function refNode(node: Node, ins: readonly Data[], { seed = 0n, attempt = 0 }: NodeRun = {}): Data[] {
  const outs = node.outs.map((t) => zeros(t.type));
  node.op.ref(outs, ins, node, { seed, attempt, micro: 0, micros: 1 });
  return outs;
}

/** Bit for bit the same. (`toEqual` takes seconds on large arrays.) */
export function sameBits(a: readonly Data[], b: readonly Data[]): boolean {
  const bytes = (d: Data): Buffer => Buffer.from(d.buffer, d.byteOffset, d.byteLength);
  return a.length === b.length && a.every((d, i) => bytes(d).equals(bytes(b[i]!)));
}

/** A distance of 1 is one unit in the last place; 0 for two NaN. f32. */
export function ulps(got: number, want: number): number {
  if (Object.is(got, want) || (Number.isNaN(got) && Number.isNaN(want))) return 0;
  if (Math.fround(want) === got) return Math.abs(want - got) / ulp32(want);
  if (!Number.isFinite(got)) return Infinity;
  return Math.abs(got - want) / ulp32(want);
}
function ulp32(x: number): number {
  const a = Math.max(Math.abs(x), 2 ** -126);
  return 2 ** (Math.floor(Math.log2(a)) - 23);
}
