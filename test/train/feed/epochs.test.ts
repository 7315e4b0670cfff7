// epochs.test.ts: schedules whose lengths are given in epochs mean as many steps as a fit's epoch has, and rates that vanish are told.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clip, OptionError, optim, prune, readRecord, type TrainingWarning } from '../../../lib/index.ts';
import { inEpochs } from '../../../lib/optim/schedules/length.ts';
import { bits, classifier, points } from '../models.ts';

const { schedule } = optim;
type Length = optim.schedule.Length;
type Make = (of: (epochs: number) => Length) => optim.schedule.Schedule;

/** Each is given lengths in epochs, or the steps that they are. */
const MADE: Readonly<Record<string, Make>> = {
  constant: (n) => schedule.constant(1, { steps: n(2) }),
  linear: (n) => schedule.linear(1, { steps: n(3) }),
  step: (n) => schedule.step(1, { size: n(1), gamma: 0.7 }),
  multiStep: (n) => schedule.multiStep(1, { milestones: [n(0.5), n(1), n(1), n(2.5)] }),
  polynomial: (n) => schedule.polynomial(1, { steps: n(4), power: 2 }),
  cosine: (n) => schedule.cosine(1, { steps: n(4), min: 0.1 }),
  cosineRestarts: (n) => schedule.cosineRestarts(1, { steps: n(1), factor: 2 }),
  inverseSqrt: (n) => schedule.inverseSqrt(1, { warmup: n(1.5) }),
  warmup: (n) => schedule.warmup({ steps: n(1), to: schedule.cosine(1, { steps: n(3) }) }),
  oneCycle: (n) => schedule.oneCycle(1, { steps: n(5), threePhase: true }),
  oneCycleMomentum: (n) => schedule.oneCycleMomentum({ steps: n(5) }),
  cyclic: (n) => schedule.cyclic(0.1, { max: 1, up: n(0.5), down: n(1) }),
  'cyclic, as far down as up': (n) => schedule.cyclic(0.1, { max: 1, up: n(1) }),
  sequential: (n) => schedule.sequential([1, schedule.step(2, { size: n(1) })], { milestones: [n(2)] }),
};

describe('a length in epochs is so many steps', () => {
  test.each(Object.keys(MADE))('%s', (name) => {
    for (const steps of [1, 7, 40]) {
      const epochs = MADE[name]!((n) => ({ epochs: n }));
      const plain = MADE[name]!((n) => Math.max(1, Math.round(n * steps)));
      for (let t = 0; t < 6 * steps; t++) expect(inEpochs(steps, () => epochs(t))).toBe(plain(t));
    }
  });

  test('of an epoch of the data, whatever their number, and however batches are cut', () => {
    const cuts = fc.record({
      n: fc.integer({ min: 8, max: 60 }),
      batchSize: fc.integer({ min: 1, max: 8 }),
      accumulate: fc.integer({ min: 1, max: 5 }),
      dropLast: fc.boolean(),
    });
    fc.assert(
      fc.property(cuts, ({ n, ...cut }) => {
        const rates: number[] = [];
        const lr = schedule.step(1, { size: { epochs: 1 }, gamma: 0.5 });
        const spied = (t: number): number => {
          rates[t] = lr(t);
          return rates[t]!;
        };
        const trainer = classifier({ optimizer: optim.sgd({ lr: spied }), ...cut });
        const { tried } = trainer.fitSync(points(n), { epochs: 3 });
        expect(tried % 3).toBe(0);
        expect(rates.slice(0, tried)).toEqual([1, 0.5, 0.25].flatMap((r) => new Array(tried / 3).fill(r)));
        trainer.dispose();
      }),
      { numRuns: 25 },
    );
  });
});

