// ctc.test.ts: the loss of sequences: against all paths, one by one; what is infinite, refused, or nothing; the loss that comes with its gradient; and
// that a trainer learns with lengths among its arrays.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '../../lib/compile/compile.ts';
import { defaultLayout } from '../../lib/compile/layout.ts';
import { GraphError, IndexError, OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, grad, loss, nn, ops, optim, type Tensor, Trainer } from '../../lib/index.ts';
import { target } from '../../lib/native/program.ts';
import { close, run, type Values, values } from './loss-kit.ts';

/** What a path comes to: what follows itself is taken once, and blanks are left out. */
const labelsOf = (path: readonly number[], blank: number): number[] =>
  path.filter((label, t) => label !== blank && label !== path[t - 1]);

/** Minus the logarithm of the sum over all paths, one by one, of the product of their probabilities. */
function byPaths(logs: readonly (readonly number[])[], labels: readonly number[], blank: number): number {
  const classes = logs[0]?.length ?? 0;
  let sum = 0;
  for (let k = 0; k < classes ** logs.length; k++) {
    const path = logs.map((_, t) => Math.floor(k / classes ** t) % classes);
    if (String(labelsOf(path, blank)) === String(labels)) sum += Math.exp(path.reduce((p, c, t) => p + logs[t]![c]!, 0));
  }
  return -Math.log(sum);
}

const logSoftmax = (row: readonly number[]): number[] => {
  const all = Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0));
  return row.map((v) => v - all);
};

test('is the sum over all paths', () => {
  const cases = fc.record({
    rows: fc.array(fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 3, maxLength: 3 }), {
      minLength: 1,
      maxLength: 6,
    }),
    blank: fc.nat(2),
    labels: fc.array(fc.nat(1), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(cases, ({ rows, blank, labels: drawn }) => {
      const labels = drawn.map((label) => (label < blank ? label : label + 1));
      const logits = rows.map((row) => row.map(Math.fround));
      const want = byPaths(logits.map(logSoftmax), labels, blank);
      const x = values(logits.flat(), 'f32', [1, rows.length, 3]);
      const y = values(labels, 'i32', [1, labels.length]);
      const { exact, native } = run([x, y], (a, b) => loss.ctc(a, b, { blank, reduction: 'none' }), 1);
      if (want === Infinity) expect([exact[0], native[0]]).toEqual([[Infinity], [Infinity]]);
      else close(exact[0]!, [want], 1e-9);
      if (want !== Infinity) close(native[0]!, [want], 1e-6);
    }),
    { numRuns: 60 },
  );
});

test('the best path, as loops read it', () => {
  const cases = fc.record({
    time: fc.nat(9),
    classes: fc.integer({ min: 1, max: 4 }),
    rows: fc.nat(4),
    seed: fc.nat(),
    blank: fc.nat(3),
    some: fc.boolean(),
  });
  fc.assert(
    fc.property(cases, ({ time, classes, rows, seed, blank: drawn, some }) => {
      const blank = drawn % classes;
      const x = Array.from({ length: rows * time * classes }, (_, i) => Math.round(3 * Math.sin((i + 1) * (1 + (seed % 97)))));
      const frames = Array.from({ length: rows }, (_, n) => (some ? (seed + 3 * n) % (time + 1) : time));
      const want = frames.flatMap((count, n) => {
        const path = Array.from({ length: count }, (_, t) => {
          const scores = x.slice((n * time + t) * classes, (n * time + t + 1) * classes);
          return scores.indexOf(Math.max(...scores));
        });
        const labels = labelsOf(path, blank);
        return Array.from({ length: time }, (_, k) => labels[k] ?? -1);
      });
      const ins = [values(x, 'f32', [rows, time, classes]), values(frames, 'i32')];
      const { exact, native } = run(
        ins,
        (a, b) => ops.cast(ops.ctcDecode(a, some ? { blank, inputLengths: b } : { blank }), 'f64'),
        0,
      );
      expect([exact[0], native[0]]).toEqual([want, want]);
    }),
    { numRuns: 60 },
  );
  const graph = new Graph('eval');
  const input = (...shape: number[]): Tensor => graph.input(`x${graph.nodes.length}`, { dtype: 'f32', shape }, 'feed');
  expect(ops.ctcDecode(input(2, 3, 5, 4)).type).toEqual({ dtype: 'i32', shape: [2, 3, 5] });
  expect(ops.ctcDecode(input(5, 4)).shape).toEqual([5]);
  expect(() => ops.ctcDecode(input(4))).toThrow('ctcDecode: expected [..., time, classes], got [4]');
  expect(() => ops.ctcDecode(input(5, 4), { blank: 4 })).toThrow('ops.ctcDecode: option blank: expected one of the 4 classes');
  expect(() => ops.ctcDecode(input(2, 5, 4), { inputLengths: input(3) })).toThrow(ShapeError);
});

