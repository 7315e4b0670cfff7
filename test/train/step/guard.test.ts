// guard.test.ts: what guards find, in which layer, and what they do about it: warn, skip, roll back, stop.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  clip,
  GuardError,
  guard,
  io,
  loss,
  nn,
  OptionError,
  ops,
  optim,
  type Report,
  type Tensor,
  Trainer,
  type TrainerOptions,
} from '../../../lib/index.ts';
import { bits, classifier, type MLP, points } from '../models.ts';

/** 40 batches of 8 rows, in order; those in `BAD` have huge rows and wrong labels, unless `factor` is 1. */
const BAD = [7, 8, 20];
function batch(t: number, factor: number): ReturnType<typeof points> {
  const made = points(8, 6, t + 1);
  if (!BAD.includes(t) || factor === 1) return made;
  made.x.data.set(made.x.data.map((v) => v * factor));
  made.y.set(made.y.map((label) => 1 - label));
  return made;
}
async function* stream(factor = 1e4, from = 0, to = 40) {
  for (let t = from; t < to; t++) yield batch(t, factor);
}
const make = (guards: readonly guard.Guard[], more: Partial<TrainerOptions<MLP>> = {}) =>
  classifier({ guards, clip: clip.globalNorm(0.5), ...more });

async function reportsOf(trainer: Trainer<MLP>, from = 0, to = 40): Promise<Report[]> {
  const reports: Report[] = [];
  for await (const r of trainer.fit(stream(1e4, from, to))) reports.push(r);
  return reports;
}

describe('warn: told in the report, in the result and to onGuard, and nothing else', () => {
  const cases: [string, guard.Guard, string][] = [
    ['loss', guard.loss({ max: 100, action: 'warn' }), 'loss'],
    ['outputs of the model', guard.outputs({ max: 100, min: -100, action: 'warn' }), 'model'],
    ['outputs of a layer', guard.outputs({ match: 'fc*', max: 1e3, action: 'warn' }), 'fc1'],
    ['exploding', guard.exploding({ max: 50, action: 'warn' }), 'fc1.weight'],
  ];
  test.each(cases)('%s', async (_, given, name) => {
    const plain = make([]);
    await plain.fit(stream());
    for (const accumulate of [1, 2]) {
      const trainer = make([given], { accumulate });
      const events: guard.GuardEvent[] = [];
      const { guards } = await trainer.fit(stream(), { onGuard: (e) => events.push(e) });
      expect(guards).toEqual(events);
      expect(events.map((e) => e.attempt)).toEqual([...new Set(BAD.map((t) => t - (t % accumulate)))]);
      for (const e of events) expect(e).toMatchObject({ guard: `guard.${given.kind}`, action: 'warn', name });
      if (accumulate === 1) expect(await bits(trainer)).toBe(await bits(plain));
    }
  });

  test('what was measured', async () => {
    const guards = [
      guard.loss({ max: -1, action: 'warn' }),
      guard.exploding({ max: 1e-30, action: 'warn' }),
      guard.outputs({ min: 1e30, max: 1e31, action: 'warn' }),
    ];
    const [first] = await reportsOf(make(guards, { clip: clip.none() }), 0, 1);
    const [of, grad, out] = first!.guards!;
    expect(of).toEqual({ guard: 'guard.loss', action: 'warn', name: 'loss', value: first!.loss });
    const trainer = make([], { clip: clip.none(), optimizer: optim.sgd({ lr: 1 }) });
    const prediction = trainer.predictSync(batch(0, 1).x).data;
    expect(out!.value).toBe([...prediction].reduce((a, v) => (Math.abs(v) > Math.abs(a) ? v : a), 0));
    const before = (await trainer.readParameters()).get('fc1.weight')!.data;
    await trainer.fit(stream(1, 0, 1));
    const after = (await trainer.readParameters()).get('fc1.weight')!.data;
    expect(grad!.value).toBeCloseTo(Math.hypot(...Array.from(before, (v, i) => v - after[i]!)), 5);
  });
});

