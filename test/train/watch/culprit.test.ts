// culprit.test.ts: a step that is not finite is traced to the array and row, to the weight, or to the gradients, in a warning and in the error
// that ends the run.
import { expect, test } from 'vitest';
import { clip, GuardError, guard, loss, NonFiniteError, nn, ops, optim, Trainer, windows } from '../../../lib/index.ts';
import type { Source } from '../../../lib/train/feed/source.ts';
import { rows } from '../../../lib/train/feed/source.ts';
import type { TrainingWarning } from '../../../lib/train/flow/warnings.ts';
import { fails } from '../fails.ts';
import { classifier, points, regression, stream } from '../models.ts';

type Data = ReturnType<typeof points>;
/** Points with `value` in one place. */
function spoiled(at: number, value: number, count = 40): Data {
  const data = points(count);
  data.x.data[at] = value;
  return data;
}
const nonFinite = ({ warnings }: { warnings: readonly TrainingWarning[] }): TrainingWarning[] =>
  warnings.filter((w) => w.code === 'nonFinite');

test.each([
  ['NaN', Number.NaN, {}],
  ['Infinity', Number.POSITIVE_INFINITY, {}],
  ['-Infinity', Number.NEGATIVE_INFINITY, { chunkSteps: 1 }],
])('one %s in the data: array, row and column', async (name, value, options) => {
  const trainer = classifier();
  const result = await trainer.fit(spoiled(13 * 6 + 4, value), { epochs: 2, ...options });
  expect(result.skipped).toBe(2);
  const found = nonFinite(result);
  expect(found).toHaveLength(1);
  const { step, attempt } = found[0]!.details as unknown as { step: number; attempt: number };
  expect(found[0]!.message).toBe(`x: ${name} at row 13, column 4; batch ${attempt} was skipped`);
  expect(found[0]!.details).toEqual({ kind: 'input', name: 'x', value, position: [13, 4], step, attempt });
  expect(step).toBe(attempt);
  expect(attempt).toBeLessThan(5);
});

test('sync, accumulated, and shapes of other ranks', async () => {
  const wide = spoiled(13 * 6 + 4, Number.NaN);
  const model = () => new nn.Sequential(new nn.Flatten(), new nn.Linear(6, 2));
  const make = (shape: readonly number[], accumulate: number) =>
    new Trainer({
      model: model(),
      loss: ({ x, y }, m) => ops.mean(ops.mul(m.forward(x), ops.reshape(ops.cast(y, 'f32'), [-1, 1]))),
      optimizer: optim.sgd({ lr: 0.1 }),
      batchSize: 8,
      accumulate,
    }).fitSync({ x: { data: wide.x.data, shape }, y: wide.y });
  for (const accumulate of [1, 2, 3]) {
    expect(nonFinite(make([40, 2, 3], accumulate))[0]!.message).toMatch(
      /^x: NaN at row 13, element \[1,1\]; batch \d was skipped$/,
    );
  }
});

test('labels count, and the row is that of the batch in a stream', async () => {
  const y = Float32Array.from({ length: 80 }, (_, i) => (i === 21 ? Number.NaN : 0));
  const data = { x: points(40).x, y: { data: y, shape: [40, 2] } };
  expect(nonFinite(await classifier({ loss: regression }).fit(data))[0]!.message).toMatch(/^y: NaN at row 10, column 1; batch/);
  for (const accumulate of [1, 2]) {
    const result = await classifier({ accumulate }).fit(stream(spoiled(21 * 6, Number.NaN), 8));
    expect(nonFinite(result)[0]!.message).toMatch(/^x: NaN at row 5, column 0 of batch 2 of the epoch; batch 2 was skipped$/);
  }
  const vector = { x: points(40).x, y: y.subarray(0, 40) };
  const ofVector: typeof regression = ({ x, y }, m) => ops.mean(ops.square(ops.sub(ops.max(m.forward(x), { axes: [1] }), y)));
  expect(nonFinite(await classifier({ loss: ofVector }).fit(vector))[0]!.message).toMatch(/^y: NaN at row 21; batch/);
});

test("of a source of one's own all rows are looked at", async () => {
  const { byRow: _, ...own } = rows(spoiled(13 * 6 + 4, Number.NaN));
  expect(nonFinite(await classifier().fit(own as Source))[0]!.message).toMatch(/^x: NaN at row 13, column 4;/);
});

test('a weight', async () => {
  const trainer = classifier();
  const { weight } = trainer.model.fc2;
  weight.data = weight.data.map((v, i) => (i === 18 ? Number.NaN : v));
  const result = await trainer.fit(points(40), { steps: 5 });
  expect(nonFinite(result)).toMatchObject([
    {
      message: 'fc2.weight: the weight at [1,2] is NaN; batch 0 was skipped',
      details: { kind: 'weight', name: 'fc2.weight', position: [1, 2], step: 0 },
    },
  ]);
});

