// one-row.test.ts: an array without a shape is rows if the model takes any number of such rows, and else one row.
import { expect, it } from 'vitest';
import type { ArrayInput } from '../../../lib/data/arrays.ts';
import { ShapeError } from '../../../lib/errors.ts';
import * as nn from '../../../lib/nn/index.ts';
import * as loss from '../../../lib/nn/loss/index.ts';
import * as optim from '../../../lib/optim/index.ts';
import { Trainer } from '../../../lib/train/index.ts';
import { fails } from '../fails.ts';
import { tied } from '../models.ts';

const trainer = (...layers: nn.Layer[]): Trainer<nn.Sequential> =>
  new Trainer({
    model: new nn.Sequential(...layers),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
  });
const linear = (ins: number, outs: number): Trainer<nn.Sequential> => trainer(new nn.Linear(ins, outs));

// As many outputs as inputs, one input, more inputs than rows of a batch: where a row could pass for rows.
it.each([
  [3, 2],
  [3, 3],
  [1, 1],
  [1, 4],
  [40, 40],
  [64, 32],
])('a row of %i values, of which %i are made', async (ins, outs) => {
  const values = Array.from({ length: ins }, (_, i) => Math.sin(i));
  const one = linear(ins, outs);
  const expected = one.predictSync({ data: Float32Array.from(values), shape: [1, ins] });
  expect(expected.shape).toEqual([1, outs]);
  for (const row of [values, Float32Array.from(values), Float64Array.from(values)]) {
    expect(one.predictSync(row)).toEqual(expected);
    expect(await one.predict(row)).toEqual(expected);
    expect(await one.predict({ x: row })).toEqual(expected);
    expect(await one.predict([row] as ArrayInput)).toEqual(expected);
  }
});

it('rows of one value stay rows', async () => {
  const ids = tied({ predict: ({ x }, m) => m.head.forward(m.wte.forward(x)) });
  for (const given of [Int32Array.of(1, 4, 0), [1, 4, 0]]) {
    expect((await ids.predict(given)).shape).toEqual([3, 5]);
    expect((await ids.predict(given)).data).toEqual((await ids.predict({ data: Int32Array.of(1, 4, 0), shape: [3] })).data);
  }
});

it('an image in nested arrays is one row of a model of images', async () => {
  const image = [
    [
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ],
  ];
  const conv = trainer(new nn.Conv2d(1, 2, 2));
  const { shape, data } = await conv.predict(image);
  expect(shape).toEqual([1, 2, 2, 2]);
  expect((await conv.predict([image, image])).data).toEqual(Float32Array.of(...data, ...data));
});

it('another row after it, of the same model, and other numbers of rows', async () => {
  const one = linear(3, 2);
  const a = await one.predict([1, 2, 3]);
  const b = await one.predict([4, 5, 6]);
  const both = await one.predict([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  expect(both.data).toEqual(Float32Array.of(...a.data, ...b.data));
});

it('a shape that somebody has said is taken at its word', async () => {
  const rows = { data: [1, 2, 3], shape: [3] };
  await fails(
    () => linear(3, 2).predict(rows),
    ShapeError,
    'ERR_SHAPE',
    'predict: expected one output row per input row (3), got [2]',
  );
  await fails(() => linear(4, 2).predict([1, 2, 3]), ShapeError, 'ERR_SHAPE', /expected x \[\.\.\., 4\]/);
});