test('of several micro-batches: what those gave that were wrong, whatever the others did', async () => {
  const guards = [guard.outputs({ max: 100, min: -100, action: 'warn' })];
  const trainer = make(guards, { accumulate: 4, optimizer: optim.sgd({ lr: 0 }) });
  const furthest = (t: number): number =>
    [...trainer.predictSync(batch(t, 1e4).x).data].reduce((a, v) => (Math.abs(v) > Math.abs(a) ? v : a), 0);
  const { guards: found = [] } = await trainer.fit(stream(1e4, 6, 22));
  const values = [(furthest(7) + furthest(8)) / 2, furthest(20)];
  expect(found.map((e) => e.attempt)).toEqual([0, 12]);
  for (const [i, { value }] of found.entries()) expect(value! / values[i]!).toBeCloseTo(1, 12);
});

test('skip: the step changes nothing, and the run goes on', async () => {
  const trainer = make([guard.loss({ max: 100, action: 'skip' })]);
  const reports = await reportsOf(trainer);
  expect(reports.flatMap((r, t) => (r.skipped ? [t] : []))).toEqual(BAD);
  expect(reports.flatMap((r) => r.guards!).map((g) => g.name)).toEqual(BAD.map(() => 'loss'));
  expect(trainer.counters).toMatchObject({ attempt: 40, step: 37, skips: 0 });
  // As if those batches had not been.
  const without = make([]);
  await without.fit(
    (async function* () {
      for (let t = 0; t < 40; t++) if (!BAD.includes(t)) yield batch(t, 1);
    })(),
  );
  expect(await bits(trainer)).toBe(await bits(without));
  // Also where the policy measures nothing, and with a scaled loss, which goes on growing.
  const more = make([guard.loss({ max: 100, action: 'skip' })], {
    clip: clip.none({ measure: false }),
    lossScale: { interval: 10 },
  });
  expect((await reportsOf(more)).flatMap((r, t) => (r.skipped ? [t] : []))).toEqual(BAD);
  expect((await reportsOf(more, 0, 1))[0]!.lossScale).toBe(2 ** 20);
  const always = make([guard.loss({ max: 0, action: 'skip' })], { clip: clip.globalNorm(1, { maxSkips: 3 }) });
  await expect(always.fit(stream())).rejects.toThrow(/^fit: 3 steps in a row were skipped, the last by guard.loss: loss is /);
});

test('stop: an error that names guard, layer and step; the state is that of the step before', async () => {
  const trainer = make([guard.outputs({ match: 'fc2', min: -1e3, max: 1e3 })]);
  const error = await trainer.fit(stream()).then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(GuardError);
  expect(error).toMatchObject({
    code: 'ERR_GUARD',
    message: 'fit: guard.outputs: fc2 at step 7',
    details: { guard: 'guard.outputs', name: 'fc2', action: 'stop', attempt: 7, step: 7 },
  });
  const until = make([]);
  await until.fit(stream(1, 0, 7));
  expect(await bits(trainer)).toBe(await bits(until));
  expect(trainer.counters).toMatchObject({ attempt: 7, step: 7 });
  await trainer.fit(stream(1, 8, 12));
});

