// optimizer.test.ts: an optimizer of one's own that only subtracts what it is given trains as SGD does, whatever stands around it: its
// gradients come clipped, and constraints and pruning hold for what it returns. One that is wrong is one clear error.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { POLICIES } from '../../lib/clip/list.ts';
import {
  clip,
  constraint,
  guard,
  loss,
  nn,
  OptionError,
  ops,
  optim,
  prune,
  readRecord,
  regularize,
  Trainer,
} from '../../lib/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import { fails } from '../train/fails.ts';
import { bits, classifier, points } from '../train/models.ts';

const data = points(44);
type PerStep = number | ((step: number) => number);

const rate: optim.HyperFill = (_, lr, out) => {
  out[0] = lr;
};

/** SGD with momentum, in plain ops. */
function plain(lr: PerStep, momentum = 0.9): optim.Optimizer {
  return optim.define({
    name: 'plain',
    lr,
    slots: (type) => [{ name: 'velocity', type }],
    build({ params, grads, slots, column }) {
      const by = ops.cast(column('lr', 1, rate), 'f32');
      const next = slots.map(([v], t) => ops.add(ops.mul(v!, momentum), grads[t]!));
      return { params: params.map((p, t) => ops.sub(p, ops.mul(by, next[t]!))), slots: next.map((v) => [v]) };
    },
  });
}

/** What a user writes by hand, on the exported type alone. */
const byHand: optim.Optimizer = {
  name: 'byHand',
  rowwise: false,
  lr: () => 0.1,
  slots: () => [],
  build: ({ params, grads }) => ({ params: params.map((p, t) => ops.sub(p, ops.mul(0.1, grads[t]!))), slots: [], measured: [] }),
  bind: () => expect.unreachable('not used'),
};

test('its rate may be a method of an object', async () => {
  class Halving implements Pick<optim.Optimizer, 'name' | 'lr' | 'build' | 'slots'> {
    readonly name: string = 'halving';
    readonly first: number = 0.5;
    lr(step: number): number {
      return this.first / 2 ** step;
    }
    slots(): [] {
      return [];
    }
    build({ params, grads, column }: optim.GroupContext): optim.GroupUpdate {
      const by = ops.cast(column('lr', 1, rate), 'f32');
      return { params: params.map((p, t) => ops.sub(p, ops.mul(by, grads[t]!))), slots: params.map(() => []) };
    }
  }
  const own = new Halving() as unknown as optim.Optimizer;
  const file = join(mkdtempSync(join(tmpdir(), 'gradclip-own-')), 'run.jsonl');
  for (const optimizer of [own, optim.lookahead(own)]) {
    await classifier({ optimizer }).fit(data, { steps: 2, record: file });
    expect((await readRecord(file)).header?.optimizers).toMatchObject([{ name: optimizer.name, lr: 0.5 }]);
  }
});

const values = async (
  trainer: Pick<Trainer<nn.Module>, 'readParameters'>,
  weights: 'model' | 'ema' = 'model',
): Promise<number[]> => [...(await trainer.readParameters({ weights })).values()].flatMap(({ data }) => [...data]);
const near = (xs: readonly number[], digits = 5): unknown[] => xs.map((x) => expect.closeTo(x, digits));

test.each(Object.keys(POLICIES))('%s: clipped as for SGD', (name) => {
  const shapes = [[6, 8], [8], [4, 3, 5]];
  const make = (optimizer: optim.Optimizer) => {
    const params = shapes.map((s, t) => Float32Array.from({ length: s.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + t)));
    return { params, bound: optimizer.bind(params, { clip: POLICIES[name]!(), shapes }) };
  };
  // The greatest policies skip what follows a spike: the same steps for both.
  const [own, sgd] = [make(plain(0.1)), make(optim.sgd({ lr: 0.1, momentum: 0.9 }))];
  for (let step = 0; step < 6; step++) {
    const size = [1, 0.3, 4, 0, 0.01, 1][step]!;
    const grads = own.params.map((p, t) => p.map((_, i) => size * Math.cos(7 * i + t + step)));
    if (step === 3) grads[1]![2] = Number.NaN;
    const reports = [own, sgd].map(({ bound }) => bound.step(grads));
    const { normAfter, clippedFraction, ...rest } = reports[1]!;
    expect(reports[0]).toEqual({
      ...rest,
      normAfter: Number.isNaN(normAfter) ? Number.NaN : expect.closeTo(normAfter, 9),
      clippedFraction: expect.closeTo(clippedFraction, 9),
    });
    for (const [t, p] of own.params.entries()) {
      for (const [i, v] of p.entries())
        expect(v).toSatisfy((x: number) => Object.is(x, sgd.params[t]![i]) || Math.abs(x - sgd.params[t]![i]!) < 1e-6);
    }
  }
});

