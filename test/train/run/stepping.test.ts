// stepping.test.ts: single updates on batches that are given: the bits of a fit of these batches, what they leave alone, and what they refuse.
import { describe, expect, it } from 'vitest';
import {
  type Arrays,
  clip,
  GradclipError,
  guard,
  loss,
  nn,
  ops,
  optim,
  rows,
  sequences,
  type Tensor,
  Trainer,
} from '../../../lib/index.ts';
import { uniform } from '../../golden/runs/recipe.ts';
import { thrown } from '../../kit.ts';
import { bits, type ClassifierOptions, classifier, MLP, points } from '../models.ts';

const hexOf = (data: Float32Array): string => Buffer.from(Float32Array.from(data).buffer).toString('hex');

const batches = (count: number, rows = 8): Arrays[] => Array.from({ length: count }, (_, i) => points(rows, 6, i + 1));

describe('a step has the bits of a fit of a stream that gives its batch', () => {
  const sets: readonly (readonly [string, ClassifierOptions])[] = [
    ['adamw behind a norm clip', {}],
    ['dropout on a team', { rate: 0.4, threads: 3 }],
    [
      'a schedule, averages, penalties and a policy that remembers',
      {
        optimizer: optim.sgd({ lr: optim.schedule.cosine(0.2, { steps: 12 }), momentum: 0.9 }),
        ema: { decay: 0.9 },
        clip: clip.zclip(),
      },
    ],
  ];
  it.each(sets)('%s', async (_name, options) => {
    const given = batches(12);
    const whole = classifier(options);
    const { last } = await whole.fit(given, { epochs: 1 });
    const stepped = classifier(options);
    const reports = [];
    for (const [i, batch] of given.entries()) reports.push(i % 2 === 0 ? await stepped.step(batch) : stepped.stepSync(batch));
    expect(await bits(stepped)).toBe(await bits(whole));
    expect(reports.at(-1)).toEqual(last);
    expect(reports.map((r) => r.step)).toEqual(given.map((_, i) => i));
    const { attempt, step } = whole.counters;
    // No epoch: the next fit begins one.
    expect(stepped.counters).toEqual({ attempt, step, skips: 0, epoch: 0, batch: 0 });
  });

  it('several micro-batches, of other rows too', async () => {
    const given = [...batches(5), points(3, 6, 9)];
    const whole = classifier({ rate: 0.4, accumulate: 3 });
    await whole.fit(given, { epochs: 1 });
    const stepped = classifier({ rate: 0.4, accumulate: 3 });
    stepped.stepSync(given.slice(0, 3));
    await stepped.step(given.slice(3));
    expect(await bits(stepped)).toBe(await bits(whole));
    expect(() => stepped.stepSync(batches(4))).toThrow(
      /stepSync: expected one batch, or as many as option accumulate .*\(3\), got 4/,
    );
  });

  it('what recurrent layers carry goes from step to step', async () => {
    class Carrying extends nn.Module {
      rnn = new nn.GRU(2, 4, { carry: 4 });
      head = new nn.Linear(4, 1);
      forward(x: Tensor): Tensor {
        return this.head.forward(ops.mean(this.rnn.forward(x).output, { axes: [1] }));
      }
    }
    const make = (): Trainer<Carrying> =>
      new Trainer({
        model: new Carrying(),
        loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
      });
    const given = Array.from({ length: 4 }, (_, i) => ({
      x: { data: uniform(i + 1, 4 * 3 * 2), shape: [4, 3, 2] },
      y: { data: uniform(i + 9, 4), shape: [4, 1] },
    }));
    const [whole, stepped] = [make(), make()];
    whole.fitSync(given, { steps: 4 });
    for (const batch of given) stepped.stepSync(batch);
    expect(stepped.readParametersSync()).toEqual(whole.readParametersSync());
  });
});

it('steps between fits leave the place in the epoch', async () => {
  const t = classifier();
  await t.fit(points(80), { steps: 3 });
  t.stepSync(points(8, 6, 5));
  expect(t.counters).toMatchObject({ epoch: 0, batch: 3, step: 4, attempt: 4 });
  await t.fit(points(80), { epochs: 1 });
  expect(t.counters).toMatchObject({ epoch: 1, batch: 0, step: 11 });
});

