// losses.test.ts: losses with weights, ignored labels and margins, run by the ops' refs in f64, against PyTorch (golden/nn/losses.json, made by
// make_losses.py); what is not in PyTorch, by hand; and kernels against refs for whole losses.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { grad } from '../../lib/autodiff.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { DType } from '../../lib/ir/op.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { sum } from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

const losses = { ...loss };

interface Values {
  readonly shape: number[];
  readonly data: number[];
  readonly dtype: DType;
}
interface Case {
  readonly loss: string;
  readonly ins: readonly Values[];
  readonly options: object;
  readonly value: number[];
  readonly grads: number[][];
}
const golden = JSON.parse(readFileSync(new URL('../golden/nn/losses.json', import.meta.url), 'utf8')) as { cases: Case[] };

// biome-ignore lint/suspicious/noExplicitAny: losses take more than tensors
type Build = (...ins: any[]) => Tensor;
const values = (data: number[], dtype: DType = 'f32', shape = [data.length]): Values => ({ shape, data, dtype });

/** The loss, and the gradients of its sum for the first `wanted` inputs: by refs in f64, and by kernels. */
function run(ins: readonly Values[], build: Build, wanted: number): { exact: number[][]; native: number[][] } {
  const graph = new Graph('train');
  const tensors = ins.map(({ dtype, shape }, i) => graph.input(`x${i}`, { dtype, shape }, 'feed'));
  const out = build(...tensors);
  const total = out.shape.length === 0 ? out : sum(out, { dtype: 'f64' });
  const outs = [out, ...grad(total, tensors.slice(0, wanted))];
  for (const [i, t] of outs.entries()) graph.output(`y${i}`, t);
  const inputs = Object.fromEntries(ins.map((x, i) => [`x${i}`, Float64Array.from(x.data)]));
  const truth = interpret(graph, { inputs, f64: true });
  const native = runGraph(graph, { inputs });
  return { exact: outs.map((t) => [...truth.get(t)!]), native: outs.map((_, i) => [...native.get(`y${i}`)!]) };
}

function close(got: readonly number[], want: readonly number[], tolerance: number): void {
  expect(got.length).toBe(want.length);
  for (const [i, w] of want.entries()) {
    if (!(Math.abs(got[i]! - w) <= tolerance * Math.max(1, Math.abs(w))))
      throw new Error(`element ${i}: expected ${w}, got ${got[i]}`);
  }
}

const of = (name: string, options: object): Build => {
  const f = losses[name as 'mse'] as unknown as (...args: unknown[]) => Tensor;
  // PyTorch's order is input, target, variance; goldens list what has gradients first.
  if (name === 'weightedMean') return (x, w) => loss.weightedMean(x, w);
  if (name === 'gaussianNll') return (x, v, t) => f(x, t, v, options);
  return (...ins) => f(...ins, options);
};

describe('losses as in PyTorch: values and gradients', () => {
  test.each(golden.cases.map((c, i) => [i, c.loss, JSON.stringify(c.options), c] as const))('#%i %s %s', (_, name, __, c) => {
    const { exact, native } = run(c.ins, of(name, c.options), c.grads.length);
    for (const [i, want] of [c.value, ...c.grads].entries()) {
      close(exact[i]!, want, 1e-8);
      close(native[i]!, want, 2e-5);
    }
  });
});

describe('where PyTorch gives NaN or infinity', () => {
  const logits = values([1, 2, 3, 4, 5, 6], 'f32', [2, 3]);
  test.each([
    ['all rows ignored', [1, 1], { ignoreIndex: 1 }],
    ['all labels of no weight', [1, 2], { weight: [3, 0, 0] }],
  ])('%s: the mean is 0, and so is the gradient', (_, labels, options) => {
    for (const f of [loss.crossEntropy, loss.nll, loss.focal]) {
      const { exact, native } = run([logits, values(labels, 'i32')], (x, y) => f(x, y, options), 1);
      for (const got of [exact, native]) {
        expect(got[0]).toEqual([0]);
        for (const g of got[1]!) expect(Math.abs(g)).toBe(0);
      }
    }
  });

  test('vectors of zeros have finite gradients', () => {
    const zero = values([0, 0, 0], 'f32', [1, 3]);
    const both: Build[] = [(a, b) => loss.cosineSimilarity(a!, b!), (a, b) => loss.tripletMargin(a!, b!, a!)];
    for (const f of both) {
      const { native } = run([zero, zero], f, 2);
      for (const g of native.flat()) expect(Number.isFinite(g)).toBe(true);
    }
  });

  test('focal losses of sure and wrong logits are finite', () => {
    const x = values([-300, 300, -90, 90, 0], 'f32');
    for (const gamma of [0.5, 1, 2]) {
      for (const y of [0, 1]) {
        const targets = values([y, y, y, y, y]);
        const { native } = run([x, targets], (a, b) => loss.sigmoidFocal(a, b, { gamma, reduction: 'none' }), 1);
        for (const v of native.flat()) expect(Number.isFinite(v)).toBe(true);
      }
      const sure = values([300, -300, -300, 300], 'f32', [2, 2]);
      const { native } = run([sure, values([0, 0], 'i32')], (a, b) => loss.focal(a, b, { gamma }), 1);
      for (const v of native.flat()) expect(Number.isFinite(v)).toBe(true);
      expect(native[0]![0]).toBeCloseTo(300, 3);
    }
  });
});

