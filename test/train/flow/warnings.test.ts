// warnings.test.ts: what a run says of itself that is no error: in its result, once for each thing, and to a logger.
import { expect, test, vi } from 'vitest';
import * as clip from '../../../lib/clip/index.ts';
import { OptionError, SkipError } from '../../../lib/errors.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { crossEntropy } from '../../../lib/nn/loss/index.ts';
import { add, cast, less, mul } from '../../../lib/ops/index.ts';
import type { Batch } from '../../../lib/train/feed/source.ts';
import { type TrainingWarning, Warnings } from '../../../lib/train/flow/warnings.ts';
import * as guard from '../../../lib/train/step/guard.ts';
import { l2 } from '../../../lib/train/step/regularize.ts';
import { fails } from '../fails.ts';
import { type ClassifierOptions, classifier, type MLP, points } from '../models.ts';

const data = points(40);

/** A policy that takes every step for a spike. */
const always: clip.ClipPolicy = {
  name: 'always',
  maxSkips: 0,
  build(context) {
    const m = clip.parts.measure(context, clip.parts.checkPolicy('always', {}, []));
    const threshold = context.graph.scalar(1e-9, 'f64');
    return { stages: [], skip: less(threshold, m.total), report: { norm: m.total, threshold }, measure: false };
  },
};

test('a run of which nothing is wrong warns of nothing', async () => {
  const trainer = classifier({ logger: () => expect.unreachable('nothing to tell') });
  expect((await trainer.fit(data, { epochs: 2 })).warnings).toEqual([]);
  expect(trainer.fitSync(data, { steps: 3 }).warnings).toEqual([]);
});

test.each<[string, ClassifierOptions, number]>([
  ['a loss times 0', { loss: (b, m) => mul(0, crossEntropy(m.forward(b.x), b.y)) }, 1],
  ['logits beyond a clamp', { loss: (b, m) => crossEntropy(add(m.forward(b.x), 100), b.y, { clamp: 1 }) }, 1],
  [
    'labels that are all ignored',
    { loss: (b, m) => crossEntropy(m.forward(b.x), cast(mul(0, cast(b.y, 'f32')), 'i32'), { ignoreIndex: 0 }) },
    1,
  ],
  ['a loss times 0, and a penalty', { loss: (b, m) => mul(0, crossEntropy(m.forward(b.x), b.y)), regularize: l2(1) }, 0],
  [
    'gradients that nobody measures',
    { loss: (b, m) => mul(0, crossEntropy(m.forward(b.x), b.y)), clip: clip.none({ measure: false }) },
    0,
  ],
  ['gradients that are clipped to 0', { clip: clip.globalNorm(0) }, 0],
])('a gradient that is 0 in all steps: %s', async (_, options, times) => {
  const { warnings, applied } = await classifier(options).fit(data, { epochs: 1 });
  expect(applied).toBe(5);
  const found = warnings.filter((w) => w.code === 'zeroGradient');
  expect(found).toHaveLength(times);
  if (times > 0) expect(found[0]!.message).toMatch(/^fit: the gradient was 0 in all 5 steps of the run: /);
});

test('each thing is told once, by a function, by an object, or by nobody', () => {
  const told: TrainingWarning[] = [];
  const lines: string[] = [];
  const logger = {
    lines,
    warn(message: string) {
      this.lines.push(message);
    },
  };
  for (const warnings of [new Warnings((w) => told.push(w)), new Warnings(logger), new Warnings()]) {
    for (const [name, step] of [
      ['a', 1],
      ['b', 1],
      ['a', 2],
    ] as const)
      warnings.add('nothingApplied', `of ${name}`, { name, step });
    expect(warnings.list).toEqual([
      { code: 'nothingApplied', message: 'of a', details: { name: 'a', step: 1 } },
      { code: 'nothingApplied', message: 'of b', details: { name: 'b', step: 1 } },
    ]);
  }
  expect(told.map((w) => w.message)).toEqual(['of a', 'of b']);
  expect(lines).toEqual(['of a', 'of b']);
});

test.each([
  ['not finite', {}, nan(), /all 5 steps of the run were skipped, the last since the gradient of fc\d\.\w+ was not finite$/],
  ['guarded', { guards: [guard.loss({ max: 0, action: 'skip' })] }, data, /the last since guard\.loss found loss to be 0\.\d+$/],
  [
    'beyond squares',
    { clip: clip.none(), loss: huge },
    data,
    /since the gradient has a norm of [\d.]+e\+2\d, beyond .*: clip it$/,
  ],
  ['spikes', { clip: always }, data, /the last since the policy left out a gradient of norm [\d.]+, threshold [\d.e-]+$/],
])('a run whose steps are all skipped: %s', async (_, options, own, text) => {
  const result = await classifier(options).fit(own, { epochs: 1 });
  expect(result).toMatchObject({ tried: 5, applied: 0, skipped: 5 });
  const found = result.warnings.filter((w) => w.code === 'nothingApplied');
  expect(found).toMatchObject([{ details: { name: 'fit', step: 0, tried: 5 } }]);
  expect(found[0]!.message).toMatch(text);
});

test('a run whose only step a guard has taken back', async () => {
  const guards = [guard.loss({ max: 0, action: 'rollback' })];
  const { warnings } = await classifier({ guards }).fit(data, { steps: 1 });
  expect(warnings).toMatchObject([{ code: 'nothingApplied' }]);
  expect(warnings[0]!.message).toMatch(/the only step of the run was skipped, the last since a guard took it back$/);
});

test('too many steps in a row that are beyond squares: the error says what is', async () => {
  const trainer = classifier({ clip: clip.none({ maxSkips: 2 }), loss: huge });
  await fails(
    () => trainer.fit(data),
    SkipError,
    'ERR_SKIPS',
    /^fit: 2 steps in a row were skipped, the last since the gradient has a norm of [\d.]+e\+2\d, beyond .*: clip it$/,
  );
});

test('a logger of the trainer, and one of the run in its place', async () => {
  const console = { warn: vi.fn() };
  const own = vi.fn();
  const trainer = classifier({ logger: console });
  const first = await trainer.fit(nan(), { epochs: 1 });
  expect(console.warn.mock.calls).toEqual(first.warnings.map((w) => [w.message]));
  const second = trainer.fitSync(nan(), { steps: 4, logger: own });
  expect(own.mock.calls).toEqual(second.warnings.map((w) => [w]));
  expect(console.warn).toHaveBeenCalledTimes(first.warnings.length);
});

test.each([null, 'console', {}, { warn: 1 }])('what is no logger: %s', async (logger) => {
  const wrong = { logger } as never;
  await fails(() => classifier(wrong), OptionError, 'ERR_OPTION', 'Trainer: option logger: expected a function or an object');
  await fails(() => classifier().fit(data, wrong), OptionError, 'ERR_OPTION', 'fit: option logger: expected a function');
});

/** A loss whose gradients are finite and have no squares in f32. */
function huge({ x, y }: Batch, model: MLP): Tensor {
  return mul(crossEntropy(model.forward(x), y), 1e25);
}

/** Points of which every batch has one that is not a number. */
function nan(): typeof data {
  const bad = points(40);
  bad.x.data.fill(Number.NaN);
  return bad;
}