const data = points(40);
const cut = { batchSize: 8 };
const epochs = (n: number): Length => ({ epochs: n });
/** Five steps an epoch. */
const lengths = (n: (epochs: number) => Length) => ({
  ...cut,
  optimizer: optim.sgd({ lr: schedule.oneCycle(0.5, { steps: n(4) }), momentum: schedule.oneCycleMomentum({ steps: n(4) }) }),
  clip: clip.globalNorm(schedule.linear(1, { steps: n(2) })),
  prune: prune.magnitude({ sparsity: 0.5, begin: n(1), end: n(3), every: n(1) }),
});

test('rates, momenta, thresholds and pruning, the same bits as with steps, resumed too', async () => {
  const steps = classifier(lengths((n) => 5 * n));
  await steps.fit(data, { epochs: 4 });
  const whole = classifier(lengths(epochs));
  await whole.fit(data, { epochs: 4 });
  expect(await bits(whole)).toBe(await bits(steps));
  const folder = mkdtempSync(join(tmpdir(), 'epochs-'));
  const first = classifier(lengths(epochs));
  await first.fit(data, { steps: 12 });
  await first.save(join(folder, 'a.safetensors'));
  const second = classifier(lengths(epochs));
  await second.load(join(folder, 'a.safetensors'));
  await second.fit(data, { steps: 8 });
  rmSync(folder, { recursive: true });
  expect(await bits(second)).toBe(await bits(steps));
});

test('each fit measures all epochs by its own data', async () => {
  const seen: number[] = [];
  const lr = schedule.step(1, { size: { epochs: 2 }, gamma: 0.5 });
  const trainer = classifier({ ...cut, optimizer: optim.sgd({ lr: (t) => (seen[t] = lr(t)) }) });
  await trainer.fit(points(40), { steps: 10, chunkSteps: 1 });
  await trainer.fit(points(80), { steps: 20, chunkSteps: 1 });
  // In the second, two epochs are 20 steps.
  expect(seen).toEqual(Array.from({ length: 30 }, (_, t) => (t < 20 ? 1 : 0.5)));
});

test('a record and advice tell the first rate, in the epochs of the fit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'epochs-'));
  const file = join(folder, 'run.jsonl');
  const lr = schedule.warmup({ steps: { epochs: 2 }, to: 1 });
  const trainer = classifier({ ...cut, optimizer: optim.sgd({ lr }) });
  expect(() => trainer.advise()).toThrow('expected steps with a finite norm, got none among 0');
  await trainer.fit(data, { epochs: 1, record: file });
  expect((await readRecord(file)).header?.optimizers).toMatchObject([{ lr: 0.1 }]);
  rmSync(folder, { recursive: true });
  expect(trainer.advise({ warmup: 0 }).steps).toBe(5);
});

test('where no epoch has a known length, the error says so', async () => {
  const lr = schedule.step(1, { size: { epochs: 2 } });
  const message = /schedule.step: option size: expected steps, got \{ epochs: 2 \}: only a fit on data that is no stream knows/;
  expect(() => lr(0)).toThrow(message);
  expect(() =>
    optim
      .sgd({ lr })
      .bind([new Float32Array(1)])
      .step([new Float32Array(1)]),
  ).toThrow(message);
  const { x, y } = points(8);
  async function* stream() {
    yield { x: x, y: y };
  }
  await expect(classifier({ optimizer: optim.sgd({ lr }) }).fit(stream as never, { steps: 1 })).rejects.toThrow(message);
});

test('wrong lengths', () => {
  const wrong: [string, () => unknown][] = [
    ['unknown option epoch; did you mean epochs?', () => schedule.step(1, { size: { epoch: 2 } as never })],
    ['option size.epochs: expected a finite number > 0, got 0', () => schedule.step(1, { size: { epochs: 0 } })],
    ['option steps.epochs: expected a finite number > 0, got nothing', () => schedule.cosine(1, { steps: {} as never })],
    ['whole numbers in rising order', () => schedule.multiStep(1, { milestones: [{ epochs: 2 }, { epochs: 1 }] })],
    ['steps in rising order, got 9, 5', () => inEpochs(5, () => schedule.multiStep(1, { milestones: [9, epochs(1)] })(0))],
  ];
  for (const [message, make] of wrong) {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  }
  const late = prune.magnitude({ sparsity: 0.5, begin: 9, end: { epochs: 1 } });
  expect(() => inEpochs(5, () => late.share(0))).toThrow(
    'prune.magnitude: option end: expected a step from 9, its begin, on, got 5',
  );
});

