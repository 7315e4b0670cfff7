// loss-kit.ts: runs a loss with its gradients, by the ops' refs in f64 and by kernels.
import { expect } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { DType } from '../../lib/ir/op.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { sum } from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

const losses = { ...loss };

export interface Values {
  readonly shape: number[];
  /** Null stands for NaN. */
  readonly data: (number | null)[];
  readonly dtype: DType;
}
// biome-ignore lint/suspicious/noExplicitAny: losses take more than tensors
export type Build = (...ins: any[]) => Tensor;
export const values = (data: (number | null)[], dtype: DType = 'f32', shape: number[] = [data.length]): Values => ({
  shape,
  data,
  dtype,
});

/** The loss, and the gradients of its sum for the first `wanted` inputs: by refs in f64, and by kernels. */
export function run(ins: readonly Values[], build: Build, wanted: number): { exact: number[][]; native: number[][] } {
  const graph = new Graph('train');
  const tensors = ins.map(({ dtype, shape }, i) => graph.input(`x${i}`, { dtype, shape }, 'feed'));
  const out = build(...tensors);
  const total = out.shape.length === 0 ? out : sum(out, { dtype: 'f64' });
  const outs = [out, ...grad(total, tensors.slice(0, wanted))];
  for (const [i, t] of outs.entries()) graph.output(`y${i}`, t);
  const inputs = Object.fromEntries(ins.map((x, i) => [`x${i}`, Float64Array.from(x.data, (v) => v ?? Number.NaN)]));
  const truth = interpret(graph, { inputs, f64: true });
  const native = runGraph(graph, { inputs });
  return { exact: outs.map((t) => [...truth.get(t)!]), native: outs.map((_, i) => [...native.get(`y${i}`)!]) };
}

export function close(got: readonly number[], want: readonly number[], tolerance: number): void {
  expect(got.length).toBe(want.length);
  for (const [i, w] of want.entries()) {
    if (!(Math.abs(got[i]! - w) <= tolerance * Math.max(1, Math.abs(w))))
      throw new Error(`element ${i}: expected ${w}, got ${got[i]}`);
  }
}

/** A loss by its name, with inputs in the order of the kept cases. */
export const of = (name: string, options: object): Build => {
  const f = losses[name as 'mse'] as unknown as (...args: unknown[]) => Tensor;
  // PyTorch's order is input, target, variance; goldens list what has gradients first.
  if (name === 'weightedMean') return (x, w) => loss.weightedMean(x, w);
  if (name === 'ctc') return (x, y, inputLengths, targetLengths) => loss.ctc(x, y, { ...options, inputLengths, targetLengths });
  if (name === 'gaussianNll') return (x, v, t) => f(x, t, v, options);
  return (...ins) => f(...ins, options);
};