describe('rollback', () => {
  const rolling = (more: Partial<TrainerOptions<MLP>> = {}) =>
    make([guard.loss({ max: 100, action: 'rollback' })], { rollback: { every: 5, limit: 9 }, ema: {}, ...more });

  test('a snapshot that is due at the end of an epoch has what its validation left, in one run or two', async () => {
    const data = points(8, 6, 1);
    const made = () =>
      rolling({
        rollback: { every: 2 },
        optimizer: optim.sgd({ lr: 0 }),
        batchSize: 8,
        plateau: { factor: 0.5, patience: 9 },
      });
    const after = async (...steps: number[]): Promise<ReadonlyMap<string, unknown>> => {
      let trainer = made();
      for (const n of steps) {
        const bytes = await trainer.save();
        trainer = made();
        await trainer.load(bytes);
        await trainer.fit(data, { steps: n, validation: data });
      }
      return io.parseSafetensors(await trainer.save()).tensors;
    };
    // An epoch is a step: the second one ends where the snapshot is taken.
    const [two, one] = [await after(2, 1), await after(3)];
    expect([...one.keys()].filter((name) => /snapshot.*plateau/.test(name))).toHaveLength(1);
    expect(two).toEqual(one);
  });

  test('back to the last snapshot, on with the next batch', async () => {
    const trainer = rolling();
    const { tried, applied, skipped, guards } = await trainer.fit(stream());
    expect([tried, applied, skipped]).toEqual([40, 37, 3]);
    expect(guards!.map(({ attempt, step, action }) => [attempt, step, action])).toEqual([
      [7, 7, 'rollback'],
      // The snapshot of step 5, then batch 8 is bad too.
      [8, 5, 'rollback'],
      [20, 16, 'rollback'],
    ]);
    // Snapshots are taken after 0, 5, 10, ... steps tried: 20 is one, and its batch the next bad one.
    expect(trainer.counters).toMatchObject({ attempt: 40, step: 5 + 1 + 10 + 19 });
  });

  test('the same bits on any number of threads, in chunks of any length', async () => {
    const reference = rolling({ threads: 1 });
    await reference.fit(stream());
    for (const [threads, chunkSteps] of [
      [3, 1],
      [2, 40],
      [1, 3],
    ] as const) {
      const other = rolling({ threads });
      await other.fit(stream(), { chunkSteps });
      expect(await bits(other)).toBe(await bits(reference));
      expect(await bits(other, { weights: 'ema' })).toBe(await bits(reference, { weights: 'ema' }));
      expect(other.counters).toEqual(reference.counters);
    }
  });

  test('fitSync and fit of rows in memory', async () => {
    const data = points(160);
    for (const row of [50, 120]) {
      for (let i = 0; i < 6; i++) data.x.data[6 * row + i]! *= 1e5;
      data.y[row] = 1 - data.y[row]!;
    }
    const one = rolling();
    const two = rolling({ threads: 3 });
    const a = await one.fit(data, { epochs: 2, chunkSteps: 6 });
    const b = two.fitSync(data, { epochs: 2 });
    expect(a.guards!.length).toBeGreaterThan(1);
    expect(b.guards).toEqual(a.guards);
    expect(await bits(two)).toBe(await bits(one));
    expect(two.counters).toEqual(one.counters);
    // And goes on from a checkpoint as it would have.
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'rolled.safetensors');
    await one.save(file);
    const three = rolling();
    expect(await three.load(file)).toEqual({ missing: [], extra: [] });
    await three.fit(points(80), { epochs: 1 });
    await one.fit(points(80), { epochs: 1 });
    expect(await bits(three)).toBe(await bits(one));
  });

  test('too often: an error', async () => {
    const trainer = rolling({ rollback: { every: 5, limit: 2 } });
    const error = await trainer.fit(stream()).then(
      () => null,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(GuardError);
    expect(error).toMatchObject({ message: 'fit: guard.loss: loss at step 16, after 2 roll-backs in this run' });
    await trainer.fit(stream(1, 21, 25));
  });
});

describe('gradients', () => {
  test('finite, with a policy that lets them pass', async () => {
    const bad = batch(0, 1);
    bad.x.data[3] = Number.NaN;
    const options = { clip: clip.none({ measure: false }) };
    const trainer = make([guard.finite({ action: 'skip' })], options);
    const { guards, skipped } = await trainer.fit(
      (async function* () {
        yield batch(1, 1);
        yield bad;
      })(),
    );
    expect(skipped).toBe(1);
    expect(guards).toMatchObject([{ guard: 'guard.finite', name: 'fc1.weight', value: Number.NaN, attempt: 1 }]);
  });

  test('vanishing: the layer whose gradient is small beside that of others', async () => {
    class Deep extends nn.Module {
      layers: nn.Linear[] = Array.from({ length: 8 }, () => new nn.Linear(6, 6));
      head: nn.Linear = new nn.Linear(6, 2);
      forward(x: Tensor): Tensor {
        // Each sigmoid passes on a quarter at most.
        return this.head.forward(this.layers.reduce((h, layer) => ops.sigmoid(layer.forward(h)), x));
      }
    }
    const trainer = (floor: number) =>
      new Trainer({
        model: new Deep(),
        loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
        guards: [guard.vanishing({ floor, action: 'warn' })],
        batchSize: 20,
      });
    const data = points(100);
    const { guards } = await trainer(1e-4).fit(data, { steps: 3 });
    expect(guards!.map((g) => g.name)).toEqual(['layers.0.weight', 'layers.0.weight', 'layers.0.weight']);
    for (const g of guards!) expect(g.value).toBeLessThan(1e-4);
    expect((await trainer(1e-12).fit(data, { steps: 3 })).guards).toEqual([]);
    // All gradients 0: all have vanished.
    const zero = make([guard.vanishing()], { loss: ({ x, y }, m) => ops.mul(loss.crossEntropy(m.forward(x), y), 0) });
    await expect(zero.fit(data, { steps: 1 })).rejects.toThrow('fit: guard.vanishing: fc1.weight at step 0');
  });
});

