// handed-in.test.ts: what people have is taken: plain and nested arrays, every typed array, floats as labels, and it makes the same bits.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ArrayInput, type Arrays, integers, ndarray } from '../../lib/data/arrays.ts';
import { DTypeError, IndexError, OptionError, ShapeError } from '../../lib/errors.ts';
import * as gradclip from '../../lib/index.ts';
import { fails } from '../train/fails.ts';
import { bits, classifier, points } from '../train/models.ts';

const { metrics, nn, loss, optim, preprocess, windows } = gradclip;
const { x, y } = points(40);
const nested: number[][] = Array.from({ length: 40 }, (_, i) => Array.from(x.data.subarray(6 * i, 6 * i + 6)));

describe('arrays in one form', () => {
  it.each<[string, ArrayInput, string, number[], number[]]>([
    ['numbers', [1, 2.5, -3], 'Float32Array', [1, 2.5, -3], [3]],
    [
      'rows',
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      'Float32Array',
      [1, 2, 3, 4, 5, 6],
      [3, 2],
    ],
    [
      'rows of rows',
      [
        [[1], [2]],
        [[3], [4]],
      ],
      'Float32Array',
      [1, 2, 3, 4],
      [2, 2, 1],
    ],
    ['typed rows', [Float32Array.of(1, 2), [3, 4], Int8Array.of(5, 6)], 'Float32Array', [1, 2, 3, 4, 5, 6], [3, 2]],
    ['yes and no', [true, false, true], 'Float32Array', [1, 0, 1], [3]],
    ['large integers', [3n, -1n], 'Float32Array', [3, -1], [2]],
    ['values with a shape', { data: [1, 2, 3, 4], shape: [2, 2] }, 'Float32Array', [1, 2, 3, 4], [2, 2]],
    ['rows without values', [[], []], 'Float32Array', [], [2, 0]],
    ['nothing', [], 'Float32Array', [], [0]],
    ['f64', Float64Array.of(0.1), 'Float64Array', [0.1], [1]],
    ['i8', Int8Array.of(-1, 2), 'Int32Array', [-1, 2], [2]],
    ['i16', Int16Array.of(-300), 'Int32Array', [-300], [1]],
    ['u16', Uint16Array.of(65535), 'Int32Array', [65535], [1]],
    ['u32', Uint32Array.of(2 ** 31 - 1), 'Int32Array', [2 ** 31 - 1], [1]],
    ['i64', BigInt64Array.of(-5n, 2n ** 31n - 1n), 'Int32Array', [-5, 2 ** 31 - 1], [2]],
    ['u64', { data: BigUint64Array.of(1n, 2n), shape: [2, 1] }, 'Int32Array', [1, 2], [2, 1]],
    ['clamped bytes', Uint8ClampedArray.of(3, 255), 'Uint8Array', [3, 255], [2]],
    ['bytes of a file', Buffer.from([1, 2]), 'Buffer', [1, 2], [2]],
  ])('%s', (_name, given, type, data, shape) => {
    const array = ndarray('x', given);
    expect(array.data.constructor.name).toBe(type);
    expect(Array.from(array.data)).toEqual(data);
    expect(array.shape).toEqual(shape);
  });

  it('the shape is copied, the values of the four dtypes are not', () => {
    const given = { data: Float32Array.of(1, 2), shape: [2, 1] };
    const array = ndarray('x', given);
    given.shape[0] = 1;
    expect(array.shape).toEqual([2, 1]);
    expect(array.data).toBe(given.data);
  });

  it('rows of any depth hold what was put into them', () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shapes, (shape) => {
        let value = 0;
        const make = (d: number): unknown =>
          Array.from({ length: shape[d]! }, () => (d + 1 < shape.length ? make(d + 1) : value++));
        const array = ndarray('x', make(0) as ArrayInput);
        expect(array.shape).toEqual(shape);
        expect(Array.from(array.data)).toEqual(Array.from({ length: value }, (_, i) => i));
      }),
    );
  });

  const itself: unknown[] = [];
  itself.push(itself);
  it.each<[string, unknown, typeof ShapeError, string]>([
    ['a shorter row', [[1, 2], [3, 4], [5]], ShapeError, 'x: expected 2 values at row 2, as in the first row, got 1'],
    ['a number among rows', [[1, 2], 3], ShapeError, 'x: expected 2 values at row 1, as in the first row, got 3'],
    ['a row among numbers', [1, [2]], ShapeError, 'x: expected a number at row 1, as in the first row, got 1'],
    ['deeper', [[[1, 2]], [[3]]], ShapeError, 'x: expected 2 values at [1][0], as in the first row, got 1'],
    [
      'a word',
      [
        [1, 2],
        [3, '4'],
      ],
      DTypeError,
      'x: expected numbers, got "4" at [1][1]',
    ],
    ['nothing among numbers', [1, null], DTypeError, 'x: expected numbers, got null at row 1'],
    ['a hole', Object.assign(new Array(3), { 0: 1, 2: 3 }), DTypeError, 'x: expected numbers, got undefined at row 1'],
    ['itself', itself, ShapeError, 'x: expected at most 64 dimensions'],
    ['too large for i32', BigInt64Array.of(1n, 2n ** 31n), DTypeError, 'got 2147483648 at position 1'],
    ['u32 too large for i32', Uint32Array.of(2 ** 31), DTypeError, 'got 2147483648 at position 0'],
    ['a number', 3, OptionError, 'x: expected an array of numbers, or { data, shape }, got 3'],
    ['a promise', Promise.resolve([1]), OptionError, 'got a Promise; is an await missing?'],
    ['a buffer without a type', { data: new ArrayBuffer(8), shape: [2] }, OptionError, 'new Float32Array(buffer) reads it'],
    [
      'a shape that is none',
      { data: [1, 2], shape: 2 },
      ShapeError,
      'x: expected a shape of whole numbers with rows first, got [2]',
    ],
    ['a shape of more', { data: [1, 2], shape: [3] }, ShapeError, 'x: expected 3 elements for [3], got 2'],
  ])('%s is refused', async (_name, given, kind, text) => {
    const error = await fails(() => ndarray('x', given as ArrayInput), kind, new kind('').code, '');
    expect(error.message).toContain(text);
  });

  it('tokens are whole numbers', () => {
    expect(integers('t', [3, 1])).toEqual(Int32Array.of(3, 1));
    expect(() => integers('t', [3, 1.5])).toThrow('t: expected whole numbers, got 1.5 at position 1');
    expect(() => integers('t', [[3], [1]])).toThrow('t: expected one value after the other, got the shape [2,1]');
  });
});

