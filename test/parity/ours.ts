// ours.ts: a case run by the add-on: outputs and gradients of each step, and the buffers after the last.
import { grad } from '../../lib/autodiff/grad.ts';
import { compile } from '../../lib/compile/compile.ts';
import { defaultLayout } from '../../lib/compile/layout.ts';
import type { Program } from '../../lib/compile/program.ts';
import { Graph, type State, Tensor } from '../../lib/ir/graph.ts';
import { ARRAYS, type Data, sizeOf } from '../../lib/ir/op.ts';
import { allocate, CompiledProgram, target } from '../../lib/native/program.ts';
import type { Module } from '../../lib/nn/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import { add, mul } from '../../lib/ops/elementwise/elementwise.ts';
import { mean } from '../../lib/ops/reduce/reduce.ts';
import { directionOf, dtypeOf, LR, type ParityCase, STEPS, valuesOf } from './case.ts';

export interface RunOptions {
  readonly isa?: string;
  readonly threads?: number;
}

/** Values by `step/what.name`: what is out, grad (of a parameter), input (its gradient), or, in the last step, buffer. */
export type Values = Map<string, Data>;

/** The module with its weights: the same in every call. */
export function moduleOf({ module }: ParityCase): Module {
  return module().initialize(1);
}

export function runCase(of: ParityCase, options: RunOptions = {}): Values {
  const module = moduleOf(of);
  const graph = trace(of, module);
  const layout = defaultLayout(graph);
  const program = compile(graph, { ...target(), layout });
  const blocks = layout.blocks.map((b) => allocate(Math.max(1, b.bytes)));
  const place = (state: State): { block: (typeof blocks)[number]; offset: number; data: Data } => {
    const at = layout.states.get(state)!;
    return { block: blocks[at.block]!, offset: at.offset, data: new ARRAYS[state.type.dtype](sizeOf(state.type.shape)) };
  };
  const values = new Map([...module.namedParameters(), ...module.namedBuffers()].map(([, v]) => [v.state, v.data]));
  for (const state of layout.states.keys()) {
    const { block, offset, data } = place(state);
    data.set(values.get(state)!);
    block.write(offset, data);
  }
  const bound = new CompiledProgram(program, options.isa).bind(blocks);
  const found: Values = new Map();
  for (let step = 0; step < STEPS; step++) {
    const request = { steps: 1, micros: 1, seed: 0n, attempt: step, stepCount: step, skips: 0, maxSkips: 0 };
    const rows = { feed: feedOf(of, program), step: new Uint8Array(program.step.bytes) };
    const { report } = bound.runSync({ ...request, ...rows, threads: options.threads ?? 1 });
    for (const { name, offset, type } of program.report.columns) {
      found.set(`${step}/${name}`, new ARRAYS[type.dtype](report, offset, sizeOf(type.shape)).slice());
    }
    for (const [name, { state }] of module.namedParameters()) {
      if (!layout.states.has(state)) continue;
      const { block, offset, data } = place(state);
      block.read(offset, data);
      const gradient = found.get(`${step}/grad.${name}`)!;
      block.write(
        offset,
        data.map((p, i) => p - LR * gradient[i]!),
      );
    }
  }
  for (const [name, buffer] of module.namedBuffers()) {
    // One that the graph does not look at stays as it was.
    let { data } = buffer;
    if (layout.states.has(buffer.state)) {
      const { block, offset, data: left } = place(buffer.state);
      block.read(offset, left);
      data = left;
    }
    found.set(`${STEPS - 1}/buffer.${name}`, data);
  }
  bound.dispose();
  return found;
}

function trace(of: ParityCase, module: Module): Graph {
  const graph = new Graph(of.mode ?? 'train');
  const inputs = Object.fromEntries(
    Object.entries(of.inputs).map(([name, input]) => {
      return [name, graph.input(name, { dtype: dtypeOf(input), shape: input.shape }, 'feed')];
    }),
  );
  const unbind = bindParameters(graph, module);
  try {
    const outs = Object.entries(of.run?.(module, inputs) ?? { y: forward(module, Object.values(inputs)) });
    let loss: Tensor | null = null;
    for (const [k, [name, out]] of outs.entries()) {
      graph.output(`out.${name}`, out);
      const term = mean(mul(out, graph.constant(directionOf(out.shape, k), out.shape, 'f32')));
      loss = loss ? add(loss, term) : term;
    }
    const wanted = [
      ...Array.from(module.namedParameters(), ([name, p]) => [`grad.${name}`, p.toTensor()] as const),
      ...Object.entries(inputs).flatMap(([name, t]) => (t.dtype === 'f32' ? [[`input.${name}`, t] as const] : [])),
    ];
    const gradients = grad(
      loss!,
      wanted.map(([, t]) => t),
    );
    for (const [i, [name]] of wanted.entries()) graph.output(name, gradients[i]!);
  } finally {
    unbind();
  }
  return graph;
}

function forward(module: Module, inputs: readonly Tensor[]): Tensor {
  const y = (module.forward as (...ins: Tensor[]) => unknown).apply(module, [...inputs]);
  if (y instanceof Tensor) return y;
  throw new Error('forward gives no tensor: say with `run` what is compared');
}

function feedOf(of: ParityCase, program: Program): Uint8Array {
  const row = new Uint8Array(program.feed.bytes);
  const names = Object.keys(of.inputs);
  for (const { name, offset } of program.feed.columns) {
    const data = valuesOf(of.inputs[name]!, names.indexOf(name));
    row.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
  }
  return row;
}