describe('dead units', () => {
  class Blocks extends nn.Module {
    fc: nn.Linear = new nn.Linear(6, 10);
    relu: nn.ReLU = new nn.ReLU();
    conv: nn.Conv2d = new nn.Conv2d(1, 4, 3);
    pool: nn.MaxPool2d = new nn.MaxPool2d(2);
    act: nn.ReLU = new nn.ReLU();
    head: nn.Linear = new nn.Linear(10 + 4 * 4, 2);
    forward(x: Tensor): Tensor {
      const h = this.relu.forward(this.fc.forward(x));
      const image = ops.reshape(ops.concat(new Array(6).fill(x), 1), [-1, 1, 6, 6]);
      const planes = this.pool.forward(this.act.forward(this.conv.forward(image)));
      return this.head.forward(ops.concat([h, ops.reshape(planes, [-1, 16])], 1));
    }
  }
  const trainer = (given: guard.DeadOptions, more: Partial<TrainerOptions<Blocks>> = {}) =>
    new Trainer({
      model: new Blocks().initialize(2),
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.sgd({ lr: 0 }),
      guards: [guard.dead({ action: 'warn', ...given })],
      batchSize: 8,
      ...more,
    });
  /** The share of units of the first layer that plain loops find below 0 in all of these rows. */
  const shareOf = ({ fc }: Blocks, x: Float32Array): number => {
    const [w, b] = [fc.weight.data, fc.bias!.data];
    const units = Array.from(b, (bias, u) => {
      for (let r = 0; r < x.length; r += 6) {
        // A NaN is not dead.
        if (!(w.subarray(6 * u, 6 * u + 6).reduce((s, v, k) => s + v * x[r + k]!, bias) <= 0)) return 0;
      }
      return 1;
    });
    return units.reduce((a: number, v) => a + v, 0) / units.length;
  };

  test('the share of those that are 0 in all rows of the batch, beside plain loops', async () => {
    const data = points(8);
    const t = trainer({ match: 'relu', share: 0.25 });
    const { data: bias } = t.model.fc.bias!;
    for (let k = 0; k < 10; k++) {
      const share = shareOf(t.model, data.x.data);
      const { guards } = await t.fit(data, { steps: 1 });
      expect(guards!.map((g) => g.value)).toEqual(share > 0.25 ? [share] : []);
      for (const g of guards!) expect(g).toMatchObject({ guard: 'guard.dead', name: 'relu', action: 'warn' });
      bias[k] = k === 4 ? Number.NaN : -100;
    }
    expect(shareOf(t.model, data.x.data)).toBeGreaterThan(0.8);
  });

  test('of several micro-batches: dead is what is dead in all of them', async () => {
    const data = points(24);
    // A unit that is above 0 in the first rows alone, one in the last, and one that never is.
    const { data: x } = data.x;
    for (let r = 0; r < 24; r++) x.set([r < 4 ? 1 : -1, r < 20 ? -1 : 1], 6 * r);
    const one = async (accumulate: number, batchSize: number): Promise<(number | null)[]> => {
      const t = trainer({ match: 'relu', share: 0 }, { accumulate, batchSize });
      t.model.fc.weight.data.fill(0);
      t.model.fc.weight.data[0] = 1;
      t.model.fc.weight.data[2 * 6 + 1] = 1;
      t.model.fc.bias!.data.set([0, -1, 0, ...new Array<number>(7).fill(0.5)]);
      const { guards } = await t.fit(data, { epochs: 1, shuffle: false });
      return guards!.map((g) => g.value);
    };
    expect(await one(1, 24)).toEqual([0.1]);
    expect(await one(3, 8)).toEqual([0.1]);
    expect(await one(2, 16)).toEqual([0.1]);
    expect(await one(1, 8)).toEqual([0.2, 0.3, 0.2]);
  });

  test('channels of images, units of another dimension, and what is done', async () => {
    const data = points(8);
    const t = trainer({ match: /^(act|pool)$/, share: 0.6, action: 'stop' });
    t.model.conv.bias!.data.fill(-100, 0, 2);
    t.model.conv.bias!.data.fill(100, 2);
    await t.fit(data, { steps: 1 });
    t.model.conv.bias!.data[2] = -100;
    await expect(t.fit(data, { steps: 1 })).rejects.toThrow('fit: guard.dead: pool at step 1');
    // Of the six places of a row of the image, all are alive somewhere.
    const places = trainer({ match: 'act', share: 0, axis: -1 });
    places.model.conv.bias!.data.fill(-100, 0, 3).fill(100, 3);
    expect((await places.fit(data, { steps: 1 })).guards).toEqual([]);
    const none = trainer({ match: 'act', axis: 4 });
    const text = 'guard.dead: option axis: act gives [8,4,4,4], which has no dimension 4';
    await expect(none.fit(data, { steps: 1 })).rejects.toThrow(text);
  });

  test('the same bits with and without', async () => {
    const data = points(30);
    const weights = async (more: Partial<TrainerOptions<Blocks>>): Promise<unknown> => {
      const t = trainer({ match: '*', share: 0.01 }, { optimizer: optim.adamw({ lr: 0.01 }), accumulate: 2, ...more });
      await t.fit(data, { epochs: 2 });
      return bits(t as never);
    };
    const wanted = await weights({ guards: [] });
    for (const threads of [1, 3]) expect(await weights({ threads })).toBe(wanted);
  });
});