describe('a rate that has vanished', () => {
  test('is told once, with what to do', async () => {
    const told: TrainingWarning[] = [];
    const lr = schedule.step(1, { size: 1, gamma: 0.7 });
    const trainer = classifier({ ...cut, optimizer: optim.sgd({ lr }), logger: (warning) => told.push(warning) });
    const { warnings } = await trainer.fit(data, { epochs: 20 });
    expect(warnings).toEqual(told);
    expect(warnings).toMatchObject([{ code: 'vanishedRate', details: { name: 'optim.sgd', step: 78, from: 1, rate: lr(78) } }]);
    expect(warnings[0]!.message).toMatch(
      /^optim.sgd: the learning rate is 8\.\d+e-13 in step 78, after 1: .*give \{ epochs: n \}/,
    );
  });

  test('in one of several groups, and by reductions', async () => {
    const groups = [{ match: 'fc2.*', optimizer: optim.sgd({ lr: (t) => (t < 3 ? 1 : 0) }) }];
    const grouped = await classifier({ ...cut, optimizer: optim.sgd({ lr: 0.1 }), groups }).fit(data, { steps: 9 });
    expect(grouped.warnings).toMatchObject([{ details: { name: 'optim.sgd of fc2.weight', step: 3, rate: 0 } }]);
    const plateau = { factor: 1e-13, patience: 0, threshold: 0.999, eps: 0 };
    const reduced = await classifier({ ...cut, optimizer: optim.sgd({ lr: 0.1 }), plateau }).fit(data, {
      epochs: 4,
      validation: data,
    });
    expect(reduced.warnings.map((w) => w.code)).toEqual(['vanishedRate']);
  });

  test('is no rate that was 0 all along, nor one that comes back, nor one that ends where the run does', async () => {
    for (const lr of [
      schedule.step(1, { size: { epochs: 1 }, gamma: 0.7 }),
      schedule.warmup({ steps: 9, to: 1 }),
      schedule.cosine(1, { steps: 20 }),
      schedule.cosine(1, { steps: 5, repeat: true }),
      schedule.cyclic(0, { max: 1, up: 4 }),
    ]) {
      const { warnings } = await classifier({ ...cut, optimizer: optim.sgd({ lr }) }).fit(data, { epochs: 4 });
      expect(warnings).toEqual([]);
    }
  });

  test('0 in all steps is told at the end, of each group; a schedule that begins there is not', async () => {
    const stands = optim.sgd({ lr: 0 });
    const { warnings } = await classifier({ ...cut, optimizer: stands }).fit(data, { epochs: 2 });
    expect(warnings.map(({ code, message }) => [code, message.replace(/all \d+ /, '')])).toEqual([
      [
        'zeroRate',
        'optim.sgd: the learning rate was 0 in steps of the run: nothing was learned. What shall stay as it is has requiresGrad = false',
      ],
    ]);
    const groups = [{ match: 'fc2.*', optimizer: stands }];
    const grouped = await classifier({ ...cut, optimizer: optim.sgd({ lr: 0.1 }), groups }).fit(data, { steps: 1 });
    expect(grouped.warnings).toMatchObject([
      { code: 'zeroRate', details: { name: 'optim.sgd of fc2.weight', step: 1, tried: 1 } },
    ]);
    const begins = optim.sgd({ lr: (step) => step / 10 });
    expect((await classifier({ ...cut, optimizer: begins }).fit(data, { steps: 1 })).warnings).toEqual([]);
  });
});