const LABELS: Readonly<Record<string, ArrayInput>> = {
  plain: Array.from(y),
  booleans: Array.from(y, (v) => v === 1),
  bigints: Array.from(y, BigInt),
  f32: Float32Array.from(y),
  f64: Float64Array.from(y),
  u8: Uint8Array.from(y),
  u8c: Uint8ClampedArray.from(y),
  i8: Int8Array.from(y),
  i16: Int16Array.from(y),
  u16: Uint16Array.from(y),
  u32: Uint32Array.from(y),
  i64: BigInt64Array.from(Array.from(y, BigInt)),
  u64: BigUint64Array.from(Array.from(y, BigInt)),
};

describe('a training', () => {
  const measured = {
    accuracy: ({ x, y }: gradclip.Batch, m: { forward(x: gradclip.Tensor): gradclip.Tensor }) =>
      metrics.accuracy(m.forward(x), y),
  };
  /** All that comes of training and measuring on these. */
  async function run(data: Arrays): Promise<unknown> {
    const trainer = classifier({ metrics: measured });
    const { last, epochs } = await trainer.fit(data, { epochs: 2, validation: data });
    const predicted = await trainer.predict(data.x!);
    return [last, epochs, await bits(trainer), await trainer.evaluate(data), predicted, trainer.predictSync(data)];
  }
  it.each(Object.entries(LABELS))('on labels as %s has the bits of one on i32', async (_name, labels) => {
    expect(await run({ x, y: labels })).toEqual(await run({ x, y }));
  });

  it.each<[string, ArrayInput]>([
    ['nested', nested],
    ['f64', { data: Float64Array.from(x.data), shape: x.shape }],
    ['rows of f32', nested.map((row) => Float32Array.from(row))],
    ['plain with a shape', { data: Array.from(x.data), shape: x.shape }],
  ])('on rows as %s has the bits of one on f32', async (_name, rows) => {
    expect(await run({ x: rows, y })).toEqual(await run({ x, y }));
  });

  it('takes labels out of a column of floats', async () => {
    const columns = nested.map((row, i) => [...row, y[i]!]);
    const { ops } = gradclip;
    const trainer = classifier({
      loss: ({ t }, model) => {
        const [rows, label] = [ops.slice(t!, { axis: 1, start: 0, end: 6 }), ops.slice(t!, { axis: 1, start: 6, end: 7 })];
        return loss.crossEntropy(model.forward(rows), ops.reshape(label, [label.shape[0]!]));
      },
    });
    const whole = classifier();
    await trainer.fit({ t: columns }, { epochs: 2 });
    await whole.fit({ x, y }, { epochs: 2 });
    expect(await bits(trainer)).toBe(await bits(whole));
  });

  it.each([0.5, 2 ** 24, Number.NaN, Number.POSITIVE_INFINITY])('ends at a label of %d', async (bad) => {
    const error = await fails(
      () => classifier().fit({ x, y: Array.from(y, (v, i) => (i === 5 ? bad : v)) }),
      IndexError,
      'ERR_INDEX',
      `got ${bad}`,
    );
    expect(error.message).toMatch(/expected whole numbers/);
  });

  it('of tokens takes plain numbers, for lookups and for windows', async () => {
    class Words extends nn.Module {
      readonly table: gradclip.nn.Embedding = new nn.Embedding(10, 4);
      readonly out: gradclip.nn.Linear = new nn.Linear(4, 10);
      forward(x: gradclip.Tensor): gradclip.Tensor {
        return this.out.forward(this.table.forward(x));
      }
    }
    const text = Array.from({ length: 60 }, (_, i) => (i * i) % 10);
    const words = async (data: Arrays | gradclip.Source): Promise<unknown> => {
      const trainer = new gradclip.Trainer({
        model: new Words(),
        loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
      });
      return [(await trainer.fit(data, { steps: 5 })).last, await trainer.predict(text)];
    };
    expect(await words({ x: text, y: text })).toEqual(await words({ x: Int32Array.from(text), y: Uint8Array.from(text) }));
    expect(await words(windows(text, { length: 5 }))).toEqual(await words(windows(Int32Array.from(text), { length: 5 })));
  });
});

it('statistics and shares of plain rows are those of f32', () => {
  for (const kind of [preprocess.standardize(), preprocess.minMax(), preprocess.oneHot({ columns: [] })]) {
    expect(kind.fit(nested).toJSON()).toEqual(kind.fit(x).toJSON());
    expect(kind.fit(x).transform(nested)).toEqual(kind.fit(x).transform(x));
  }
  const options = { test: 0.25, stratify: 'y' };
  expect(preprocess.split({ x: nested, y: Int16Array.from(y) }, options)).toEqual(preprocess.split({ x, y }, options));
});

it('metrics over arrays take all of them', () => {
  const scores = nested.map((row) => row.slice(0, 2));
  const flat = { data: Float32Array.from(scores.flat()), shape: [40, 2] };
  const expected = new metrics.Accuracy().update(flat, y).result();
  for (const labels of Object.values(LABELS)) {
    expect(new metrics.Accuracy().update(scores, labels as never).result()).toBe(expected);
    expect(
      new metrics.Accuracy()
        .update(
          scores.map((row) => Float32Array.from(row)),
          labels as never,
        )
        .result(),
    ).toBe(expected);
  }
});
