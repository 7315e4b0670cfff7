// searched.test.ts: steps of an optimizer that searches, in a trainer: the same bits in every way of running them, what they leave alone, and what they
// refuse. Which points they go to, test/optim/search.test.ts compares with PyTorch.
import { afterAll, describe, expect, it, test } from 'vitest';
import * as clip from '../../../lib/clip/index.ts';
import { IndexError, NonFiniteError, OptionError } from '../../../lib/errors.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { Dropout, Module, Parameter, RNN } from '../../../lib/nn/index.ts';
import * as ops from '../../../lib/ops/index.ts';
import * as optim from '../../../lib/optim/index.ts';
import * as constraint from '../../../lib/public/constraint.ts';
import * as guard from '../../../lib/public/guard.ts';
import * as prune from '../../../lib/public/prune.ts';
import type { TrainerOptions } from '../../../lib/train/options.ts';
import * as regularize from '../../../lib/train/step/regularize.ts';
import { Trainer } from '../../../lib/train/trainer.ts';
import { bits, type ClassifierOptions, classifier, MLP, points } from '../models.ts';

const data = points(40);
const lbfgs = (options: optim.LBFGSOptions = {}): optim.SearchOptimizer =>
  optim.lbfgs({ maxIter: 4, historySize: 3, ...options });
const made: { dispose(): void }[] = [];
afterAll(() => {
  for (const t of made) t.dispose();
});
function searching(options: ClassifierOptions = {}): Trainer<MLP> {
  const trainer = classifier({ optimizer: lbfgs({ lr: 0.3 }), clip: clip.none(), batchSize: 40, ...options });
  made.push(trainer);
  return trainer;
}
const wolfe = (options: optim.LBFGSOptions = {}): optim.Optimizer => lbfgs({ lineSearch: 'strongWolfe', ...options });

/** A vector of parameters, and a loss of it. */
class Vector extends Module {
  readonly p: Parameter;
  constructor(p: readonly number[]) {
    super();
    this.p = new Parameter([p.length]);
    this.p.data = Float32Array.from(p);
  }
  forward(): Tensor {
    return this.p.toTensor();
  }
}
const ROW = { x: new Float32Array(1) };
function ofVector(
  p: readonly number[],
  optimizer: optim.Optimizer,
  of: (p: Tensor, x: Tensor) => Tensor,
  rest: Partial<TrainerOptions<Vector>> = {},
): Trainer<Vector> {
  const trainer = new Trainer({ model: new Vector(p), optimizer, loss: ({ x }, model) => of(model.forward(), x!), ...rest });
  made.push(trainer);
  return trainer;
}