const noise = (n: number, scale = 1): number[] => Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * i * i + i));

describe('rows', () => {
  test('without frames, without labels; as many frames as it takes, and one less', () => {
    const x = values(noise(6 * 4 * 3), 'f32', [6, 4, 3]);
    const y = values([1, 2, -1, 1, 1, 2, -1, 0, 0, 1, 1, 2, 1, 1, 2, -1, 7, 7], 'i32', [6, 3]);
    const frames = values([0, 4, 0, 4, 3, 2], 'i32');
    const build = (a: Tensor, b: Tensor, c: Tensor): Tensor => loss.ctc(a, b, { inputLengths: c, reduction: 'none' });
    const { exact, native } = run([x, y, frames], build, 1);
    close(
      native[0]!.map((v) => Math.min(v, 1e9)),
      exact[0]!.map((v) => Math.min(v, 1e9)),
      1e-6,
    );
    const [noFrames, repeated, neither, enough, few] = native[0]!;
    expect(noFrames).toBe(Infinity);
    expect(neither).toBe(0);
    expect(few).toBe(Infinity);
    for (const v of [repeated, enough, native[0]![5]]) expect(v! > 0 && v! < Infinity).toBe(true);
    // The last has no labels: blanks alone. Frames beyond the length have no gradient.
    const last = [0, 1].map((t) => logSoftmax([0, 1, 2].map((c) => x.data[(5 * 4 + t) * 3 + c]!))[0]!);
    close([native[0]![5]!], [-last[0]! - last[1]!], 1e-6);
    expect(native[1]!.slice((5 * 4 + 2) * 3).map(Math.abs)).toEqual(Array(6).fill(0));
    expect(native[1]!.slice(4 * 4 * 3, 4 * 4 * 3 + 9)).toEqual(Array(9).fill(Number.NaN));
  });

  test('zeroInfinity leaves those out that nothing gives', () => {
    const [x, y] = [values(noise(2 * 3 * 3), 'f32', [2, 3, 3]), values([1, 1, 2, 1, 2, -1], 'i32', [2, 3])];
    const build = (a: Tensor, b: Tensor): Tensor => loss.ctc(a, b, { zeroInfinity: true, reduction: 'none' });
    const { native } = run([x, y], build, 1);
    expect(native[0]![0]).toBe(0);
    expect(native[0]![1]).toBeGreaterThan(0);
    expect(native[1]!.slice(0, 9).map(Math.abs)).toEqual(Array(9).fill(0));
    for (const g of native[1]!.slice(9)) expect(Math.abs(g)).toBeGreaterThan(0);
  });

  test('log-probabilities are logits of themselves; ops.ctcLoss has the gradient without a softmax', () => {
    const logs = Array.from({ length: 8 }, (_, t) => logSoftmax(noise(4).map((v) => v * (t + 1)))).flat();
    const [x, y] = [values(logs, 'f32', [1, 8, 4]), values([1, 3, 3], 'i32', [1, 3])];
    const of = run([x, y], (a, b) => loss.ctc(a, b, { reduction: 'sum' }), 1).native;
    const bare = run([x, y], (a, b) => ops.ctcLoss(a, b), 1).native;
    close(of[0]!, bare[0]!, 1e-6);
    for (const [i, g] of bare[1]!.entries()) expect(Math.abs(Math.exp(x.data[i]!) + g - of[1]![i]!)).toBeLessThan(1e-6);
    // A frame is in one state.
    for (let t = 0; t < 8; t++) expect(bare[1]!.slice(4 * t, 4 * t + 4).reduce((a, b) => a + b)).toBeCloseTo(-1, 6);
  });

  test('unlikely ones, and long ones, lose what they should', () => {
    // Of a frame with label 1 the logarithm is -100, in f32 as a probability 0.
    const sure = Array.from({ length: 40 }, () => [0, -100]).flat();
    const [x, y] = [values(sure, 'f32', [1, 40, 2]), values(Array(20).fill(1), 'i32', [1, 20])];
    // 20 labels of 39 frames that blanks part: one more blank may stand in 21 places, or a label twice in 20.
    const { exact, native } = run([x, y], (a, b) => ops.ctcLoss(a, b), 1);
    close(exact[0]!, [2000 - Math.log(21)], 1e-9);
    close(native[0]!, [2000 - Math.log(21)], 1e-9);
    const frames = 4000;
    const even = run(
      [values(Array(frames * 2).fill(0), 'f32', [1, frames, 2]), values([1], 'i32', [1, 1])],
      (a, b) => loss.ctc(a, b),
      1,
    );
    // One run of label 1, of any place and length.
    close(even.native[0]!, [frames * Math.log(2) - Math.log((frames * (frames + 1)) / 2)], 1e-7);
    close(even.native[1]!, even.exact[1]!, 1e-5);
  });

  test('NaN and infinity are NaN, in the rows that have them', () => {
    for (const bad of [Number.NaN, Infinity]) {
      const x = values(noise(2 * 4 * 3), 'f32', [2, 4, 3]);
      (x.data as number[])[4] = bad;
      const { native } = run([x, values([1, 2, 1, 2], 'i32', [2, 2])], (a, b) => ops.ctcLoss(a, b), 1);
      expect(native[0]![0]).toBeNaN();
      expect(Number.isFinite(native[0]![1])).toBe(true);
      expect(native[1]!.slice(0, 12)).toEqual(Array(12).fill(Number.NaN));
      for (const g of native[1]!.slice(12)) expect(Number.isFinite(g)).toBe(true);
    }
    // A class that may not be is of probability 0.
    const never = values([0, 0, -Infinity, 0, 0, -Infinity], 'f32', [1, 2, 3]);
    const { native } = run([never, values([1], 'i32', [1, 1])], (a, b) => loss.ctc(a, b), 1);
    close(native[0]!, [-Math.log(3 / 4)], 1e-6);
    expect(native[1]!.every(Number.isFinite)).toBe(true);
  });

  test('that count nothing are not read', () => {
    const x = values([...noise(12), ...Array(12).fill(Number.NaN)], 'f32', [2, 4, 3]);
    const y = values([1, 2, 99, 0], 'i32', [2, 2]);
    const build = (a: Tensor, b: Tensor, sampleWeight: Tensor): Tensor => loss.ctc(a, b, { sampleWeight });
    const { native } = run([x, y, values([2, 0])], build, 1);
    const alone = run([values(noise(12), 'f32', [1, 4, 3]), values([1, 2], 'i32', [1, 2])], (a, b) => loss.ctc(a, b), 1).native;
    close(native[0]!, alone[0]!, 1e-12);
    close(native[1]!.slice(0, 12), alone[1]!, 1e-12);
    expect(native[1]!.slice(12).map(Math.abs)).toEqual(Array(12).fill(0));
    // None counts: the mean is 0.
    expect(run([x, y, values([0, 0])], build, 1).native[0]).toEqual([0]);
  });

  test('may be one, without a dimension of its own, or of several', () => {
    const [x, y] = [noise(2 * 3 * 5 * 4), [1, 2, 3, -1, 1, -1, 2, 2, 3, 3, 3, 1]];
    const all = run([values(x, 'f32', [6, 5, 4]), values(y, 'i32', [6, 2])], (a, b) => loss.ctc(a, b, { reduction: 'none' }), 1);
    const nested = run(
      [values(x, 'f32', [2, 3, 5, 4]), values(y, 'i32', [2, 3, 2])],
      (a, b) => loss.ctc(a, b, { reduction: 'none' }),
      1,
    );
    expect(nested.native).toEqual(all.native);
    const one = run(
      [values(x.slice(0, 20), 'f32', [5, 4]), values([1, 2], 'u8')],
      (a, b) => loss.ctc(a, b, { reduction: 'none' }),
      1,
    );
    expect(one.native[0]).toEqual([all.native[0]![0]]);
  });
});

