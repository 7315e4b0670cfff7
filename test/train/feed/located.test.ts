// located.test.ts: an index out of its bound is told by array and row of the data, whatever the order of rows and the cut into batches.
import { describe, expect, it } from 'vitest';
import { IndexError } from '../../../lib/errors.ts';
import { windows } from '../../../lib/train/feed/source.ts';
import type { FitOptions } from '../../../lib/train/index.ts';
import { fails } from '../fails.ts';
import { classifier, points, stream, tied, tiedData } from '../models.ts';

const data = points(203);
const wrong = (row: number): typeof data => ({ x: data.x, y: data.y.map((v, i) => (i === row ? 7 : v)) });
const index = [IndexError, 'ERR_INDEX'] as const;

describe('the row of a label in a training', () => {
  it.each<[string, FitOptions, object]>([
    ['shuffled', {}, {}],
    ['as they lie', { shuffle: false }, {}],
    ['step by step', { chunkSteps: 1 }, {}],
    ['many steps at a time', { chunkSteps: 100 }, {}],
    ['several micro-batches', {}, { accumulate: 4 }],
    ['larger batches', { batchSize: 100 }, {}],
  ])('%s', async (_name, options, of) => {
    for (const row of [0, 77, 150, 202]) {
      for (const method of ['fit', 'fitSync'] as const) {
        const error = await fails(() => classifier(of)[method](wrong(row), options), ...index, `got 7; y: 7 at row ${row}`);
        expect(error.details).toMatchObject({ op: 'softmaxCrossEntropy', value: 7, bound: 2, array: 'y', place: [row] });
      }
    }
  });

  it('in a stream, of its batch', async () => {
    // 8 rows to a batch.
    await fails(() => classifier().fit(stream(wrong(77), 8)), ...index, 'got 7; y: 7 at row 5 of batch 9 of the epoch');
  });

  it('of floats', async () => {
    const y = Float32Array.from(data.y);
    y[77] = 0.5;
    await fails(() => classifier().fit({ x: data.x, y }), ...index, 'got 0.5 at position ');
    await fails(() => classifier().fit({ x: data.x, y }), ...index, /; y: 0.5 at row 77$/);
  });
});

it('in evaluate and in validation', async () => {
  for (const row of [3, 202]) {
    await fails(() => classifier().evaluate(wrong(row)), ...index, `; y: 7 at row ${row}`);
    await fails(() => classifier().evaluateSync(wrong(row), { batchSize: 50 }), ...index, `; y: 7 at row ${row}`);
    await fails(() => classifier().fit(data, { validation: wrong(row) }), ...index, `; y: 7 at row ${row}`);
  }
});

it('a token in predict, by its place in the row', async () => {
  const x = { data: tiedData.x.data.map((v, i) => (i === 18 ? 9 : v)), shape: [8, 4] };
  await fails(() => tied().predict(x), ...index, 'got 9; x: 9 at row 4, column 2');
  await fails(() => tied().predictSync(x, { batchSize: 3 }), ...index, 'got 9; x: 9 at row 4, column 2');
});

it('not where the data are no rows, or the place is not to be told', async () => {
  const text = windows(
    Uint8Array.from({ length: 40 }, (_, i) => (i === 30 ? 9 : i % 5)),
    { length: 4 },
  );
  expect((await fails(() => tied().evaluate(text), ...index, 'got 9')).message).toMatch(/got 9$/);
  // Both arrays have it.
  const spoiled = { data: tiedData.x.data.map((v, i) => (i === 18 ? 9 : v)), shape: [8, 4] };
  expect((await fails(() => tied().fit({ x: spoiled, y: spoiled }), ...index, 'got 9')).message).toMatch(/got 9$/);
});