describe.each([
  ['fixed steps', (): optim.Optimizer => lbfgs({ lr: 0.3 })],
  ['a line search', (): optim.Optimizer => wolfe()],
])('%s', (_, make) => {
  test('the same bits for all teams, now or later, in a fit or in steps', async () => {
    const wide = (threads: number): Trainer<MLP> => searching({ model: new MLP([6, 700, 2]), optimizer: make(), threads });
    const first = wide(1);
    await first.fit(data, { steps: 2 });
    const want = await bits(first);
    for (const threads of [2, 3, 4, 5, 7, 8, 16]) {
      const other = wide(threads);
      if (threads % 2 === 0) await other.fit(data, { steps: 2 });
      else other.fitSync(data, { steps: 2 });
      expect(await bits(other)).toBe(want);
    }
    const steps = wide(2);
    const inOrder = wide(2);
    await inOrder.fit(data, { steps: 2, shuffle: false });
    for (let i = 0; i < 2; i++) {
      if (i % 2 === 0) await steps.step(data);
      else steps.stepSync(data);
    }
    expect(await bits(steps)).toBe(await bits(inOrder));
  });

  test('the loss falls, step by step, and a step counts once', async () => {
    const trainer = searching({ optimizer: make() });
    const losses: number[] = [];
    const run = trainer.fit(data, { epochs: 6 });
    for await (const { loss, norm, skipped, clipped } of run) {
      losses.push(loss);
      expect([Number.isFinite(norm), skipped, clipped]).toEqual([true, false, false]);
    }
    const { tried, applied } = await run;
    expect([tried, applied, trainer.counters.step, trainer.counters.attempt]).toEqual([6, 6, 6, 6]);
    for (let i = 1; i < losses.length; i++) expect(losses[i]).toBeLessThan(losses[i - 1]!);
    expect(losses.at(-1)).toBeLessThan(0.3 * losses[0]!);
  });

  test('micro-batches are the batch that they are together', async () => {
    const whole = searching({ optimizer: make() });
    // The last one is shorter: its program is another one.
    const parts = searching({ optimizer: make(), batchSize: 13, accumulate: 4 });
    for (const t of [whole, parts]) await t.fit(data, { steps: 2, shuffle: false });
    const [a, b] = await Promise.all([whole.readParameters(), parts.readParameters()]);
    for (const [name, { data }] of a) {
      for (const [i, v] of data.entries()) expect(Math.abs(v - b.get(name)!.data[i]!)).toBeLessThan(2e-4);
    }
  });

  test('more pairs than one task takes are the same directions, in other tasks', () => {
    const curved = (p: Tensor): Tensor =>
      ops.sum(
        ops.mul(
          p.graph.constant(
            Float32Array.from({ length: 30 }, (_, i) => 1 + i),
            [30],
            'f32',
          ),
          ops.square(p),
        ),
      );
    const start = Array.from({ length: 30 }, (_, i) => Math.sin(i));
    const trainer = ofVector(
      start,
      optim.lbfgs({ lr: 0.5, maxIter: 30, historySize: 21, toleranceGrad: 0, toleranceChange: 0 }),
      curved,
    );
    for (let i = 0; i < 2; i++) trainer.stepSync(ROW);
    expect(trainer.stepSync(ROW).loss).toBeLessThan(1e-6);
  });

  test('each evaluation of a step has the same dropout', () => {
    class Dropped extends Vector {
      readonly drop = new Dropout(0.5);
      override forward(): Tensor {
        return this.drop.forward(super.forward());
      }
    }
    const start = Array.from({ length: 64 }, (_, i) => 1 + i / 64);
    const trainer = new Trainer({
      model: new Dropped(start),
      optimizer: make(),
      // Least where what is kept, twice the parameter, is 1; the others have no gradient.
      loss: (_, model) => ops.sum(ops.square(ops.sub(model.forward(), 1))),
      seed: 5,
    });
    made.push(trainer);
    trainer.stepSync(ROW);
    const after = trainer.model.p.data;
    const kept = start.filter((v, i) => after[i] === Math.fround(v)).length;
    expect(kept).toBeGreaterThan(16);
    expect(kept).toBeLessThan(48);
  });

  test('penalties are part of what is searched', () => {
    const penalized = searching({
      optimizer: make(),
      regularize: regularize.l2(0.05),
    });
    const reports = [0, 1, 2, 3].map(() => penalized.stepSync(data));
    const totals = reports.map(({ loss, penalty }) => loss + penalty!);
    for (let i = 1; i < totals.length; i++) expect(totals[i]).toBeLessThan(totals[i - 1]!);
  });

  test('averages take in the weights after each step, once', async () => {
    const trainer = searching({ optimizer: make(), ema: { decay: 0.75, start: 'weights' } });
    const average = Float64Array.from(trainer.model.fc2.weight.data);
    for (let i = 0; i < 3; i++) {
      trainer.stepSync(data);
      for (const [k, w] of trainer.model.fc2.weight.data.entries()) average[k] = 0.75 * average[k]! + 0.25 * w;
    }
    const found = (await trainer.readParameters({ weights: 'ema' })).get('fc2.weight')!.data;
    for (const [k, v] of average.entries()) expect(found[k]).toBeCloseTo(v, 6);
  });

  test('what is not trained stays, and what is trained later begins a search of its own', async () => {
    const trainer = searching({ optimizer: make(), parameters: 'fc2.*' });
    const before = trainer.model.fc1.weight.data.slice();
    await trainer.fit(data, { steps: 2 });
    expect(trainer.model.fc1.weight.data).toEqual(before);
    trainer.change({ unfreeze: 'fc1.*' });
    const fresh = searching({ optimizer: make(), model: trainer.model });
    const weights = await trainer.readParameters();
    const { loss } = trainer.stepSync(data);
    const one = await bits(trainer);
    await trainer.writeParameters(new Map([...weights].map(([name, t]) => [name, t.data])));
    expect(fresh.stepSync(data).loss).toBe(loss);
    expect(await bits(fresh)).toBe(one);
  });

  test('saved and loaded after any step it goes on to the bit', async () => {
    const whole = searching({ optimizer: make() });
    for (let i = 0; i < 5; i++) whole.stepSync(data);
    for (const stop of [1, 2, 4]) {
      const before = searching({ optimizer: make() });
      for (let i = 0; i < stop; i++) before.stepSync(data);
      const after = searching({ optimizer: make(), seed: 9 });
      await after.load(await before.save());
      for (let i = stop; i < 5; i++) after.stepSync(data);
      expect(await bits(after)).toBe(await bits(whole));
    }
  });

  test('a rate of 0 moves nothing', async () => {
    const trainer = searching({ optimizer: optim.lbfgs({ lr: 0, lineSearch: make().search!.lineSearch }) });
    const before = await bits(trainer);
    trainer.stepSync(data);
    expect(await bits(trainer)).toBe(before);
  });
});