test('neither: the loss and the gradients', async () => {
  const huge = points(40);
  huge.x.data.fill(3e38);
  const result = classifier({ loss: ({ x }, m) => ops.mean(ops.square(m.forward(x))) }).fitSync(huge, { epochs: 1 });
  expect(nonFinite(result)).toMatchObject([{ details: { kind: 'gradient', name: 'fc1.weight', step: 0 } }]);
  expect(nonFinite(result)[0]!.message).toMatch(
    /^inputs and weights are finite, the loss is Infinity, but the gradients of fc1\.weight and \d more are not finite; batch 0 was skipped$/,
  );
});

test('what lowers an adaptive scale of the loss is not told; an input is', async () => {
  const lossScale = { init: 2 ** 100 };
  const large: typeof regression = ({ x, y }, m) => ops.mul(loss.crossEntropy(m.forward(x), y), 1e12);
  const result = await classifier({ lossScale, clip: clip.globalNorm(1, { maxSkips: 1000 }), loss: large }).fit(points(400), {
    epochs: 3,
  });
  expect(result.skipped).toBeGreaterThan(0);
  expect(result.warnings).toEqual([]);
  const spoilt = await classifier({ lossScale: { init: 4 } }).fit(spoiled(13 * 6 + 4, Number.NaN));
  expect(nonFinite(spoilt)[0]!.message).toMatch(/^x: NaN at row 13, column 4/);
});

test('a loss that is not finite, where nothing is skipped', async () => {
  const trainer = classifier({ clip: clip.value(1, { nonFinite: 'propagate' }) });
  const result = await trainer.fit(spoiled(13 * 6 + 4, Number.NaN), { epochs: 1 });
  expect(result.skipped).toBe(0);
  expect(nonFinite(result)[0]!.message).toMatch(/^x: NaN at row 13, column 4; the loss of batch \d is NaN$/);
});

test('the error that ends a run says it too', async () => {
  const all = points(400);
  all.x.data.fill(Number.NaN, 6 * 17 + 2);
  const many = await fails(
    () => classifier().fit(all, { epochs: 2 }),
    NonFiniteError,
    'ERR_NON_FINITE',
    /10 steps in a row .* the last in fc\d\.\w+; x: NaN at row \d+, column \d$/,
  );
  expect(many.details.culprit).toMatchObject({ kind: 'input', name: 'x', value: Number.NaN });
  const stopping = classifier({ clip: clip.globalNorm(1, { nonFinite: 'error' }) });
  await fails(
    () => stopping.fit(spoiled(9, Number.NaN)),
    NonFiniteError,
    'ERR_NON_FINITE',
    /is not finite; x: NaN at row 1, column 3$/,
  );
  const guarded = classifier({ guards: [guard.loss()] });
  await fails(
    () => guarded.fit(spoiled(9, Number.NaN)),
    GuardError,
    'ERR_GUARD',
    /guard\.loss: loss at step \d; x: NaN at row 1, column 3$/,
  );
  const finite = classifier({ guards: [guard.loss({ max: 1e-3 })] });
  await fails(() => finite.fit(points(40)), GuardError, 'ERR_GUARD', /guard\.loss: loss at step 0$/);
});

test('an error long after the first skip names its own cause', async () => {
  const data = spoiled(3, Number.NaN, 400);
  const trainer = classifier();
  const told: string[] = [];
  const spoil = (): void => {
    const { weight } = trainer.model.fc1;
    weight.data = weight.data.map(() => Number.NaN);
  };
  const logger = ({ message }: TrainingWarning): void => void told.push(message);
  await trainer.fit(data, { epochs: 1, logger });
  spoil();
  await fails(
    () => trainer.fit(points(400), { epochs: 1, logger }),
    NonFiniteError,
    'ERR_NON_FINITE',
    /; fc1\.weight: the weight at \[0,0\] is NaN$/,
  );
  expect(told.map((m) => m.split(';')[0])).toEqual(['x: NaN at row 0, column 3', 'fc1.weight: the weight at [0,0] is NaN']);
});

test('tokens are never in question', async () => {
  const tokens = Uint8Array.from({ length: 200 }, (_, i) => (i * i) % 7);
  class Text extends nn.Module {
    table = new nn.Embedding(7, 4);
    out = new nn.Linear(4, 7);
    forward(x: import('../../../lib/index.ts').Tensor) {
      return ops.mul(this.out.forward(this.table.forward(x)), Number.POSITIVE_INFINITY);
    }
  }
  const trainer = new Trainer({
    model: new Text(),
    loss: ({ x }, m) => ops.mean(m.forward(x)),
    optimizer: optim.sgd({ lr: 1 }),
  });
  const result = await trainer.fit(windows(tokens, { length: 5 }), { steps: 3 });
  expect(nonFinite(result)).toMatchObject([{ details: { kind: 'gradient', name: 'table.weight' } }]);
});