const around = {
  nothing: {},
  'a bound of every element': { constraints: [{ match: '*', constraint: constraint.weightClip(0.01) }] },
  'no negative bias': { constraints: [{ match: '*.bias', constraint: constraint.nonNegative() }] },
  'norms of rows': { constraints: [{ match: '*.weight', constraint: constraint.maxNorm(0.2) }] },
  pruning: { prune: prune.magnitude({ sparsity: 0.5, end: 2, every: 1 }) },
  'pruning of rows, bounded': {
    prune: prune.rows({ match: 'fc1.weight', sparsity: 0.5 }),
    constraints: [{ match: 'fc*', constraint: constraint.weightClip(0.1) }],
  },
  averages: { ema: { decay: 0.8 }, prune: prune.magnitude({ sparsity: 0.5 }) },
  accumulation: { accumulate: 2 },
  'a scaled loss': { lossScale: 1024, clip: clip.value(0.01) },
  'a scaled loss, errors fed back': { lossScale: { init: 64 }, clip: clip.topK(0.1) },
  penalties: { regularize: [regularize.l1(1e-3), regularize.l2(1e-2)] },
  'a schedule': {},
  'a chain': { clip: clip.chain(clip.value(0.02), clip.globalNorm(0.1)) },
  'groups of policies': {
    clip: clip.groups([{ match: 'fc2.*', policy: clip.globalNorm(0.01) }, { policy: clip.perTensorNorm(0.02) }]),
  },
  'a guard that skips': { guards: [guard.exploding({ max: 0.25, action: 'skip' as const })] },
} satisfies Record<string, object>;

test.each(Object.entries(around))('with %s, as SGD', async (name, options) => {
  const run = async (make: (lr: PerStep) => optim.Optimizer) => {
    const lr: PerStep = name === 'a schedule' ? optim.schedule.cosine(0.5, { steps: 9 }) : 0.1;
    const trainer = classifier({ clip: clip.globalNorm(0.1), ...options, optimizer: make(lr) });
    const { last, clipped, skipped } = await trainer.fit(data, { steps: name === 'a scaled loss, errors fed back' ? 2 : 12 });
    const averages = 'ema' in options ? await values(trainer, 'ema') : [];
    return { last: last!, clipped, skipped, values: [...(await values(trainer)), ...averages] };
  };
  const [own, sgd] = [await run(plain), await run((lr) => optim.sgd({ lr, momentum: 0.9 }))];
  expect(own.values).toEqual(near(sgd.values));
  expect([own.clipped, own.skipped]).toEqual([sgd.clipped, sgd.skipped]);
  expect(own.last.normAfter).toBeCloseTo(sgd.last.normAfter, 5);
  if (name === 'a guard that skips') expect(own.skipped).toBeGreaterThan(0);
  if (name === 'a bound of every element') expect(Math.max(...own.values.map(Math.abs))).toBe(Math.fround(0.01));
});

test('in a group beside one of the library, and within lookahead', async () => {
  const momentum = (lr: number): optim.Optimizer => optim.sgd({ lr, momentum: 0.9 });
  const runs = [plain, momentum].map(async (make) => {
    const groups = [{ match: 'fc2.*', optimizer: make(0.3) }];
    const options = { groups, optimizer: optim.lookahead(make(0.1), { k: 2 }), clip: clip.value(0.01) };
    const trainer = classifier({ ...options, constraints: [{ match: 'fc1.weight', constraint: constraint.weightClip(0.3) }] });
    await trainer.fit(data, { epochs: 2 });
    return values(trainer);
  });
  const [own, sgd] = await Promise.all(runs);
  expect(own).toEqual(near(sgd!));
  expect(Math.max(...own!.slice(0, 96).map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.3));
});

test.each<[string, (base: optim.Optimizer) => optim.Optimizer]>([
  ['another build', (base) => ({ ...base, build: byHand.build })],
  ['a build around the one it has', (base) => ({ ...base, build: (group) => base.build(group) })],
  ['another build, said to be fused', (base) => Object.assign({ ...base }, { build: byHand.build, fused: true })],
  ['another name', (base) => ({ ...base, name: 'renamed' })],
])('spread from one of the library, with %s: clipped and bounded, by itself too', async (_, change) => {
  const sgd = optim.sgd({ lr: 0.1 });
  const runs = [change(sgd), sgd].map(async (optimizer) => {
    const constraints = [{ match: 'fc1.*', constraint: constraint.weightClip(0.01) }];
    const trainer = classifier({ optimizer, clip: clip.globalNorm(1e-3), constraints });
    await trainer.fit(data, { steps: 4 });
    const w = Float32Array.of(3, 4);
    optimizer.bind([w], { clip: clip.globalNorm(1) }).step([Float32Array.of(30, 40)]);
    return [...(await values(trainer)), ...w];
  });
  const [own, library] = await Promise.all(runs);
  expect(own).toEqual(near(library!, 6));
  expect(own!.slice(-2)).toEqual(near([2.94, 3.92], 6));
});

