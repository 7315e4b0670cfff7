// traced.ts: what the tests of gradients per sample compare: norms in one program, and those of each sample alone, in f64.
import { backward } from '../../lib/autodiff/grad.ts';
import { SamplesOf } from '../../lib/autodiff/samples.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type DType, type RefArray, sizeOf } from '../../lib/ir/op.ts';
import { type Module, Parameter } from '../../lib/nn/index.ts';
import { namesOf } from '../../lib/nn/module/module.ts';
import { sqrt, sum } from '../../lib/ops/index.ts';
import { lossesOf } from '../../lib/train/step/per-sample.ts';
import { traceLoss } from '../../lib/train/step/step.ts';
import { interpret } from '../interpret.ts';
import { type RunOptions, runGraph } from '../run-graph.ts';

/** An array of a batch; its first dimension is that of samples. */
export interface Given {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: RefArray;
}

export interface Case<M extends Module = Module> {
  readonly model: M;
  readonly batch: Readonly<Record<string, Given>>;
  readonly loss: (batch: Readonly<Record<string, Tensor>>, model: M) => Tensor;
}

const lengthOf = (x: RefArray): number => Math.sqrt((x as Float64Array).reduce((total, v) => total + v * v, 0));
const rowsOf = ({ batch }: Case): number => Object.values(batch)[0]!.shape[0]!;

function traced(of: Case, rows: number): { graph: Graph; loss: Tensor; params: readonly Parameter[] } {
  const graph = new Graph('train');
  const trace = (g: Graph): Record<string, Tensor> =>
    Object.fromEntries(
      Object.entries(of.batch).map(([name, { dtype, shape }]) => [
        name,
        g.input(name, { dtype, shape: [rows, ...shape.slice(1)] }, 'feed'),
      ]),
    );
  const params = [...namesOf(of.model).keys()].filter((p): p is Parameter => p instanceof Parameter);
  return { graph, loss: traceLoss(graph, of.model, of.loss as never, trace), params };
}

/** Norms of all gradients of each sample, and of each parameter of each sample, of one compiled program. */
export function normsTogether(of: Case, run: Omit<RunOptions, 'inputs'> = {}): { all: number[]; each: Record<string, number[]> } {
  const rows = rowsOf(of);
  const { graph, loss, params } = traced(of, rows);
  const samples = new SamplesOf(rows);
  const { gradients } = backward(
    sum(lossesOf(loss, samples)),
    params.map((p) => graph.state(p.state)),
  );
  for (const [i, g] of gradients.entries()) if (g) graph.output(params[i]!.name, sqrt(samples.squares(g)));
  const out = runGraph(graph, {
    ...run,
    inputs: Object.fromEntries(Object.entries(of.batch).map(([name, { data }]) => [name, data])),
  });
  const each = Object.fromEntries([...out].map(([name, v]) => [name, [...v]]));
  const all = Array.from({ length: rows }, (_, i) => Math.hypot(...Object.values(each).map((v) => v[i]!)));
  return { all, each };
}

/** The same by a backward pass for each sample alone, in f64 through the ops' meaning in plain loops. */
export function normsOneByOne(of: Case): { all: number[]; each: Record<string, number[]> } {
  const rows = rowsOf(of);
  const { graph, loss, params } = traced(of, 1);
  const { gradients } = backward(
    loss,
    params.map((p) => graph.state(p.state)),
  );
  const each: Record<string, number[]> = {};
  for (let s = 0; s < rows; s++) {
    const inputs = Object.fromEntries(
      Object.entries(of.batch).map(([name, { shape, data }]) => {
        const n = sizeOf(shape.slice(1));
        return [name, data.slice(s * n, (s + 1) * n) as RefArray];
      }),
    );
    const states = (state: {
      readonly type: { readonly shape: readonly number[] };
      readonly init?: (out: never) => void;
    }): RefArray => {
      const data = new Float32Array(sizeOf(state.type.shape));
      state.init?.(data as never);
      return data;
    };
    const values = interpret(graph, { inputs, states, f64: true });
    for (const [i, g] of gradients.entries()) {
      if (g) each[params[i]!.name] = [...(each[params[i]!.name] ?? []), lengthOf(values.get(g)!)];
    }
  }
  const all = Array.from({ length: rows }, (_, i) => Math.hypot(...Object.values(each).map((v) => v[i]!)));
  return { all, each };
}

let seed = 1;
const next = (): number => {
  seed = (seed * 48271) % 2147483647;
  return seed / 2147483647;
};
/** Numbers of about a standard deviation of 1. */
export function floats(...shape: readonly number[]): Given {
  return { dtype: 'f32', shape, data: Float32Array.from({ length: sizeOf(shape) }, () => next() + next() + next() + next() - 2) };
}
export function indices(below: number, ...shape: readonly number[]): Given {
  return { dtype: 'i32', shape, data: Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(next() * below)) };
}
