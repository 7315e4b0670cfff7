// after-error.test.ts: what state wrong input leaves: weights of the last whole step, a trainer that goes on, copies that nobody can spoil.
import { expect, test, vi } from 'vitest';
import { BusyError, clip, DetachedError, GradclipError, IndexError, OptionError, optim, rows } from '../../../lib/index.ts';
import { BoundProgram } from '../../../lib/native/program.ts';
import { fails, transferred } from '../fails.ts';
import { bits, classifier, points } from '../models.ts';

const data = points(100);

test('a bad label leaves the weights of the last whole step, and says where it was', async () => {
  const bad = { x: data.x, y: data.y.map((v, i) => (i === 50 ? 7 : v)) };
  const [one, two] = [classifier(), classifier()];
  const error = await fails(() => one.fit(bad), IndexError, 'ERR_INDEX', 'got 7');
  expect(error.details).toMatchObject({ op: 'softmaxCrossEntropy', value: 7, bound: 2 });
  const { step } = one.counters;
  if (step > 0) await two.fit(data, { steps: step });
  expect(await bits(one)).toBe(await bits(two));
  await one.fit(data, { steps: 3 });
  expect(one.counters.step).toBe(step + 3);
});

test('a threshold that becomes negative leaves a trainer that can go on', async () => {
  let sign = -1;
  const trainer = classifier({ clip: clip.globalNorm((step) => (step < 3 ? 1 : sign)) });
  await fails(() => trainer.fit(data, { steps: 9 }), OptionError, 'ERR_OPTION', 'at step 3');
  sign = 1;
  await trainer.fit(data, { steps: 9 });
});

test('a source made before its array was transferred', async () => {
  const own = points(40);
  const source = rows(own);
  const trainer = classifier();
  await trainer.fit(source, { steps: 2 });
  transferred(own.x.data);
  await fails(() => trainer.fit(source), DetachedError, 'ERR_DETACHED', 'x: the array has no memory');
  await fails(() => trainer.evaluate(source), DetachedError, 'ERR_DETACHED', 'x: the array has no memory');
  await trainer.fit(data, { steps: 1 });
});

test('inputs transferred while predict waits were copied', async () => {
  const trainer = classifier();
  const expected = trainer.predictSync(data.x);
  const [one, two] = [points(100), points(100)];
  const waiting = [trainer.predict(one.x), trainer.predict(two.x)];
  transferred(one.x.data);
  two.x.data.fill(7);
  for (const prediction of waiting) expect(await prediction).toEqual(expected);
});

test('data transferred while evaluate waits was copied', async () => {
  const trainer = classifier();
  const expected = trainer.evaluateSync(data);
  const [one, two] = [points(100), points(100)];
  const waiting = [trainer.evaluate(one), trainer.evaluate(two)];
  transferred(one.x.data);
  two.x.data.fill(7);
  for (const metrics of waiting) expect(await metrics).toEqual(expected);
});

test('an asynchronous source that transfers its batches, before or after', async () => {
  const trainer = classifier();
  const given: Float32Array[] = [];
  const giving = async function* () {
    for (let k = 0; k < 5; k++) {
      if (k > 0) transferred(given[k - 1]!);
      const batch = points(8, 6, k + 1);
      given.push(batch.x.data);
      yield { x: batch.x, y: batch.y };
    }
    yield { x: { data: transferred(points(8).x.data), shape: [8, 6] }, y: points(8).y };
  };
  await fails(() => trainer.fit(giving()), DetachedError, 'ERR_DETACHED', 'x: the array has no memory');
  expect(trainer.counters.step).toBe(5);
});

test('an optimizer by itself checks its arrays in every step', async () => {
  const [p, g] = [Float32Array.of(1, 2, 3), Float32Array.of(1, 1, 1)];
  const bound = optim.sgd({ lr: 1 }).bind({ p });
  bound.step({ p: g });
  transferred(g);
  await fails(() => bound.step({ p: g }), DetachedError, 'ERR_DETACHED', /transferred/);
  bound.step({ p: Float32Array.of(1, 1, 1) });
  expect([...p]).toEqual([-1, 0, 1]);
  transferred(p);
  await fails(
    () => bound.step({ p: Float32Array.of(1, 1, 1) }),
    DetachedError,
    'ERR_DETACHED',
    /parameter p has lost its memory|transferred/,
  );
});

test('while a fit is on', async () => {
  const trainer = classifier();
  const run = trainer.fit(data, { steps: 1e9 });
  await fails(() => trainer.fit(data), BusyError, 'ERR_BUSY', 'fit: a fit of this trainer is running');
  await fails(() => trainer.load('any.safetensors'), BusyError, 'ERR_BUSY', 'load: a fit of this trainer is running');
  run.stop();
  await run;
});

// A step of several parts is of several runs: those before the one that fails have left sums, which nobody may go on from.
test.each([1, 3, 4, 7, 8])('run %i of a fit finds no memory: the next fit goes on as if nothing had been', async (k) => {
  const make = () => classifier({ accumulate: 4, rate: 0.2, threads: 2 });
  const [failed, whole] = [make(), make()];
  // 12 batches, the last of 4 rows: three steps an epoch, of which the last has two parts, runs 3 and 4.
  const data = points(92);
  const fit = { steps: 7, chunkSteps: 1 };
  const { run } = BoundProgram.prototype;
  let runs = 0;
  const spy = vi.spyOn(BoundProgram.prototype, 'run').mockImplementation(function (this: BoundProgram, request) {
    return ++runs === k ? Promise.reject(new GradclipError('ERR_MEMORY', 'run: out of memory')) : run.call(this, request);
  });
  try {
    await fails(() => failed.fit(data, fit), GradclipError, 'ERR_MEMORY', 'out of memory');
  } finally {
    spy.mockRestore();
  }
  const { step } = failed.counters;
  expect(step).toBe([0, 0, 0, 2, 2, 3, 4, 5, 5][k]);
  await failed.fit(data, { ...fit, steps: 7 - step });
  await whole.fit(data, fit);
  expect(failed.counters).toEqual(whole.counters);
  expect(await bits(failed)).toBe(await bits(whole));
  expect(await failed.evaluate(data)).toEqual(await whole.evaluate(data));
  failed.dispose();
});