test('spread from one of the library, with a rate of its own, it is bound with that', () => {
  const w = Float32Array.of(3, 4);
  ({ ...optim.sgd({ lr: 0.1 }), lr: () => 0.5 }).bind([w]).step([Float32Array.of(2, 2)]);
  expect([...w]).toEqual([2, 3]);
});

test('written by hand, it is clipped, held to its bounds, and the report is true', async () => {
  const runs = [byHand, optim.sgd({ lr: 0.1 })].map(async (optimizer) => {
    const constraints = [{ match: '*', constraint: constraint.weightClip(0.01) }];
    const clipped = classifier({ optimizer, clip: clip.globalNorm(1e-3) });
    const result = await clipped.fit(data, { steps: 8 });
    const bounded = classifier({ optimizer, constraints });
    await bounded.fit(data, { steps: 8 });
    return { clipped: result.clipped, moved: await values(clipped), bounded: await values(bounded) };
  });
  const [own, sgd] = await Promise.all(runs);
  expect(own!.clipped).toBe(8);
  expect(own!.moved).toEqual(near(sgd!.moved, 6));
  expect(own!.bounded).toEqual(near(sgd!.bounded, 6));
  expect(Math.max(...own!.bounded.map(Math.abs))).toBe(Math.fround(0.01));
});

test('its slots are in checkpoints: resumed is the run that was not interrupted, to the bit', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'gradclip-own-')), 'm.safetensors');
  const make = () => classifier({ optimizer: plain(optim.schedule.cosine(0.5, { steps: 9 })), rate: 0.2 });
  const [whole, first, second] = [make(), make(), make()];
  await whole.fit(data, { epochs: 3 });
  await first.fit(data, { epochs: 1 });
  await first.save(file);
  await second.load(file);
  await second.fit(data, { epochs: 2 });
  expect(await bits(second)).toBe(await bits(whole));
});

test('a step that is skipped changes neither parameters nor slots', () => {
  const p = Float32Array.of(1, 2);
  const bound = plain(1).bind({ p });
  bound.step({ p: Float32Array.of(0.5, 0.5) });
  const before = [...p, ...bound.state().tensors['optim.p.velocity']!];
  expect(bound.step({ p: Float32Array.of(Number.NaN, 1) }).skipped).toBe(true);
  expect([...p, ...bound.state().tensors['optim.p.velocity']!]).toEqual(before);
});

const slot = (type: optim.Slot['type'], name = 'm'): optim.Slot => ({ name, type });
const good: optim.OwnOptimizer = { name: 'mine', lr: 0.1, build: ({ params }) => ({ params }) };
const wrong: Record<string, [Partial<Record<keyof optim.OwnOptimizer | 'betas', unknown>>, string]> = {
  'no name': [{ name: undefined }, 'optim.define: option name: expected a text, got nothing'],
  'no build': [{ build: undefined }, 'optim.define: option build: expected a function of the group, got nothing'],
  'slots that are a list': [
    { slots: ['m'] },
    'optim.define: option slots: expected a function of the type of a parameter, got an array of 1',
  ],
  'a rate that is negative': [{ lr: -1 }, 'optim.define: option lr: expected a finite number >= 0, got -1'],
  'eps that is a text': [{ eps: 'small' }, 'optim.define: option eps'],
  'an unknown option': [{ betas: [0.9] }, 'optim.define: unknown option betas'],
  'slots that give nothing': [{ slots: () => undefined }, 'mine: slots of fc1.weight: expected a list, got undefined'],
  'slots without names': [
    { slots: (t: never) => [{ type: t }] },
    'mine: slots of fc1.weight: expected names of their own, got undefined',
  ],
  'two slots of a name': [{ slots: (t: never) => [slot(t), slot(t)] }, 'expected names of their own, got "m"'],
  'a slot without a type': [{ slots: () => [{ name: 'm' }] }, 'mine: slots of fc1.weight: m: expected a type { dtype, shape }'],
  'a slot of no dtype': [
    { slots: () => [{ name: 'm', type: { dtype: 'f16', shape: [1] } }] },
    'm: expected a type { dtype, shape }',
  ],
  'a slot that begins as NaN': [{ slots: (t: never) => [{ ...slot(t), init: Number.NaN }] }, 'm: option init'],
  'nothing is built': [{ build: () => undefined }, 'mine: build: expected { params, slots }, got undefined'],
  'no parameters come back': [
    { build: () => ({}) },
    'mine: build: fc1.weight: expected f32[16,6] as the next value, got undefined',
  ],
  'one too few': [
    { build: ({ params }: never) => ({ params: (params as Tensor[]).slice(1) }) },
    'fc1.weight: expected f32[16,6] as the next value, got f32[16]',
  ],
  'another shape': [
    { build: ({ params }: never) => ({ params: (params as Tensor[]).map((p) => ops.sum(p)) }) },
    'expected f32[16,6] as the next value, got f32[]',
  ],
  'another type': [
    { build: ({ params }: never) => ({ params: (params as Tensor[]).map((p) => ops.cast(p, 'f64')) }) },
    'as the next value, got f64[16,6]',
  ],
  'numbers come back': [
    { build: ({ params }: never) => ({ params: (params as Tensor[]).map(() => 1) }) },
    'as the next value, got 1',
  ],
  'slots are forgotten': [
    { slots: (t: never) => [slot(t)] },
    'mine: build: fc1.weight: expected f32[16,6] as the next value of slot 0, got undefined',
  ],
  'a number from a tensor': [
    {
      build: ({ params, grads }: never) => ({
        params: (params as Tensor[]).map((p, t) => (p as never) - (grads as never[])[t]!),
      }),
    },
    'is used as a number',
  ],
};