test('a schedule and another rate reach it', () => {
  // The gradient is 1: a first step goes down by the rate, times 1 / 2, as the sum of the gradient says.
  const moved = (t: Trainer<Vector>): number => {
    const before = t.model.p.data[0]!;
    t.stepSync(ROW);
    return before - t.model.p.data[0]!;
  };
  const lr = [0.5, 0.25];
  const t = ofVector([0, 0], optim.lbfgs({ lr: (step: number) => lr[step] ?? 1, maxIter: 1 }), (p) => ops.sum(p));
  // y is 0 from then on: directions are the gradient.
  expect([moved(t), moved(t), moved(t)]).toEqual([0.25, 0.25, 1]);
  t.change({ lr: 0.125 });
  expect(moved(t)).toBe(0.125);
});

describe('what is not finite', () => {
  // Its root is NaN below 0, to where a plain step leads.
  const steep = (p: Tensor): Tensor => ops.sum(ops.add(ops.sqrt(p), ops.mul(1e-3, p)));
  it('a trial counts as infinitely bad', () => {
    const t = ofVector([1, 4], wolfe({ lr: 100, maxEval: 40 }), steep);
    const losses = [0, 1, 2].map(() => t.stepSync(ROW).loss);
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses[1]).toBeLessThan(losses[0]!);
    expect(t.model.p.data.every((v) => v >= 0)).toBe(true);
  });
  it('without a line search the step ends where it was finite, and the next one begins anew', () => {
    const t = ofVector([1, 4], lbfgs({ lr: 100 }), steep);
    for (let i = 0; i < 3; i++) {
      const { loss, skipped } = t.stepSync(ROW);
      expect([loss, skipped]).toEqual([expect.closeTo(3.005, 4), false]);
      expect([...t.model.p.data]).toEqual([1, 4]);
    }
  });
  it('what the last iteration has led to is seen in the next step, which is left out', () => {
    const t = ofVector([1, 4], optim.lbfgs({ lr: 100, maxIter: 1 }), steep);
    t.stepSync(ROW);
    expect(t.model.p.data.some((v) => v < 0)).toBe(true);
    expect(t.stepSync(ROW).skipped).toBe(true);
    expect([...t.model.p.data]).toEqual([1, 4]);
  });
  it('a batch that is not is left out, as the policy says', () => {
    const of = (nonFinite: 'skip' | 'error'): Trainer<Vector> =>
      ofVector([1, 2], wolfe(), (p, x) => ops.sum(ops.mul(ops.square(p), x)), { clip: clip.none({ nonFinite, maxSkips: 2 }) });
    const t = of('skip');
    t.stepSync({ x: [1] });
    const after = t.model.p.data.slice();
    expect(t.stepSync({ x: [Number.NaN] }).skipped).toBe(true);
    expect(t.model.p.data).toEqual(after);
    expect(t.counters).toMatchObject({ step: 1, attempt: 2, skips: 1 });
    expect(t.stepSync({ x: [1] }).skipped).toBe(false);
    expect(t.counters.skips).toBe(0);
    expect(() => of('error').stepSync({ x: [Number.NaN] })).toThrow(NonFiniteError);
  });
  it('an error within a step leaves the weights where the iteration began', () => {
    const t = ofVector([0.2, 0.2], lbfgs({ lr: 1 }), (p) => {
      // An index of which there is none, once the first step is done.
      const at = ops.cast(ops.mul(ops.stopGradient(p), 40), 'i32');
      const table = p.graph.constant(new Float32Array(30), [30, 1], 'f32');
      return ops.add(ops.sum(p), ops.sum(ops.gather(table, at)));
    });
    expect(() => t.stepSync(ROW)).toThrow(IndexError);
    expect([...t.model.p.data]).toEqual([Math.fround(0.2), Math.fround(0.2)]);
  });
});

