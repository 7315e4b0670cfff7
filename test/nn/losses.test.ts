// losses.test.ts: losses with weights, ignored labels and margins, run by the ops' refs in f64, against PyTorch (golden/nn/losses.json, made by
// make_losses.py); what is not in PyTorch, by hand; and kernels against refs for whole losses.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph } from '../../lib/ir/graph.ts';
import type { DType } from '../../lib/ir/op.ts';
import { Linear, Sequential } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { reshape } from '../../lib/ops/index.ts';
import { sgd } from '../../lib/optim/index.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { type Build, close, of, run, type Values, values } from './loss-kit.ts';

interface Case {
  readonly loss: string;
  readonly ins: readonly Values[];
  readonly options: object;
  readonly value: number[];
  readonly grads: number[][];
  /** Option `sampleWeight`. */
  readonly weights?: Values;
}
const golden = JSON.parse(readFileSync(new URL('../golden/nn/losses.json', import.meta.url), 'utf8')) as { cases: Case[] };

describe('losses as in PyTorch: values and gradients', () => {
  test.each(golden.cases.map((c, i) => [i, c.loss, JSON.stringify(c.options), c] as const))('#%i %s %s', (_, name, __, c) => {
    const { weights } = c;
    const weighed: Build = (...given) => of(name, { ...c.options, sampleWeight: given.at(-1) })(...given.slice(0, -1));
    const { exact, native } = weights
      ? run([...c.ins, weights], weighed, c.grads.length)
      : run(c.ins, of(name, c.options), c.grads.length);
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

describe('what counts nothing is not read', () => {
  const nan = Number.NaN;
  const x = values([1, 2, nan, nan], 'f32', [2, 2]);

  test('a label that is none, as a number of any type', () => {
    for (const [dtype, none] of [
      ['i32', -7],
      ['u8', 200],
      ['f32', nan],
      ['f32', 0.5],
    ] as const) {
      const ins = [x, values([1, none], dtype), values([1, 0])];
      for (const f of [loss.crossEntropy, loss.nll, loss.focal, loss.multiMargin] as const) {
        const { native } = run(ins, (a, y, sampleWeight) => f(a, y, { sampleWeight }), 1);
        expect(Number.isFinite(native[0]![0])).toBe(true);
        expect(native[1]!.slice(2).map(Math.abs)).toEqual([0, 0]);
      }
      // Without weights it ends the run, or is a NaN.
      if (!Number.isNaN(none)) expect(() => run(ins, (a, y) => loss.multiMargin(a, y), 1)).toThrow();
    }
  });

  test('weights in a column, as integers, as numbers in a list; where all are 0 the mean is 0 without a gradient', () => {
    const y = values([1, nan], 'f32', [2, 1]);
    const of = (weights: Values): number[][] =>
      run([values([3, 5], 'f32', [2, 1]), y, weights], (a, b, sampleWeight) => loss.mse(a, b, { sampleWeight }), 1).native;
    for (const w of [values([2, 0]), values([2, 0], 'f32', [2, 1]), values([2, 0], 'u8'), values([2, 0], 'i32', [2, 1])]) {
      expect(of(w).map((g) => [...g])).toEqual([[4], [4, 0]]);
    }
    expect(of(values([0, 0])).map((g) => g.map(Math.abs))).toEqual([[0], [0, 0]]);
    const { native } = run(
      [values([3, 5]), values([1, nan])],
      (a, b) => loss.l1(a, b, { sampleWeight: [0.5, 0], reduction: 'none' }),
      1,
    );
    expect(native[0]).toEqual([1, 0]);
    const all = run([values([3, 5]), values([1, 4])], (a, b) => loss.l1(a, b, { sampleWeight: a.graph.scalar(3, 'f32') }), 1);
    expect(all.native[0]).toEqual([1.5]);
  });

  test('a mean over several batches divides once', async () => {
    const model = new Sequential(new Linear(1, 1));
    const rows = { x: [[1], [2], [3], [4], [5]], y: [2, nan, 7, 1, nan], w: [1, 0, 3, 0.5, 0] };
    using trainer = new Trainer({
      model,
      loss: ({ x, y, w }, m) => loss.mse(reshape(m.forward(x!), [-1]), y!, { sampleWeight: w! }),
      optimizer: sgd({ lr: 0 }),
      batchSize: 2,
    });
    const { data } = await trainer.predict({ x: rows.x });
    const total = rows.w.reduce((s, w, i) => (w === 0 ? s : s + w * (data[i]! - rows.y[i]!) ** 2), 0);
    expect((await trainer.evaluate(rows)).loss).toBeCloseTo(total / 4.5, 5);
  });

  test('klDiv with batchmean divides by the sum over rows', () => {
    const p = [0.25, 0.75, 0.5, 0.5, nan, nan];
    const logs = [0.5, 0.5, 0.125, 0.875, nan, nan].map(Math.log);
    const { exact, native } = run(
      [values(logs, 'f32', [3, 2]), values(p, 'f32', [3, 2]), values([2, 0.5, 0])],
      (a, b, sampleWeight) => loss.klDiv(a, b, { sampleWeight, reduction: 'batchmean' }),
      1,
    );
    const of = (i: number): number =>
      [0, 1].reduce((s, k) => s + p[2 * i + k]! * (Math.log(p[2 * i + k]!) - logs[2 * i + k]!), 0);
    close(exact[0]!, [(2 * of(0) + 0.5 * of(1)) / 2.5], 1e-12);
    close(native[0]!, exact[0]!, 1e-6);
    expect(native[1]!.every(Number.isFinite)).toBe(true);
  });
});

test('the loss of probabilities that are sure and wrong has a gradient, and probabilities of classes may have one', () => {
  const { native } = run([values([0, 1, 1e-30]), values([1, 0, 1])], (a, b) => loss.bce(a, b, { reduction: 'none' }), 1);
  close(native[0]!, [100, 100, 30 * Math.LN10], 1e-6);
  expect(native[1]!.slice(0, 2).map((v) => v / 1e12)).toEqual([expect.closeTo(-1, 5), expect.closeTo(1, 5)]);
  // As the composition of its logarithm says.
  expect(native[1]![2]! / -1e30).toBeCloseTo(1, 5);
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
    const weighed = (shapes: readonly (readonly number[])[]) =>
      refuse((x, y, sampleWeight) => loss.mse(x, y, { sampleWeight }), shapes);
    weighed([[4, 3], [4, 3], [3]]).toThrow('mse: expected sampleWeight of [4,3], or the first of these dimensions, got [3]');
    weighed([[4], [4], [4, 1, 2]]).toThrow('mse: expected sampleWeight of [4], got [4,1,2]');
    refuse(
      (x, y, sampleWeight) => loss.klDiv(x, y, { sampleWeight, reduction: 'batchmean' }),
      [
        [4, 3],
        [4, 3],
        [4, 3],
      ],
    ).toThrow(/klDiv: expected sampleWeight of \[4\], a weight for each row, with batchmean, got \[4,3\]/);
    refuse((x, y, v) => loss.gaussianNll(x, y, v), [[4, 3], [4, 3], [4]]).not.toThrow();
    refuse((x, y, v) => loss.gaussianNll(x, y, v), [[4, 3], [4, 3], [2]]).toThrow(
      'gaussianNll: expected a variance of [4,3], of [4], one a row, or a number, got [2]',
    );
    refuse((x, y) => loss.multiMargin(x, y, { weight: [1, 2] }), [[4, 3], [4]], 'i32').toThrow(
      'multiMargin: expected class weights [3], got [2]',
    );
    refuse(loss.multiLabelMargin, [[4, 3], [4]], 'i32').toThrow(ShapeError);
  });
  test('options that are none', () => {
    const bad = (build: Build) => refuse(build, [[4, 3], [4]], 'i32');
    bad((x, y) => loss.crossEntropy(x, y, { ignoreIndex: 0.5 })).toThrow(/crossEntropy: option ignoreIndex: expected a whole/);
    bad((x, y) => loss.crossEntropy(x, y, { weight: [1, Number.NaN, 1] })).toThrow(/option weight: expected finite numbers/);
    bad((x, y) => loss.nll(x, y, { labelSmoothing: 0.1 } as object)).toThrow(OptionError);
    bad((x, y) => loss.focal(x, y, { gamma: -1 })).toThrow(/focal: option gamma: expected a finite number >= 0, got -1/);
    refuse(
      (x, y) => loss.crossEntropy(x, y, { ignoreIndex: 0 }),
      [
        [4, 3],
        [4, 3],
      ],
    ).toThrow(
      /option ignoreIndex: is for numbers of classes, and targets of the shape of the logits are their probabilities: sampleWeight 0/,
    );
    bad((x, y) => loss.multiMargin(x, y, { p: 3 as 1 })).toThrow(/option p: expected one of 1, 2, got 3/);
    const same = (build: Build) => refuse(build, [[4], [4]]);
    same((x, y) => loss.klDiv(x, y, { reduction: 'avg' as 'mean' })).toThrow(/expected one of mean, batchmean, sum, none/);
    same((x, y) => loss.sigmoidFocal(x, y, { alpha: 2 })).toThrow(/option alpha/);
    same((x, y) => loss.smoothL1(x, y, { beta: -1 })).toThrow(/option beta/);
    same((x, y) => loss.bceWithLogits(x, y, { posWeight: -1 })).toThrow(/option posWeight/);
    same((x, y) => loss.tripletMargin(x, y, x, { p: 0 })).toThrow(/option p: expected a finite number > 0, got 0/);
  });
});