test('ignored labels may be u8, and labels of many dimensions keep their shape with none', () => {
  const x = values([1, 2, 4, 3, 0, 1, 5, 5], 'f32', [2, 2, 2]);
  const y = values([0, 255, 1, 255], 'u8', [2, 2]);
  const graph = new Graph();
  const [a, b] = [x, y].map(({ dtype, shape }, i) => graph.input(`x${i}`, { dtype, shape }, 'feed'));
  const out = loss.crossEntropy(a!, b!, { ignoreIndex: 255, reduction: 'none' });
  expect(out.type).toEqual({ dtype: 'f64', shape: [2, 2] });
  const { native } = run([x, y], (u, v) => loss.crossEntropy(u, v, { ignoreIndex: 255, reduction: 'none' }), 1);
  close(native[0]!, [Math.log(1 + Math.E), 0, Math.log(1 + Math.exp(-1)), 0], 1e-6);
});

describe('refused', () => {
  const refuse = (build: Build, shapes: readonly (readonly number[])[], dtype: DType = 'f32') => {
    const graph = new Graph();
    const ins = shapes.map((shape, i) =>
      graph.input(`x${i}`, { dtype: i === 1 && dtype === 'i32' ? 'i32' : 'f32', shape }, 'feed'),
    );
    return expect(() => build(...ins));
  };
  test('shapes that do not fit', () => {
    refuse((x, y) => loss.crossEntropy(x, y, { weight: [1, 2] }), [[4, 3], [4]], 'i32').toThrow(
      /softmaxCrossEntropy: expected class weights f32\[3\], got f32\[2\]/,
    );
    refuse(loss.nll, [[4, 3], [3]], 'i32').toThrow(/^nll: expected labels \[4\] for logits \[4,3\], got \[3\]/);
    refuse(loss.klDiv, [[4, 3], [3]]).toThrow(ShapeError);
    refuse(loss.cosineSimilarity, [
      [4, 3],
      [4, 2],
    ]).toThrow(/cosineSimilarity: expected \[4,3\], got \[4,2\]/);
    refuse(loss.cosineEmbedding, [
      [4, 3],
      [4, 3],
      [4, 1],
    ]).toThrow(/cosineEmbedding: expected targets \[4\], got \[4,1\]/);
    refuse(loss.tripletMargin, [
      [4, 3],
      [4, 3],
      [2, 3],
    ]).toThrow(ShapeError);
    refuse(loss.hinge, [[4], [3]]).toThrow(ShapeError);
  });
  test('options that are none', () => {
    const bad = (build: Build) => refuse(build, [[4, 3], [4]], 'i32');
    bad((x, y) => loss.crossEntropy(x, y, { ignoreIndex: 0.5 })).toThrow(/crossEntropy: option ignoreIndex: expected a whole/);
    bad((x, y) => loss.crossEntropy(x, y, { weight: [1, Number.NaN, 1] })).toThrow(/option weight: expected finite numbers/);
    bad((x, y) => loss.nll(x, y, { labelSmoothing: 0.1 } as object)).toThrow(OptionError);
    bad((x, y) => loss.focal(x, y, { gamma: -1 })).toThrow(/focal: option gamma: expected a finite number >= 0, got -1/);
    const same = (build: Build) => refuse(build, [[4], [4]]);
    same((x, y) => loss.klDiv(x, y, { reduction: 'avg' as 'mean' })).toThrow(/expected one of mean, batchmean, sum, none/);
    same((x, y) => loss.sigmoidFocal(x, y, { alpha: 2 })).toThrow(/option alpha/);
    same((x, y) => loss.smoothL1(x, y, { beta: -1 })).toThrow(/option beta/);
    same((x, y) => loss.bceWithLogits(x, y, { posWeight: -1 })).toThrow(/option posWeight/);
    same((x, y) => loss.tripletMargin(x, y, x, { p: 0 })).toThrow(/option p: expected a finite number > 0, got 0/);
  });
});
