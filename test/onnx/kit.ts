// kit.ts: cases of parity, and samples of ops, as models of ONNX, with what the add-on or the ops' meaning gives for them.
import { compile } from '../../lib/compile/compile.ts';
import { defaultLayout } from '../../lib/compile/layout.ts';
import { GradclipError } from '../../lib/errors.ts';
import { Graph, type State, Tensor } from '../../lib/ir/graph.ts';
import { interpret } from '../../lib/ir/interpret.ts';
import { ARRAYS, type Data, type DType, type OpDef, type Sample, sizeOf } from '../../lib/ir/op.ts';
import { allocate, CompiledProgram, target } from '../../lib/native/program.ts';
import type { Module } from '../../lib/nn/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import { exported, type OnnxInput } from '../../lib/onnx/export.ts';
import type { OnnxModel } from '../../lib/onnx/model.ts';
import { encodeModel } from '../../lib/onnx/proto.ts';
import { dtypeOf, type Input, type ParityCase, valuesOf } from '../parity/case.ts';
import { moduleOf } from '../parity/ours.ts';
import { fillSample } from '../run-graph.ts';
import { decode } from './decode.ts';
import { evaluate } from './evaluate.ts';
import { DOUBLE, FLOAT, fromValues, INT32, type Numbers, UINT8 } from './numbers.ts';

/** Values under a shape. */
export interface Given {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Data;
}
export type Arrays = Readonly<Record<string, Given>>;

/** As far as what a file gives may be off. */
export const LIMIT = 1e-5;
/** Of what rounding alone tells apart, such as values far from 0 that hardly differ, the sample says how near it can be. */
const limitOf = ({ tolerance = 0 }: Sample<unknown>): number => (tolerance > 1e-4 ? tolerance : LIMIT);

/** A model with inputs, and what it is to make of them. */
export interface Check {
  readonly model: OnnxModel;
  /** How far off it may be, norm by norm. */
  readonly limit: number;
  readonly inputs: Arrays;
  readonly outputs: Arrays;
}

export const bytesOf = (model: OnnxModel): Uint8Array => Buffer.concat(encodeModel(model));

/** The number of a type of elements. */
export const TYPES: Readonly<Record<DType, number>> = { f32: FLOAT, f64: DOUBLE, i32: INT32, u8: UINT8 };

/** What the file makes of inputs, computed in plain loops. */
export function evaluated(model: OnnxModel, inputs: Arrays): Map<string, Numbers> {
  const given = Object.entries(inputs).map(([name, { dtype, shape, data }]) => [name, fromValues(shape, TYPES[dtype], data)]);
  return evaluate(decode(bytesOf(model)), Object.fromEntries(given) as Record<string, Numbers>);
}

/** Norm of the difference over the norm of what is wanted; NaN equals NaN. @throws where sizes differ */
export function normwise(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) throw new Error(`expected ${want.length} elements, got ${got.length}`);
  let [difference, norm] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    if (Object.is(got[i], want[i]) || got[i] === want[i]) continue;
    difference += (got[i]! - want[i]!) ** 2;
  }
  for (let i = 0; i < want.length; i++) norm += Number.isFinite(want[i]!) ? want[i]! ** 2 : 0;
  return difference === 0 ? 0 : Math.sqrt(difference / norm);
}

// ---- cases of parity ---------------------------------------------------------------------------------------------
/** Dimensions that are open in the file: those of rows, and of states the second one. */
const isOpen = (name: string, axis: number): boolean => axis === (name === 'h' || name === 'c' ? 1 : 0);

/** A case with other numbers of rows than it has, where nothing says that there are so many. */
function resized({ inputs }: ParityCase): Readonly<Record<string, Input>> {
  if (Object.values(inputs).some(({ values }) => values)) return inputs;
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => [
      name,
      { ...input, shape: input.shape.map((d, i) => (isOpen(name, i) ? d + 1 : d)) },
    ]),
  );
}

function outputsOf(of: ParityCase, module: Module, inputs: Readonly<Record<string, Tensor>>): Map<string, Tensor> {
  const forward = module.forward as (...ins: Tensor[]) => unknown;
  const given = of.run?.(module, inputs) ?? { y: forward.apply(module, Object.values(inputs)) };
  return new Map(Object.entries(given).map(([name, t]) => [`out.${name}`, t instanceof Tensor ? t : fail(name)]));
}
const fail = (name: string): never => {
  throw new Error(`${name} is no tensor`);
};

interface Traced {
  readonly graph: Graph;
  readonly outputs: Map<string, Tensor>;
}
function trace(of: ParityCase, module: Module, shapes: Readonly<Record<string, readonly number[]>>, forAnyRows: boolean): Traced {
  const graph = new Graph('eval');
  graph.forAnyRows = forAnyRows;
  const inputs = Object.entries(of.inputs).map(([name, input]) => {
    return [name, graph.input(name, { dtype: dtypeOf(input), shape: shapes[name]! }, 'feed')] as const;
  });
  const unbind = bindParameters(graph, module);
  try {
    return { graph, outputs: outputsOf(of, module, Object.fromEntries(inputs)) };
  } finally {
    unbind();
  }
}

