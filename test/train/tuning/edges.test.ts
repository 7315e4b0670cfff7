// edges.test.ts: branches that end, runs that are stopped, read and aborted within a race, teams of any size, what is refused.
import { expect, it, test, vi } from 'vitest';
import * as clip from '../../../lib/clip/index.ts';
import { AbortError, NonFiniteError, OptionError } from '../../../lib/errors.ts';
import { sgd } from '../../../lib/optim/index.ts';
import { apply } from '../../../lib/optim/standalone/clipped.ts';
import * as guard from '../../../lib/public/guard.ts';
import { bits, type ClassifierOptions, classifier, points } from '../models.ts';
import { SCRIPT, type Script, Scripted } from './script.ts';

vi.mock('../../../lib/train/tuning/tuner.ts', async () => ({ Tuner: (await import('./script.ts')).Scripted }));

const data = points(64);
const validation = points(40, 6, 2);
const scripted = (script: Script): typeof Scripted => {
  Scripted.script = script;
  return Scripted;
};
const race = (factors: readonly number[], main: number, end: number, winner: number, from = 2): Script => [
  [from, { kind: 'race', factors, main }],
  [end, { kind: 'drop', branches: factors.map((_, i) => i).filter((i) => i !== winner), main: winner }],
];
const auto = (options: ClassifierOptions = {}, policy: clip.ClipPolicy = clip.globalNorm(0.5, { maxSkips: 3 })) =>
  classifier({ clip: clip.auto({ policy }), ...options });
const given = (
  decisions: readonly clip.AutoStep[],
  options: ClassifierOptions = {},
  policy = clip.globalNorm(0.5, { maxSkips: 3 }),
) => classifier({ clip: clip.auto({ policy, decisions }), ...options });

/** A rate at which a run without a clip goes to NaN within a few steps, and skips them. */
const wild = { optimizer: sgd({ lr: 1e19 }) };

it('a branch beside the run that is skipped too often is over, and the run goes on', async () => {
  scripted(race([1e-30, 1e30], 0, 12, 0));
  using one = auto(wild);
  const { skipped } = await one.fit(data, { steps: 16 });
  expect(skipped).toBe(0);
  expect(Scripted.last!.told.failed).toEqual([1]);
  expect(Scripted.last!.told['losses of 1']!.length).toBeLessThan(10);
  using two = given([{ step: 2, factor: 1e-30 }], wild);
  await two.fit(data, { steps: 16 });
  expect(await bits(one)).toBe(await bits(two));
});

it('where the run itself is, another branch is the run, which has all of the steps', async () => {
  for (const chunkSteps of [1, 3, 7]) {
    scripted(race([1e30, 1e-30], 0, 12, 1));
    using one = auto(wild);
    const told: number[] = [];
    const { skipped, tried } = await one.fit(data, {
      steps: 16,
      chunkSteps,
      callbacks: [{ name: 'told', onSteps: (steps) => void told.push(...[...steps].map(({ attempt }) => attempt)) }],
    });
    expect(tried).toBe(16);
    expect(told).toEqual(Array.from({ length: 16 }, (_, i) => i));
    // Those before its last were told of it, skipped ones among them.
    expect(skipped).toBeLessThan(3);
    expect(Scripted.last!.told.failed).toEqual([0]);
    using two = given([{ step: 2, factor: 1e-30 }], wild);
    await two.fit(data, { steps: 16 });
    expect(await bits(one)).toBe(await bits(two));
    expect(one.counters).toEqual(two.counters);
  }
});

it('where all are, the run ends as any does', async () => {
  scripted(race([1e30, 1e29], 0, 12, 0));
  using one = auto(wild);
  await expect(one.fit(data, { steps: 16 })).rejects.toThrow(NonFiniteError);
});

test.each(['stop', 'skip'] as const)('a guard that says %s in one branch', async (action) => {
  const guards = [guard.loss({ max: 3, action })];
  const policy = clip.globalNorm(1, { maxSkips: 2 });
  const hot = { optimizer: sgd({ lr: 30 }), guards };
  scripted(race([1e30, 1e-4], 0, 12, 1, 0));
  using one = auto(hot, policy);
  await one.fit(data, { steps: 16 });
  expect(Scripted.last!.told.failed).toEqual([0]);
  using two = given([{ step: 0, factor: 1e-4 }], hot, policy);
  await two.fit(data, { steps: 16 });
  expect(await bits(one)).toBe(await bits(two));
});

