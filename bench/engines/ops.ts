// ops.ts: a function of `ops` as a program of its own: verified against the ops' `ref` on a few rows, and timed beside a stream over as many bytes
// as its inputs and outputs have.

import { grad } from '../../lib/autodiff/grad.ts';
import { streamProbe } from '../../lib/cli/bench/probe.ts';
import { sampleCalls } from '../../lib/cli/bench/sample.ts';
import { compile } from '../../lib/compile/compile.ts';
import { defaultLayout } from '../../lib/compile/layout.ts';
import { Graph, INPUT, isOp, type State, type Tensor } from '../../lib/ir/graph.ts';
import { interpret } from '../../lib/ir/interpret.ts';
import { ARRAYS, bytesOf, type Data, sizeOf } from '../../lib/ir/op.ts';
import { allocate, CompiledProgram, target } from '../../lib/native/program.ts';
import { mul, slice, sum } from '../../lib/ops/index.ts';
import { noise, uniform } from '../../test/golden/runs/recipe.ts';
import type { Digest } from '../engine.ts';
import { OP_CASES, type OpCase, type OpInput, shapeOf } from '../ops.ts';
import type { Served } from './serve.ts';

/** A case as a graph, with what its inputs hold. The last input of a gradient is the one of the first output. */
export interface OpGraph {
  readonly graph: Graph;
  readonly outs: readonly Tensor[];
  readonly ins: readonly { readonly name: string; readonly tensor: Tensor; readonly data: Data }[];
}

export function opGraph(given: OpCase, verified: boolean): OpGraph {
  const graph = new Graph('train');
  const inputOf = (fill: OpInput, i: number): OpGraph['ins'][number] => {
    const shape = shapeOf(fill, verified);
    const name = `x${i}`;
    const tensor = graph.input(name, { dtype: fill.integers ? 'i32' : 'f32', shape }, 'data');
    return { name, tensor, data: filled(fill, sizeOf(shape), i) };
  };
  const ins = given.ins.map(inputOf);
  const tensors = ins.map(({ tensor }) => tensor);
  const made = given.build(...tensors);
  const outs = Array.isArray(made) ? (made as readonly Tensor[]) : [made as Tensor];
  if (!given.gradient) return { graph, outs, ins };
  const [y] = outs;
  const dy = inputOf({ shape: y!.shape, whole: true }, ins.length);
  return { graph, outs: gradients(y!, tensors, dy.tensor), ins: [...ins, dy] };
}

/** Of all tensors that are floats. */
function gradients(y: Tensor, of: readonly Tensor[], dy: Tensor): Tensor[] {
  const floats = of.filter(({ dtype }) => dtype === 'f32');
  // Of a single op its own rule, so that nothing else is timed; else that of a sum of products with dy.
  const { node } = y;
  if (node.ins.every((t) => isOp(t.node, INPUT)) && node.ins.length === of.length && node.outs.length === 1) {
    const found = node.op.vjp!(node, [dy]);
    return floats.map((t) => found[node.ins.indexOf(t)]!);
  }
  return grad(sum(mul(y, dy)), floats);
}

/** The same in torch_ops.py. */
function filled({ low = -1, high = 1, integers = false }: OpInput, n: number, seed: number): Data {
  if (integers) return Int32Array.from(noise(seed, n), (v) => v % high);
  return uniform(seed, n).map((u) => low + ((high - low) * (u + 1)) / 2);
}

/** Runs it so many times, on inputs that stay; and reads states that it assigns. */
function bind({ graph, ins }: OpGraph, threads: number): { run(steps: number): void; read(state: State): Data } {
  const layout = defaultLayout(graph);
  const program = compile(graph, { ...target(), layout });
  const blocks = layout.blocks.map(({ bytes }) => allocate(Math.max(1, bytes)));
  for (const { name, data } of ins) if (layout.data.has(name)) blocks[layout.data.get(name)!]!.write(0, data);
  const bound = new CompiledProgram(program).bind(blocks);
  const counters = { seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0 };
  return {
    run(steps) {
      bound.runSync({ steps, micros: 1, threads, ...counters });
    },
    read(state) {
      const { block, offset } = layout.states.get(state)!;
      const data = new ARRAYS[state.type.dtype](sizeOf(state.type.shape));
      blocks[block]!.read(offset, data);
      return data;
    },
  };
}

/** All that it makes. */
function outputs(made: OpGraph, threads: number): Data[] {
  const states = made.outs.map((t, i): State => ({ name: `y${i}`, type: t.type }));
  for (const [i, state] of states.entries()) made.graph.assign(state, made.outs[i]!);
  const { run, read } = bind(made, threads);
  run(1);
  return states.map(read);
}

export async function opCell(name: string, threads: number): Promise<Served> {
  const given = OP_CASES.get(name)!;
  if (!given.random) verify(given, threads, name);
  const made = opGraph(given, false);
  const bytes = [...made.ins.map(({ tensor }) => tensor), ...made.outs].reduce((all, t) => all + bytesOf(t.type), 0);
  // The last row goes out: to copy all of it would be timed, too.
  for (const [i, t] of made.outs.entries()) {
    const [rows] = t.shape;
    made.graph.output(`y${i}`, rows === undefined ? t : slice(t, { start: rows - 1 }));
  }
  const { run } = bind(made, threads);
  run(1);
  const inner = Math.max(1, Math.round(2e6 / bytes));
  const stream = streamProbe(given.stream, bytes, threads);
  return {
    info: { bytes, stream: given.stream, stream_bytes: stream.bytes, ins: given.ins, gradient: given.gradient },
    variants: {
      op: (seconds) => sampleCalls(() => run(inner), inner, seconds),
      stream: (seconds) => stream.sample(seconds),
    },
    ...(!given.random && { digest: (): Digest => outputs(opGraph(given, false), threads).map(figures) }),
  };
}

/** Norm, sum and largest absolute value, as peers tell them. */
function figures(x: Data): number[] {
  let [squares, total, most] = [0, 0, 0];
  for (const v of x) {
    squares += v * v;
    total += v;
    most = Math.max(most, Math.abs(v));
  }
  return [Math.sqrt(squares), total, most];
}

/** Throws where a few rows are not what the ops' `ref` gives. */
export function verify(given: OpCase, threads: number, name: string): void {
  const { graph, outs, ins } = opGraph(given, true);
  const truth = interpret(graph, { inputs: Object.fromEntries(ins.map(({ name, data }) => [name, data])) });
  for (const [o, got] of outputs({ graph, outs, ins }, threads).entries()) {
    const want = truth.get(outs[o]!)!;
    for (let i = 0; i < got.length; i++) {
      const error = Math.abs(got[i]! - want[i]!) / Math.max(1, Math.abs(want[i]!));
      if (!(error <= given.tolerance)) throw new Error(`${name}, output ${o}: expected ${want[i]} at ${i}, got ${got[i]}`);
    }
  }
}