test.each(Object.keys(wrong))('wrong: %s', async (name) => {
  const [change, text] = wrong[name]!;
  const spec = { ...good, ...change } as optim.OwnOptimizer;
  const run = () => classifier({ optimizer: optim.define(spec) }).fit(data, { steps: 1 });
  if (name === 'a number from a tensor') await expect(async () => run()).rejects.toThrow(text);
  else await fails(run, OptionError, 'ERR_OPTION', text);
});

test.each<[string, PerStep | undefined, optim.HyperFill, string]>([
  ['a schedule that gives NaN', (t) => (t < 2 ? 0.1 : Number.NaN), rate, 'lr at step 2: expected a finite number >= 0, got NaN'],
  ['a schedule that gives nothing', ((t: number) => (t < 2 ? 0.1 : undefined)) as never, rate, 'lr at step 2'],
  ['a schedule below 0', (t) => 0.1 - 0.1 * t, rate, 'lr at step 2: expected a finite number >= 0, got -0.1'],
  ['a column that is not written', 0.1, () => {}, 'mine: column "lr": number 0 of 2 is NaN or was not written at step 0'],
  ['a column that is half written', 0.1, rate, 'mine: column "lr": number 1 of 2 is NaN'],
  [
    'a column that becomes NaN',
    0.1,
    (step, _, out) => void out.fill(step > 2 ? Number.NaN : 1),
    'number 0 of 2 is NaN or was not written at step 3',
  ],
])('wrong: %s', async (_, lr, fill, text) => {
  const size = text.includes('of 2 is') ? 2 : 1;
  const optimizer = optim.define({
    name: 'mine',
    lr: lr!,
    build: ({ params, column }) => {
      const by = ops.mean(ops.cast(column('lr', size, fill), 'f32'));
      return { params: params.map((p) => ops.mul(p, ops.sub(1, by))) };
    },
  });
  await fails(() => classifier({ optimizer }).fit(data, { steps: 5 }), OptionError, 'ERR_OPTION', text);
});

test('wrong: an object that is no optimizer, a rate that is a number, a column made twice, rows of a table', async () => {
  const make = (optimizer: unknown, rest = {}) => classifier({ optimizer: optimizer as optim.Optimizer, ...rest });
  await fails(() => make({ ...byHand, lr: 0.1 }), OptionError, 'ERR_OPTION', 'got byHand, whose lr is no function but 0.1');
  await fails(() => make({ slots: () => [] }), OptionError, 'ERR_OPTION', 'an object without a name');
  const groups = [{ match: '*', optimizer: {} as never }];
  await fails(() => make(byHand, { groups }), OptionError, 'ERR_OPTION', 'option groups[0].optimizer: expected an optimizer');
  await fails(
    () => make({ ...byHand, lr: () => Number.NaN, build: (g: optim.GroupContext) => ({ params: [g.column('a', 1, () => {})] }) }),
    OptionError,
    'ERR_OPTION',
    'byHand: build: fc1.weight',
  );
  const twice = optim.define({
    ...good,
    build: ({ params, column }) => {
      for (const _ of [0, 1]) column('a', 1, rate);
      return { params };
    },
  });
  await expect(async () => make(twice).fit(data)).rejects.toThrow('column hyper.0.a: made twice');
  class Table extends nn.Module {
    table = new nn.Embedding(9, 4, { sparse: true });
    forward(x: Tensor): Tensor {
      return ops.mean(this.table.forward(x), { axes: [1] } as never);
    }
  }
  const sparse = () => new Trainer({ model: new Table(), loss: ({ y }, m) => loss.mse(m.forward(y), y), optimizer: byHand });
  await fails(sparse, OptionError, 'ERR_OPTION', "table.weight: sparse updates are not for byHand, an optimizer of one's own");
});