test('teams of any size, at once or awaited, have the same bits', async () => {
  const found = new Set<string>();
  for (const threads of [1, 2, 3, 4, 5, 7, 8, 16]) {
    for (const sync of [true, false]) {
      scripted(SCRIPT);
      using one = auto({ threads, rate: 0.3 });
      if (sync) one.fitSync(data, { steps: 12, validation, validateEvery: 3 });
      else await one.fit(data, { steps: 12, validation, validateEvery: 3 });
      found.add(`${await bits(one)} ${JSON.stringify(Scripted.last!.state())}`);
    }
  }
  expect(found.size).toBe(1);
});

test('predictions, evaluations, saves and reports within a race see the run, and leave no trace', async () => {
  scripted(SCRIPT);
  using plain = auto();
  await plain.fit(data, { steps: 12, validation });
  const { told } = Scripted.last!;
  scripted(SCRIPT);
  using one = auto();
  const run = one.fit(data, { steps: 12, validation });
  const seen: string[] = [];
  const calls: Promise<unknown>[] = [];
  for await (const { step } of run) {
    seen.push(String(step));
    calls.push(one.predict(data.x), one.evaluate(validation), one.snapshot());
  }
  await Promise.all(calls);
  expect(seen).toHaveLength(12);
  expect(await bits(one)).toBe(await bits(plain));
  expect(Scripted.last!.told).toEqual(told);
});

test('what is validated and read within a race is of the branch that is the run', async () => {
  scripted(race([1, 1e-30], 1, 12, 0));
  using one = auto();
  const losses: number[] = [];
  const onValidation = ({ loss }: { readonly loss: number }): void => void losses.push(loss);
  await one.fit(data, { steps: 14, validation, validateEvery: 2, callbacks: [{ name: 'v', onValidation }] });
  // With next to no gradient, weights change by decay alone.
  expect(Math.abs(losses[4]! - losses[1]!)).toBeLessThan(Math.abs(losses[6]! - losses[4]!));
});

test('a run that is aborted or stopped within a race goes on where it was', async () => {
  scripted(SCRIPT);
  using whole = auto();
  await whole.fit(data, { steps: 12, validation });
  const { told } = Scripted.last!;
  for (const abort of [true, false]) {
    for (let at = 1; at <= 8; at++) {
      scripted(SCRIPT);
      using one = auto();
      const controller = new AbortController();
      const run = one.fit(data, {
        ...{ steps: 12, validation, signal: controller.signal },
        callbacks: [
          {
            name: 'end',
            onSteps: (_, { counters }) => {
              if (counters.attempt < at) return;
              if (abort) controller.abort();
              else run.stop();
            },
          },
        ],
      });
      await run.catch((error: unknown) => expect(error).toBeInstanceOf(AbortError));
      await one.fit(data, { steps: 12 - one.counters.attempt, validation });
      expect(await bits(one)).toBe(await bits(whole));
      expect(Scripted.last!.told).toEqual(told);
    }
  }
});

test('weights that others have changed meanwhile begin afresh', async () => {
  scripted(race([1e-30, 1], 0, 12, 1));
  using one = auto();
  await one.fit(data, { steps: 5 });
  one.model.fc1.weight.data.fill(0.01);
  scripted([]);
  await one.fit(data, { steps: 3 });
  expect(Scripted.last!.told['losses of 0']).toHaveLength(3);
});

test('moved tells how far each branch has come: as plain loops have it', async () => {
  scripted([
    [2, { kind: 'race', factors: [1, 0.01], main: 0 }],
    [6, { kind: 'measure', validate: false }],
    [6, { kind: 'drop', branches: [1], main: 0 }],
  ]);
  using one = auto();
  const weights: Float64Array[] = [];
  const read = (): void => {
    const all = one.model.parameters().flatMap((p) => Array.from(p.data));
    weights.push(Float64Array.from(all));
  };
  await one.fit(data, { steps: 8, chunkSteps: 1, callbacks: [{ name: 'r', onSteps: read }] });
  const distance = (a: Float64Array, b: Float64Array): number => Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0));
  const [run, other] = Scripted.last!.told.moved!;
  expect(run).toBeCloseTo(distance(weights[5]!, weights[1]!), 12);
  expect(other).toBeGreaterThan(0);
  expect(other).not.toBe(run);
});

test('losses are of blocks that are dealt out evenly: those of rows that are given alone', async () => {
  scripted([
    [1, { kind: 'race', factors: [1, 1], main: 0 }],
    [1, { kind: 'measure', validate: true }],
    [2, { kind: 'drop', branches: [1], main: 0 }],
  ]);
  using one = auto({}, clip.globalNorm(1));
  await one.fit(data, { steps: 1 });
  const rows = Array.from({ length: 8 }, (_, b) => Array.from({ length: 5 }, (_, k) => b + 8 * k));
  const expected: number[] = [];
  for (const block of rows) {
    const x = block.flatMap((r) => Array.from(validation.x.data.subarray(6 * r, 6 * r + 6)));
    const y = Int32Array.from(block, (r) => validation.y[r]!);
    expected.push((await one.evaluate({ x: { data: Float32Array.from(x), shape: [5, 6] }, y })).loss);
  }
  using two = auto({}, clip.globalNorm(1));
  await two.fit(data, { steps: 3, validation });
  expect(Scripted.last!.told.losses).toEqual([...expected, ...expected]);
});