it('the arrays of a step may change when it was called', async () => {
  const [one, other] = [classifier(), classifier()];
  const given = points(8);
  const pending = one.step(given);
  given.x.data.fill(0);
  await pending;
  other.stepSync(points(8));
  expect(await bits(one)).toBe(await bits(other));
});

it('while a step is under way its weights are those before or after it, or not to be had', async () => {
  const make = (): Trainer<MLP> => classifier({ model: new MLP([6, 800, 2]), threads: 1 });
  const [t, other] = [make(), make()];
  const batch = points(2);
  const values = ({ model }: Trainer<MLP>): string => hexOf(model.fc1.weight.data) + hexOf(model.fc2.weight.data);
  for (let k = 0; k < 8; k++) {
    const before = values(t);
    const step = t.step(batch);
    for (let j = 0; j < 4 + k; j++) await null;
    const read = t.readParametersSync();
    const busy = {
      code: 'ERR_BUSY',
      message: expect.stringContaining('a call of this trainer that changes weights is not done'),
    };
    expect(thrown(() => t.snapshotSync())).toMatchObject(busy);
    expect(thrown(() => other.writeParametersSync(t))).toMatchObject(busy);
    await step;
    const seen = hexOf(read.get('fc1.weight')!.data) + hexOf(read.get('fc2.weight')!.data);
    expect([before, values(t)]).toContain(seen);
    other.writeParametersSync(t);
    expect(values(other)).toBe(values(t));
    expect(t.snapshotSync().counters.step).toBe(k + 1);
  }
});

describe('between two steps the model is changed', () => {
  class Scaled extends nn.Module {
    fc1: nn.Linear | nn.Sequential = new nn.Linear(6, 8);
    readonly fc2: nn.Linear = new nn.Linear(8, 2);
    scale = 1;
    forward(x: Tensor): Tensor {
      return ops.mul(this.fc2.forward(ops.tanh(this.fc1.forward(x))), this.scale);
    }
  }
  const scaled = (accumulate: number): Trainer<Scaled> =>
    new Trainer({
      model: new Scaled(),
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.adam({ lr: 0.05 }),
      accumulate,
    });
  const given = (i: number, accumulate: number): Arrays[] => batches(accumulate, 4).map((b) => (i % 2 ? b : points(3, 6, i)));
  const scales = [1, 2, 3, 1, 5, 1, 0.5];

  it.each([
    ['step', 1],
    ['step', 2],
    ['stepSync', 1],
    ['stepSync', 2],
  ] as const)(
    '%s of %i batches: each by the fields of then, as one trainer after the other has them',
    async (how, accumulate) => {
      const t = scaled(accumulate);
      const losses: number[] = [];
      const others: number[] = [];
      let snapshot = t.snapshotSync();
      for (const [i, scale] of scales.entries()) {
        t.model.scale = scale;
        losses.push((await t[how](given(i, accumulate))).loss);
        const other = scaled(accumulate);
        other.model.scale = scale;
        other.restoreSync(snapshot);
        others.push(other.stepSync(given(i, accumulate)).loss);
        snapshot = other.snapshotSync();
      }
      expect(losses).toEqual(others);
    },
  );

  it('another layer, what is trained, and nothing that is', async () => {
    const t = scaled(1);
    await t.step(batches(1));
    t.model.fc1 = new nn.Sequential(new nn.Linear(6, 3), new nn.Linear(3, 8));
    await t.step(batches(1));
    t.model.setRequiresGrad('fc1.*', false);
    await t.step(batches(1));
    expect(t.trained).toEqual(['fc2.weight', 'fc2.bias']);
    t.model.setRequiresGrad('fc2.*', false);
    // Takes the model in, without training it.
    t.model.fc1 = new nn.Linear(6, 8);
    t.model.setRequiresGrad('fc1.*', false);
    await t.predict(points(3).x);
    const nothing = { code: 'ERR_OPTION', message: expect.stringContaining('step: the model has no parameter that requires') };
    await expect(t.step(batches(1))).rejects.toMatchObject(nothing);
    expect(thrown(() => t.fitSync(points(8)))).toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringContaining('fitSync: the model'),
    });
  });

  it('while one is not done: a BusyError, and what was begun is done', async () => {
    const t = scaled(1);
    const first = t.step(batches(1));
    t.model.scale = 2;
    await expect(t.step(batches(1))).rejects.toMatchObject({ code: 'ERR_BUSY' });
    expect((await first).step).toBe(0);
    expect((await t.step(batches(1))).step).toBe(1);
  });
});