/** A case as evaluation has it, with rows that are open. */
export function caseModel(of: ParityCase, module: Module = moduleOf(of), opset: number = 17): OnnxModel {
  const inputs = Object.entries(of.inputs).map(([name, input]): OnnxInput => {
    return { name, dtype: dtypeOf(input), shape: input.shape.map((d, i) => (isOpen(name, i) ? `rows${d}` : d)) };
  });
  const states = [...module.namedParameters(), ...module.namedBuffers()];
  const weights = new Map(states.map(([name, { state, data }]) => [state, { name, data }]));
  return exported({
    inputs,
    sizes: {},
    opset,
    name: module.constructor.name,
    metadata: {},
    weightOf: (state) => weights.get(state)!,
    trace: (sizes) => {
      const shapes = inputs.map(({ name, shape }) => [name, shape.map((d) => (typeof d === 'number' ? d : sizes.get(d)!))]);
      return trace(of, module, Object.fromEntries(shapes) as Record<string, number[]>, true);
    },
  });
}

export function checkOf(of: ParityCase, opset: number = 17): Check {
  const module = moduleOf(of);
  const given = Object.entries(resized(of)).map(([name, input], k): [string, Given] => {
    return [name, { dtype: dtypeOf(input), shape: input.shape, data: valuesOf(input, k) }];
  });
  const inputs = Object.fromEntries(given);
  return { model: caseModel(of, module, opset), limit: LIMIT, inputs, outputs: computed(of, module, inputs) };
}

/** What the add-on makes of inputs. */
function computed(of: ParityCase, module: Module, inputs: Arrays): Arrays {
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
  const { graph, outputs } = trace(of, module, shapes, false);
  for (const [name, t] of outputs) graph.output(name, t);
  const layout = defaultLayout(graph);
  const program = compile(graph, { ...target(), layout });
  const blocks = layout.blocks.map((b) => allocate(Math.max(1, b.bytes)));
  const values = new Map<State, Data>([...module.namedParameters(), ...module.namedBuffers()].map(([, v]) => [v.state, v.data]));
  for (const [state, at] of layout.states) blocks[at.block]!.write(at.offset, values.get(state)!);
  const feed = new Uint8Array(program.feed.bytes);
  for (const { name, offset } of program.feed.columns) {
    const { data } = inputs[name]!;
    feed.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
  }
  const bound = new CompiledProgram(program).bind(blocks);
  const request = { steps: 1, micros: 1, seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0, threads: 1 };
  const { report } = bound.runSync({ ...request, feed, step: new Uint8Array(program.step.bytes) });
  const found = program.report.columns.map(({ name, offset, type }): [string, Given] => {
    return [name, { ...type, data: new ARRAYS[type.dtype](report, offset, sizeOf(type.shape)).slice() }];
  });
  bound.dispose();
  return Object.fromEntries(found);
}

// ---- samples of ops ----------------------------------------------------------------------------------------------
/** A sample of an op as a model of its own, of fixed shapes; null where it has no form, as what the compiler makes of the op. */
export function sampleCheck(op: OpDef, sample: Sample<unknown>, opset: number = 17): Check | null {
  const build = (): { graph: Graph; outs: readonly Tensor[] } => {
    const graph = new Graph('eval');
    const ins = sample.ins.map((type, i) => graph.input(`in${i}`, type, 'feed'));
    return { graph, outs: graph.add(op, ins, sample.attrs).outs };
  };
  const data = fillSample(sample, 7);
  const inputs = Object.fromEntries(sample.ins.map((type, i): [string, Given] => [`in${i}`, { ...type, data: data[i]! }]));
  const { graph, outs } = build();
  const values = interpret(graph, { inputs: Object.fromEntries(data.map((d, i) => [`in${i}`, d])) });
  const model = (wanted: readonly number[]): OnnxModel =>
    exported({
      inputs: sample.ins.map(({ dtype, shape }, i) => ({ name: `in${i}`, dtype, shape })),
      sizes: {},
      opset,
      name: op.name,
      metadata: {},
      weightOf: () => fail('a state'),
      trace: () => {
        const { graph, outs } = build();
        return { graph, outputs: new Map(wanted.map((k) => [`out${k}`, outs[k]!])) };
      },
    });
  const has = (k: number): boolean => {
    try {
      model([k]);
      return true;
    } catch (error) {
      if (error instanceof GradclipError && /cannot be written in ONNX/.test(error.message)) return false;
      throw error;
    }
  };
  const wanted = outs.flatMap((_, k) => (has(k) ? [k] : []));
  if (wanted.length === 0) return null;
  const outputs = wanted.map((k): [string, Given] => [`out${k}`, { ...outs[k]!.type, data: values.get(outs[k]!) as Data }]);
  return { model: model(wanted), limit: limitOf(sample), inputs, outputs: Object.fromEntries(outputs) };
}

/** Samples that a file computes in f32: products of bf16 are no part of one. */
export const samplesOf = (op: OpDef): Sample<unknown>[] =>
  op.samples().filter(({ attrs }) => !(attrs as { readonly bf16?: boolean } | null)?.bf16) as Sample<unknown>[];