test('models are as they were after a trace', async () => {
  const trainer = make([guard.outputs({ match: '*' })]);
  await trainer.fit(stream(1, 0, 3));
  expect(Object.getOwnPropertyNames(trainer.model.fc1)).not.toContain('forward');
  expect([...trainer.model.namedParameters()].map(([n]) => n)).toEqual(['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']);
});

test('wrong options', () => {
  expect(() => guard.loss({ max: Number.NaN })).toThrow(OptionError);
  expect(() => guard.loss({ min: 2, max: 1 })).toThrow(/guard.loss: option max: expected a number >= 2, its min, got 1/);
  expect(() => guard.exploding({} as never)).toThrow(/option max/);
  expect(() => guard.finite({ action: 'warning' as never })).toThrow(/expected one of warn, skip, rollback, stop/);
  expect(() => guard.vanishing({ flor: 1 } as object)).toThrow(/did you mean floor/);
  expect(() => guard.dead({} as never)).toThrow(/option match/);
  expect(() => guard.dead({ match: 'fc1', share: 1 })).toThrow(/option share: expected a finite number >= 0 and < 1, got 1/);
  expect(() => make([guard.dead({ match: 'fc3' })])).toThrow(/guard.dead: no module matches fc3/);
  expect(() => make([guard.outputs({ match: 'fc3' })])).toThrow(/guard.outputs: no module matches fc3/);
  expect(() => make([{} as never])).toThrow(/expected guards such as guard.loss\(\)/);
  expect(() => make(guard.loss() as never)).toThrow(/option guards: expected a list/);
  expect(() => make([], { rollback: { every: 0 } })).toThrow(/option rollback.every/);
  const unused = make([guard.outputs()], {
    loss: ({ x, y }, m) => loss.crossEntropy(m.fc2.forward(ops.relu(m.fc1.forward(x))), y),
  });
  expect(() => unused.fitSync(points(8), { steps: 1 })).toThrow(/guard.outputs: the loss calls no forward of model/);
});
