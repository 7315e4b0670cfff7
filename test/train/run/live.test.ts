// live.test.ts: programs live as long as their trainer: what a call after the first one traces, what makes it trace anew, and that it changes no bit.
import { describe, expect, it } from 'vitest';
import { type FitOptions, GraphError, loss, nn, ops, optim, rows, type Tensor, Trainer, windows } from '../../../lib/index.ts';
import type { Source } from '../../../lib/train/feed/source.ts';
import { bits, classifier, points } from '../models.ts';

/** Counts how often it is traced. */
class Counting extends nn.Module {
  readonly fc: nn.Linear = new nn.Linear(6, 2);
  factor = 1;
  readonly more = { shifts: [0] };
  #traced = 0;
  get traced(): number {
    return this.#traced;
  }
  forward(x: Tensor): Tensor {
    this.#traced++;
    return ops.add(ops.mul(this.fc.forward(x), this.factor), this.more.shifts[0]!);
  }
}

const counting = (threads = 1): Trainer<Counting> =>
  new Trainer({
    model: new Counting(),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 8,
    threads,
  });

/** How often the model is traced by a call. */
async function traces({ model }: Trainer<Counting>, call: () => unknown): Promise<number> {
  const before = model.traced;
  await call();
  return model.traced - before;
}

describe('a second call over data that look the same traces nothing', () => {
  const data = points(20);
  const other = points(20, 6, 5);
  it.each<[string, (t: Trainer<Counting>, again: boolean) => unknown]>([
    ['fit', (t, again) => t.fit(again ? other : data, { epochs: 1 })],
    ['fitSync', (t, again) => t.fitSync(again ? other : data, { epochs: 1 })],
    ['fit of a stream', (t, again) => t.fit([again ? other : data], { epochs: 1 })],
    ['fit with validation', (t, again) => t.fit(data, { epochs: 1, validation: again ? data : other })],
    ['evaluate', (t, again) => t.evaluate(again ? other : data)],
    ['evaluateSync', (t, again) => t.evaluateSync(again ? other : data)],
    ['predict', (t, again) => t.predict((again ? other : data).x)],
  ])('%s', async (_name, call) => {
    const t = counting();
    expect(await traces(t, () => call(t, false))).toBeGreaterThan(0);
    expect(await traces(t, () => call(t, true))).toBe(0);
    // Other rows are other data, of which there is no program.
    expect(await traces(t, () => t.fit(points(21), { steps: 1 }))).toBeGreaterThan(0);
  });

  it('a source of one’s own, as long as it is the same', async () => {
    const t = counting();
    const own = (): Source<'x' | 'y'> => ({ ...rows(points(20)) });
    const source = own();
    expect(await traces(t, () => t.fit(source, { epochs: 1 }))).toBe(2);
    expect(await traces(t, () => t.fit(source, { epochs: 1 }))).toBe(0);
    expect(await traces(t, () => t.fit(own(), { epochs: 1 }))).toBe(2);
  });

  it('windows of one length over other tokens, and of another length', async () => {
    const made = (length: number, seed: number): Source<'x' | 'y'> =>
      windows(
        Uint8Array.from({ length: 200 }, (_, i) => (i * seed) % 7),
        { length },
      );
    let traced = 0;
    const t = new Trainer({
      model: new nn.Embedding(7, 7),
      loss({ x, y }, model) {
        traced++;
        return loss.crossEntropy(model.forward(x), y);
      },
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    await t.fit(made(5, 3), { steps: 1 });
    expect(traced).toBe(1);
    await t.fit(made(5, 4), { steps: 1 });
    expect(traced).toBe(1);
    await t.fit(made(6, 4), { steps: 1 });
    expect(traced).toBe(2);
  });
});

describe('what the model is computed with', () => {
  const data = points(8);
  const changes: readonly (readonly [string, (model: Counting) => unknown])[] = [
    ['a number in a field', (m) => Object.assign(m, { factor: 2 })],
    ['a number in an array in an object', (m) => Object.assign(m.more.shifts, [5])],
    ['a function', (m) => Object.assign(m, { forward: (x: Tensor) => ops.mul(m.fc.forward(x), 3) })],
  ];
  it.each(changes)('%s: the next call is of that', (_name, change) => {
    const t = counting();
    const tell = (of: Trainer<Counting>): unknown => [of.evaluateSync(data), of.predictSync(data.x)];
    t.fitSync(data, { steps: 2 });
    const before = tell(t);
    change(t.model);
    const after = tell(t);
    expect(after).not.toEqual(before);
    // Another trainer of these weights has never known anything else.
    const other = new Trainer({
      model: t.model,
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    expect(after).toEqual(tell(other));
    const { loss: measured } = other.evaluateSync(data);
    expect(t.fitSync(data, { steps: 1 }).last!.loss).toBeCloseTo(measured, 12);
  });

  it('what tracing writes into a field is no change, whoever traces', async () => {
    class Writing extends Counting {
      last: Tensor | null = null;
      calls = 0;
      override forward(x: Tensor): Tensor {
        this.calls++;
        Object.assign(this, { [`seen${this.calls % 2}`]: true });
        this.last = super.forward(x);
        return this.last;
      }
    }
    const model = new Writing();
    const make = (): Trainer<Writing> =>
      new Trainer({
        model,
        loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
        batchSize: 8,
      });
    const [one, two] = [make(), make()];
    for (const t of [one, two, one, two]) await t.fit(data, { steps: 1 });
    const { traced } = model;
    for (const t of [one, two, one, two]) await t.fit(data, { steps: 1 });
    expect(model.traced).toBe(traced);
  });
});

it('what is set to be trained counts, though a call before has taken in other fields or written some', async () => {
  class Two extends nn.Module {
    readonly one: nn.Linear = new nn.Linear(6, 4);
    readonly two: nn.Linear = new nn.Linear(4, 2);
    factor = 1;
    writes = false;
    #traced = 0;
    forward(x: Tensor): Tensor {
      if (this.writes) Object.assign(this, { traced: ++this.#traced });
      return ops.mul(this.two.forward(ops.tanh(this.one.forward(x))), this.factor);
    }
  }
  const make = (): Trainer<Two> =>
    new Trainer({
      model: new Two(),
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
  const data = points(8);
  for (const change of [(m: Two) => Object.assign(m, { factor: 2 }), (m: Two) => Object.assign(m, { writes: true })]) {
    const t = make();
    t.stepSync(data);
    t.model.setRequiresGrad('one.*', false);
    change(t.model);
    t.predictSync(data.x);
    const before = t.model.one.weight.data.slice();
    await t.step(data);
    expect(t.model.one.weight.data).toEqual(before);
    t.model.setRequiresGrad('one.*', true);
    change(t.model);
    t.predictSync(points(3).x);
    t.fitSync(data, { steps: 1 });
    expect(t.model.one.weight.data).not.toEqual(before);
  }
});

describe('the model is changed while a fit is on', () => {
  const session = (onSteps: (k: number) => void): FitOptions => {
    let k = 0;
    return { epochs: 1, chunkSteps: 1, callbacks: [{ onSteps: () => onSteps(++k) }] };
  };
  const given = [4, 4, 6, 6].map((rows) => points(rows));

  it('for a while: what was traced meanwhile is not kept', () => {
    const t = counting();
    const { model } = t;
    t.fitSync(
      () => given,
      session((k) => {
        model.factor = k < given.length ? 3 : 1;
        if (k === 1) t.predictSync(points(5).x);
      }),
    );
    const other = counting();
    other.restoreSync(t.snapshotSync());
    expect(t.predictSync(points(5).x)).toEqual(other.predictSync(points(5).x));
    expect(t.stepSync(points(6))).toEqual(other.stepSync(points(6)));
  });

  it('another layer: an error that names it, and the next call takes it', () => {
    const t = counting();
    const swap = (k: number): void => {
      if (k !== 1) return;
      Object.assign(t.model, { fc: new nn.Sequential(t.model.fc, new nn.Linear(2, 2)) });
      expect(() => t.predictSync(points(5).x)).toThrow(/fc\.1\.weight: the model has got it while a call was on/);
    };
    expect(() => t.fitSync(() => given, session(swap))).toThrow(GraphError);
    expect(t.predictSync(points(5).x).shape).toEqual([5, 2]);
    expect(t.stepSync(points(6)).step).toBe(2);
  });
});

it('many fits of a step have the bits of one, dropout, accumulation and a shorter last batch among them', async () => {
  for (const options of [{}, { accumulate: 3 }, { threads: 3 }]) {
    const make = (): ReturnType<typeof classifier> => classifier({ rate: 0.3, ...options });
    const data = points(45);
    const whole = make();
    await whole.fit(data, { steps: 30 });
    const pieces = make();
    for (let i = 0; i < 30; i++) {
      if (i % 3 === 0) pieces.fitSync(data, { steps: 1 });
      else await pieces.fit(data, { steps: 1 });
      if (i % 7 === 0) pieces.evaluateSync(points(9));
    }
    expect(await bits(pieces)).toBe(await bits(whole));
    expect(pieces.counters).toEqual(whole.counters);
  }
});

it('data are those of the call, whatever was trained on before', () => {
  const [one, other] = [points(16), points(16, 6, 9)];
  const mixed = classifier();
  for (const data of [one, other, one]) mixed.fitSync(data, { steps: 1 });
  expect(mixed.evaluateSync(other)).toEqual(classifier({ model: mixed.model }).evaluateSync(other));
  expect(mixed.evaluateSync(one)).toEqual(classifier({ model: mixed.model }).evaluateSync(one));
});

it('an evaluation goes on while a fit with a validation of such data is stopped', async () => {
  const t = classifier();
  const data = points(512);
  for (let i = 0; i < 20; i++) {
    const run = t.fit(points(16), { steps: 1000, validation: data, validateEvery: 1 });
    const measured = t.evaluate(data, { batchSize: 1 });
    await Promise.race([run, new Promise((resolve) => void setTimeout(resolve, i % 4))]);
    run.stop();
    await run;
    expect(await measured).toMatchObject({ loss: expect.any(Number) });
  }
});