describe('refused', () => {
  const x = values(noise(2 * 3 * 4), 'f32', [2, 3, 4]);
  const lengths = (frames: number[], counts: number[]): [Values, Values] => [values(frames, 'i32'), values(counts, 'i32')];
  const of = (targets: number[], [frames, counts] = lengths([3, 3], [2, 2])): unknown => {
    const ins = [x, values(targets, 'i32', [2, 2]), frames, counts];
    return run(ins, (a, b, inputLengths, targetLengths) => loss.ctc(a, b, { inputLengths, targetLengths }), 1);
  };
  test.each([
    ['a label outside the classes', () => of([1, 2, 4, 1]), 2, 4, 4],
    ['one below 0', () => of([1, -1, 2, 1]), 1, -1, 4],
    ['the blank', () => of([1, 2, 3, 0]), 3, 0, 4],
    ['a length above the frames', () => of([1, 2, 1, 2], lengths([3, 4], [1, 1])), 1, 4, 4],
    ['one below 0, too', () => of([1, 2, 1, 2], lengths([-1, 3], [1, 1])), 0, -1, 4],
    ['a length above the labels', () => of([1, 2, 1, 2], lengths([3, 3], [3, 1])), 0, 3, 3],
  ])('%s', (_, f, position, value, bound) => {
    const caught = (() => {
      try {
        f();
      } catch (error) {
        return error as IndexError;
      }
      return null;
    })();
    expect(caught).toBeInstanceOf(IndexError);
    expect(caught!.details).toMatchObject({ op: 'ctcLoss', position, value, bound });
    if (value === 0)
      expect(caught!.message).toBe('ctcLoss: expected an index from 0 to 3 other than the blank at position 3, got 0');
  });

  test('as natively', () => {
    // By kernels alone: the refs of the kit come first.
    using trainer = new Trainer({
      model: new nn.Linear(4, 4),
      loss: ({ x, y }, layer) => loss.ctc(layer.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    const data = (
      labels: number[],
    ): { x: { data: Float32Array; shape: number[] }; y: { data: Int32Array; shape: number[] } } => ({
      x: { data: Float32Array.from(x.data as number[]), shape: [2, 3, 4] },
      y: { data: Int32Array.from(labels), shape: [2, 2] },
    });
    expect(() => trainer.stepSync(data([1, 2, 3, 0]))).toThrow(
      'ctcLoss: expected an index from 0 to 3 other than the blank at position 3, got 0; y: 0 at row 1, column 1',
    );
    expect(() => trainer.stepSync(data([1, 2, 9, 0]))).toThrow(IndexError);
    expect(trainer.stepSync(data([1, 2, 3, -1])).loss).toBeGreaterThan(0);
  });

  test('what does not fit', () => {
    const graph = new Graph('train');
    const input = (...shape: number[]): Tensor => graph.input(`x${graph.nodes.length}`, { dtype: 'f32', shape }, 'feed');
    const [a, b] = [input(2, 3, 4), input(2, 2)];
    expect(() => loss.ctc(a, input(3, 2))).toThrow('ctc: expected targets [2, labels] for [2,3,4], got [3,2]');
    expect(() => loss.ctc(input(4), b)).toThrow(ShapeError);
    expect(() => loss.ctc(a, b, { blank: 4 })).toThrow('loss.ctc: option blank: expected one of the 4 classes, from 0 on, got 4');
    expect(() => ops.ctcLoss(a, b, { blank: -1 })).toThrow(OptionError);
    expect(() => loss.ctc(a, b, { inputLengths: input(3) })).toThrow('ctc: expected inputLengths of [2], got [3]');
    const [g] = grad(loss.ctc(a, b), [a]);
    expect(() => grad(ops.sum(g!, { dtype: 'f64' }), [a])).toThrow(GraphError);
  });
});

test('the loss comes with its gradient, in one instruction of the same bits', () => {
  const graph = new Graph('train');
  const x = graph.input('x', { dtype: 'f32', shape: [3, 9, 5] }, 'feed');
  const y = graph.input('y', { dtype: 'i32', shape: [3, 4] }, 'feed');
  const value = loss.ctc(x, y);
  graph.output('loss', value);
  graph.output('dx', grad(value, [x])[0]!);
  const kernels = (fuse: boolean): string[] =>
    compile(graph, { ...target(), layout: defaultLayout(graph), fuse })
      .instrs.map(({ kernel }) => kernel)
      .filter((kernel) => kernel.startsWith('ctc'));
  expect(kernels(true)).toEqual(['ctcLossGrad']);
  expect(kernels(false)).toEqual(['ctcLoss', 'ctcLossGrad']);
});

test('a trainer learns what is said, with lengths among its arrays', () => {
  // A frame shows one label, each for two to four frames, silence between.
  const [rows, time, classes, most] = [60, 24, 4, 5];
  let state = 7;
  const below = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const x = new Float32Array(rows * time * classes);
  const y = new Int32Array(rows * most).fill(-1);
  const frames = new Int32Array(rows);
  for (let r = 0; r < rows; r++) {
    let t = 0;
    for (let k = 0; k < 1 + below(most); k++) {
      y[r * most + k] = 1 + below(classes - 1);
      for (let end = t + 2 + below(2); t < end; t++) x[(r * time + t) * classes + y[r * most + k]!] = 1;
      t++;
    }
    frames[r] = t;
  }
  using trainer = new Trainer({
    model: new nn.Linear(classes, classes),
    loss: ({ x, y, frames }: Readonly<Record<'x' | 'y' | 'frames', Tensor>>, layer) =>
      loss.ctc(layer.forward(x), y, { inputLengths: frames }),
    optimizer: optim.adam({ lr: 0.1 }),
    batchSize: 20,
    seed: 1,
  });
  const data = { x: { data: x, shape: [rows, time, classes] }, y: { data: y, shape: [rows, most] }, frames };
  const { loss: first } = trainer.evaluateSync(data);
  trainer.fitSync(data, { epochs: 60 });
  const { loss: last } = trainer.evaluateSync(data);
  expect(first).toBeGreaterThan(2);
  expect(last).toBeLessThan(0.3);
});
