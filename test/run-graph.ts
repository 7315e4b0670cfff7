// run-graph.ts: compile a graph and run it once: feeds in, outputs out. And the values that tests put into samples.
import { compile } from '../lib/compile/compile.ts';
import { defaultLayout, type Layout } from '../lib/compile/layout.ts';
import { type Graph, INPUT, isOp, type State } from '../lib/ir/graph.ts';
import { type Data, type DType, type RefArray, type Sample, sizeOf } from '../lib/ir/op.ts';
import { cos, log } from '../lib/math/index.ts';
import { allocate, CompiledProgram, target } from '../lib/native/program.ts';

export interface RunOptions {
  readonly inputs: Readonly<Record<string, RefArray>>;
  readonly isa?: string;
  readonly threads?: number;
  readonly seed?: bigint;
  readonly attempt?: number;
  readonly fuse?: boolean;
  /** First values of states, in place of their own. */
  readonly states?: (state: State) => RefArray | undefined;
  /** Run this many steps on the same inputs; outputs are those of the last. */
  readonly steps?: number;
  /** Micro-batches of a step, all of the same inputs. Default 1. */
  readonly micros?: number;
  /** Of these, those that are run: up to the last one. Default: all. */
  readonly first?: number;
}

const ARRAYS = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;

export function typed(dtype: DType, buffer: ArrayBuffer, offset: number, length: number): Data {
  const bytes = buffer.slice(offset, offset + length * ARRAYS[dtype].BYTES_PER_ELEMENT);
  return new ARRAYS[dtype](bytes, 0, length);
}

/** Outputs by name, after one run. States start with their `init`. */
export function runGraph(graph: Graph, options: RunOptions): Map<string, Data> {
  const { inputs, isa, threads = 1, seed = 0n, attempt = 0, steps = 1, micros = 1, first = 0 } = options;
  const layout: Layout = defaultLayout(graph);
  const program = compile(graph, { ...target(), layout, fuse: options.fuse ?? true });
  const blocks = layout.blocks.map((b) => allocate(Math.max(1, b.bytes)));
  for (const [state, at] of layout.states) {
    const data = new ARRAYS[state.type.dtype](sizeOf(state.type.shape));
    const given = options.states?.(state);
    if (given) data.set(given);
    else state.init?.(data);
    blocks[at.block]!.write(at.offset, data);
  }
  const rowOf = (columns: typeof program.feed): Uint8Array => {
    const bytes = new Uint8Array(columns.bytes);
    for (const { name, offset, type } of columns.columns) {
      const data = ARRAYS[type.dtype].from(inputs[name] as Float64Array);
      bytes.set(new Uint8Array(data.buffer), offset);
    }
    return bytes;
  };
  for (const t of graph.inputs.values()) {
    if (!isOp(t.node, INPUT) || t.node.attrs.role !== 'data') continue;
    blocks[layout.data.get(t.node.attrs.name)!]!.write(0, inputs[t.node.attrs.name] as Data);
  }
  const repeat = (row: Uint8Array, times: number): Uint8Array => {
    const all = new Uint8Array(row.length * times);
    for (let i = 0; i < times; i++) all.set(row, i * row.length);
    return all;
  };
  const bound = new CompiledProgram(program, isa).bind(blocks);
  const result = bound.runSync({
    steps,
    micros,
    part: { first, end: micros },
    feed: repeat(rowOf(program.feed), steps * (micros - first)),
    step: repeat(rowOf(program.step), steps),
    seed,
    attempt,
    stepCount: 0,
    skips: 0,
    maxSkips: 0,
    threads,
  });
  if (result.status !== 0) throw new Error(`run ended with status ${result.status} at instruction ${result.instr}`);
  const last = (steps - 1) * program.report.bytes;
  return new Map(
    program.report.columns.map((c) => [c.name, typed(c.type.dtype, result.report, last + c.offset, sizeOf(c.type.shape))]),
  );
}

/** Values for a sample's inputs: deterministic, in the ranges it asks for. */
export function fillSample(sample: Sample<unknown>, seed: number): Data[] {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = (): number => Math.sqrt(-2 * log(uniform())) * cos(2 * Math.PI * uniform());
  return sample.ins.map((type, i) => {
    const data = new ARRAYS[type.dtype](sizeOf(type.shape));
    const fill = sample.fill?.[i] ?? 'normal';
    if (typeof fill === 'object' && 'exactly' in fill) return ARRAYS[type.dtype].from(fill.exactly);
    for (let j = 0; j < data.length; j++) {
      if (fill === 'normal') data[j] = normal();
      else if (fill === 'positive') data[j] = Math.abs(normal()) + 0.1;
      else {
        const x = fill[0] + (fill[1] - fill[0]) * uniform();
        data[j] = type.dtype === 'i32' || type.dtype === 'u8' ? Math.floor(x) : x;
      }
    }
    return data;
  });
}
