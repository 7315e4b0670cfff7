// run-node.ts: one node of a graph through its kernel, and through its `ref`, on given arrays.
import { instruction, type Operation } from '../lib/cli/bench/instruction.ts';
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

const operationOf = (node: Node, outs: readonly Data[], ins: readonly Data[]): Operation => ({
  kernel: node.op.kernel ?? node.op.name,
  outs: outs.map((a) => a.byteLength),
  ins: ins.map((a) => a.byteLength),
  ...node.op.lower?.(node, { mapIndex }),
});

/** The outputs of `node` from its kernel. */
export function runNode(node: Node, ins: readonly Data[], run: NodeRun = {}): Data[] {
  const outs = node.outs.map((t) => zeros(t.type));
  if (run.inplace) outs[run.inplace[0]]!.set(ins[run.inplace[1]]!);
  const operation = { ...operationOf(node, outs, ins), ...(run.inplace && { inplace: [run.inplace] }) };
  const program = new CompiledProgram(instruction(operation), run.isa).bind([...outs, ...ins]);
  const { seed = 0n, attempt = 0, threads = 1 } = run;
  program.runSync({ steps: 1, micros: 1, seed, attempt, stepCount: 0, skips: 0, maxSkips: 0, threads });
  program.dispose();
  return outs;
}

/** The tables whose bits must agree with each other: those with fma, and the baseline by itself. */
export const KINDS_OF_BITS: readonly (readonly string[])[] = [
  addon().isas.filter((isa) => isa !== 'x86_64'),
  addon().isas.filter((isa) => isa === 'x86_64'),
].filter((isas) => isas.length > 0);

export interface TeamRuns {
  readonly isa: string;
  readonly teams: readonly number[];
  /** [output, input]: these outputs lie where these inputs lie. */
  readonly inplace: readonly (readonly [number, number])[];
  readonly seed: bigint;
  readonly attempt: number;
}
/** `node` through its kernel on each team in turn. `see` gets its outputs, which the next run writes over. */
export function runTeams(
  node: Node,
  ins: readonly Data[],
  run: TeamRuns,
  see: (outs: readonly Data[], threads: number) => void,
): void {
  const { isa, teams, inplace, seed, attempt } = run;
  const outs = node.outs.map((t) => zeros(t.type));
  const before = ins.map((x) => x.slice());
  const program = new CompiledProgram(instruction({ ...operationOf(node, outs, ins), inplace }), isa).bind([...outs, ...before]);
  for (const threads of teams) {
    for (const [o, i] of inplace) outs[o]!.set(ins[i]!);
    program.runSync({ steps: 1, micros: 1, seed, attempt, stepCount: 0, skips: 0, maxSkips: 0, threads });
    see(outs, threads);
  }
  program.dispose();
  if (!sameBits(before, ins)) throw new Error(`${node.op.name}: an input was written to`);
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

const words32 = (x: Data): Uint32Array => new Uint32Array(x.buffer, x.byteOffset, x.byteLength >> 2);
const words64 = (x: Float64Array): BigUint64Array => new BigUint64Array(x.buffer, x.byteOffset, x.length);

/** Bit for bit the same, but that a NaN has no sign. */
export function sameNumbers(a: Data, b: Data): boolean {
  if (sameBits([a], [b])) return true;
  if (a instanceof Float32Array && a.length === b.length) {
    const [x, y] = [words32(a), words32(b)];
    return x.every((w, i) => w === y[i] || (Number.isNaN(a[i]) && ((w ^ y[i]!) & 0x7fffffff) === 0));
  }
  if (a instanceof Float64Array && b instanceof Float64Array && a.length === b.length) {
    const [x, y] = [words64(a), words64(b)];
    return x.every((w, i) => w === y[i] || (Number.isNaN(a[i]) && ((w ^ y[i]!) & 0x7fffffffffffffffn) === 0n));
  }
  return false;
}

/** Does it hold what GRADCLIP_POISON=1 filled it with, or what was computed from that? Of bytes that cannot be told. */
export function unwritten(x: Data): boolean {
  if (x instanceof Uint8Array) return false;
  if (x instanceof Float64Array) return words64(x).some((w) => (w & 0x7ff7ffffffffffffn) === 0x7ff4f4f47ff4f4f4n);
  return words32(x).some((w) => (w & 0x7fffffff) === 0x7ff4f4f4);
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