it('steps wait for each other and for predictions, in the order in which they were called', async () => {
  const [one, other] = [classifier({ rate: 0.2 }), classifier({ rate: 0.2 })];
  const given = batches(6);
  const seen = await Promise.all(given.flatMap((batch) => [one.step(batch), one.predict(points(2).x)]));
  const wanted = [];
  for (const batch of given) wanted.push(other.stepSync(batch), other.predictSync(points(2).x));
  expect(seen).toEqual(wanted);
});

describe('refused', () => {
  it('while a fit is on, and a fit while a step is not done', async () => {
    const t = classifier();
    const run = t.fit(points(80), { steps: 50 });
    await expect(t.step(points(8))).rejects.toMatchObject({ code: 'ERR_BUSY' });
    expect(thrown(() => t.stepSync(points(8)))).toMatchObject({ code: 'ERR_BUSY' });
    await run;
    const step = t.step(points(8));
    expect(thrown(() => t.fit(points(80), { steps: 1 }))).toMatchObject({ code: 'ERR_BUSY' });
    expect(thrown(() => t.stepSync(points(8)))).toMatchObject({ code: 'ERR_BUSY' });
    await step;
    await t.fit(points(80), { steps: 1 });
  });

  it('a disposed trainer, batches that are none, labels that are none', async () => {
    const t = classifier();
    for (const wrong of [undefined, 3, [], {}, { x: [] }, { x: [[1, 2]], y: [0] }, () => batches(1)]) {
      const sync = thrown(() => t.stepSync(wrong as never));
      expect(sync).toBeInstanceOf(GradclipError);
      await expect(t.step(wrong as never)).rejects.toMatchObject({ code: (sync as GradclipError).code });
    }
    const lists = sequences({ x: [[1, 2], [3]] }, { buckets: [4] });
    for (const [wrong, text] of [
      [rows(points(8)), 'batches one after the other are for fit'],
      [lists, 'each of its buckets has such'],
    ] as const) {
      expect(thrown(() => t.stepSync(wrong as never))).toMatchObject({ message: expect.stringContaining(text) });
    }
    expect(thrown(() => t.predictSync(rows(points(8)) as never))).toMatchObject({
      message: expect.stringContaining('predictSync: expected an array of rows or named arrays, got'),
    });
    const before = await bits(t);
    expect(thrown(() => t.stepSync({ ...points(8), y: new Int32Array(8).fill(7) }))).toMatchObject({
      code: 'ERR_INDEX',
      message: expect.stringContaining('y: 7 at row 0 of the batch'),
    });
    expect(await bits(t)).toBe(before);
    t.stepSync(points(8));
    t.dispose();
    expect(thrown(() => t.stepSync(points(8)))).toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('a gradient that is not finite, as the policy says; guards', async () => {
    const wrong = (): Arrays => ({ ...points(8), x: { data: new Float32Array(48).fill(Number.NaN), shape: [8, 6] } });
    const skipping = classifier({ clip: clip.globalNorm(1, { maxSkips: 2, nonFinite: 'skip' }) });
    expect(skipping.stepSync(wrong())).toMatchObject({ skipped: true, step: 0 });
    expect(thrown(() => skipping.stepSync(wrong()))).toMatchObject({ code: 'ERR_NON_FINITE', details: { skips: 2 } });
    expect(skipping.stepSync(points(8))).toMatchObject({ skipped: false, step: 0 });
    const stopping = classifier({ guards: [guard.loss({ max: 1e-9, action: 'stop' })] });
    const before = await bits(stopping);
    await expect(stopping.step(points(8))).rejects.toMatchObject({ code: 'ERR_GUARD', details: { guard: 'guard.loss' } });
    expect(await bits(stopping)).toBe(before);
    const back = classifier({ guards: [guard.loss({ max: 1, action: 'rollback' })] });
    expect(thrown(() => back.stepSync(points(8)))).toMatchObject({ code: 'ERR_OPTION' });
  });
});

describe('several trainers over one module', () => {
  const given = batches(9);
  /** Two parts of one model, each with its own optimizer, in turns. */
  const parts = (model: MLP): Trainer<MLP>[] =>
    ['fc1.*', /^fc2/].map(
      (parameters, i) =>
        new Trainer({
          model,
          loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
          optimizer: i === 0 ? optim.adam({ lr: 1e-2 }) : optim.rmsprop({ lr: 1e-3 }),
          parameters,
        }),
    );

  it('each trains what it is for, and nothing else moves', () => {
    const model = new MLP([6, 16, 2]);
    const [first, second] = parts(model) as [Trainer<MLP>, Trainer<MLP>];
    expect([first.trained, second.trained]).toEqual([
      ['fc1.weight', 'fc1.bias'],
      ['fc2.weight', 'fc2.bias'],
    ]);
    for (const batch of given) {
      const before = [model.fc1.weight.data.slice(), model.fc2.weight.data.slice()];
      first.stepSync(batch);
      expect(model.fc1.weight.data).not.toEqual(before[0]);
      expect(model.fc2.weight.data).toEqual(before[1]);
      const between = model.fc1.weight.data.slice();
      second.stepSync(batch);
      expect(model.fc1.weight.data).toEqual(between);
      expect(model.fc2.weight.data).not.toEqual(before[1]);
    }
  });

  it('each step is that of plain gradient descent on its part, from the weights that the other left', () => {
    const model = new MLP([6, 16, 2]);
    const make = (parameters: string): Trainer<MLP> =>
      classifier({ model, clip: clip.none(), optimizer: optim.sgd({ lr: 0.1 }), parameters });
    const [first, second] = [make('fc1.*'), make('fc2.*')];
    const all = classifier({ model });
    for (const batch of given) {
      for (const [t, names] of [
        [first, ['fc1.weight', 'fc1.bias']],
        [second, ['fc2.weight', 'fc2.bias']],
      ] as const) {
        const { gradients } = all.gradientsSync(batch);
        const wanted = names.map((name) => {
          const g = gradients.get(name)!.data;
          return model.getParameter(name).data.map((w, i) => w - 0.1 * g[i]!);
        });
        t.stepSync(batch);
        for (const [i, name] of names.entries()) {
          const worst = model.getParameter(name).data.reduce((most, w, k) => Math.max(most, Math.abs(w - wanted[i]![k]!)), 0);
          expect(worst).toBeLessThan(1e-7);
        }
      }
    }
  });

  it('two at once are a BusyError, and the one that had begun goes on', async () => {
    const [first, second] = parts(new MLP([6, 16, 2])) as [Trainer<MLP>, Trainer<MLP>];
    const step = first.step(given[0]!);
    const refused = second.step(given[0]!);
    // In the same turn: so small a step is done before anybody can wait.
    expect(thrown(() => second.stepSync(given[0]!))).toMatchObject({ code: 'ERR_BUSY' });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_BUSY' });
    expect(await step).toMatchObject({ skipped: false });
    expect(await second.step(given[0]!)).toMatchObject({ skipped: false });
  });

  it('parameters that match nothing, or nothing that requires a gradient, are named', () => {
    const make = (model: MLP, parameters: string): unknown => thrown(() => classifier({ model, parameters }));
    expect(make(new MLP([6, 16, 2]), 'fc3.*')).toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringMatching(/option parameters: no parameter matches fc3/),
    });
    const frozen = new MLP([6, 16, 2]);
    frozen.setRequiresGrad('fc1.*', false);
    expect(make(frozen, 'fc1.*')).toMatchObject({ code: 'ERR_OPTION', message: expect.stringContaining('option parameters') });
  });
});