test('what goes along', async () => {
  const trainer = searching({
    optimizer: wolfe(),
    metrics: {},
    guards: [guard.loss({ max: 1e6, action: 'skip' })],
    plateau: { patience: 0, factor: 0.5, threshold: 10 },
  });
  const { epochs } = await trainer.fit(data, { epochs: 3, validation: data, perLayer: true });
  expect(epochs).toHaveLength(3);
  expect(trainer.rateFactor).toBeLessThan(1);
  const debugged = searching({ optimizer: wolfe(), debug: true });
  const plain = searching({ optimizer: wolfe() });
  for (let i = 0; i < 2; i++) expect(debugged.stepSync(data).loss).toBeCloseTo(plain.stepSync(data).loss, 4);
  expect((await plain.gradients(data)).norm).toBeGreaterThan(0);
});

test('a guard leaves a step out by its first evaluation', () => {
  const t = ofVector([3, 4], wolfe(), (p) => ops.sum(ops.square(p)), { guards: [guard.loss({ max: 1, action: 'skip' })] });
  const { skipped, guards } = t.stepSync(ROW);
  expect([skipped, guards?.length]).toEqual([true, 1]);
  expect([...t.model.p.data]).toEqual([3, 4]);
});

test('a run that is aborted ends with a whole step', async () => {
  const stopped = new AbortController();
  const trainer = searching({ optimizer: wolfe() });
  let steps = 0;
  const run = trainer.fit(data, {
    epochs: 50,
    signal: stopped.signal,
    callbacks: [{ onSteps: () => void (++steps === 3 && stopped.abort()) }],
  });
  await expect(run).rejects.toThrow('aborted');
  const same = searching({ optimizer: wolfe() });
  await same.fit(data, { steps: trainer.counters.step });
  expect(await bits(trainer)).toBe(await bits(same));
});

test('another optimizer takes its place, and it that of another', async () => {
  const trainer = searching({ optimizer: wolfe() });
  await trainer.fit(data, { steps: 2 });
  trainer.change({ optimizer: optim.adamw({ lr: 1e-3 }) });
  await trainer.fit(data, { steps: 2 });
  trainer.change({ optimizer: wolfe({ historySize: 5 }) });
  const before = trainer.stepSync(data).loss;
  expect(trainer.stepSync(data).loss).toBeLessThan(before);
});

describe('refused, by name', () => {
  const cases: [string, string, ClassifierOptions][] = [
    ['clip.globalNorm', 'clip', { clip: clip.globalNorm(1) }],
    ['clip.none that counts what is not finite as 0', 'clip', { clip: clip.none({ nonFinite: 'zero' }) }],
    ['groups', 'groups', { groups: [{ match: 'fc1.*', optimizer: optim.sgd({ lr: 0.1 }) }] }],
    ['a group', 'groups', { optimizer: optim.sgd({ lr: 0.1 }), groups: [{ match: 'fc1.*', optimizer: lbfgs() }] }],
    ['constraints', 'constraints', { constraints: [{ match: 'fc1.weight', constraint: constraint.maxNorm(1) }] }],
    ['prune', 'prune', { prune: prune.magnitude({ sparsity: 0.5 }) }],
    ['lossScale', 'lossScale', { lossScale: 8 }],
    ['a guard that rolls back', 'guards', { guards: [guard.loss({ max: 1, action: 'rollback' })] }],
  ];
  test.each(cases)('%s', (_, option, options) => {
    const wrong = (): unknown => searching({ optimizer: lbfgs(), ...options });
    expect(wrong).toThrow(OptionError);
    expect(wrong).toThrow(expect.objectContaining({ details: expect.objectContaining({ option, optimizer: 'optim.lbfgs' }) }));
  });
  test('what a model carries from batch to batch', () => {
    class Recurrent extends Module {
      readonly rnn = new RNN(3, 4, { carry: 2 });
      forward(x: Tensor): Tensor {
        return ops.sum(this.rnn.forward(x).output);
      }
    }
    const wrong = (): unknown => new Trainer({ model: new Recurrent(), optimizer: lbfgs(), loss: ({ x }, m) => m.forward(x!) });
    expect(wrong).toThrow(/carries from one batch to the next/);
  });
  test('lookahead, bind, probe', async () => {
    expect(() => optim.lookahead(lbfgs())).toThrow(OptionError);
    expect(() => lbfgs().bind([new Float32Array(2)])).toThrow(OptionError);
    await expect(searching().probe(data)).rejects.toThrow(OptionError);
  });
});