test('a budget in seconds is told in steps, by the pace of the run so far', async () => {
  scripted([]);
  using one = classifier({ clip: clip.auto({ seconds: 1 }) });
  await one.fit(data, { steps: 50, chunkSteps: 5 });
  expect(Scripted.last!.told.allowed![0]).toBeGreaterThan(0);
});

test('a roll-back keeps the factor of now', async () => {
  scripted([[5, { kind: 'set', branch: 0, factor: 0.25 }]]);
  const spiked = points(64);
  spiked.x.data.fill(300, 6 * 6 * 8, 7 * 6 * 8);
  using one = auto({ guards: [guard.loss({ max: 10, action: 'rollback' })], rollback: { every: 4, limit: 3 } });
  const result = await one.fit(spiked, { steps: 8, shuffle: false });
  expect(result.guards).toMatchObject([{ action: 'rollback', attempt: 6 }]);
  expect(one.counters.step).toBe(5);
  // What was brought back had the factor 1.
  expect(result.last!.threshold).toBe(0.125);
});

test('what is refused', async () => {
  const refused = (make: () => unknown, text: string): void => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(text);
  };
  refused(() => clip.auto({ policy: clip.zclip() }), 'expected a policy with a threshold');
  refused(() => clip.auto({ policy: clip.none() }), 'got none');
  refused(() => clip.auto({ policy: clip.globalNorm(Infinity) }), 'one that is not Infinity');
  refused(() => clip.auto({ policy: clip.auto() }), 'finds its threshold already');
  refused(() => clip.chain(clip.auto(), clip.auto()), 'one clip.auto at most, got 2');
  refused(() => clip.groups([{ match: '*.weight', policy: clip.auto() }, { policy: clip.auto() }]), 'one clip.auto at most');
  refused(() => clip.auto({ budget: 0.3, seconds: 1 }), 'one of budget, seconds and decisions, got budget and seconds');
  refused(() => clip.auto({ budget: 0 }), 'option budget: expected a finite number > 0');
  refused(() => clip.auto({ decisions: [{ step: 3, factor: 0 }] }), 'decisions[0].factor: expected a finite number > 0');
  refused(
    () =>
      clip.auto({
        decisions: [
          { step: 3, factor: 1 },
          { step: 2, factor: 1 },
        ],
      }),
    'in the order of their steps',
  );
  refused(() => sgd({ lr: 1 }).bind([new Float32Array(3)], { clip: clip.auto() }), 'trials of a fit');
  refused(() => apply([new Float32Array(3)], clip.chain(clip.value(1), clip.auto())), 'trials of a fit');
  using one = auto();
  await expect(one.step(data)).rejects.toThrow('train with fit');
  expect(() => one.stepSync(data)).toThrow('train with fit');
});

test.each(['chain', 'groups'] as const)('within %s it moves its own threshold alone', async (what) => {
  const make = (inner: clip.ClipPolicy): clip.ClipPolicy =>
    what === 'chain'
      ? clip.chain(clip.value(0.02), inner)
      : clip.groups([{ match: '*.weight', policy: inner }, { policy: clip.perTensorNorm(0.01) }]);
  scripted([[3, { kind: 'set', branch: 0, factor: 0.1 }]]);
  using one = classifier({ clip: make(clip.auto({ policy: clip.globalNorm(0.5) })) });
  await one.fit(data, { steps: 9 });
  using two = classifier({ clip: make(clip.globalNorm((step) => (step < 3 ? 0.5 : 0.05))) });
  await two.fit(data, { steps: 9 });
  expect(await bits(one)).toBe(await bits(two));
});

test('what is within it moves as one', async () => {
  scripted([[3, { kind: 'set', branch: 0, factor: 0.25 }]]);
  using one = classifier({ clip: clip.auto({ policy: clip.chain(clip.value({ lower: -0.04, upper: 0.02 }), clip.agc(0.01)) }) });
  await one.fit(data, { steps: 9 });
  const by = (x: number) => (step: number) => (step < 3 ? x : x / 4);
  using two = classifier({ clip: clip.chain(clip.value({ lower: by(-0.04), upper: by(0.02) }), clip.agc(by(0.01))) });
  await two.fit(data, { steps: 9 });
  expect(await bits(one)).toBe(await bits(two));
});
